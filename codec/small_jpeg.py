"""A small JPEG to be looked at: as few bytes as an ordinary decoder can be shown the same with."""

import io
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.requantise import Tables, requantised

_SHARED: Final = 2
"""Pixels across and down that share a chroma sample: 4:2:0."""


def small_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """uint8 (H, W, 3) RGB or grey (H, W) -> a JFIF file without metadata; `quality` 1..100 picks the tables of Annex K as
    libjpeg scales them.

    Quantised with a dead zone (`codec.requantise`), progressive where that is smaller.
    """
    grey = pixels.ndim == 2
    shared = 1 if grey else _SHARED
    image = requantised(pixels, _tables(quality), shared, shared)
    mode = "L" if grey else "YCbCr"
    snapped = Image.frombytes(mode, (image.shape[1], image.shape[0]), np.ascontiguousarray(image))
    return min((_saved(snapped, quality, progressive) for progressive in (False, True)), key=len)


def _saved(image: Image.Image, quality: int, progressive: bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True, progressive=progressive, subsampling="4:2:0")
    return buffer.getvalue()


@cache
def _tables(quality: int) -> Tables:
    """Of luma, blue and red, as the encoder will choose them by itself."""
    with Image.open(io.BytesIO(_saved(Image.new("YCbCr", (8, 8)), quality, False))) as image:
        luma, chroma = (tuple(image.quantization[k]) for k in (0, 1))  # type: ignore[attr-defined]  # a JPEG's image has it
    return luma, chroma, chroma
