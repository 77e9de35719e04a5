"""What the network is trained for: bits, SSIMULACRA2, and a squared error that keeps it honest."""

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.network.constants import ANCHORS, PATCH
from codec.network.network import LAMBDAS, Forward
from codec.ssimulacra2 import raw_sum, score_of_sum
from codec.ssimulacra2_constants import POWER
from codec.training import metric

BITS_A_POINT = (0.0022, 0.004, 0.0075, 0.013, 0.021, 0.034, 0.054, 0.085, 0.13, 0.2, 0.3)
"""Bits a pixel that a point of SSIMULACRA2 is worth at each anchor quality: the slope of a good codec's curve where that quality lies."""

PLAIN, FLAT = 1.1, 0.6
"""Shares of the squared error: everywhere, and on flat ground beside edges, where dots and rings show and the score does not see them."""

SEAMS, DOTS = 0.3, 0.1
"""Weights of the error's steps across borders of patches, and of quarters of patches, beyond its steps elsewhere (`beyond_steps`). 1.0
and 0.5 shook the high qualities within two hundred steps."""

GRAIN = 2.0
"""Weight of waves of two pixels that the original has not (`beyond_grain`)."""

PATCHES, SHOWING = 6.0, 0.3
"""Weight of what the guard's check of that name finds (`patch_steps`), and the squared levels from which on it counts: what lies well below
never fails, and is left to the bits."""

EVEN = -0.5
"""Power of BITS_A_POINT that evens out the qualities: with -0.35 the gradient of the best was fifteen times that of the smallest."""

_TILE = 64
"""Pixels: a quarter of a window of the guard's."""


def _luma(rgb: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, H, W), BT.601."""
    return (rgb * rgb.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1)


def flatness(rgb: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 1, H, W) weight in 0..1: 1 where any 5 x 5 neighbourhood within 9 x 9 is smooth, by luma variance against
    (5/255)^2."""
    luma = _luma(rgb).unsqueeze(1)
    padded = F.pad(luma, (2, 2, 2, 2), mode="replicate")
    variance = (F.avg_pool2d(padded**2, 5, 1) - F.avg_pool2d(padded, 5, 1) ** 2).clamp_min(0)
    least = -F.max_pool2d(F.max_pool2d(-variance, (1, 9), 1, (0, 4)), (9, 1), 1, (4, 0))
    return 1 / (1 + least / (5 / 255) ** 2)


def beyond_steps(error: Tensor, weight: Tensor) -> Tensor:
    """Seams of 16 pixels and dots of 4 on smooth ground, which no score looks for: error (B, 3, H, W) and weight (B, 1, H, W) -> (B,), the
    weighted mean squares of the luma error's steps across borders beyond those elsewhere, never below 0."""
    luma = _luma(error)
    total = error.new_zeros(len(error))
    for axis in (1, 2):
        size = luma.shape[axis]
        squares = torch.diff(luma, dim=axis) ** 2
        weights = weight[:, 0].narrow(axis, 0, size - 1)
        other = 3 - axis
        sums, masses = (squares * weights).sum(other), weights.sum(other)
        at = torch.arange(1, size, device=error.device)
        border, quarter, inside = at % PATCH == 0, (at % 4 == 0) & (at % PATCH != 0), at % 4 != 0
        here, there, elsewhere = (sums[:, place].sum(1) / (masses[:, place].sum(1) + 1e-3) for place in (border, quarter, inside))
        # No gradient makes the other steps larger: m5 learnt to hide seams in a pattern of single pixels.
        total = total + SEAMS * (here - elsewhere.detach()).clamp_min(0) + DOTS * (there - elsewhere.detach()).clamp_min(0)
    return total


def beyond_grain(decoded: Tensor, original: Tensor, weight: Tensor) -> Tensor:
    """Waves of two pixels on smooth ground that the original has not: (B, 3, H, W) twice and weight (B, 1, H, W) -> (B,), the weighted mean
    squares of luma's second differences beyond those of the original, over 16, never below 0."""
    total = decoded.new_zeros(len(decoded))
    for axis in (1, 2):
        weights = weight[:, 0].narrow(axis, 1, weight.shape[axis + 1] - 2)
        mine, theirs = (
            (torch.diff(_luma(each), n=2, dim=axis) ** 2 * weights).sum((1, 2)) / (16 * weights.sum((1, 2)) + 1e-3)
            for each in (decoded, original)
        )
        total = total + (mine - theirs).clamp_min(0)
    return total


