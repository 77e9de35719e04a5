"""Photograph or graphic? Screenshots, charts and scanned text never go to the neural lane."""

import numpy as np
from numpy.typing import NDArray

_BAND_ROWS = 17  # one more than the rows that are looked at
_BANDS = 24  # evenly spaced; one and a half megapixels of a phone photo tell as much as all twelve
_STEP = 16  # a change of more levels than this, from one pixel to the next, is an edge nobody photographed


def is_graphic(pixels: NDArray[np.uint8]) -> bool:
    """Whether uint8 pixels [H, W, 3] or [H, W] were drawn rather than photographed.

    A pixel is flat when it equals its left and its upper neighbour in all channels. Much flat ground alone proves nothing:
    the sky of a well compressed JPEG is 40 % flat and a test chart may be more. What no lens makes is flat ground that ends in a
    jump, since every photographed edge is a ramp of some pixels. Black and white ground is counted apart, since blown
    highlights and night skies are flat and do end in jumps; there the bounds are higher.
    """
    flat, leaving, jumping, inner = 0, 0, 0, 0
    flat_all, leaving_all, jumping_all, inner_all = 0, 0, 0, 0
    for band in _bands(pixels if pixels.ndim == 3 else pixels[:, :, None]):
        here = band[1:, 1:-1]
        ground = (here == band[1:, :-2]).all(axis=2) & (here == band[:-1, 1:-1]).all(axis=2)
        step = np.abs(here.astype(np.int16) - band[1:, 2:]).max(axis=2)
        edge, jump = ground & (step > 0), ground & (step > _STEP)
        middle = ((here != 0) & (here != 255)).all(axis=2)
        flat, inner = flat + int((ground & middle).sum()), inner + int(middle.sum())
        leaving, jumping = leaving + int((edge & middle).sum()), jumping + int((jump & middle).sum())
        flat_all, inner_all = flat_all + int(ground.sum()), inner_all + ground.size
        leaving_all, jumping_all = leaving_all + int(edge.sum()), jumping_all + int(jump.sum())
    # Bounds from 5 phone screenshots (at least 0.35 and 0.39), 14 phone photos (at most 0.41 and 0.002) and Kodak.
    unclipped = flat > 0.25 * inner and jumping > 0.2 * leaving
    everything = flat_all > 0.6 * inner_all and jumping_all > 0.4 * leaving_all
    return unclipped or everything


def _bands(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    height, width = pixels.shape[:2]
    if height < 2 or width < 3:
        return []
    starts = np.linspace(0, max(height - _BAND_ROWS, 0), min(_BANDS, -(-height // _BAND_ROWS))).astype(int)
    return [pixels[start : start + _BAND_ROWS] for start in starts.tolist()]
