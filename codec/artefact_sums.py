"""A photo's artefacts, summed cell by cell: two pictures -> the arrays that the measures of `codec.artefacts` read.

Band by band, on any number of threads; each cell is added by one thread in one order, so that their number changes nothing.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec import artefact_maps as kernels
from codec.artefact_maps import CELL, PATCH, TILE
from codec.compiled import most_threads
from codec.masked_error import BLOCK, TABLES, error_of_blocks

Pixels = NDArray[np.uint8]
_Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What the kernels added up; the first axis of each counts bands, blocks, patches or cells downwards."""

    height: int
    width: int
    channels: int
    error: _Floats
    """Of each block of 8 x 8 pixels, squared levels; the next two likewise. What the others are, `codec.artefact_maps` says."""
    fine_a: _Floats
    fine_b: _Floats
    squares_across: _Floats
    lines_across: _Floats
    squares_down: _Floats
    lines_down: _Floats
    moments: _Floats
    colours: NDArray[np.int32]
    strokes: _Floats


def sums_of(a: Pixels, b: Pixels, threads: int | None = None) -> Sums:
    """Go through two pictures (H, W, 1 or 3), C-contiguous, band by band; memory: 0.7 bytes a pixel beside them."""
    height, width, channels = a.shape
    bands, tiles = _parts(height, TILE), _parts(width, TILE)
    blocks = _parts(height, BLOCK), _parts(width, BLOCK)
    cells = _parts(height, CELL), _parts(width, CELL)

    def zeros(*shape: int) -> _Floats:
        return np.zeros(shape, np.float32)

    sums = Sums(
        height,
        width,
        channels,
        zeros(*blocks),
        zeros(*blocks),
        zeros(*blocks),
        squares_across=zeros(bands, kernels.STEPS, tiles, PATCH),
        lines_across=zeros(bands, kernels.LINES, width),
        squares_down=zeros(bands, kernels.STEPS, tiles, PATCH),
        lines_down=zeros(bands, kernels.LINES, TILE, tiles),
        moments=zeros(height // PATCH, kernels.MOMENTS, width // PATCH),
        colours=np.zeros((cells[0], kernels.COLOURS, cells[1]), np.int32),
        strokes=zeros(cells[0], kernels.STROKES, cells[1]),
    )
    with ThreadPoolExecutor(threads or most_threads()) as workers:
        for _ in workers.map(lambda band: _add_band(a, b, band, sums), range(bands)):
            pass
    return sums


def _add_band(a: Pixels, b: Pixels, band: int, sums: Sums) -> None:
    top, bottom = band * TILE, min(band * TILE + TILE, sums.height)
    above = max(top - 1, 0)
    padded = _parts(sums.width, BLOCK) * BLOCK
    tall_a, tall_b = (np.empty((bottom - above, padded), np.int16) for _ in range(2))
    kernels.read_luma(a, above, bottom, tall_a)
    kernels.read_luma(b, above, bottom, tall_b)
    luma_a, luma_b = tall_a[top - above :], tall_b[top - above :]
    inner = np.s_[:, : sums.width]
    kernels.steps_across(luma_a[inner], luma_b[inner], sums.squares_across[band], sums.lines_across[band])
    kernels.steps_down(tall_a[inner], tall_b[inner], 1 - (top - above), sums.squares_down[band], sums.lines_down[band])
    for y in range(0, bottom - top, BLOCK):
        rows = [luma[y : y + BLOCK] for luma in (luma_a, luma_b)]
        if len(rows[0]) < BLOCK:
            rows = [np.pad(luma, ((0, BLOCK - len(luma)), (0, 0)), "edge") for luma in rows]
        block = (top + y) // BLOCK
        error_of_blocks(rows[0], rows[1], TABLES, sums.error[block], sums.fine_a[block], sums.fine_b[block])
    for y in range(0, (bottom - top) // PATCH * PATCH, PATCH):
        kernels.coarse(luma_a[y : y + PATCH], luma_b[y : y + PATCH], sums.moments[(top + y) // PATCH])
    for y in range(0, bottom - top, CELL):
        cell, last = (top + y) // CELL, min(y + CELL, bottom - top)
        kernels.colours(a, b, top + y, top + last, sums.colours[cell])
        kernels.strokes(luma_a[y:last][inner], luma_b[y:last][inner], sums.strokes[cell])


def _parts(size: int, part: int) -> int:
    return -(-size // part)
