"""SSIMULACRA 2.1 as tensors: the score the guard measures and, being differentiable, what the network is trained for.

Source: Jon Sneyers, "SSIMULACRA 2" (Cloudinary, 2022-2023), github.com/cloudinary/ssimulacra2. Linear light -> XYB -> six scales; at each
an SSIM map
(without the mean's denominator) and two edge maps (ringing and blur), each pooled by mean and by fourth moment; 108 published weights; one
polynomial.
Borders follow the Python package `ssimulacra2`, which the tests compare with: zeros beyond left and right, mirrored beyond top and bottom.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = 6
SMALLEST = 8
"""A scale with a side under this many pixels is not looked at; a picture with one has no score."""

_C2 = 0.0009
_SIGMA, _RADIUS = 1.5, 5
_OPSIN = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.55180986650955360),
)
_BIAS = 0.0037930732552754493
# Position in the list of 108: channel * 36 + scale * 6 + norm * 3 + map, map being 0 SSIM, 1 ringing, 2 blur; what is not named weighs
# nothing.
_WEIGHTS = {
    1: 0.0007376606707406586,
    4: 0.0007793481682867309,
    7: 0.0004371155730107379,
    9: 1.1041726426657346,
    10: 0.00066284834129271,
    11: 0.00015231632783718752,
    13: 0.0016406437456599754,
    15: 1.8422455520539298,
    16: 11.441172603757666,
    18: 0.0007989109436015163,
    19: 0.000176816438078653,
    21: 1.8787594979546387,
    22: 10.94906990605142,
    24: 0.0007289346991508072,
    25: 0.9677937080626833,
    27: 0.00014003424285435884,
    28: 0.9981766977854967,
    29: 0.00031949755934435053,
    30: 0.0004550992113792063,
    33: 0.0013648766163243398,
    39: 7.466890328078848,
    41: 17.445833984131262,
    42: 0.0006235601634041466,
    45: 6.683678146179332,
    46: 0.00037724407979611296,
    47: 1.027889937768264,
    48: 225.20515300849274,
    51: 19.213238186143016,
    52: 0.0011401524586618361,
    53: 0.001237755635509985,
    54: 176.39317598450694,
    57: 24.43300999870476,
    58: 0.28520802612117757,
    59: 0.0004485436923833408,
    63: 34.77906344483772,
    64: 44.835625328877896,
    73: 0.0008680556573291698,
    79: 0.0005313191874358747,
    81: 0.00016533814161379112,
    87: 0.0004179171803251336,
    88: 0.0017290828234722833,
    90: 0.0020827005846636437,
    93: 8.826982764996862,
    94: 23.19243343998926,
    96: 95.1080498811086,
    97: 0.9863978034400682,
    98: 0.9834382792465353,
    99: 0.0012286405048278493,
    100: 171.2667255897307,
    101: 0.9807858872435379,
    105: 0.0005130064588990679,
    107: 0.00010854057858411537,
}
_TINY = 1e-16
"""Under the fourth roots, whose slope at 0 is infinite; 1e-10 would already cost seven points of score."""


def weights() -> Tensor:
    """The published weights as (3 channels, 6 scales, 2 norms, 3 maps)."""
    flat = torch.zeros(108)
    for index, weight in _WEIGHTS.items():
        flat[index] = weight
    return flat.view(3, SCALES, 2, 3)


def to_linear(rgb: Tensor) -> Tensor:
    """sRGB in 0..1 -> linear light; safe to differentiate at 0 (each branch is clamped to where it holds)."""
    return torch.where(rgb <= 0.04045, rgb.clamp_max(0.04045) / 12.92, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_xyb(linear: Tensor) -> Tensor:
    """Linear RGB (B, 3, H, W) -> XYB shifted to be positive, as the score wants it."""
    mixed = F.conv2d(linear, linear.new_tensor(_OPSIN).view(3, 3, 1, 1), linear.new_full((3,), _BIAS)).clamp_min(1e-7)
    long, medium, short = (mixed ** (1 / 3) - _BIAS ** (1 / 3)).unbind(1)
    x, y = 0.5 * (long - medium), 0.5 * (long + medium)
    return torch.stack((14 * x + 0.42, y + 0.01, short - y + 0.55), 1)


def halve(linear: Tensor) -> Tensor:
    """Mean of 2 x 2 pixels; at an odd border, of what is there."""
    return F.avg_pool2d(linear, 2, ceil_mode=True, count_include_pad=False)


def _taps(like: Tensor) -> Tensor:
    at = torch.arange(-_RADIUS, _RADIUS + 1, device=like.device, dtype=torch.float64)
    taps = torch.exp(-0.5 * (at / _SIGMA) ** 2)
    return (taps / taps.sum()).to(like.dtype)


def _bands(size: int, like: Tensor, *, mirror: bool) -> Tensor:
    """(size, size) matrix of the 11-tap Gaussian: column j gives what each input weighs in output j."""
    band, taps = torch.zeros(size, size, device=like.device, dtype=like.dtype), _taps(like)
    out = torch.arange(size, device=like.device)
    for offset, tap in zip(range(-_RADIUS, _RADIUS + 1), taps, strict=True):
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
    structure = (2 * (ab - mean_a * mean_b) + _C2) / ((aa - mean_a**2) + (bb - mean_b**2) + _C2)
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
    s = total * 0.9562382616834844
    return 2.326765642916932 * s - 0.020884521182843837 * s**2 + 6.248496625763138e-05 * s**3


def score_of_sum(s: Tensor) -> Tensor:
    """`raw_sum` -> SSIMULACRA2: 100 for equal pictures, lower is worse."""
    return 100 - 10 * s.clamp_min(0) ** 0.6276336467831387
