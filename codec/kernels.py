"""Inner loops of the float networks, compiled: what lies between two matrix products, in one pass over memory each.

Arrays hold float32, or bfloat16 as uint16 where they come from or go into products that round; sums are float32 everywhere. Numbers of
channels are multiples of 16.

A row holds all positions of one row of latents, (positions, channels). Inside of the picture's finer level each latent has fold x fold
positions, which lie together: position (f, g) of the row is found at (g // fold) fold^2 + f fold + g % fold. So only what looks at
neighbours needs to know where a position is; everything else is a plain list of them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec import vectors
from codec.compiled import compiled, read_only, types
from codec.vectors import (
    WIDTH,
    constants,
    copy_twelve,
    every_second,
    integers,
    leaky,
    load,
    muladd,
    plus,
    spread,
    store,
    store_levels,
    times,
)

_F32, _U16 = types.float32, types.uint16
_IN, _HALF_IN = read_only(_F32, 2), read_only(_U16, 2)
_OUT, _HALF_OUT = _F32[:, ::1], _U16[:, ::1]
_VECTOR = read_only(_F32)


@compiled([types.void(_OUT, _VECTOR), types.void(_HALF_OUT, _VECTOR)])
def activate(x: Any, bias: Any) -> None:
    """x = leaky(x + bias), in place."""
    for n in range(x.shape[0]):
        for c in range(0, x.shape[1], WIDTH):
            store(x, n, c, leaky(plus(load(x, n, c), constants(bias, c))))


@compiled([types.void(_OUT, _IN, _VECTOR), types.void(_OUT, _HALF_IN, _VECTOR)])
def add(x: Any, more: Any, bias: Any) -> None:
    """x += more + bias."""
    for n in range(x.shape[0]):
        for c in range(0, x.shape[1], WIDTH):
            store(x, n, c, plus(load(x, n, c), plus(load(more, n, c), constants(bias, c))))


@compiled([types.void(_OUT, _IN, _VECTOR, _OUT), types.void(_OUT, _HALF_IN, _VECTOR, _HALF_OUT)])
def accumulate(x: Any, more: Any, bias: Any, copy: Any) -> None:
    """x += more + bias, and the same into `copy`."""
    for n in range(x.shape[0]):
        for c in range(0, x.shape[1], WIDTH):
            value = plus(load(x, n, c), plus(load(more, n, c), constants(bias, c)))
            store(x, n, c, value)
            store(copy, n, c, value)


@compiled([types.void(_IN, _IN, _OUT), types.void(_IN, _IN, _HALF_OUT)])
def scale(x: Any, by: Any, out: Any) -> None:
    """out = x by; `by` has as many rows, or one."""
    step = 0 if by.shape[0] == 1 else 1
    for n in range(x.shape[0]):
        for c in range(0, x.shape[1], WIDTH):
            store(out, n, c, times(load(x, n, c), load(by, n * step, c)))


def _depthwise_kinds(*more: Any) -> list[Any]:
    kinds = ((_IN, _OUT), (_IN, _HALF_OUT), (_HALF_IN, _HALF_OUT))
    return [types.void(source, source, source, _IN, _VECTOR, _VECTOR, *more, out) for source, out in kinds]


@compiled(_depthwise_kinds(types.intp))
def depthwise(above: Any, here: Any, below: Any, weight: Any, bias: Any, beyond: Any, width: int, out: Any) -> None:
    """out = leaky(3 x 3 convolution of `here`, each channel by itself): rows of `width` positions, one behind the other, between the row
    above and the row below. weight (9, channels), `beyond` (channels) stands beyond both ends of each row."""
    for n in range(here.shape[0]):
        j = n % width
        upper, up = (here, n - width) if n >= width else (above, j)
        lower, down = (here, n + width) if n + width < here.shape[0] else (below, j)
        for c in range(0, here.shape[1], WIDTH):
            a, b, d = load(upper, up, c), load(here, n, c), load(lower, down, c)
            total = muladd(a, load(weight, 1, c), muladd(b, load(weight, 4, c), muladd(d, load(weight, 7, c), constants(bias, c))))
            a, b, d = constants(beyond, c), constants(beyond, c), constants(beyond, c)
            if j > 0:
                a, b, d = load(upper, up - 1, c), load(here, n - 1, c), load(lower, down - 1, c)
            total = muladd(a, load(weight, 0, c), muladd(b, load(weight, 3, c), muladd(d, load(weight, 6, c), total)))
            a, b, d = constants(beyond, c), constants(beyond, c), constants(beyond, c)
            if j < width - 1:
                a, b, d = load(upper, up + 1, c), load(here, n + 1, c), load(lower, down + 1, c)
            total = muladd(a, load(weight, 2, c), muladd(b, load(weight, 5, c), muladd(d, load(weight, 8, c), total)))
            store(out, n, c, leaky(total))


@compiled(_depthwise_kinds())
def depthwise_fine(above: Any, here: Any, below: Any, weight: Any, bias: Any, beyond: Any, out: Any) -> None:
    """The same of one row at the finer level, four positions side by side at a time: they look at three times six, in registers."""
    count = here.shape[0] // 4
    for k in range(count):
        f, first, at_left, at_right = k % 4, k * 4, k < 4, k >= count - 4
        left, right = first - 13, first + 16
        up, upper = (-4, here) if f > 0 else (12, above)
        down, lower = (4, here) if f < 3 else (-12, below)
        for c in range(0, here.shape[1], WIDTH):
            outside, start = constants(beyond, c), constants(bias, c)
            w0, w1, w2 = load(weight, 0, c), load(weight, 1, c), load(weight, 2, c)
            x0 = outside if at_left else load(upper, left + up, c)
            x1, x2 = load(upper, first + up, c), load(upper, first + up + 1, c)
            x3, x4 = load(upper, first + up + 2, c), load(upper, first + up + 3, c)
            x5 = outside if at_right else load(upper, right + up, c)
            s0 = muladd(x0, w0, muladd(x1, w1, muladd(x2, w2, start)))
            s1 = muladd(x1, w0, muladd(x2, w1, muladd(x3, w2, start)))
            s2 = muladd(x2, w0, muladd(x3, w1, muladd(x4, w2, start)))
            s3 = muladd(x3, w0, muladd(x4, w1, muladd(x5, w2, start)))
            w0, w1, w2 = load(weight, 3, c), load(weight, 4, c), load(weight, 5, c)
            x0 = outside if at_left else load(here, left, c)
            x1, x2, x3, x4 = load(here, first, c), load(here, first + 1, c), load(here, first + 2, c), load(here, first + 3, c)
            x5 = outside if at_right else load(here, right, c)
            s0 = muladd(x0, w0, muladd(x1, w1, muladd(x2, w2, s0)))
            s1 = muladd(x1, w0, muladd(x2, w1, muladd(x3, w2, s1)))
            s2 = muladd(x2, w0, muladd(x3, w1, muladd(x4, w2, s2)))
            s3 = muladd(x3, w0, muladd(x4, w1, muladd(x5, w2, s3)))
            w0, w1, w2 = load(weight, 6, c), load(weight, 7, c), load(weight, 8, c)
            x0 = outside if at_left else load(lower, left + down, c)
            x1, x2 = load(lower, first + down, c), load(lower, first + down + 1, c)
            x3, x4 = load(lower, first + down + 2, c), load(lower, first + down + 3, c)
            x5 = outside if at_right else load(lower, right + down, c)
            store(out, first, c, leaky(muladd(x0, w0, muladd(x1, w1, muladd(x2, w2, s0)))))
            store(out, first + 1, c, leaky(muladd(x1, w0, muladd(x2, w1, muladd(x3, w2, s1)))))
            store(out, first + 2, c, leaky(muladd(x2, w0, muladd(x3, w1, muladd(x4, w2, s2)))))
            store(out, first + 3, c, leaky(muladd(x3, w0, muladd(x4, w1, muladd(x5, w2, s3)))))


@compiled([types.void(_IN, _IN, _VECTOR, _OUT), types.void(_IN, _HALF_IN, _VECTOR, _OUT)])
def modulate(x: Any, adapt: Any, bias: Any, out: Any) -> None:
    """out = 8 x (1 + scale) + shift; scale, shift and gate are adapt + bias, side by side."""
    channels, eight = x.shape[1], spread(np.float32(8))
    for n in range(x.shape[0]):
        for c in range(0, channels, WIDTH):
            content = times(load(x, n, c), eight)
            scaled = muladd(content, plus(load(adapt, n, c), constants(bias, c)), content)
            store(out, n, c, plus(scaled, plus(load(adapt, n, channels + c), constants(bias, channels + c))))


@compiled([types.void(_OUT, _IN, _VECTOR, _IN, _VECTOR, _OUT), types.void(_OUT, _HALF_IN, _VECTOR, _HALF_IN, _VECTOR, _HALF_OUT)])
def add_gated(x: Any, adapt: Any, bias: Any, mixed: Any, mixed_bias: Any, copy: Any) -> None:
    """x += gate (mixed + its bias), and the same into `copy`."""
    channels = x.shape[1]
    for n in range(x.shape[0]):
        for c in range(0, channels, WIDTH):
            gate = plus(load(adapt, n, 2 * channels + c), constants(bias, 2 * channels + c))
            value = muladd(gate, plus(load(mixed, n, c), constants(mixed_bias, c)), load(x, n, c))
            store(x, n, c, value)
            store(copy, n, c, value)


@compiled(types.void(_IN, _VECTOR, types.uint8[:, ::1], types.uint8[:, ::1]))
def _to_colour(values: Any, bias: Any, latent: Any, out: Any) -> None:
    """Values (positions, 48) of a row of latents, their 48 being 4 rows x 4 columns x RGB -> levels (16, 3 positions);
    `latent`, (16, 48), is room for those of one latent."""
    full = spread(np.float32(255))
    for j in range(values.shape[0] // 16):
        for n in range(16):
            for k in range(0, 48, WIDTH):
                store_levels(latent, n, k, times(plus(load(values, 16 * j + n, k), constants(bias, k)), full))
        for f in range(4):
            for a in range(4):
                for g in range(4):
                    copy_twelve(latent, 4 * f + g, 12 * a, out, 4 * f + a, 48 * j + 12 * g)


@compiled(types.void(_IN, _VECTOR, types.uint8[:, ::1]))
def _to_grey(values: Any, bias: Any, out: Any) -> None:
    """The same to the mean of the three colours, (16, positions)."""
    for row in range(16):
        f, a = row // 4, row % 4
        for column in range(out.shape[1]):
            g = column // 4
            at = g // 4 * 16 + f * 4 + g % 4
            k = a * 12 + column % 4 * 3
            total = values[at, k] + bias[k] + (values[at, k + 1] + bias[k + 1]) + (values[at, k + 2] + bias[k + 2])
            out[row, column] = np.uint8(min(max(np.rint(total / np.float32(3) * np.float32(255)), 0), 255))


def to_pixels(values: NDArray[np.float32], bias: NDArray[np.float32], first: int, out: NDArray[np.uint8]) -> None:
    """Values (positions, 48) of a row of latents -> levels 0..255, rounded half to even.

    out is (rows, columns, 3), or (rows, columns, 1) for grey, rows at most 16; `first` is the column of latents that out begins at.
    """
    rows, columns, channels = out.shape
    levels = np.empty((16, len(values) * channels), np.uint8)
    if channels == 3:
        _to_colour(values, bias, np.empty((16, 48), np.uint8), levels)
    else:
        _to_grey(values, bias, levels)
    out[:] = levels[:rows].reshape(rows, -1, channels)[:, 16 * first : 16 * first + columns]


_SYMBOLS = read_only(types.int32, 2)


@compiled(types.void(_IN, _OUT))
def asinh(x: Any, out: Any) -> None:
    """out = asinh(x)."""
    for n in range(x.shape[0]):
        for c in range(0, x.shape[1], WIDTH):
            store(out, n, c, vectors.asinh(load(x, n, c)))


@compiled(types.void(_OUT, _VECTOR))
def steps(x: Any, bias: Any) -> None:
    """x = exp(0.7 tanh(x + bias)), in place."""
    for n in range(x.shape[0]):
        for c in range(0, x.shape[1], WIDTH):
            store(x, n, c, vectors.step(plus(load(x, n, c), constants(bias, c))))


@compiled(types.void(_IN, _SYMBOLS, _F32, _IN, types.intp, _OUT))
def join(hidden: Any, levels: Any, unit: Any, means: Any, width: int, out: Any) -> None:
    """out = hidden, and beside it asinh(unit levels + means) where row + position + channel is even, 0 elsewhere. Rows are `width`
    positions wide, an even number; the first one counts as even."""
    channels = hidden.shape[1]
    for n in range(hidden.shape[0]):
        for c in range(0, channels, WIDTH):
            store(out, n, c, load(hidden, n, c))
        for c in range(0, levels.shape[1], WIDTH):
            known = every_second(plus(times(integers(levels, n, c), spread(unit)), load(means, n, c)), (n // width + n) & 1)
            store(out, n, channels + c, vectors.asinh(known))


@compiled(types.void(_SYMBOLS, _F32, _IN, _IN, _VECTOR, _IN, _IN, types.intp, _OUT))
def dequantise(levels: Any, unit: Any, means: Any, more: Any, bias: Any, step: Any, by: Any, width: int, out: Any) -> None:
    """out = (unit levels + means, and more + bias where row + position + channel is odd) step by; `by` has as many rows as `out`, or
    one."""
    each = 0 if by.shape[0] == 1 else 1
    for n in range(out.shape[0]):
        for c in range(0, out.shape[1], WIDTH):
            later = every_second(plus(load(more, n, c), constants(bias, c)), (n // width + n + 1) & 1)
            y = plus(times(integers(levels, n, c), spread(unit)), plus(load(means, n, c), later))
            store(out, n, c, times(y, times(load(step, n, c), load(by, n * each, c))))
