"""Files are coded with other code than networks are trained with: both compute the same."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codec import kernels
from codec.inference import Inference
from codec.means import Means
from codec.model import Model
from codec.network.constants import HYPER, LATENTS, TOP_QUALITY
from codec.network.network import Network, first_part
from codec.rowwise import Floats, Table, bands_of
from codec.synthesis import Synthesis, half_pays

H, W = 2, 3
Cells = NDArray[np.int32]


@pytest.fixture(params=["one", "map"])
def cells(request: pytest.FixtureRequest) -> Cells:
    return np.full((H, W), 107, np.int32) if request.param == "one" else np.linspace(0, TOP_QUALITY, H * W).astype(np.int32).reshape(H, W)


@pytest.fixture(scope="module", params=["default", "narrow"])
def networks(request: pytest.FixtureRequest, model: Model) -> tuple[Network, Inference]:
    """The default model's; and untrained ones, some of whose layers have another width."""
    if request.param == "default":
        return model.network, model.networks
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = Network()
        network.synthesis.condition = torch.nn.Conv2d(network.synthesis.condition.in_channels, 16 * 8, 1)
        network.synthesis.adapt = torch.nn.Conv2d(8, network.synthesis.adapt.out_channels, 1)
        for parameter in network.parameters():
            if parameter.ndim < 4:
                torch.nn.init.normal_(parameter, 0, 0.1)
        for layer in (network.synthesis.near2, network.analysis.head, network.means.step):
            torch.nn.init.normal_(layer.weight, 0, 0.05)
    network.requires_grad_(False)
    inference = Inference(network)
    inference.half = False
    return network, inference


def as_tensor(x: Floats) -> torch.Tensor:
    return torch.from_numpy(x.copy()).permute(2, 0, 1)[None]


def as_array(x: torch.Tensor) -> Floats:
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())


def at_latents(cells: Cells) -> torch.Tensor:
    return torch.from_numpy(cells / np.float32(25)).float()[None].repeat_interleave(4, 1).repeat_interleave(4, 2)


def close(found: Floats, expected: torch.Tensor, tolerance: float = 1e-5) -> bool:
    wanted = as_array(expected)
    return found.shape == wanted.shape and bool(np.abs(found - wanted).max() <= tolerance * max(1.0, float(np.abs(wanted).max())))


def test_encoding_and_means_are_those_of_the_trained_networks(networks: tuple[Network, Inference], cells: Cells) -> None:
    network, inference = networks
    rng = np.random.default_rng(1)
    pixels, quality = rng.integers(0, 256, (64 * H, 64 * W, 3), np.uint8), at_latents(cells)
    linear, trunk = network.analysis.features(as_tensor(pixels.astype(np.float32) / np.float32(255)))
    found_linear, found_trunk = inference.features(pixels)
    assert close(found_linear, linear)
    assert close(found_trunk, trunk)
    y = network.analysis.finish(linear, trunk, quality) * torch.exp(network.log_gain(quality))
    assert close(inference.finish(found_linear, found_trunk, cells), y)
    assert close(inference.hyper(as_array(y)), network.hyper(y) - network.z_mean.view(1, -1, 1, 1))


def test_latents_are_those_of_the_trained_networks(networks: tuple[Network, Inference], cells: Cells) -> None:
    network, _ = networks
    own, rng, quality = Means(network), np.random.default_rng(3), at_latents(cells)
    z, symbols = rng.integers(-9, 10, (H, W, HYPER), np.int32), np.rint(rng.laplace(0, 2, (4 * H, 4 * W, LATENTS))).astype(np.int32)
    z_hat, coded = as_tensor(z.astype(np.float32)) + network.z_mean.view(1, -1, 1, 1), as_tensor(symbols.astype(np.float32))
    hidden, step, means = network.means.hidden(z_hat, quality)
    found = own.hidden(z, cells)
    assert close(found, hidden)
    assert close(joined(own.steps(band) for band in bands_of(found)), step)
    first = joined(own.first(found))
    assert close(first, means)
    part = first_part(LATENTS, 4 * H, 4 * W)
    known = torch.where(part, coded + means, 0)
    refined = network.means.refine(hidden, means, known, quality)
    more = joined(own.second(found, symbols, bands_of(first), cells))
    assert close(first + more + own.bias, refined, 3e-5)
    latents = torch.where(part, known, coded + refined) * step * torch.exp(network.correction(quality) - network.log_gain(quality))
    assert close(joined(own.latents(found, symbols, cells)), latents, 3e-5)


