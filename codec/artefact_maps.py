"""What artefacts leave in a band of a photo, cell by cell: compiled sums over the luma and the bytes of both pictures.

Luma is int16, in sixteenths of a level, so that sums over a cell are integers: exact, and vectorised by the compiler. Everywhere a is the
original, b the decoded picture and e = b - a.
"""

from typing import Any, Final

import numpy as np

from codec.compiled import compiled, types
from codec.masked_error import LUMA_SCALE

TILE: Final = 64
"""Rows of a band, and the side of the tiles in which steps are summed; pixels, like the next two."""
CELL: Final = 32
"""The side of the cells of colour, clipping and strokes."""
PATCH: Final = 16
"""The side of the codec's patches, and of the cells of the coarse structure."""

STEPS: Final = 2
"""Kinds of squared steps: of e and of a."""
LINES: Final = 3
"""Kinds of steps along a line: of e, of a, and the absolute ones of a."""
MOMENTS: Final = 4
"""Sums over the means of 4 x 4 pixels: of a, a^2, e and e^2."""
COLOURS: Final = 8
"""Sums over a cell's samples: red, green, blue of a, then of b; samples that are white, and that are black, only in b."""
STROKES: Final = 3
"""Sums over strong bends: of a's bend squared, of a's times b's, and their number."""

_BYTES = types.Array(types.uint8, 3, "C", readonly=True)
_LUMA = types.Array(types.int16, 2, "A", readonly=True)
_INTS2 = types.int32[:, ::1]
_FLOATS2, _FLOATS3 = types.float32[:, ::1], types.float32[:, :, ::1]

_FAR: Final = 8  # levels: a sample at least so far from the end of the range was not clipped before
_BEND: Final = 80 * LUMA_SCALE  # of luma across a stroke: twice the contrast that is called strong
_LEVEL: Final = np.float32(1 / LUMA_SCALE)
_SEGMENT: Final = np.float32(1 / (LUMA_SCALE * PATCH))
_QUAD: Final = np.float32(1 / (LUMA_SCALE * 16))


@compiled(types.void(_BYTES, types.int64, types.int64, types.int16[:, ::1]))
def read_luma(pixels: Any, first: int, last: int, luma: Any) -> None:
    """BT.601 luma of rows first..last of (H, W, 1 or 3) into (last - first, at least W); beyond W the last pixel is repeated."""
    width = pixels.shape[1]
    for y in range(first, last):
        row, source = luma[y - first], pixels[y]
        if pixels.shape[2] == 1:
            for x in range(width):
                row[x] = np.int16(source[x, 0]) << 4
        else:
            for x in range(width):
                red, green, blue = np.int32(source[x, 0]), np.int32(source[x, 1]), np.int32(source[x, 2])
                row[x] = (77 * red + 150 * green + 29 * blue) >> 4
        row[width:] = row[width - 1]


