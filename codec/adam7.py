"""Interlaced PNG rows (ISO/IEC 15948, 8.2 and clause 9): the seven passes of a picture, filtered; Pillow reads but does not write them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, step across, step down."""

_BAND: Final = 128  # rows filtered at once: five tries of a whole photo would take gigabytes


def rows(pixels: NDArray[np.uint8]) -> bytes:
    """The filtered rows of all passes, each with its filter byte in front. `pixels`: uint8 [H, W] or [H, W, C]."""
    parts = []
    for left, top, across, down in PASSES:
        part = pixels[top::down, left::across]
        if part.size:
            parts.append(_filtered(part.reshape(part.shape[0], -1), 1 if pixels.ndim == 2 else pixels.shape[2]))
    return b"".join(parts)


def _filtered(raw: NDArray[np.uint8], step: int) -> bytes:
    """Rows uint8 [H, bytes] of pixels of `step` bytes, each by the filter whose differences are smallest in sum (12.8)."""
    height, width = raw.shape
    out = np.empty((height, width + 1), np.uint8)
    for start in range(0, height, _BAND):
        here = raw[start : start + _BAND].astype(np.int16)
        above = np.zeros_like(here)
        above[1:] = here[:-1]
        if start:
            above[0] = raw[start - 1]
        before, slant = np.zeros_like(here), np.zeros_like(here)
        before[:, step:], slant[:, step:] = here[:, :-step], above[:, :-step]
        guesses = (np.zeros_like(here), before, above, (before + above) >> 1, _paeth(before, above, slant))
        tries = np.stack([(here - guess).astype(np.uint8) for guess in guesses])
        cost = np.abs(tries.view(np.int8).astype(np.int32)).sum(axis=2)
        best = cost.argmin(axis=0)
        out[start : start + _BAND, 0] = best
        out[start : start + _BAND, 1:] = tries[best, np.arange(len(best))]
    return out.tobytes()


def _paeth(before: NDArray[np.int16], above: NDArray[np.int16], slant: NDArray[np.int16]) -> NDArray[np.int16]:
    across, up, both = np.abs(above - slant), np.abs(before - slant), np.abs(before + above - 2 * slant)
    return np.where((across <= up) & (across <= both), before, np.where(up <= both, above, slant))
