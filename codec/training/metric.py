"""SSIMULACRA 2.1 of training crops with its gradient, compiled: what `codec.ssimulacra2.raw_sum` gives, in a sixth of the time.

One crop, one scale and one channel at a time, so that everything stays in the processor's cache; the gradient is worked out by hand,
map by map, while the forward values are at hand. Formulas and borders are those of `codec.ssimulacra2`; a test compares values and
gradients.
"""

from typing import Any, Final, cast

import numba
import numpy as np
import torch
from torch import Tensor

from codec.error_maps import cube_root, halve
from codec.ssimulacra2 import weights
from codec.ssimulacra2_constants import BIAS, C2, CUBIC, LINEAR, OPSIN, RADIUS, SCALES, SIGMA, SMALLEST

_at = np.arange(-RADIUS, RADIUS + 1)
_TAPS: Final = np.exp(-0.5 * (_at / SIGMA) ** 2)
_T5, _T4, _T3, _T2, _T1, _T0 = (np.float32(tap) for tap in (_TAPS / _TAPS.sum())[: RADIUS + 1])
_OPSIN: Final = np.array(OPSIN, np.float32)
_WEIGHTS: Final = weights().numpy()  # (3 channels, scales, 2 norms, 3 maps)

_C2, _BIAS, _BIAS_ROOT = np.float32(C2), np.float32(BIAS), np.float32(BIAS ** (1 / 3))
_LEAST: Final = np.float32(1e-7)
_ZERO, _HALF, _ONE, _TWO, _THREE = (np.float32(value) for value in (0, 0.5, 1, 2, 3))
_KNEE, _BELOW, _OFFSET, _ABOVE, _GAMMA = (np.float32(value) for value in (0.04045, 1 / 12.92, 0.055, 1 / 1.055, 2.4))
_X_SCALE, _X_SHIFT, _Y_SHIFT, _B_SHIFT = (np.float32(value) for value in (14, 0.42, 0.01, 0.55))
_TINY: Final = 1e-16

_fast: Any = numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")


@_fast
def _across(source: Any, row: Any, target: Any) -> None:
    """The Gaussian along rows, zeros beyond; it is its own transpose."""
    width = source.shape[1]
    for i in range(source.shape[0]):
        line, out = source[i], target[i]
        for j in range(width):
            row[j + 5] = line[j]
        for j in range(width):
            out[j] = (
                (_T0 * row[j + 5] + _T1 * (row[j + 4] + row[j + 6]))
                + (_T2 * (row[j + 3] + row[j + 7]) + _T3 * (row[j + 2] + row[j + 8]))
                + (_T4 * (row[j + 1] + row[j + 9]) + _T5 * (row[j] + row[j + 10]))
            )


@_fast
def _mirrored(i: Any, height: Any) -> Any:
    return -1 - i if i < 0 else (2 * height - 1 - i if i >= height else i)


@_fast
def _down(source: Any, target: Any) -> None:
    """The Gaussian along columns, mirrored beyond."""
    height, width = source.shape
    for i in range(height):
        out, middle = target[i], source[i]
        for j in range(width):
            out[j] = _T0 * middle[j]
        for k, tap in ((1, _T1), (2, _T2), (3, _T3), (4, _T4), (5, _T5)):
            above, below = source[_mirrored(i - k, height)], source[_mirrored(i + k, height)]
            for j in range(width):
                out[j] += tap * (above[j] + below[j])


@_fast
def _down_back(source: Any, target: Any) -> None:
    """Its transpose: what was taken from a mirrored row is given back to it. Adds nothing up with what `target` held."""
    height, width = source.shape
    target[:] = _ZERO
    for i in range(height):
        given, middle = source[i], target[i]
        for j in range(width):
            middle[j] += _T0 * given[j]
        for k, tap in ((1, _T1), (2, _T2), (3, _T3), (4, _T4), (5, _T5)):
            above, below = target[_mirrored(i - k, height)], target[_mirrored(i + k, height)]
            for j in range(width):
                above[j] += tap * given[j]
            for j in range(width):
                below[j] += tap * given[j]