@compiled(types.void(_LUMA, _LUMA, _FLOATS3, _FLOATS2))
def steps_across(a: Any, b: Any, squares: Any, lines: Any) -> None:
    """Steps from column to column of a band.

    squares (STEPS, tiles, PATCH): by the column's number modulo PATCH, the sums of squared means over segments of PATCH rows, levels^2.
    lines (LINES, W): means down the band, levels. The first column of the picture has no step.
    """
    height, width = a.shape
    of_e, of_a, absolute = np.zeros(width, np.int32), np.zeros(width, np.int32), np.zeros(width, np.int32)
    share = np.float32(1) / np.float32(LUMA_SCALE * height)
    for top in range(0, height, PATCH):
        bottom = min(top + PATCH, height)
        of_e[:] = 0
        of_a[:] = 0
        absolute[:] = 0
        to_e, to_a, to_absolute = of_e[1:], of_a[1:], absolute[1:]
        for y in range(top, bottom):
            here_a, here_b, left_a, left_b = a[y, 1:], b[y, 1:], a[y, :-1], b[y, :-1]
            for x in range(here_a.size):
                step_a = np.int32(here_a[x]) - np.int32(left_a[x])
                to_a[x] += step_a
                to_absolute[x] += abs(step_a)
                to_e[x] += np.int32(here_b[x]) - np.int32(left_b[x]) - step_a
        for x in range(width):
            lines[0, x] += share * np.float32(of_e[x])
            lines[1, x] += share * np.float32(of_a[x])
            lines[2, x] += share * np.float32(absolute[x])
        if bottom - top == PATCH:
            for x in range(1, width):
                mean_e, mean_a = _SEGMENT * np.float32(of_e[x]), _SEGMENT * np.float32(of_a[x])
                squares[0, x // TILE, x % PATCH] += mean_e * mean_e
                squares[1, x // TILE, x % PATCH] += mean_a * mean_a


@compiled(types.void(_LUMA, _LUMA, types.int64, _FLOATS3, _FLOATS3))
def steps_down(a: Any, b: Any, first: int, squares: Any, lines: Any) -> None:
    """Steps from row to row: a[r] to a[r + 1] is row first + r of the band, 0..TILE - 1.

    squares (STEPS, tiles, PATCH) as above, of segments of PATCH columns; lines (LINES, TILE, tiles): means across each tile, levels.
    """
    width = a.shape[1]
    for y in range(a.shape[0] - 1):
        row = first + y
        for tile in range(lines.shape[2]):
            left, right = tile * TILE, min(tile * TILE + TILE, width)
            share = _LEVEL / np.float32(right - left)
            for start in range(left, right, PATCH):
                end = min(start + PATCH, right)
                here_a, here_b, above_a, above_b = a[y + 1, start:end], b[y + 1, start:end], a[y, start:end], b[y, start:end]
                of_e, of_a, absolute = np.int32(0), np.int32(0), np.int32(0)
                for x in range(end - start):
                    step_a = np.int32(here_a[x]) - np.int32(above_a[x])
                    of_a += step_a
                    absolute += abs(step_a)
                    of_e += np.int32(here_b[x]) - np.int32(above_b[x]) - step_a
                lines[0, row, tile] += share * np.float32(of_e)
                lines[1, row, tile] += share * np.float32(of_a)
                lines[2, row, tile] += share * np.float32(absolute)
                if end - start == PATCH:
                    mean_e, mean_a = _SEGMENT * np.float32(of_e), _SEGMENT * np.float32(of_a)
                    squares[0, tile, row % PATCH] += mean_e * mean_e
                    squares[1, tile, row % PATCH] += mean_a * mean_a


@compiled(types.void(_LUMA, _LUMA, _FLOATS2))
def coarse(a: Any, b: Any, moments: Any) -> None:
    """A row of patches -> moments (MOMENTS, patches), of the means of 4 x 4 pixels, in levels."""
    sum_a, sum_e = np.zeros(a.shape[1], np.int32), np.zeros(a.shape[1], np.int32)
    for top in range(0, PATCH, 4):
        sum_a[:] = 0
        sum_e[:] = 0
        for y in range(top, top + 4):
            row_a, row_b = a[y], b[y]
            for x in range(row_a.size):
                sum_a[x] += row_a[x]
                sum_e[x] += np.int32(row_b[x]) - np.int32(row_a[x])
        for patch in range(moments.shape[1]):
            for x in range(patch * PATCH, patch * PATCH + PATCH, 4):
                mean_a = _QUAD * np.float32(sum_a[x] + sum_a[x + 1] + sum_a[x + 2] + sum_a[x + 3])
                mean_e = _QUAD * np.float32(sum_e[x] + sum_e[x + 1] + sum_e[x + 2] + sum_e[x + 3])
                moments[0, patch] += mean_a
                moments[1, patch] += mean_a * mean_a
                moments[2, patch] += mean_e
                moments[3, patch] += mean_e * mean_e


@compiled(types.void(_BYTES, _BYTES, types.int64, types.int64, _INTS2))
def colours(a: Any, b: Any, first: int, last: int, sums: Any) -> None:
    """A row of cells, rows first..last of (H, W, 1 or 3) -> sums (COLOURS, cells)."""
    channels = a.shape[2]
    size = a.shape[1] * channels
    of_a, of_b, white, black = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size, np.int32)
    for y in range(first, last):
        row_a, row_b = a[y].reshape(size), b[y].reshape(size)
        for i in range(size):
            of_a[i] += row_a[i]
            of_b[i] += row_b[i]
        for i in range(size):
            white[i] += np.int32(row_b[i] == 255) & np.int32(row_a[i] <= 255 - _FAR)
            black[i] += np.int32(row_b[i] == 0) & np.int32(row_a[i] >= _FAR)
    for cell in range(sums.shape[1]):
        for x in range(cell * CELL, min(cell * CELL + CELL, a.shape[1])):
            for channel in range(channels):
                i = x * channels + channel
                sums[channel, cell] += of_a[i]
                sums[3 + channel, cell] += of_b[i]
                sums[6, cell] += white[i]
                sums[7, cell] += black[i]


@compiled(types.void(_LUMA, _LUMA, _FLOATS2))
def strokes(a: Any, b: Any, sums: Any) -> None:
    """A row of cells -> sums (STROKES, cells) over places where luma bends strongly across: 2 p[x] - p[x - 2] - p[x + 2]."""
    for y in range(a.shape[0]):
        row_a, row_b = a[y], b[y]
        for cell in range(sums.shape[1]):
            for x in range(max(cell * CELL, 2), min(cell * CELL + CELL, row_a.size - 2)):
                bend_a = 2 * np.int32(row_a[x]) - np.int32(row_a[x - 2]) - np.int32(row_a[x + 2])
                if abs(bend_a) >= _BEND:
                    bend_b = 2 * np.int32(row_b[x]) - np.int32(row_b[x - 2]) - np.int32(row_b[x + 2])
                    sums[0, cell] += np.float32(bend_a) * np.float32(bend_a)
                    sums[1, cell] += np.float32(bend_a) * np.float32(bend_b)
                    sums[2, cell] += np.float32(1)
