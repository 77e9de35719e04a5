from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from codec import quality
from codec.ssimulacra2 import blur, halve, raw_sum, score_of_sum, to_linear, weights
from codec.ssimulacra2_constants import SMALLEST, WEIGHTS

Pixels = NDArray[np.uint8]


def as_tensor(*pictures: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def as_jpeg(pixels: Pixels, folder: Path, jpeg_quality: int) -> Pixels:
    Image.fromarray(pixels).save(folder / "a.jpg", quality=jpeg_quality)
    with Image.open(folder / "a.jpg") as image:
        return np.asarray(image.convert("RGB"))


def own(original: Pixels, decoded: Pixels) -> float:
    return float(score_of_sum(raw_sum(as_tensor(original), as_tensor(decoded)))[0])


@pytest.mark.filterwarnings("ignore")  # the package leaves its files open
@pytest.mark.parametrize("jpeg_quality", [15, 40, 75, 92])
def test_score_is_that_of_the_reference_package(photo: Pixels, tmp_path: Path, jpeg_quality: int) -> None:
    package = pytest.importorskip("ssimulacra2")
    original = photo[:300, :333]
    decoded = as_jpeg(original, tmp_path, jpeg_quality)
    Image.fromarray(original).save(tmp_path / "a.png")
    Image.fromarray(decoded).save(tmp_path / "b.png")
    expected = package.compute_ssimulacra2_with_alpha(str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    assert own(original, decoded) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("jpeg_quality", [30, 85])
def test_score_is_that_of_the_guard(photo: Pixels, tmp_path: Path, jpeg_quality: int) -> None:
    original = photo[:256, :256]
    decoded = as_jpeg(original, tmp_path, jpeg_quality)
    assert own(original, decoded) == pytest.approx(quality.ssimulacra2(original, decoded), abs=0.1)


def test_pictures_of_a_batch_are_scored_apart(make_photo: Callable[..., Pixels], tmp_path: Path) -> None:
    originals = [make_photo(192, 192, seed) for seed in range(3)]
    decoded = [as_jpeg(original, tmp_path, 20 + 30 * number) for number, original in enumerate(originals)]
    together = score_of_sum(raw_sum(as_tensor(*originals), as_tensor(*decoded))).tolist()
    assert together == pytest.approx([own(a, b) for a, b in zip(originals, decoded, strict=True)], abs=1e-2)


def test_equal_pictures_score_at_the_top_with_a_finite_gradient(photo: Pixels) -> None:
    rgb = as_tensor(photo[:128, :128], np.zeros((128, 128, 3), np.uint8), np.full((128, 128, 3), 255, np.uint8))
    decoded = rgb.clone().requires_grad_()
    s = raw_sum(rgb, decoded)
    s.sum().backward()  # type: ignore[no-untyped-call]
    assert decoded.grad is not None
    assert bool(torch.isfinite(decoded.grad).all())
    assert float(score_of_sum(s.detach()).min()) > 97  # the epsilon under the roots costs two points here


def test_gradient_points_to_the_original(photo: Pixels) -> None:
    rgb = as_tensor(photo[:128, :128])
    noise = 0.05 * torch.randn(rgb.shape, generator=torch.Generator().manual_seed(1))
    decoded = (rgb + noise).clamp(0, 1).requires_grad_()
    before = raw_sum(rgb, decoded)
    before.backward()  # type: ignore[no-untyped-call]
    assert decoded.grad is not None
    with torch.no_grad():
        nearer = decoded - 1e-3 * decoded.grad / decoded.grad.abs().mean()
        assert float(raw_sum(rgb, nearer)) < float(before.detach())
        assert float((decoded.grad * (decoded - rgb)).sum()) > 0


def test_halving_an_odd_border_takes_what_is_there() -> None:
    plane = torch.arange(15.0).view(1, 1, 3, 5)
    assert halve(plane)[0, 0].tolist() == [[3, 5, 6.5], [10.5, 12.5, 14]]


def test_blur_mirrors_above_and_below_and_fades_at_the_sides() -> None:
    blurred = blur(torch.ones(1, 1, 20, 20))[0, 0]
    assert bool(torch.allclose(blurred[:, 10], torch.ones(20), atol=1e-5))
    assert float(blurred[10, 0]) < 0.7


def test_linear_light_has_a_gradient_at_black() -> None:
    levels = torch.tensor([0.0, 0.02, 0.5, 1.0], requires_grad=True)
    linear = to_linear(levels)
    linear.sum().backward()  # type: ignore[no-untyped-call]
    assert linear.tolist() == pytest.approx([0, 0.02 / 12.92, 0.21404, 1], abs=1e-4)
    assert levels.grad is not None
    assert bool((levels.grad > 0).all())


def test_weights_are_those_of_the_guard() -> None:
    flat = weights().flatten().tolist()
    assert [index for index, weight in enumerate(flat) if weight] == sorted(WEIGHTS)
    assert all(flat[index] == pytest.approx(weight, rel=1e-6) for index, weight in WEIGHTS.items())
    assert SMALLEST == 8
