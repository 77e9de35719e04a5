import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from codec import rans
from codec.errors import Corrupt
from codec.model import Model
from codec.network.constants import ANCHORS, CELL, HYPER, LATENTS, STEPS, TOP_QUALITY
from codec.network.network import Network
from codec.unit import at_cells, at_latents, decode_unit, encode_unit, quantise_unit, read_unit


def unit_cells(kind: str, h: int = 2, w: int = 3) -> Any:
    if kind == "one":
        return np.full((h, w), 107, np.int32)
    return np.arange(h * w, dtype=np.int32).reshape(h, w) * TOP_QUALITY // (h * w - 1)


def latents(model: Model, h: int = 2, w: int = 3, seed: int = 1) -> torch.Tensor:
    """What the analysis makes of smooth noise."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        rgb = torch.nn.functional.interpolate(torch.rand(1, 3, 8 * h, 8 * w), scale_factor=8, mode="bicubic").clamp(0, 1)
        return model.network.analysis(rgb, torch.full((1, 1, 1), 5.0))


@pytest.mark.parametrize("kind", ["one", "map"])
def test_a_decoder_has_the_latents_that_the_encoder_expected(model: Model, kind: str) -> None:
    cells = unit_cells(kind)
    with torch.inference_mode():
        data, expected = encode_unit(model, latents(model), cells)
        found = decode_unit(model, data, cells)
    assert found.shape == (1, LATENTS, 2 * CELL, 3 * CELL)
    assert bool((found == expected).all())


@pytest.mark.parametrize("kind", ["one", "map"])
def test_symbols_come_back_in_their_places(model: Model, kind: str) -> None:
    cells = unit_cells(kind)
    with torch.inference_mode():
        parts, _ = quantise_unit(model, latents(model), cells)
    z, first, second = read_unit(model, rans.encode(parts), cells)
    i, j, c = np.indices(first.shape)
    odd = (i + j + c) % 2 == 1
    assert (z.ravel() == parts[0][0]).all()
    assert not first[odd].any()
    assert not second[~odd].any()
    for grid, place, (symbols, _, _) in ((first, ~odd, parts[1]), (second, odd, parts[2])):
        assert (grid[place] == symbols).all()
        assert symbols.any()


def test_no_float_has_a_say_in_the_symbols(model: Model) -> None:
    cells = unit_cells("map")
    with torch.inference_mode():
        data, _ = encode_unit(model, latents(model), cells)
    other = dataclasses.replace(model, network=Network(), dead_zone=np.full(64, 0.3, np.float32))
    for mine, theirs in zip(read_unit(model, data, cells), read_unit(other, data, cells), strict=True):
        assert (mine == theirs).all()


def test_equal_cells_take_a_shorter_way_to_the_same_result(model: Model) -> None:
    cells = unit_cells("one")
    short = at_latents(cells)
    assert short.shape == at_cells(cells).shape == (1, 1, 1)
    long = short.expand(1, 2 * CELL, 3 * CELL).contiguous()
    network = model.network
    with torch.inference_mode():
        for table in (network.log_gain, network.correction, network.means.told_hidden, network.synthesis.told):
            assert bool((table(short) == table(long)).all())
        y = latents(model)
        assert torch.allclose(network.synthesis(y, short), network.synthesis(y, long), atol=1e-5)


def test_cells_of_different_quality_are_laid_out_on_the_latents() -> None:
    cells = unit_cells("map")
    quality = at_latents(cells)
    assert quality.shape == (1, 2 * CELL, 3 * CELL)
    assert np.allclose(quality[0, ::CELL, ::CELL].numpy(), cells / STEPS)
    assert bool((quality[0, :CELL, :CELL] == quality[0, 0, 0]).all())


def test_z_is_coded_with_the_tables_of_the_nearest_anchor(model: Model) -> None:
    for quality, anchor in ((0, 0), (12, 0), (13, 1), (37, 1), (38, 2), (TOP_QUALITY - 12, ANCHORS - 1), (TOP_QUALITY, ANCHORS - 1)):
        with torch.inference_mode():
            parts, _ = quantise_unit(model, latents(model, 1, 1), np.full((1, 1), quality, np.int32))
        assert list(parts[0][1]) == list(range(anchor * HYPER, (anchor + 1) * HYPER))


def test_outliers_are_clamped_to_what_can_be_coded(model: Model) -> None:
    cells = unit_cells("one")
    with torch.inference_mode():
        wild = latents(model) * 1e4
        data, expected = encode_unit(model, wild, cells)
        assert bool((decode_unit(model, data, cells) == expected).all())
    z, _, _ = read_unit(model, data, cells)
    assert np.abs(z).max() <= 127


def test_numbers_that_no_picture_has_are_refused(model: Model) -> None:
    cells = unit_cells("one")
    with torch.inference_mode():
        data, _ = encode_unit(model, latents(model), cells)
        broken = Network().requires_grad_(False)
        broken.correction.table.fill_(1e4)
        with pytest.raises(Corrupt):
            decode_unit(dataclasses.replace(model, network=broken), data, cells)


@pytest.mark.parametrize("cut", [0, 1, 8, 9, -1, -2])
def test_a_cut_payload_is_corrupt(model: Model, cut: int) -> None:
    cells = unit_cells("map")
    with torch.inference_mode():
        data, _ = encode_unit(model, latents(model), cells)
        with pytest.raises(Corrupt):
            decode_unit(model, data[:cut], cells)
