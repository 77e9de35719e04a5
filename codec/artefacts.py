"""The measures of artefacts that a perceptual score can miss, each as a map over the photo: where, and how much.

Every measure compares the decoded picture with the original, so that noise, texture and patterns that were there before count for nothing,
and is divided by what the original's own activity hides. docs/guard.md describes each in words.
"""

import math
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from codec import artefact_maps as kernels
from codec.artefact_maps import CELL, PATCH, TILE
from codec.artefact_sums import Sums
from codec.masked_error import BLOCK

_Floats = NDArray[np.float32]
_Number = TypeVar("_Number", np.float32, np.float64)

SCORE_TILE: Final = 512
_FEWEST_SEGMENTS: Final = 12
_FEWEST_BENDS: Final = 40
_SHORTEST_LINE: Final = 32  # pixels
_LINES_AT_ONCE: Final = 64
_BORDER: Final = 4
_WHITE: Final = 255.0
_FLARE: Final = 0.01
"""Of white: light that every screen adds, without which a hundredth of a level counts in deep black."""

# Bjoern Ottosson, "A perceptual color space for image processing" (2020): linear sRGB -> cones, cube roots of cones -> Lab.
_TO_CONES: Final = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]]
)
_TO_LAB: Final = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099], [0.0259040371, 0.7827717662, -0.8086757660]]
)


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Values of one measure, (rows, columns); larger is worse.

    Value [i, j] is of the `extent` (height, width) at (i, j) * `stride`, pixels.
    """

    values: _Floats
    stride: tuple[int, int]
    extent: tuple[int, int]


def masked_error(sums: Sums) -> float:
    """PSNR-HVS-M of the whole, decibels; inf for equal luma. A border that is no whole block is continued to one."""
    return decibels(float(sums.error.mean(dtype=np.float64)))


def decibels(error: float) -> float:
    """Mean squared levels -> decibels."""
    return 10 * math.log10(_WHITE**2 / error) if error > 0 else math.inf


def squared_levels(decibels: float) -> float:
    """Decibels -> mean squared levels."""
    return float(_WHITE**2 / 10 ** (decibels / 10))


def masked_error_of_tiles(sums: Sums) -> Map:
    """Mean masked error of tiles as the score's, to the next block, squared levels."""
    size = SCORE_TILE // BLOCK
    whole = _means(sums.error, size)
    rows, columns = (sorted({*range(0, n, size), n - 1}) for n in whole.shape)
    # Strides of single blocks: the last tile begins anywhere.
    values = np.zeros_like(whole)
    values[np.ix_(rows, columns)] = whole[np.ix_(rows, columns)]
    return Map(values, (BLOCK, BLOCK), _extent(sums.error, size, BLOCK))


def local_masked_error(sums: Sums) -> Map:
    """The same of windows of 32 pixels."""
    return Map(_means(sums.error, 4), (BLOCK, BLOCK), _extent(sums.error, 4, BLOCK))


def dots(sums: Sums) -> Map:
    """Energy of waves of 2 to 4 pixels that the original does not have: each block's gain in it over its own, windows of 32 pixels.

    Each block is weighed by itself: a pattern on flat ground beside an edge shows, more energy in the edge does not.
    """
    gain = np.clip((sums.fine_b - sums.fine_a) / (4 + sums.fine_a), -1, 4)
    return Map(_means(gain, 4), (BLOCK, BLOCK), _extent(gain, 4, BLOCK))


def patches(sums: Sums) -> tuple[Map, Map]:
    """Steps at the borders of the codec's patches, columns and rows, in levels that show; windows of 128 pixels.

    The error's steps are averaged along each side of a patch, which leaves little of noise, and squared; what they exceed the steps at all
    other places by is the patches'. The original's steps hide them.
    """
    return (
        _at_the_grid(sums.squares_across, sums.height, sums.width),
        _at_the_grid(sums.squares_down.transpose(2, 1, 0, 3), sums.width, sums.height, turned=True),
    )


