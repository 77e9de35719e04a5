"""SSIMULACRA 2.1 as tensors: the score the guard measures and, being differentiable, what the network is trained for.

Source: Jon Sneyers, "SSIMULACRA 2" (Cloudinary, 2022-2023), github.com/cloudinary/ssimulacra2. Linear light -> XYB -> six scales; at each
an SSIM map (without the mean's denominator) and two edge maps (ringing and blur), each pooled by mean and by fourth moment; 108 published
weights; one polynomial.
Borders follow the Python package `ssimulacra2`, which the tests compare with: zeros beyond left and right, mirrored beyond top and bottom.

Near 90 single precision costs up to 0.25 points on photos with much flat ground (variances are differences of nearly equal numbers)
and `_TINY` up to 0.1. A gradient does not mind; what decides is measured by `codec.quality`. There, as in the package, a picture of
fewer than six scales (a side under 225 pixels) shifts the list of weights; here each weight keeps its place, so that crops of any size
mean the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.ssimulacra2_constants import BIAS, C2, CUBIC, LINEAR, OPSIN, POWER, RADIUS, SCALES, SIGMA, SMALLEST, WEIGHTS

_TINY = 1e-16
"""Under the fourth roots, whose slope at 0 is infinite; 1e-10 would already cost seven points of score."""


def weights() -> Tensor:
    """The published weights as (3 channels, 6 scales, 2 norms, 3 maps)."""
    flat = torch.zeros(108)
    for index, weight in WEIGHTS.items():
        flat[index] = weight
    return flat.view(3, SCALES, 2, 3)


def to_linear(rgb: Tensor) -> Tensor:
    """sRGB in 0..1 -> linear light; safe to differentiate at 0 (each branch is clamped to where it holds)."""
    return torch.where(rgb <= 0.04045, rgb.clamp_max(0.04045) / 12.92, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_xyb(linear: Tensor) -> Tensor:
    """Linear RGB (B, 3, H, W) -> XYB shifted to be positive, as the score wants it."""
    mixed = F.conv2d(linear, linear.new_tensor(OPSIN).view(3, 3, 1, 1), linear.new_full((3,), BIAS)).clamp_min(1e-7)
    long, medium, short = (mixed ** (1 / 3) - BIAS ** (1 / 3)).unbind(1)
    x, y = 0.5 * (long - medium), 0.5 * (long + medium)
    return torch.stack((14 * x + 0.42, y + 0.01, short - y + 0.55), 1)


def halve(linear: Tensor) -> Tensor:
    """Mean of 2 x 2 pixels; at an odd border, of what is there."""
    return F.avg_pool2d(linear, 2, ceil_mode=True, count_include_pad=False)


def _taps(like: Tensor) -> Tensor:
    at = torch.arange(-RADIUS, RADIUS + 1, device=like.device, dtype=torch.float64)
    taps = torch.exp(-0.5 * (at / SIGMA) ** 2)
    return (taps / taps.sum()).to(like.dtype)


def _bands(size: int, like: Tensor, *, mirror: bool) -> Tensor:
    """(size, size) matrix of the 11-tap Gaussian: column j gives what each input weighs in output j."""
    band, taps = torch.zeros(size, size, device=like.device, dtype=like.dtype), _taps(like)
    out = torch.arange(size, device=like.device)
    for offset, tap in zip(range(-RADIUS, RADIUS + 1), taps, strict=True):
        at = out + offset
        if mirror:
            at = torch.where(at < 0, -1 - at, torch.where(at >= size, 2 * size - 1 - at, at))
        inside = (at >= 0) & (at < size)
        band.index_put_((at[inside], out[inside]), tap.expand(int(inside.sum())), accumulate=True)
    return band


def blur(planes: Tensor) -> Tensor:
    """Gaussian of sigma 1.5 over (..., H, W). As matrix products: on crops, a processor does these faster than convolutions of one
    channel."""
    across = _bands(planes.shape[-1], planes, mirror=False)
    down = _bands(planes.shape[-2], planes, mirror=True)
    return down.T @ (planes @ across)


def maps(a: Tensor, b: Tensor, blurred: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Error maps (SSIM, ringing, blur) of one scale, each like `a`; `blurred` holds the Gaussians of a, b, a*a, b*b, a*b."""
    mean_a, mean_b, aa, bb, ab = blurred
    closeness = 1 - (mean_a - mean_b) ** 2
    structure = (2 * (ab - mean_a * mean_b) + C2) / ((aa - mean_a**2) + (bb - mean_b**2) + C2)
    ratio = (1 + (b - mean_b).abs()) / (1 + (a - mean_a).abs()) - 1
    return (1 - closeness * structure).clamp_min(0), ratio.clamp_min(0), (-ratio).clamp_min(0)


def raw_sum(original: Tensor, decoded: Tensor) -> Tensor:
    """The weighted sum before the last power, (B,): 0 for equal pictures. sRGB in 0..1, (B, 3, H, W), float32, sides of 8 at least."""
    linear_a, linear_b = to_linear(original), to_linear(decoded)
    weight = weights().to(original)
    total = original.new_zeros(original.shape[0])
    for scale in range(SCALES):
        if min(linear_a.shape[-2:]) < SMALLEST:
            break
        a, b = to_xyb(linear_a), to_xyb(linear_b)
        mean_a, aa = blur(torch.stack((a, a * a))).unbind(0)  # apart: the original needs no gradient
        mean_b, bb, ab = blur(torch.stack((b, b * b, a * b))).unbind(0)
        for kind, error in enumerate(maps(a, b, (mean_a, mean_b, aa, bb, ab))):
            fourth = ((error**4).mean((2, 3)) + _TINY) ** 0.25
            total = total + (error.mean((2, 3)) * weight[:, scale, 0, kind] + fourth * weight[:, scale, 1, kind]).sum(1)
        if scale < SCALES - 1:
            linear_a, linear_b = halve(linear_a), halve(linear_b)
    s = total * LINEAR
    return CUBIC[0] * s + CUBIC[1] * s**2 + CUBIC[2] * s**3


def score_of_sum(s: Tensor) -> Tensor:
    """`raw_sum` -> SSIMULACRA2: 100 for equal pictures, lower is worse."""
    return 100 - 10 * s.clamp_min(0) ** POWER
