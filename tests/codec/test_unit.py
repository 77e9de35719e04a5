import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from codec import rans, unit
from codec.errors import Corrupt
from codec.inference import Inference
from codec.model import Model
from codec.network.constants import ANCHORS, CELL, HYPER, LATENTS, TOP_QUALITY
from codec.network.network import Network
from codec.rowwise import Floats
from codec.unit import Unit, encode_unit, quantise_unit, read_unit


def unit_cells(kind: str, h: int = 2, w: int = 3) -> Any:
    if kind == "one":
        return np.full((h, w), 107, np.int32)
    return np.arange(h * w, dtype=np.int32).reshape(h, w) * TOP_QUALITY // (h * w - 1)


def latents(model: Model, cells: Any, seed: int = 1) -> Floats:
    """What the analysis makes of smooth noise."""
    h, w = cells.shape
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        rgb = torch.nn.functional.interpolate(torch.rand(1, 3, 8 * h, 8 * w), scale_factor=8, mode="bicubic").clamp(0, 1)
    pixels = (rgb[0] * 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return model.networks.finish(*model.networks.features(pixels), cells)


def decoded(model: Model, data: bytes, cells: Any) -> Floats:
    with np.errstate(all="ignore"):  # as in `codec.strips.paint`
        return np.concatenate(list(Unit(model, data, cells).bands(0, 4 * cells.shape[1])))


@pytest.mark.parametrize("kind", ["one", "map"])
def test_a_decoder_has_the_latents_that_the_encoder_expected(model: Model, kind: str) -> None:
    cells = unit_cells(kind)
    data, expected = encode_unit(model, latents(model, cells), cells)
    found = decoded(model, data, cells)
    assert found.shape == (2 * CELL, 3 * CELL, LATENTS)
    assert (found == expected).all()


@pytest.mark.parametrize("kind", ["one", "map"])
def test_symbols_come_back_in_their_places(model: Model, kind: str) -> None:
    cells = unit_cells(kind)
    parts = quantise_unit(model, latents(model, cells), cells)
    z, found = read_unit(model, rans.encode(parts), cells)
    i, j, c = np.indices(found.shape)
    odd = (i + j + c) % 2 == 1
    assert (z.ravel() == parts[0][0]).all()
    for place, (symbols, _, _) in ((~odd, parts[1]), (odd, parts[2])):
        assert (np.sign(found[place]) == np.sign(symbols)).all()  # levels of one quantiser or of two, in the order of their symbols
        assert symbols.any()


def test_no_float_has_a_say_in_the_symbols(model: Model) -> None:
    cells = unit_cells("map")
    data, _ = encode_unit(model, latents(model, cells), cells)
    other = dataclasses.replace(model, network=Network())
    for mine, theirs in zip(read_unit(model, data, cells), read_unit(other, data, cells), strict=True):
        assert (mine == theirs).all()


def test_z_is_coded_with_the_tables_of_the_nearest_anchor(model: Model) -> None:
    for quality, anchor in ((0, 0), (12, 0), (13, 1), (37, 1), (38, 2), (TOP_QUALITY - 12, ANCHORS - 1), (TOP_QUALITY, ANCHORS - 1)):
        cells = np.full((1, 1), quality, np.int32)
        parts = quantise_unit(model, latents(model, cells), cells)
        assert list(parts[0][1]) == list(range(anchor * HYPER, (anchor + 1) * HYPER))


def test_outliers_are_clamped_to_what_can_be_coded(model: Model) -> None:
    cells = unit_cells("one")
    wild = latents(model, cells) * 1e4
    data, expected = encode_unit(model, wild, cells)
    assert (decoded(model, data, cells) == expected).all()
    z, _ = read_unit(model, data, cells)
    assert np.abs(z).max() <= 127


@pytest.mark.parametrize("misled", [(0, 1), (1, 2)])
def test_a_cell_whose_z_misleads_gets_a_calmer_one(model: Model, monkeypatch: pytest.MonkeyPatch, misled: tuple[int, int]) -> None:
    """z of one cell that says of its brightness that it is surely as expected, as saturated blue's did: the others keep theirs."""
    cells, wanted = np.full((2, 3), TOP_QUALITY, np.int32), latents(model, np.full((2, 3), TOP_QUALITY, np.int32))
    row, column = misled
    narrow = -np.sign(model.rows.weight[: CELL**2].astype(np.int64).sum(0)).astype(np.float32)  # against the first latent's rows
    bright = np.s_[CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1), 0]
    wanted[bright] -= 600
    hyper = type(model.networks).hyper

    def misleading(self: Inference, y: Floats) -> Floats:
        z = hyper(self, y)
        z[row, column] = 12 * narrow
        return z

    _, good = encode_unit(model, wanted.copy(), cells)
    monkeypatch.setattr(type(model.networks), "hyper", misleading)
    data, found = encode_unit(model, wanted.copy(), cells)
    z, others = read_unit(model, data, cells)[0], np.ones((2, 3), bool)
    others[misled] = False
    assert np.abs(z[misled]).max() < 12
    assert (z[others] == np.rint(hyper(model.networks, wanted))[others]).all()
    assert np.abs(found[bright] - good[bright]).max() < 5
    monkeypatch.setattr(unit, "TOO_SHORT", 1 << 30)
    assert np.abs(encode_unit(model, wanted.copy(), cells)[1][bright] - good[bright]).max() > 100


def test_numbers_that_no_picture_has_are_refused(model: Model) -> None:
    cells = unit_cells("one")
    data, _ = encode_unit(model, latents(model, cells), cells)
    broken = Network().requires_grad_(False)
    broken.correction.table.fill_(1e4)
    with pytest.raises(Corrupt):
        decoded(dataclasses.replace(model, network=broken), data, cells)


@pytest.mark.parametrize("cut", [0, 1, 8, 9, -1, -2])
def test_a_cut_payload_is_corrupt(model: Model, cut: int) -> None:
    cells = unit_cells("map")
    data, _ = encode_unit(model, latents(model, cells), cells)
    with pytest.raises(Corrupt):
        decoded(model, data[:cut], cells)
