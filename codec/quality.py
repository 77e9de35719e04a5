"""The guard's measure: SSIMULACRA2 of a whole photo and of its worst 512 x 512 tile, from the same error maps.

The photo is cut into cells along the borders of all tiles. Each cell's sums of the error maps are taken once, on any number of
threads, and added in one fixed order: the score does not depend on the number of threads.

A tile's score is that of the tile taken as a picture. At the two finest scales, which are nearly all of the work, the sums of
its cells stand for it; from a quarter of the size on the maps are taken anew with the tile's own borders, since there the
halo of the blur is a good part of the tile: without that, scores near 70 come out two points too low.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec.compiled import most_threads
from codec.error_maps import CONES, LINEAR, SUMS, halve, pool, quarter
from codec.profile import Profile
from codec.ssimulacra2_constants import CUBIC, POWER, SCALES, SMALLEST, WEIGHTS
from codec.ssimulacra2_constants import LINEAR as SLOPE

Pixels = NDArray[np.uint8]
_Planes = NDArray[np.float32]
_Sums = NDArray[np.float64]
_Areas = NDArray[np.float64]
_Map = Callable[..., Iterable[None]]

TILE: Final = 512
_OWN: Final = 2
"""The first scale at which a tile has maps of its own."""
_BAND: Final = 64


@dataclass(frozen=True, slots=True)
class Score:
    """SSIMULACRA2: 100 for equal pictures, lower is worse, no lower end."""

    whole: float
    worst_tile: float
    tile: tuple[int, int]
    """(y, x) of the worst tile's upper left corner, pixels."""
    tiles: tuple[tuple[tuple[int, int], float], ...] = field(default=(), compare=False, repr=False)
    """(y, x) of each tile's upper left corner, and its score."""


@dataclass(frozen=True, slots=True, eq=False)
class _Light:
    """What the bytes of both pictures mean, as the kernels want it."""

    linear: NDArray[np.float32]
    cones: NDArray[np.float32]

    @classmethod
    def of(cls, profile: Profile | None) -> "_Light":
        # A matrix before the cones' is as good as another picture, and nothing outside of sRGB is cut off.
        return cls(LINEAR, CONES) if profile is None else cls(profile.curves, np.ascontiguousarray(CONES @ profile.matrix))


def score(original: Pixels, decoded: Pixels, *, profile: Profile | None = None, threads: int | None = None) -> Score:
    """Measure `decoded` against `original`, both uint8 (H, W, 3) or grey (H, W); the same score for any number of threads.

    SSIMULACRA2 looks at linear light: `profile` says how the numbers of both become that, None that they are sRGB.

    Tiles lie on a grid from the top left, the last row and column moved inwards; a photo smaller than a tile has one. `threads` defaults to
    `most_threads`. Raises ValueError if the shapes differ or a side is under 8 pixels, where SSIMULACRA2 is undefined.
    """
    a, b = prepared(original), prepared(decoded)
    if original.shape != decoded.shape:
        raise ValueError(f"pictures of {original.shape} and {decoded.shape} can't be compared")
    light = _Light.of(profile)
    height, width = a.shape[:2]
    if min(height, width) < SMALLEST:
        raise ValueError(f"SSIMULACRA2 is undefined for {width} x {height}: a side is under {SMALLEST} pixels")
    tops, lefts = _starts(height), _starts(width)
    rows, columns = _cuts(height, tops), _cuts(width, lefts)
    with ThreadPoolExecutor(threads or most_threads()) as workers:
        sums, areas = _pool(a, b, light, rows, columns, 0, workers.map)
        whole = _score_of(_means(sums, areas))
        corners = list(itertools.product(tops, lefts))
        if len(corners) == 1:
            return Score(whole, whole, (0, 0), (((0, 0), whole),))

        def tile_score(corner: tuple[int, int]) -> float:
            top, left = corner
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            within = np.s_[:_OWN, rows.index(top) : rows.index(bottom), columns.index(left) : columns.index(right)]
            tile_a, tile_b = (np.ascontiguousarray(pixels[top:bottom, left:right]) for pixels in (a, b))
            own = _pool(tile_a, tile_b, light, [0, bottom - top], [0, right - left], _OWN, map)
            return _score_of(np.concatenate((_means(sums[within], areas[within]), _means(*own))))

        tiles = list(workers.map(tile_score, corners))
    worst = min(range(len(tiles)), key=tiles.__getitem__)
    return Score(whole, tiles[worst], corners[worst], tuple(zip(corners, tiles, strict=True)))