def _at_the_grid(squares: _Floats, along: int, across: int, *, turned: bool = False) -> Map:
    """squares (bands along a line, STEPS, tiles across lines, PATCH)."""
    segments = np.array([_within(band, along) // PATCH for band in range(squares.shape[0])], np.float32)
    steps = np.stack([_columns_by_phase(tile, across) for tile in range(squares.shape[2])])
    count = _windows((segments[:, None, None] * steps).transpose(2, 0, 1), 2)
    of_e, of_a = (_windows(squares[:, kind].transpose(2, 0, 1), 2) / np.maximum(count, 1) for kind in range(2))
    excess = np.sqrt(np.maximum(of_e[0] - np.median(of_e[1:], 0), 0))
    values = excess / (1 + np.sqrt(np.median(of_a, 0)) / 2)
    values[count.min(0) < _FEWEST_SEGMENTS] = 0
    extent = min(2 * TILE, along), min(2 * TILE, across)
    return Map(values.T if turned else values, (TILE, TILE), extent[::-1] if turned else extent)


def _columns_by_phase(tile: int, size: int) -> _Floats:
    """How many steps of a tile have each number modulo PATCH; the picture's first column has none."""
    return np.bincount(np.arange(max(tile * TILE, 1), min(tile * TILE + TILE, size)) % PATCH, minlength=PATCH).astype(np.float32)


def seams(sums: Sums) -> tuple[Map, Map]:
    """Straight steps of the error, 128 pixels long, at any column and at any row, in levels that show.

    A seam is lonely: less twice what the columns beside it have, and divided by what the original has there. The outermost four pixels of
    the photo are left out.
    """
    lines = sums.lines_across.transpose(1, 2, 0)
    down = sums.lines_down.transpose(1, 0, 2, 3).reshape(kernels.LINES, -1, sums.lines_down.shape[3])[:, : sums.height]
    across = _lonely(lines, sums.height)
    along = _lonely(down, sums.width)
    return (
        Map(across.T, (TILE, 1), (min(2 * TILE, sums.height), 1)),
        Map(along, (1, TILE), (1, min(2 * TILE, sums.width))),
    )


def _lonely(lines: _Floats, length: int) -> _Floats:
    """Lines (LINES, places, bands along the lines) of a side of `length` pixels -> values (places, pairs of bands)."""
    bands = lines.shape[2] - (_within(lines.shape[2] - 1, length) < _SHORTEST_LINE)
    values = np.zeros((lines.shape[1], max(bands - 1, 1)), np.float32)
    for first in range(0, max(bands - 1, min(bands, 1)), _LINES_AT_ONCE):
        piece = lines[:, :, first : min(first + _LINES_AT_ONCE + 1, bands)]
        error, original, activity = piece if bands == 1 else (piece[..., 1:] + piece[..., :-1]) / 2
        step, hidden = np.abs(error), np.abs(original)
        beside, nearby = _beside(step), hidden.copy()
        for distance in range(1, 5):
            nearby[distance:] = np.maximum(nearby[distance:], hidden[:-distance])
            nearby[:-distance] = np.maximum(nearby[:-distance], hidden[distance:])
        found = np.maximum(step - 2 * beside, 0) / (1 + nearby / 3 + activity / 8)
        found[:_BORDER] = found[-_BORDER:] = 0
        values[:, first : first + found.shape[1]] = found
    return values


def _beside(step: _Floats) -> _Floats:
    """The mean of the places two to five off, on both sides; of those that exist."""
    total, count = np.zeros_like(step), np.zeros((len(step), 1), np.float32)
    for distance in range(2, 6):
        total[distance:] += step[:-distance]
        total[:-distance] += step[distance:]
        count[distance:] += 1
        count[:-distance] += 1
    return np.asarray(total / np.maximum(count, 1))


def structure(sums: Sums) -> Map:
    """The share of coarse structure that is lost or invented, windows of 32 pixels: squared error of means of 4 x 4 over their variance."""
    moments = sums.moments.transpose(1, 0, 2)
    if 0 in moments.shape:
        return Map(np.zeros((1, 1), np.float32), (PATCH, PATCH), (sums.height, sums.width))
    total = _means(moments, 2) / 16
    variance = np.maximum(total[1] - total[0] ** 2, 0)
    return Map(total[3] / (16 + variance), (PATCH, PATCH), _extent(moments, 2, PATCH))


def colour(sums: Sums, size: int) -> Map:
    """How far the mean colour of areas of `size` pixels moved, hundredths of Oklab; the bytes are taken for sRGB."""
    cells = size // CELL
    total = _windows(sums.colours.transpose(1, 0, 2)[:6].astype(np.float64), cells) / _windows(_pixels(sums)[None], cells)
    if sums.channels == 1:
        total = total[[0, 0, 0, 3, 3, 3]]
    moved = _oklab(total[:3]) - _oklab(total[3:])
    return Map(100 * np.sqrt((moved**2).sum(-1)).astype(np.float32), (CELL, CELL), _extent(sums.colours[:, 0], cells, CELL))


def clipping(sums: Sums) -> Map:
    """The share of samples that became white, or black, and were at least eight levels from it; windows of 64 pixels."""
    gone = sums.colours.transpose(1, 0, 2)[6:].astype(np.float64)
    share = _windows(gone, 2).max(0) / (sums.channels * _windows(_pixels(sums)[None], 2)[0])
    return Map(share.astype(np.float32), (CELL, CELL), _extent(gone, 2, CELL))


def strokes(sums: Sums) -> Map:
    """The share of contrast that thin strokes of strong contrast lost, windows of 64 pixels with at least 40 such places."""
    total = _windows(sums.strokes.transpose(1, 0, 2), 2)
    lost = np.where(total[2] >= _FEWEST_BENDS, 1 - total[1] / np.maximum(total[0], 1), 0)
    return Map(lost.astype(np.float32), (CELL, CELL), _extent(sums.strokes[:, 0], 2, CELL))


def _oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean bytes (3, ...) -> Oklab (..., 3)."""
    share = np.moveaxis(rgb, 0, -1) / _WHITE
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt((linear + _FLARE) @ _TO_CONES.T) @ _TO_LAB.T)


def _pixels(sums: Sums) -> NDArray[np.float64]:
    """Pixels of each cell."""
    sides = [np.diff([*range(0, size, CELL), size]) for size in (sums.height, sums.width)]
    return np.outer(*sides).astype(np.float64)


def _within(part: int, size: int) -> int:
    """Pixels of a side that lie in its part of TILE pixels."""
    return min(TILE, size - part * TILE)


def _windows(values: NDArray[_Number], size: int) -> NDArray[_Number]:
    """Sums over all windows of the last two axes, `size` long or as long as the axis."""
    for axis in (-2, -1):
        length = min(size, values.shape[axis])
        total = np.concatenate((np.zeros_like(values.take([0], axis), np.float64), values.cumsum(axis, dtype=np.float64)), axis)
        upper, lower = (total.take(range(start, total.shape[axis] - length + start), axis) for start in (length, 0))
        values = (upper - lower).astype(values.dtype)
    return values


def _means(values: NDArray[_Number], size: int) -> NDArray[_Number]:
    """Means over the same windows."""
    area = min(size, values.shape[-2]) * min(size, values.shape[-1])
    return np.asarray(_windows(values, size) / area, values.dtype)


def _extent(values: NDArray[np.generic], size: int, side: int) -> tuple[int, int]:
    return min(size, values.shape[-2]) * side, min(size, values.shape[-1]) * side