@_fast
def _linear(rgb: Any, out: Any) -> None:
    for c in range(3):
        for i in range(rgb.shape[1]):
            line, target = rgb[c, i], out[c, i]
            for j in range(line.size):
                value = min(max(line[j], _ZERO), _ONE)
                target[j] = value * _BELOW if value <= _KNEE else ((value + _OFFSET) * _ABOVE) ** _GAMMA


@_fast
def _halve_back(half: Any, planes: Any) -> None:
    """Add the gradient of a half to that of what it was made of."""
    for c in range(3):
        for i in range(half.shape[1]):
            below = min(2 * i + 1, planes.shape[1] - 1)
            for j in range(half.shape[2]):
                right = min(2 * j + 1, planes.shape[2] - 1)
                share = np.float32(0.25) * half[c, i, j]
                planes[c, 2 * i, 2 * j] += share
                planes[c, 2 * i, right] += share
                planes[c, below, 2 * j] += share
                planes[c, below, right] += share


@_fast
def _to_xyb(linear: Any, roots: Any, xyb: Any) -> None:
    """Linear light -> XYB shifted to be positive; `roots` keeps the cones' cube roots, 0 where they were clamped."""
    for i in range(linear.shape[1]):
        red, green, blue = linear[0, i], linear[1, i], linear[2, i]
        for k in range(3):
            m0, m1, m2, root = _OPSIN[k, 0], _OPSIN[k, 1], _OPSIN[k, 2], roots[k, i]
            for j in range(red.size):
                root[j] = cube_root(max(m0 * red[j] + m1 * green[j] + m2 * blue[j] + _BIAS, _LEAST))
        long, medium, short = roots[0, i], roots[1, i], roots[2, i]
        x, y, b = xyb[0, i], xyb[1, i], xyb[2, i]
        for j in range(red.size):
            luma = _HALF * (long[j] + medium[j]) - _BIAS_ROOT
            x[j] = _HALF * (long[j] - medium[j]) * _X_SCALE + _X_SHIFT
            y[j] = luma + _Y_SHIFT
            b[j] = short[j] - _BIAS_ROOT - luma + _B_SHIFT


@_fast
def _to_xyb_back(slope: Any, roots: Any, linear: Any) -> None:
    """Gradient with respect to XYB -> added to that of linear light."""
    for i in range(slope.shape[1]):
        x, y, b = slope[0, i], slope[1, i], slope[2, i]
        long, medium, short = roots[0, i], roots[1, i], roots[2, i]
        red, green, blue = linear[0, i], linear[1, i], linear[2, i]
        for j in range(x.size):
            half = _HALF * (y[j] - b[j])
            apart = _HALF * _X_SCALE * x[j]
            of_long = (half + apart) / (_THREE * long[j] * long[j])
            of_medium = (half - apart) / (_THREE * medium[j] * medium[j])
            of_short = b[j] / (_THREE * short[j] * short[j])
            red[j] += _OPSIN[0, 0] * of_long + _OPSIN[1, 0] * of_medium + _OPSIN[2, 0] * of_short
            green[j] += _OPSIN[0, 1] * of_long + _OPSIN[1, 1] * of_medium + _OPSIN[2, 1] * of_short
            blue[j] += _OPSIN[0, 2] * of_long + _OPSIN[1, 2] * of_medium + _OPSIN[2, 2] * of_short


