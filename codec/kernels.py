"""Inner loops of the float networks, compiled: what lies between two matrix products, in one pass over memory each.

A row holds all positions of one row of latents, (positions, channels). Inside of the picture's finer level each latent has fold x fold
positions, which lie together: position (f, g) of the row is found at (g // fold) fold^2 + f fold + g % fold. So only what looks at
neighbours needs to know where a position is; everything else is a plain list of them.
"""

from typing import Any, Final

import numpy as np

from codec.compiled import compiled, read_only, types

SLOPE: Final = np.float32(0.01)
"""Of the leaky rectifiers, as in `codec.network.blocks`."""

_F32 = types.float32
_IN = read_only(_F32, 2)
_OUT = types.float32[:, ::1]
_VECTOR = read_only(_F32)


@compiled(types.void(_OUT, _VECTOR))
def activate(x: Any, bias: Any) -> None:
    """x = leaky(x + bias), in place."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            v = x[n, c] + bias[c]
            x[n, c] = max(v, SLOPE * v)


@compiled(types.void(_OUT, _IN, _VECTOR))
def accumulate(x: Any, more: Any, bias: Any) -> None:
    """x += more + bias."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            x[n, c] += more[n, c] + bias[c]


@compiled(types.void(_IN, _IN, _IN, _IN, _VECTOR, _VECTOR, types.int64, _OUT))
def depthwise(above: Any, here: Any, below: Any, weight: Any, bias: Any, beyond: Any, fold: int, out: Any) -> None:
    """out = leaky(3 x 3 convolution of `here`, each channel by itself); weight (9, channels), `beyond` (channels) stands beyond both
    ends of the row."""
    columns, channels = here.shape[0] // fold, here.shape[1]
    for f in range(fold):
        upper = above if f == 0 else here
        lower = below if f == fold - 1 else here
        up, down = (f + fold - 1) % fold * fold, (f + 1) % fold * fold
        for g in range(columns):
            middle = g // fold * fold * fold + g % fold
            left = middle - 1 if g % fold else middle - 1 - fold * fold + fold
            right = middle + 1 if (g + 1) % fold else middle + 1 + fold * fold - fold
            at = middle + f * fold
            if 0 < g < columns - 1:
                u0, u1, u2 = np.uint64(left + up), np.uint64(middle + up), np.uint64(right + up)
                h0, h1, h2 = np.uint64(left + f * fold), np.uint64(at), np.uint64(right + f * fold)
                d0, d1, d2 = np.uint64(left + down), np.uint64(middle + down), np.uint64(right + down)
                for c in range(channels):
                    v = (
                        bias[c]
                        + (upper[u0, c] * weight[0, c] + upper[u1, c] * weight[1, c] + upper[u2, c] * weight[2, c])
                        + (here[h0, c] * weight[3, c] + here[h1, c] * weight[4, c] + here[h2, c] * weight[5, c])
                        + (lower[d0, c] * weight[6, c] + lower[d1, c] * weight[7, c] + lower[d2, c] * weight[8, c])
                    )
                    out[h1, c] = max(v, SLOPE * v)
            else:
                for c in range(channels):
                    v = bias[c] + upper[middle + up, c] * weight[1, c] + here[at, c] * weight[4, c] + lower[middle + down, c] * weight[7, c]
                    if g > 0:
                        v += upper[left + up, c] * weight[0, c] + here[left + f * fold, c] * weight[3, c]
                        v += lower[left + down, c] * weight[6, c]
                    else:
                        v += beyond[c] * (weight[0, c] + weight[3, c] + weight[6, c])
                    if g < columns - 1:
                        v += upper[right + up, c] * weight[2, c] + here[right + f * fold, c] * weight[5, c]
                        v += lower[right + down, c] * weight[8, c]
                    else:
                        v += beyond[c] * (weight[2, c] + weight[5, c] + weight[8, c])
                    out[at, c] = max(v, SLOPE * v)


@compiled(types.void(_IN, _IN, _VECTOR, _OUT))
def modulate(x: Any, adapt: Any, bias: Any, out: Any) -> None:
    """out = 8 x (1 + scale) + shift; scale, shift and gate are adapt + bias, side by side."""
    channels = x.shape[1]
    for n in range(x.shape[0]):
        for c in range(channels):
            scale, shift = adapt[n, c] + bias[c], adapt[n, channels + c] + bias[channels + c]
            out[n, c] = x[n, c] * np.float32(8) * (np.float32(1) + scale) + shift


@compiled(types.void(_OUT, _IN, _VECTOR, _IN, _VECTOR))
def add_gated(x: Any, adapt: Any, bias: Any, mixed: Any, mixed_bias: Any) -> None:
    """x += gate (mixed + its bias)."""
    channels = x.shape[1]
    for n in range(x.shape[0]):
        for c in range(channels):
            gate = adapt[n, 2 * channels + c] + bias[2 * channels + c]
            x[n, c] += gate * (mixed[n, c] + mixed_bias[c])


@compiled(types.void(_IN, _VECTOR, types.int64, types.uint8[:, :, :]))
def to_pixels(values: Any, bias: Any, first: int, out: Any) -> None:
    """Values (positions, 48) of a row with fold 4, their 48 being 4 rows x 4 columns x RGB -> levels 0..255.

    out is (rows, columns, 3), or (rows, columns, 1) for grey; `first` is the column of positions that out begins at.
    """
    for row in range(out.shape[0]):
        f, a = row // 4, row % 4
        for column in range(out.shape[1]):
            g = first + column // 4
            at = g // 4 * 16 + f * 4 + g % 4
            k = a * 12 + column % 4 * 3
            red, green, blue = values[at, k] + bias[k], values[at, k + 1] + bias[k + 1], values[at, k + 2] + bias[k + 2]
            if out.shape[2] == 1:
                out[row, column, 0] = np.uint8(min(max(np.rint((red + green + blue) / np.float32(3) * np.float32(255)), 0), 255))
            else:
                out[row, column, 0] = np.uint8(min(max(np.rint(red * np.float32(255)), 0), 255))
                out[row, column, 1] = np.uint8(min(max(np.rint(green * np.float32(255)), 0), 255))
                out[row, column, 2] = np.uint8(min(max(np.rint(blue * np.float32(255)), 0), 255))


@compiled(types.void(read_only(types.int32, 2), _IN, types.int64, _OUT))
def add_means(symbols: Any, means: Any, phase: int, out: Any) -> None:
    """out = symbols + means where position + channel + phase is even, 0 elsewhere."""
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            taken = (n + c + phase) % 2 == 0
            out[n, c] = np.float32(symbols[n, c]) + means[n, c] if taken else np.float32(0)


@compiled(types.void(read_only(types.int32, 2), _IN, _IN, _IN, _IN, types.int64, _OUT))
def dequantise(symbols: Any, known: Any, means: Any, step: Any, scale: Any, phase: int, out: Any) -> None:
    """out = y step scale, y being symbols + means where position + channel + phase is odd, what is known elsewhere; scale has as many rows
    as `out`, or one."""
    same = scale.shape[0] == 1
    for n in range(out.shape[0]):
        k = 0 if same else n
        for c in range(out.shape[1]):
            later = (n + c + phase) % 2 == 1
            y = np.float32(symbols[n, c]) + means[n, c] if later else known[n, c]
            out[n, c] = y * step[n, c] * scale[k, c]
