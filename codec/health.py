"""Damage that a decoder says nothing about: the grey in which a broken picture ends.

A decoder that runs out of data leaves the coefficients of the missing blocks at 0, which is the middle grey, and an app that then writes
the picture anew makes a sound file of it. libjpeg would warn of the first file and can't of the second.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec.errors import Corrupt

_GREY: Final = 128
_SHARE: Final = 0.015
"""Of the height, at least, that has to be grey."""
_ROWS: Final = 8


def check_end(pixels: NDArray[np.uint8], factor: int = 1) -> None:
    """Raise Corrupt where a JPEG's picture, uint8 [H, W, 3] or [H, W], ends in the grey of missing blocks.

    `factor`: the picture was decoded at 1/factor of its size. Grey above as well is a frame, and grey all over a picture.
    """
    height = pixels.shape[0]
    least = max(int(height * _SHARE), -(-_ROWS // factor))
    near = 0 if factor > 1 else 1  # of 8 x 8 missing pixels the mean is no other; that of noise is near it
    if least >= height or not _is_grey(pixels[-least:], near) or _is_grey(pixels[:1], near):
        return
    rows = least
    while rows < height and _is_grey(pixels[height - rows - 1 : height - rows], near):
        rows += 1
    raise Corrupt(f"damaged: the last {rows * factor} of {height * factor} rows are the grey of missing data")


def _is_grey(rows: NDArray[np.uint8], near: int) -> bool:
    return bool((rows >= _GREY - near).all() and (rows <= _GREY + near).all())
