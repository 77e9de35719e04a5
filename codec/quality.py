"""The guard's measure: SSIMULACRA2 of a whole photo and of its worst 512 x 512 tile, from the same error maps.

The photo is cut into cells along the borders of all tiles. Each cell's sums of the error maps are taken once, on any number of threads, and added
in one fixed order: tiles and the whole are sums of cells, and the score does not depend on the number of threads.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from codec.error_maps import LINEAR, SUMS, halve, pool, quarter
from codec.ssimulacra2_constants import CUBIC, POWER, SCALES, SMALLEST, WEIGHTS
from codec.ssimulacra2_constants import LINEAR as SLOPE

Pixels = NDArray[np.uint8]
_Planes = NDArray[np.float32]
_Sums = NDArray[np.float64]

TILE: Final = 512
_ROWS_A_TASK: Final = 64


@dataclass(frozen=True, slots=True)
class Score:
    """SSIMULACRA2: 100 for equal pictures, lower is worse, no lower end."""

    whole: float
    worst_tile: float
    tile: tuple[int, int]
    """(y, x) of the worst tile's upper left corner, pixels."""


def score(original: Pixels, decoded: Pixels, *, threads: int | None = None) -> Score:
    """Measure `decoded` against `original`, both uint8 (H, W, 3) or grey (H, W) in sRGB; the same score for any number of threads.

    Tiles lie on a grid from the top left, the last row and column moved inwards; a photo smaller than a tile has one. `threads` defaults to
    NUMBA_NUM_THREADS. Raises ValueError if the shapes differ or a side is under 8 pixels, where SSIMULACRA2 is undefined.
    """
    a, b = _prepared(original), _prepared(decoded)
    if original.shape != decoded.shape:
        raise ValueError(f"pictures of {original.shape} and {decoded.shape} can't be compared")
    height, width = a.shape[:2]
    if min(height, width) < SMALLEST:
        raise ValueError(f"SSIMULACRA2 is undefined for {width} x {height}: a side is under {SMALLEST} pixels")
    tops, lefts = _starts(height), _starts(width)
    rows, columns = _cuts(height, tops), _cuts(width, lefts)
    sums, areas = _cells(a, b, rows, columns, threads or numba.config.NUMBA_NUM_THREADS)
    tiles: dict[tuple[int, int], float] = {}
    for top in tops:
        within_rows = slice(rows.index(top), rows.index(min(top + TILE, height)))
        for left in lefts:
            within = (slice(None), within_rows, slice(columns.index(left), columns.index(min(left + TILE, width))))
            tiles[top, left] = _score_of(sums[within], areas[within])
    worst = min(tiles, key=lambda tile: tiles[tile])
    return Score(whole=_score_of(sums, areas), worst_tile=tiles[worst], tile=worst)


def ssimulacra2(original: Pixels, decoded: Pixels, *, threads: int | None = None) -> float:
    """SSIMULACRA2 of the whole photo; arguments and errors as for `score`."""
    return score(original, decoded, threads=threads).whole


def psnr(original: Pixels, decoded: Pixels) -> float:
    """Peak signal-to-noise ratio over all samples, decibels; inf for equal pictures. Raises ValueError if the shapes differ."""
    if original.shape != decoded.shape:
        raise ValueError(f"pictures of {original.shape} and {decoded.shape} can't be compared")
    total = 0
    for first in range(0, len(original), _ROWS_A_TASK):  # in pieces: the differences take twice the memory of the bytes
        difference = np.subtract(original[first : first + _ROWS_A_TASK], decoded[first : first + _ROWS_A_TASK], dtype=np.int32)
        total += int(np.sum(difference * difference, dtype=np.int64))
    return math.inf if total == 0 else 10 * math.log10(255**2 * original.size / total)