def patch_steps(error: Tensor, original: Tensor) -> Tensor:
    """The squares of what the guard's `patches` measures: luma (B, H, W) of the error and of the original in levels, sides multiples of 64
    -> (B, 2, H/64 - 1, W/64 - 1), across and down, squared levels; windows of 128 pixels, 0 where a side has none. The guard's own sums
    (`codec.artefacts.patches`) are integers and have no gradient."""
    if min(error.shape[1:]) < 2 * _TILE:
        return error.new_zeros(len(error), 2, 1, 1)
    found = []
    for e, a in ((error, original), (error.transpose(1, 2), original.transpose(1, 2))):
        of_e, of_a = _by_phase(e), _by_phase(a)
        excess = (of_e[..., 0] - of_e[..., 1:].median(-1).values.detach()).clamp_min(0)
        found.append(excess / (1 + of_a.median(-1).values.sqrt() / 2) ** 2)
    return torch.stack([found[0], found[1].transpose(1, 2)], 1)


def _by_phase(luma: Tensor) -> Tensor:
    """(B, H, W) -> (B, H/64 - 1, W/64 - 1, 16): mean squares of the steps across columns, each the mean of 16 rows, by the column's number
    modulo 16."""
    batch, height, width = luma.shape
    segments = luma.view(batch, height // PATCH, PATCH, width).mean(2)
    squares = F.pad(torch.diff(segments, dim=2) ** 2, (1, 0))  # the first column has no step
    tiles = squares.view(batch, height // _TILE, _TILE // PATCH, width // _TILE, _TILE // PATCH, PATCH).sum((2, 4))
    count = tiles.new_full((width // _TILE, PATCH), (_TILE // PATCH) ** 2)
    count[0, 0] -= _TILE // PATCH
    return _pairs(tiles) / _pairs(count.expand_as(tiles))


def _pairs(tiles: Tensor) -> Tensor:
    """(B, h, w, 16) -> (B, h - 1, w - 1, 16): sums over 2 x 2."""
    down = tiles[:, 1:] + tiles[:, :-1]
    return down[:, :, 1:] + down[:, :, :-1]


def anchors(values: tuple[float, ...] | list[float], quality: Tensor) -> Tensor:
    """A table of one value an anchor, interpolated geometrically at quality (B,)."""
    logs = torch.tensor(values, device=quality.device).log()
    low = quality.floor().long().clamp(0, ANCHORS - 2)
    part = quality - low
    return torch.exp(logs[low] * (1 - part) + logs[low + 1] * part)


class Loss:
    """bpp + bits-a-point * (100 - SSIMULACRA2) + lambda * 255^2 * (share of) squared error, evened out over qualities.

    The score's slope is taken from the running mean of its sum at that quality (`means`, kept in checkpoints): taken per crop, a crop at 98
    would pull four times as hard as one at 80, and the slope is infinite at 100.
    """

    def __init__(self, means: list[float] | None = None) -> None:
        self.means = means or [22.0, 16.0, 12.0, 8.0, 5.4, 3.8, 2.8, 2.0, 1.5, 1.15, 0.84]

    def __call__(self, rgb: Tensor, quality: Tensor, out: Forward) -> tuple[Tensor, dict[str, Tensor]]:
        """rgb (B, 3, H, W), quality (B,) -> the loss and, each (B,), 'bpp', 'score', 'mse', 'seams', 'grain' (of 255^2) and 'patches'."""
        pixels = rgb.shape[-1] * rgb.shape[-2]
        bpp = (out.bits_y + out.bits_z) / pixels
        error, flat = out.decoded - rgb, flatness(rgb)
        squared, seams = error**2, beyond_steps(error, flat)
        grain = beyond_grain(out.decoded, rgb, flat)
        steps = patch_steps(255 * _luma(error), 255 * _luma(rgb))
        shown = (steps**2 / (steps + SHOWING)).mean((1, 2, 3))
        mse = 255**2 * (PLAIN * squared.mean((1, 2, 3)) + FLAT * (flat * squared).mean((1, 2, 3)) + seams + GRAIN * grain) + PATCHES * shown
        if rgb.device.type == "cpu":
            s = metric.raw_sum(rgb, out.decoded)
        else:
            s = raw_sum(rgb, (out.decoded.clamp(0, 1) - out.decoded).detach() + out.decoded)  # out of range still learns
        slope = POWER * 10 * anchors(self.means, quality) ** (POWER - 1)
        lam = anchors(LAMBDAS, quality)
        each = bpp + anchors(BITS_A_POINT, quality) * slope * s + lam * mse
        even = anchors(BITS_A_POINT, quality) ** EVEN
        self._follow(quality, s.detach())
        return (each * even).mean(), {
            "bpp": bpp.detach(),
            "score": score_of_sum(s.detach()),
            "mse": 255**2 * squared.detach().mean((1, 2, 3)),
            "seams": 255**2 * seams.detach(),
            "patches": shown.detach(),
            "grain": 255**2 * grain.detach(),
        }

    def _follow(self, quality: Tensor, s: Tensor) -> None:
        for q, value in zip(quality.tolist(), s.tolist(), strict=True):
            if 0.02 < value < 200:
                k = round(q)
                self.means[k] += 0.01 * (value - self.means[k])
