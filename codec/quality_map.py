"""Which cells get a better quality than the photo: those of the tiles that would fall below their bound, with a soft border."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec.network.constants import CELL_PIXELS, STEPS, TOP_QUALITY

Offsets = NDArray[np.int8]

Area = tuple[int, int, int, int]
"""(top, left, bottom, right), pixels."""

LARGEST: Final = 3 * STEPS
"""More than three anchors beside its neighbours a cell is never raised."""

_BORDER: Final = 2
"""Cells from a raised area to where nothing is raised, downhill: no step of the quality shows, and the synthesis sees good neighbours."""


def raised(shape: tuple[int, int], areas: Iterable[tuple[Area, int]]) -> Offsets:
    """Offsets int8 (h, w) for each 64 x 64 cell, from areas and what their cells are to be raised by; where areas meet, the most counts."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    offsets = np.zeros(shape)
    for (top, left, bottom, right), by in areas:
        first, last = top // CELL_PIXELS, (bottom - 1) // CELL_PIXELS
        start, stop = left // CELL_PIXELS, (right - 1) // CELL_PIXELS
        away = np.maximum(np.maximum(first - rows, rows - last), np.maximum(start - columns, columns - stop)).clip(0)
        offsets = np.maximum(offsets, min(by, LARGEST) * (1 - away / _BORDER).clip(0))
    return np.ceil(offsets).astype(np.int8)


def mean_quality(quality: int, offsets: Offsets) -> float:
    """The mean over all cells."""
    return float(np.clip(quality + offsets.astype(np.int64), 0, TOP_QUALITY).mean())


def least_quality(quality: int, offsets: Offsets, area: Area) -> float:
    """The lowest quality within an area."""
    top, left, bottom, right = area
    within = offsets[top // CELL_PIXELS : -(-bottom // CELL_PIXELS), left // CELL_PIXELS : -(-right // CELL_PIXELS)]
    return float(np.clip(quality + int(within.min()), 0, TOP_QUALITY))