def _prepared(pixels: Pixels) -> Pixels:
    """C-contiguous (H, W, 1 or 3), without a copy where possible."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"expected uint8 (H, W, 3) or (H, W), not {pixels.dtype} {pixels.shape}")
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None])


def _starts(size: int) -> list[int]:
    """Where tiles begin along one side."""
    if size <= TILE:
        return [0]
    whole = list(range(0, size - TILE + 1, TILE))
    return whole if size % TILE == 0 else [*whole, size - TILE]


def _cuts(size: int, starts: list[int]) -> list[int]:
    """The borders of all tiles along one side, 0 and `size` among them."""
    return sorted({edge for start in starts for edge in (start, min(start + TILE, size))})


def _scales(a: Pixels, b: Pixels, workers: ThreadPoolExecutor) -> Iterator[tuple[int, int, _Planes, _Planes]]:
    """(height, width, planes of a, planes of b) of each scale; the first two scales have no planes, they are read from the bytes."""
    height, width = a.shape[:2]
    nothing = np.zeros((3, 0, 0), np.float32)
    planes = (nothing, nothing)
    for scale in range(SCALES):
        if min(height, width) < SMALLEST:
            return
        if scale == 2:
            planes = (np.empty((3, height, width), np.float32), np.empty((3, height, width), np.float32))
            for pixels, target in zip((a, b), planes, strict=True):
                firsts = range(0, height, _ROWS_A_TASK)
                list(workers.map(lambda y, p=pixels, t=target: quarter(p, LINEAR, y, min(y + _ROWS_A_TASK, len(t[0])), t), firsts))  # type: ignore[misc]
        elif scale > 2:
            halves = (np.empty((3, height, width), np.float32), np.empty((3, height, width), np.float32))
            for source, target in zip(planes, halves, strict=True):
                halve(source, target)
            planes = halves
        yield height, width, *planes
        height, width = (height + 1) // 2, (width + 1) // 2


def _cells(a: Pixels, b: Pixels, rows: list[int], columns: list[int], threads: int) -> tuple[_Sums, NDArray[np.int64]]:
    """Sums of the error maps (scales, cell rows, cell columns, 3, SUMS) and pixels of each cell (scales, cell rows, cell columns)."""
    all_sums: list[_Sums] = []
    all_areas: list[NDArray[np.int64]] = []
    with ThreadPoolExecutor(max(1, threads)) as workers:
        for scale, (height, width, planes_a, planes_b) in enumerate(_scales(a, b, workers)):
            down, across = _shrunk(rows, scale, height), _shrunk(columns, scale, width)
            sums = np.zeros((len(rows) - 1, len(columns) - 1, 3, SUMS))

            def work(cell: tuple[int, int]) -> None:
                row, column = cell
                (top, bottom), (left, right) = down[row : row + 2], across[column : column + 2]  # noqa: B023 - done before the next scale
                if bottom > top and right > left:
                    pool(a, b, planes_a, planes_b, scale, height, width, top, bottom, left, right, LINEAR, sums[cell])  # noqa: B023

            list(workers.map(work, np.ndindex(sums.shape[:2])))
            all_sums.append(sums)
            all_areas.append(np.outer(np.diff(down), np.diff(across)))
    return np.stack(all_sums), np.stack(all_areas)


def _shrunk(cuts: list[int], scale: int, size: int) -> list[int]:
    """The cuts at a smaller scale, to the nearest pixel; the last is the picture's border, which halving rounds up."""
    return [*((cut + (1 << scale >> 1)) >> scale for cut in cuts[:-1]), size]


def _score_of(sums: _Sums, areas: NDArray[np.int64]) -> float:
    """Pool cells (scales, rows, columns, ...) and weigh.

    As in the reference, the list of weights is gone through without a gap: a picture of fewer than six scales has other weights.
    """
    total = sums.sum((1, 2)) / areas.sum((1, 2))[:, None, None]  # (scales, 3, SUMS)
    pooled = np.stack((total[..., :3], total[..., 3:] ** 0.25), 2)  # (scales, 3 channels, 2 norms, 3 maps)
    listed = pooled.transpose(1, 0, 2, 3).ravel()
    t = SLOPE * sum(weight * float(listed[index]) for index, weight in WEIGHTS.items() if index < listed.size)
    s = CUBIC[0] * t + CUBIC[1] * t**2 + CUBIC[2] * t**3
    return 100 - 10 * max(s, 0.0) ** POWER