@_fast
def _sums(a: Any, b: Any, means: Any, work: Any, sums: Any) -> None:
    """Blur what is needed into `means` (a, b, aa + bb, ab of one channel), and add up the maps and their fourth powers, (2, 3)."""
    height, width = a.shape
    row = np.zeros(width + 2 * RADIUS, np.float32)
    for kind in range(4):
        product = work[0]
        for i in range(height):
            one, other, out = a[i], b[i], product[i]
            for j in range(width):
                if kind == 0:
                    out[j] = one[j]
                elif kind == 1:
                    out[j] = other[j]
                elif kind == 2:
                    out[j] = one[j] * one[j] + other[j] * other[j]
                else:
                    out[j] = one[j] * other[j]
        _across(product, row, work[1])
        _down(work[1], means[kind])
    sums[:] = 0
    for i in range(height):
        one, other = a[i], b[i]
        mean_a, mean_b, power, joint = means[0, i], means[1, i], means[2, i], means[3, i]
        s0 = s1 = s2 = q0 = q1 = q2 = _ZERO
        for j in range(width):
            shift = mean_a[j] - mean_b[j]
            upper = _TWO * (joint[j] - mean_a[j] * mean_b[j]) + _C2
            lower = power[j] - mean_a[j] * mean_a[j] - mean_b[j] * mean_b[j] + _C2
            error = max(_ONE - (_ONE - shift * shift) * upper / lower, _ZERO)
            ratio = (_ONE + abs(other[j] - mean_b[j])) / (_ONE + abs(one[j] - mean_a[j])) - _ONE
            more, lost = max(ratio, _ZERO), max(-ratio, _ZERO)
            s0 += error
            s1 += more
            s2 += lost
            q0 += (error * error) * (error * error)
            q1 += (more * more) * (more * more)
            q2 += (lost * lost) * (lost * lost)
        sums[0, 0] += s0
        sums[0, 1] += s1
        sums[0, 2] += s2
        sums[1, 0] += q0
        sums[1, 1] += q1
        sums[1, 2] += q2


@_fast
def _slopes(a: Any, b: Any, means: Any, plain: Any, fourth: Any, work: Any, slope: Any) -> None:
    """Gradient of the weighted sum of one channel with respect to b, into `slope`. `plain` and `fourth` (3,) are what a map and
    its cube are worth."""
    height, width = a.shape
    p0, p1, p2, f0, f1, f2 = plain[0], plain[1], plain[2], fourth[0], fourth[1], fourth[2]
    for i in range(height):
        one, other = a[i], b[i]
        mean_a, mean_b, power, joint = means[0, i], means[1, i], means[2, i], means[3, i]
        of_mean, of_power, of_joint, direct = work[0, i], work[1, i], work[2, i], slope[i]
        for j in range(width):
            shift = mean_a[j] - mean_b[j]
            close = _ONE - shift * shift
            upper = _TWO * (joint[j] - mean_a[j] * mean_b[j]) + _C2
            inverse = _ONE / (power[j] - mean_a[j] * mean_a[j] - mean_b[j] * mean_b[j] + _C2)
            structure = upper * inverse
            error = _ONE - close * structure
            pull = p0 + f0 * error * error * error if error > _ZERO else _ZERO  # d / d error
            of_joint[j] = -pull * close * _TWO * inverse
            of_power[j] = pull * close * structure * inverse
            changed = (-_TWO * mean_a[j] + _TWO * mean_b[j] * structure) * inverse  # d structure / d mean_b
            down = _ONE / (_ONE + abs(one[j] - mean_a[j]))
            away = other[j] - mean_b[j]
            ratio = (_ONE + abs(away)) * down - _ONE
            force = p1 + f1 * ratio * ratio * ratio if ratio > _ZERO else -p2 + f2 * ratio * ratio * ratio
            force = force * down if away >= _ZERO else -force * down
            direct[j] = force
            of_mean[j] = -pull * (_TWO * shift * structure + close * changed) - force
    row = np.zeros(width + 2 * RADIUS, np.float32)
    for kind in range(3):
        _down_back(work[kind], work[3])
        _across(work[3], row, work[kind])
    for i in range(height):
        one, other, target = a[i], b[i], slope[i]
        of_mean, of_power, of_joint = work[0, i], work[1, i], work[2, i]
        for j in range(width):
            target[j] += of_mean[j] + _TWO * other[j] * of_power[j] + one[j] * of_joint[j]


