"""Photograph or graphic? Screenshots, charts and scanned text never go to the neural lane."""

import numpy as np
from numpy.typing import NDArray

_BAND_ROWS = 17  # one more than the rows that are looked at
_BANDS = 24  # evenly spaced; one and a half megapixels of a phone photo tell as much as all twelve
_LEAST_BLOCKS = 64
_CONTRAST = 64  # levels between the darkest and the lightest pixel of a block that holds a drawn edge
_NEAR = 6  # so near to black or white as a JPEG's traces make it
_STEP = 16  # a change of more levels than this, from one pixel to the next, is an edge nobody photographed


def is_graphic(pixels: NDArray[np.uint8]) -> bool:
    """Whether uint8 pixels [H, W, 3] or [H, W] were drawn rather than photographed: as drawn, or as a JPEG made of that."""
    return _is_drawn(pixels) or _is_drawn_and_blurred(pixels if pixels.ndim == 2 else _luma(pixels))


def _is_drawn(pixels: NDArray[np.uint8]) -> bool:
    """Whether flat ground ends in jumps, from one pixel to the next.

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


def _is_drawn_and_blurred(plane: NDArray[np.uint8]) -> bool:
    """Whether flat blocks of 8 x 8 lie beside blocks of strong contrast: a JPEG's traces surround what was drawn, and end with its blocks.

    `plane`: luma, [H, W], on the block grid; a channel alone would hold the noise of subsampled chroma. A strongly compressed sky or wall
    is flat too, but what it ends in is weak, since the photograph's own soft edges lie between. Black and white ground alone never decides.
    """
    height, width = plane.shape[0] // 8, plane.shape[1] // 8
    if height * width < _LEAST_BLOCKS:
        return False
    blocks = plane[: height * 8, : width * 8].reshape(height, 8, width, 8)
    high, low = blocks.max(axis=(1, 3)).astype(np.int16), blocks.min(axis=(1, 3)).astype(np.int16)
    flat, strong, middle = high - low <= 1, high - low >= _CONTRAST, (low > _NEAR) & (high < 255 - _NEAR)
    beside = _beside(~flat)
    ground, unclipped = flat & beside, flat & beside & middle
    steep = _beside(strong)
    return bool(
        # As JPEGs of quality 40, those photos give at most 0.05 for the last two where so much is flat; the screenshots at least 0.22.
        flat.mean() > 0.6
        and (flat & middle).sum() > 0.25 * middle.sum()
        and (ground & steep).sum() > 0.18 * ground.sum()
        and (unclipped & steep).sum() > 0.18 * unclipped.sum()
    )


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weighted = pixels[:, :, 0].astype(np.uint16) * 2
    weighted += pixels[:, :, 1].astype(np.uint16) * 5
    weighted += pixels[:, :, 2]
    return (weighted >> 3).astype(np.uint8)


def _beside(blocks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks above, below, left or right of which is one of these."""
    found = np.zeros_like(blocks)
    found[1:] |= blocks[:-1]
    found[:-1] |= blocks[1:]
    found[:, 1:] |= blocks[:, :-1]
    found[:, :-1] |= blocks[:, 1:]
    return found


def _bands(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    height, width = pixels.shape[:2]
    if height < 2 or width < 3:
        return []
    starts = np.linspace(0, max(height - _BAND_ROWS, 0), min(_BANDS, -(-height // _BAND_ROWS))).astype(int)
    return [pixels[start : start + _BAND_ROWS] for start in starts.tolist()]