def ssimulacra2(original: Pixels, decoded: Pixels, *, profile: Profile | None = None, threads: int | None = None) -> float:
    """SSIMULACRA2 of the whole photo; arguments and errors as for `score`."""
    return score(original, decoded, profile=profile, threads=threads).whole


def prepared(pixels: Pixels) -> Pixels:
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


def _scales(a: Pixels, b: Pixels, light: _Light, run: _Map) -> Iterator[tuple[int, int, _Planes, _Planes]]:
    """(height, width, planes of a, planes of b) of each scale; the first two scales have no planes, they are read from the bytes."""
    height, width = a.shape[:2]
    planes = [np.zeros((3, 0, 0), np.float32)] * 2
    for scale in range(SCALES):
        if min(height, width) < SMALLEST:
            return
        if scale == 2:
            planes = [np.empty((3, height, width), np.float32) for _ in range(2)]
            bands = itertools.product(range(2), range(0, height, _BAND))
            _finish(run(functools.partial(_quarter_band, (a, b), planes, light.linear), bands))
        elif scale > 2:
            larger, planes = planes, [np.empty((3, height, width), np.float32) for _ in range(2)]
            _finish(run(halve, larger, planes))
        yield height, width, planes[0], planes[1]
        height, width = (height + 1) // 2, (width + 1) // 2


def _quarter_band(pictures: tuple[Pixels, Pixels], planes: list[_Planes], linear: NDArray[np.float32], band: tuple[int, int]) -> None:
    which, top = band
    quarter(pictures[which], linear, top, min(top + _BAND, planes[which].shape[1]), planes[which])


def _finish(results: Iterable[None]) -> None:
    """Wait for the work, raise what it raised."""
    for _ in results:
        pass


def _pool(a: Pixels, b: Pixels, light: _Light, rows: list[int], columns: list[int], first: int, run: _Map) -> tuple[_Sums, _Areas]:
    """Error maps of the cells between the cuts, from scale `first` on.

    Returns their sums (scales, cell rows, cell columns, 3, SUMS) and the pixels of each cell (scales, cell rows, cell columns).
    """
    all_sums, all_areas = [np.zeros((0, len(rows) - 1, len(columns) - 1, 3, SUMS))], [np.zeros((0, len(rows) - 1, len(columns) - 1))]
    for scale, (height, width, planes_a, planes_b) in enumerate(_scales(a, b, light, run)):
        if scale < first:
            continue
        down, across = _shrunk(rows, scale, height), _shrunk(columns, scale, width)
        areas = np.outer(np.diff(down), np.diff(across)).astype(np.float64)
        sums = np.zeros((*areas.shape, 3, SUMS))
        cells = [(row, column) for row, column in np.ndindex(areas.shape) if areas[row, column]]
        places = [(down[row], down[row + 1], across[column], across[column + 1]) for row, column in cells]
        work = functools.partial(pool, a, b, planes_a, planes_b, scale, (height, width), light.linear, light.cones)
        _finish(run(work, places, [sums[cell] for cell in cells]))
        all_sums.append(sums[None])
        all_areas.append(areas[None])
    return np.concatenate(all_sums), np.concatenate(all_areas)


def _shrunk(cuts: list[int], scale: int, size: int) -> list[int]:
    """The cuts at a smaller scale, to the nearest pixel; the last is the picture's border, which halving rounds up."""
    return [*((cut + (1 << scale >> 1)) >> scale for cut in cuts[:-1]), size]


def _means(sums: _Sums, areas: _Areas) -> _Sums:
    """Of all cells: (scales, 3, SUMS)."""
    return np.asarray(sums.sum((1, 2)) / areas.sum((1, 2))[:, None, None])


def _score_of(means: _Sums) -> float:
    """The weighted polynomial of the pooled maps.

    As in the reference, the list of weights is gone through without a gap: a picture of fewer than six scales has other weights.
    """
    pooled = np.stack((means[..., :3], means[..., 3:] ** 0.25), 2)  # (scales, 3 channels, 2 norms, 3 maps)
    listed = pooled.transpose(1, 0, 2, 3).ravel()
    t = SLOPE * sum(weight * float(listed[index]) for index, weight in WEIGHTS.items() if index < listed.size)
    s = CUBIC[0] * t + CUBIC[1] * t**2 + CUBIC[2] * t**3
    return float(100 - 10 * max(s, 0.0) ** POWER)
