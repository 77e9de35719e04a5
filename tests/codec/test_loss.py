"""What the network is trained for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codec import artefacts, ssimulacra2
from codec.artefact_sums import sums_of
from codec.network.constants import ANCHORS
from codec.network.network import Forward
from codec.training import loss, metric


@pytest.mark.parametrize(("height", "width", "noise"), [(64, 192, 0.01), (53, 70, 0.05), (9, 8, 0.2)])
def test_the_compiled_metric_is_the_metric(height: int, width: int, noise: float, make_photo: Callable[..., NDArray[np.uint8]]) -> None:
    pixels = np.stack([make_photo(height, width, seed) for seed in range(2)])
    original = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    decoded = original + noise * torch.randn(original.shape, generator=torch.Generator().manual_seed(1))
    fast, slow = decoded.clone().requires_grad_(), decoded.double().requires_grad_()
    found = metric.raw_sum(original, fast)
    expected = ssimulacra2.raw_sum(original.double(), (slow.clamp(0, 1) - slow).detach() + slow)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=0.03)
    for value in (found, expected):
        (value * torch.tensor([1.0, 2.0])).sum().backward()  # type: ignore[no-untyped-call]
    assert fast.grad is not None
    assert slow.grad is not None
    assert float((fast.grad - slow.grad).norm() / slow.grad.norm()) < 0.01


def test_seams_and_dots_are_found_where_the_ground_is_smooth() -> None:
    noise = 0.004 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    weight = torch.ones(1, 1, 64, 64)
    patches = 0.02 * torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(2)).repeat_interleave(16, 2).repeat_interleave(16, 3)
    dots = torch.zeros(1, 1, 64, 64)
    dots[:, :, :, 4::4] = 0.02
    plain, seamed, dotted = (float(loss.beyond_steps(noise + more, weight)) for more in (0, patches, dots))
    assert seamed > 5 * plain
    assert dotted > 5 * plain
    assert float(loss.beyond_steps(noise + patches, weight * 0)) == 0


def test_steps_at_the_borders_of_patches_are_what_the_guard_finds() -> None:
    rng = np.random.default_rng(3)
    a = 120 + rng.normal(0, 1, (192, 256)).cumsum(1)
    b = a + np.kron(rng.normal(0, 3, (12, 16)), np.ones((16, 16))) + rng.normal(0, 1, a.shape)
    pictures = [np.repeat(p.clip(0, 255).round().astype(np.uint8)[..., None], 3, -1) for p in (a, b)]
    luma = [torch.from_numpy(p[None, ..., 0].astype(np.float32)) for p in pictures]
    steps = loss.patch_steps(luma[1] - luma[0], luma[0])
    across, down = artefacts.patches(sums_of(pictures[0], pictures[1], threads=1))
    assert steps.shape == (1, 2, 2, 3)
    assert np.sqrt(steps[0, 0].numpy()) == pytest.approx(across.values[:2, :3], abs=0.02)
    assert np.sqrt(steps[0, 1].numpy()) == pytest.approx(down.values[:2, :3], abs=0.02)
    assert across.values.min() > 1


def test_a_pattern_of_single_pixels_is_no_way_out() -> None:
    """Steps elsewhere hide those at borders; no gradient may ask for them, and what is there counts by itself."""
    ground = torch.full((1, 3, 128, 128), 0.5)
    patches = 0.02 * torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2)).repeat_interleave(16, 2).repeat_interleave(16, 3)
    pattern = 0.01 * torch.tensor([1.0, -1.0]).repeat(64).expand(1, 1, 128, 128)
    share = torch.tensor(0.1, requires_grad=True)
    weight = torch.ones(1, 1, 128, 128)
    error = patches + share * pattern + torch.zeros(1, 3, 1, 1)
    luma = error.mean(1)
    for term in (loss.beyond_steps(error, weight), loss.patch_steps(255 * luma, torch.zeros_like(luma).detach()).sum()):
        (slope,) = torch.autograd.grad(term.sum(), share, retain_graph=True)
        assert float(slope) > -1e-6
    grain = loss.beyond_grain(ground + error, ground, weight)
    (slope,) = torch.autograd.grad(grain.sum(), share)
    assert float(slope) > 0
    assert not loss.beyond_grain(ground, ground + pattern, weight).any()


def test_a_small_picture_has_no_window_for_steps() -> None:
    assert not loss.patch_steps(torch.ones(2, 64, 192), torch.ones(2, 64, 192)).any()


def test_gradients_are_finite_at_equal_pictures() -> None:
    rgb = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    rgb[1, :, :32] = 0.5
    decoded = rgb.clone().requires_grad_()
    bits = torch.ones(2)
    value, figures = loss.Loss()(rgb, torch.tensor([0.0, 10.0]), Forward(decoded, bits, bits))
    value.backward()  # type: ignore[no-untyped-call]
    assert decoded.grad is not None
    assert bool(torch.isfinite(decoded.grad).all())
    assert figures["score"].tolist() == pytest.approx([100, 100], abs=1.5)  # the epsilon under the roots costs a point here


def test_every_part_of_the_loss_pulls() -> None:
    rgb = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    quality, judge = torch.tensor([5.0]), loss.Loss()

    def value(noise: float, bits: float) -> float:
        total, _ = judge(rgb, quality, Forward(rgb + noise * (rgb - 0.5), torch.tensor([bits]), torch.zeros(1)))
        return float(total)

    assert value(0, 0) < value(0, 1000) < value(0.1, 1000) < value(0.2, 1000)
    assert value(3, 0) < float("inf")  # far out of range, clamped straight through


def test_flat_ground_beside_edges_weighs_most() -> None:
    rgb = torch.rand(1, 3, 32, 96, generator=torch.Generator().manual_seed(3))
    rgb[..., 32:64] = 0.5
    weight = loss.flatness(rgb)
    assert weight.shape == (1, 1, 32, 96)
    assert float(weight[..., 40:56].min()) > 0.99
    assert float(weight[..., 30:33].min()) > 0.9  # just across the edge
    assert float(weight[..., :20].max()) < 0.1


def test_a_table_of_anchors_is_interpolated_geometrically() -> None:
    values = [2.0**k for k in range(ANCHORS)]
    assert loss.anchors(values, torch.tensor([0.0, 3.0, 3.5, 10.0])).tolist() == pytest.approx([1, 8, 8 * 2**0.5, 1024], rel=1e-4)
