"""PSNR-HVS-M's error of each block of 8 x 8 pixels of luma, and the block's energy near Nyquist: compiled, a row of blocks at a time.

After N. Ponomarenko et al., "On between-coefficient contrast masking of DCT basis functions" (2007): the differences of DCT coefficients,
less what the block's own contrast hides, weighted by the eye's sensitivity to each frequency. The tables are the paper's.

The luma of a row of blocks is turned round, so that neighbours in memory are the same pixel of neighbouring blocks: then every step is a
loop over blocks, which the compiler vectorises.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled, types

BLOCK: Final = 8
LUMA_SCALE: Final = 16
"""Luma is kept as integers, in sixteenths of a level."""

_MASKING: Final = np.array(
    [
        [0.390625, 0.826446, 1.000000, 0.390625, 0.173611, 0.062500, 0.038447, 0.026874],
        [0.694444, 0.694444, 0.510204, 0.277008, 0.147929, 0.029727, 0.027778, 0.033058],
        [0.510204, 0.591716, 0.390625, 0.173611, 0.062500, 0.030779, 0.021004, 0.031888],
        [0.510204, 0.346021, 0.206612, 0.118906, 0.038447, 0.013212, 0.015625, 0.026015],
        [0.308642, 0.206612, 0.073046, 0.031888, 0.021626, 0.008417, 0.009426, 0.016866],
        [0.173611, 0.081633, 0.033058, 0.024414, 0.015242, 0.009246, 0.007831, 0.011815],
        [0.041649, 0.024414, 0.016437, 0.013212, 0.009426, 0.006830, 0.006944, 0.009803],
        [0.019290, 0.011815, 0.011080, 0.010412, 0.007972, 0.010000, 0.009426, 0.010203],
    ],
    np.float32,
)
_SENSITIVITY: Final = np.array(
    [
        [1.608443, 2.339554, 2.573509, 1.608443, 1.072295, 0.643377, 0.504610, 0.421887],
        [2.144591, 2.144591, 1.838221, 1.354478, 0.989811, 0.443708, 0.428918, 0.467911],
        [1.838221, 1.979622, 1.608443, 1.072295, 0.643377, 0.451493, 0.372972, 0.459555],
        [1.838221, 1.513829, 1.169777, 0.887417, 0.504610, 0.295806, 0.321689, 0.415082],
        [1.429727, 1.169777, 0.695543, 0.459555, 0.378457, 0.236102, 0.249855, 0.334222],
        [1.072295, 0.735288, 0.467911, 0.402111, 0.317717, 0.247453, 0.227744, 0.279729],
        [0.525206, 0.402111, 0.329937, 0.295806, 0.249855, 0.212687, 0.214459, 0.254803],
        [0.357432, 0.279729, 0.270896, 0.262603, 0.229778, 0.257351, 0.249855, 0.259950],
    ],
    np.float32,
)
_turn, _place = np.mgrid[0:BLOCK, 0:BLOCK]
_COSINES: Final = np.where(_turn == 0, np.sqrt(1 / 8), np.sqrt(2 / 8) * np.cos(np.pi * _turn * (2 * _place + 1) / 16)).astype(np.float32)

TABLES: Final[NDArray[np.float32]] = np.ascontiguousarray(np.stack((_COSINES, _MASKING, _SENSITIVITY)))
"""What `error_of_blocks` wants as its tables: the DCT, the masking and the sensitivity, (3, 8, 8)."""

_AT_ONCE: Final = 64
_FINE: Final = 4  # frequencies of which an axis has this number or a higher one: waves of 2 to 4 pixels
_ZERO: Final = np.float32(0)
_LEVEL: Final = np.float32(1 / LUMA_SCALE)
_INNER: Final = np.float32(16 / 15)  # the sample variance of 16 pixels, times 16, over their sum of squares
_OUTER: Final = np.float32(64 / 63)
_TO_MASK: Final = np.float32(1 / (16 * 64))

_CUBE = types.float32[:, :, ::1]


@compiled(types.void(types.Array(types.int16, 2, "A", readonly=True), types.int64, types.int64, _CUBE))
def _turned(luma: Any, first: int, count: int, pixels: Any) -> None:
    """Blocks first..first + count of eight rows of luma into pixels (8, 8, blocks), in levels."""
    for y in range(8):
        for n in range(count):
            for x in range(8):
                pixels[y, x, n] = _LEVEL * np.float32(luma[y, (first + n) * 8 + x])


@compiled(types.void(types.float32[:, ::1], _CUBE, _CUBE, _CUBE))
def _transformed(cosines: Any, pixels: Any, half: Any, coefficients: Any) -> None:
    """The DCT of each block, down and then across."""
    for u in range(8):
        for x in range(8):
            target = half[u, x]
            for pair in range(0, 8, 2):
                c0, c1, row0, row1 = cosines[u, pair], cosines[u, pair + 1], pixels[pair, x], pixels[pair + 1, x]
                if pair == 0:
                    for n in range(target.size):
                        target[n] = c0 * row0[n] + c1 * row1[n]
                else:
                    for n in range(target.size):
                        target[n] += c0 * row0[n] + c1 * row1[n]
    for u in range(8):
        for v in range(8):
            target = coefficients[u, v]
            for pair in range(0, 8, 2):
                c0, c1, row0, row1 = cosines[v, pair], cosines[v, pair + 1], half[u, pair], half[u, pair + 1]
                if pair == 0:
                    for n in range(target.size):
                        target[n] = c0 * row0[n] + c1 * row1[n]
                else:
                    for n in range(target.size):
                        target[n] += c0 * row0[n] + c1 * row1[n]


@compiled(types.void(_CUBE, _CUBE, types.float32[:, ::1], types.float32[:, ::1], types.float32[::1]))
def _contrast(pixels: Any, coefficients: Any, masking: Any, work: Any, mask: Any) -> None:
    """What the contrast of each block hides: the root of its weighted energy, less where the energy lies in one part (an edge)."""
    energy, quarters, total, squares = work[0], work[1], work[2], work[3]
    for n in range(mask.size):
        energy[n] = _ZERO
        quarters[n] = _ZERO
    for u in range(8):
        for v in range(8):
            if u + v > 0:
                weight, row = masking[u, v], coefficients[u, v]
                for n in range(mask.size):
                    energy[n] += weight * row[n] * row[n]
    for corner in range(4):
        for n in range(mask.size):
            total[n] = _ZERO
            squares[n] = _ZERO
        top, left = corner // 2 * 4, corner % 2 * 4
        for y in range(top, top + 4):
            for x in range(left, left + 4):
                row, shift = pixels[y, x], pixels[top, left]  # less one of the pixels: then single precision holds the squares
                for n in range(mask.size):
                    difference = row[n] - shift[n]
                    total[n] += difference
                    squares[n] += difference * difference
        for n in range(mask.size):
            quarters[n] += _INNER * (squares[n] - total[n] * total[n] / np.float32(16))
    for n in range(mask.size):
        total[n] = _ZERO
    for u in range(8):
        for v in range(8):
            if u + v > 0:
                row = coefficients[u, v]
                for n in range(mask.size):
                    total[n] += row[n] * row[n]
    for n in range(mask.size):
        share = quarters[n] / (_OUTER * total[n] + np.float32(1e-6))
        mask[n] = np.sqrt(max(energy[n] * share, _ZERO) * _TO_MASK)


_ROWS = types.Array(types.int16, 2, "A", readonly=True)
_LINE = types.float32[::1]


@compiled(types.void(_ROWS, _ROWS, types.Array(types.float32, 3, "C", readonly=True), _LINE, _LINE, _LINE))
def error_of_blocks(luma_a: Any, luma_b: Any, tables: Any, error: Any, fine_a: Any, fine_b: Any) -> None:
    """One row of blocks: luma (8, 8 * blocks) of both photos -> for each block the masked error, and energies near Nyquist.

    `tables` is TABLES. All results are means over the block's pixels of squared levels; of the energies only waves
    of 2 to 4 pixels count.
    """
    cosines, masking, sensitivity = tables[0].copy(), tables[1].copy(), tables[2]
    pixels_a, pixels_b = np.zeros((8, 8, _AT_ONCE), np.float32), np.zeros((8, 8, _AT_ONCE), np.float32)
    dct_a, dct_b, half = np.empty_like(pixels_a), np.empty_like(pixels_a), np.empty_like(pixels_a)
    mask, other, work = np.zeros(_AT_ONCE, np.float32), np.zeros(_AT_ONCE, np.float32), np.zeros((4, _AT_ONCE), np.float32)
    for first in range(0, error.size, _AT_ONCE):
        count = min(_AT_ONCE, error.size - first)
        _turned(luma_a, first, count, pixels_a)
        _turned(luma_b, first, count, pixels_b)
        _transformed(cosines, pixels_a, half, dct_a)
        _transformed(cosines, pixels_b, half, dct_b)
        _contrast(pixels_a, dct_a, masking, work, mask)
        _contrast(pixels_b, dct_b, masking, work, other)
        for n in range(_AT_ONCE):
            mask[n] = max(mask[n], other[n])
        of_a, of_b, sums = work[0], work[1], work[2]
        work[:] = _ZERO
        for u in range(8):
            for v in range(8):
                row_a, row_b = dct_a[u, v], dct_b[u, v]
                weight = sensitivity[u, v]
                hidden = _ZERO if u + v == 0 else np.float32(1) / masking[u, v]
                for n in range(_AT_ONCE):
                    seen = max(abs(row_a[n] - row_b[n]) - hidden * mask[n], _ZERO) * weight
                    sums[n] += seen * seen
                if u >= _FINE or v >= _FINE:
                    for n in range(_AT_ONCE):
                        of_a[n] += row_a[n] * row_a[n]
                        of_b[n] += row_b[n] * row_b[n]
        for n in range(count):
            error[first + n] = sums[n] / np.float32(64)
            fine_a[first + n] = of_a[n] / np.float32(64)
            fine_b[first + n] = of_b[n] / np.float32(64)