def joined(bands: Iterable[Floats]) -> Floats:
    return np.concatenate([band.reshape(4, 4 * W, -1) for band in bands])


def painted(synthesis: Synthesis, latents: Floats, cells: Cells, grey: bool = False) -> Any:
    out = np.empty((64 * cells.shape[0], 64 * cells.shape[1], 1 if grey else 3), np.uint8)
    for number, row in enumerate(synthesis.values(latents.reshape(-1, 4, *latents.shape[1:]), cells)):
        kernels.to_pixels(row, synthesis.bias, 0, out[16 * number : 16 * number + 16])
    return out.astype(int)


@pytest.mark.parametrize("grey", [False, True])
def test_pixels_are_those_of_the_trained_networks(networks: tuple[Network, Inference], cells: Cells, grey: bool) -> None:
    network, _ = networks
    latents = np.random.default_rng(2).laplace(0, 0.7, (4 * H, 4 * W, LATENTS)).astype(np.float32)
    rgb = network.synthesis(as_tensor(latents), at_latents(cells))
    expected = as_array(((rgb.mean(1, keepdim=True) if grey else rgb) * 255).round().clamp(0, 255)).astype(int)
    difference = np.abs(painted(Synthesis(network.synthesis), latents, cells, grey) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.001
    assert expected.std() > 5


def test_a_table_is_interpolated_between_anchors(model: Model) -> None:
    qualities = np.array([0, 25, 26, 60, 249, 250], np.int32)
    expected = model.network.log_gain(torch.from_numpy(qualities / np.float32(25)).float()[None, None])[0, :, 0].T.numpy()
    assert np.abs(Table(model.network.log_gain)(qualities) - expected).max() < 1e-6


class TestHalf:
    """bfloat16, forced: on a processor without it, it is emulated."""

    @pytest.mark.parametrize("quality", [75, TOP_QUALITY])
    def test_encodes_as_well(self, model: Model, photo: NDArray[np.uint8], quality: int) -> None:
        from codec.neural import Analysed

        halved = dataclasses.replace(model)
        halved.networks.half = True
        sizes, errors = [], []
        for encoder in (model, halved):
            encoded = Analysed(photo[:256], encoder).encode(quality)
            sizes.append(len(encoded.stream))
            errors.append(float(np.square(encoded.decoded(model).astype(np.float32) - photo[:256]).mean()))
        assert sizes[0] != sizes[1] or errors[0] != errors[1]
        assert abs(sizes[1] / sizes[0] - 1) < 0.002
        assert abs(errors[1] / errors[0] - 1) < 0.004

    def test_may_be_chosen_again(self, model: Model, photo: NDArray[np.uint8]) -> None:
        """Whoever coded with the model before, and how."""
        from codec.neural import encode_pixels

        other, found = dataclasses.replace(model), []
        for half in (False, True, False):
            other.networks.half = half
            found.append(encode_pixels(photo[:128], other, 0.5))
        assert found[0] == found[2] != found[1]

    def test_stays_within_what_is_promised(self, model: Model, photo: NDArray[np.uint8]) -> None:
        from codec.neural import Analysed

        encoded = Analysed(photo[:256], model).encode(125)
        assert encoded.latents is not None
        plain, half = (
            painted(Synthesis(model.network.synthesis, half=half), encoded.latents[0], encoded.head.cells) for half in (False, True)
        )
        difference = np.abs(plain - half)
        assert 0 < difference.mean() < 0.15
        assert (difference <= 2).mean() > 0.9999

    @pytest.mark.parametrize(
        ("described", "pays"),
        [
            ("flags\t\t: fpu avx512_bf16 avx2\nflags\t\t: fpu avx512_bf16 avx2\n", True),
            ("flags\t\t: fpu amx_bf16\n", True),
            ("Features\t: fp asimd bf16 i8mm\n", True),
            ("flags\t\t: fpu avx2 avx512f\n", False),
            ("flags\t\t: fpu avx512_bf16\nflags\t\t: fpu avx2\n", False),
            ("model name\t: bf16\n", False),
            ("", False),
        ],
    )
    def test_is_chosen_by_what_the_processor_can_do(self, tmp_path: Path, described: str, pays: bool) -> None:
        (tmp_path / "cpuinfo").write_text(described)
        assert half_pays(tmp_path / "cpuinfo") is pays
        assert not half_pays(tmp_path / "missing")