@_fast
def _one(original: Any, decoded: Any, weight: Any, slope: Any) -> Any:
    """The weighted sum of a crop (3, H, W), and its gradient with respect to `decoded` into `slope`."""
    total = 0.0
    _, height, width = original.shape
    linear_a, linear_b = [np.empty((3, height, width), np.float32)], [np.empty((3, height, width), np.float32)]
    _linear(original, linear_a[0])
    _linear(decoded, linear_b[0])
    pulls = [np.zeros((3, height, width), np.float32)]
    sums, plain, fourth = np.zeros((2, 3)), np.zeros(3, np.float32), np.zeros(3, np.float32)
    for scale in range(SCALES):
        if min(height, width) < SMALLEST:
            break
        a, b = np.empty((3, height, width), np.float32), np.empty((3, height, width), np.float32)
        roots, of_xyb = np.empty((3, height, width), np.float32), np.empty((3, height, width), np.float32)
        _to_xyb(linear_a[scale], roots, a)
        _to_xyb(linear_b[scale], roots, b)
        means, work = np.empty((4, height, width), np.float32), np.empty((4, height, width), np.float32)
        count = height * width
        for c in range(3):
            _sums(a[c], b[c], means, work, sums)
            for kind in range(3):
                root = (sums[1, kind] / count + _TINY) ** 0.25
                total += weight[c, scale, 0, kind] * sums[0, kind] / count + weight[c, scale, 1, kind] * root
                plain[kind] = weight[c, scale, 0, kind] / count
                fourth[kind] = weight[c, scale, 1, kind] / (root * root * root) / count
            _slopes(a[c], b[c], means, plain, fourth, work, of_xyb[c])
        _to_xyb_back(of_xyb, roots, pulls[scale])
        height, width = (height + 1) // 2, (width + 1) // 2
        linear_a.append(np.empty((3, height, width), np.float32))
        linear_b.append(np.empty((3, height, width), np.float32))
        pulls.append(np.zeros((3, height, width), np.float32))
        halve(linear_a[scale], linear_a[scale + 1])
        halve(linear_b[scale], linear_b[scale + 1])
    for scale in range(len(pulls) - 1, 0, -1):
        _halve_back(pulls[scale], pulls[scale - 1])
    for c in range(3):
        for i in range(slope.shape[1]):
            line, target, pull = decoded[c, i], slope[c, i], pulls[0][c, i]
            for j in range(line.size):
                value = min(max(line[j], _ZERO), _ONE)
                rise = _BELOW if value <= _KNEE else _GAMMA * _ABOVE * ((value + _OFFSET) * _ABOVE) ** (_GAMMA - _ONE)
                target[j] = pull[j] * rise  # what is out of range still learns, as at the border
    return total


@_fast
def _all(original: Any, decoded: Any, weight: Any, slopes: Any, totals: Any) -> None:
    for n in range(original.shape[0]):
        totals[n] = _one(original[n], decoded[n], weight, slopes[n])


class _RawSum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, original: Tensor, decoded: Tensor) -> Tensor:
        a, b = original.detach().contiguous(), decoded.detach().contiguous()
        slopes, totals = torch.empty_like(b), np.empty(len(b))
        _all(a.numpy(), b.numpy(), _WEIGHTS, slopes.numpy(), totals)
        t = torch.from_numpy(totals) * LINEAR
        rise = LINEAR * (CUBIC[0] + 2 * CUBIC[1] * t + 3 * CUBIC[2] * t**2)
        context.save_for_backward(slopes * rise.float().view(-1, 1, 1, 1))
        return (CUBIC[0] * t + CUBIC[1] * t**2 + CUBIC[2] * t**3).float()

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[None, Tensor]:
        (slopes,) = context.saved_tensors
        return None, slopes * grads[0].view(-1, 1, 1, 1)


def raw_sum(original: Tensor, decoded: Tensor) -> Tensor:
    """`codec.ssimulacra2.raw_sum` of crops (B, 3, H, W), float32 on the processor, sides of 8 at least; pixels of `decoded` outside 0..1
    count as clamped and are given the gradient of the border. No gradient with respect to `original`."""
    return cast(Tensor, _RawSum.apply(original, decoded))  # type: ignore[no-untyped-call]
