"""How a decoded photo is quantised for its JPEG copy: from floats, and with a dead zone that widens with the frequency.

An encoder that is given bytes rounds colours, then coefficients to the nearest step. Here the colours are not rounded, and a
coefficient becomes a step only where it is more than half of one, up to 0.68 at the highest frequencies: what is left out there are mostly
the decoder's own traces, which cost bytes and bring no points. The picture is then made of the coefficients that were kept, so that any
encoder finds them again with the same tables.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled, most_threads, read_only, types

Tables = tuple[tuple[int, ...], ...]

_LOW, _HIGH = 0.5, 0.68
"""The share of a step from which a coefficient is kept: at the lowest frequencies, and from the middle of the block on."""

_k, _n = np.mgrid[:8, :8]
_BASIS: Final = (np.cos((2 * _n + 1) * _k * np.pi / 16) * np.where(_k == 0, np.sqrt(1 / 8), 0.5)).astype(np.float32)
"""Rows are the cosines of the orthonormal DCT."""
_ZONES: Final = (_LOW + (_HIGH - _LOW) * np.minimum((_k + _n) / 7, 1)).astype(np.float32)
_F32 = types.float32
_HALF: Final = np.float32(0.5)
_MIDDLE: Final = np.float32(128)
_ONE: Final = np.float32(1)


@compiled(types.void(types.float32[:, ::1], read_only(_F32, 2), read_only(_F32, 2), read_only(_F32, 2)))
def _snap(plane: Any, steps: Any, zones: Any, basis: Any) -> None:
    """Move the 8 x 8 blocks of a plane around 0 (sides multiples of 8) to the nearest pixels that quantised coefficients can give."""
    block = np.empty((8, 8), np.float32)
    half = np.empty((8, 8), np.float32)
    for top in range(0, plane.shape[0], 8):
        for left in range(0, plane.shape[1], 8):
            for k in range(8):
                for j in range(8):
                    half[k, j] = np.float32(0)
                for i in range(8):
                    weight = basis[k, i]
                    for j in range(8):
                        half[k, j] += weight * plane[top + i, left + j]
            for k in range(8):
                for m in range(8):
                    value = np.float32(0)
                    for j in range(8):
                        value += half[k, j] * basis[m, j]
                    size = abs(value) / steps[k, m]
                    kept = np.floor(size + _ONE - zones[k, m]) * steps[k, m]
                    block[k, m] = -kept if value < 0 else kept
            for i in range(8):
                for m in range(8):
                    half[i, m] = np.float32(0)
                for k in range(8):
                    weight = basis[k, i]
                    for m in range(8):
                        half[i, m] += weight * block[k, m]
            for i in range(8):
                for j in range(8):
                    value = np.float32(0)
                    for m in range(8):
                        value += half[i, m] * basis[m, j]
                    plane[top + i, left + j] = value


@compiled(types.uint8(_F32))
def _byte(value: Any) -> Any:
    return np.uint8(min(max(np.floor(value + _MIDDLE + _HALF), np.float32(0)), np.float32(255)))


_BYTES, _WRITTEN = read_only(types.uint8, 3), types.uint8[:, :, ::1]


@compiled(types.void(_BYTES, read_only(_F32, 3), read_only(_F32, 2), read_only(_F32, 2), types.int64, types.int64, _WRITTEN))
def _requantise(pixels: Any, steps: Any, zones: Any, basis: Any, across: int, down: int, out: Any) -> None:
    height, width, channels = pixels.shape
    padded = -(-width // (8 * across)) * 8 * across
    share = _ONE / np.float32(across * down)
    luma = np.empty((8 * down, padded), np.float32)
    blue = np.empty((8, padded // across), np.float32)
    red = np.empty((8, padded // across), np.float32)
    for top in range(0, height, 8 * down):
        blue[:] = 0
        red[:] = 0
        for i in range(8 * down):
            y = min(top + i, height - 1)
            for j in range(padded):
                x = min(j, width - 1)
                if channels == 1:
                    luma[i, j] = np.float32(pixels[y, x, 0]) - _MIDDLE
                    continue
                r, g, b = np.float32(pixels[y, x, 0]), np.float32(pixels[y, x, 1]), np.float32(pixels[y, x, 2])
                light = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
                luma[i, j] = light - _MIDDLE
                blue[i // down, j // across] += share * (b - light) * np.float32(1 / 1.772)
                red[i // down, j // across] += share * (r - light) * np.float32(1 / 1.402)
        _snap(luma, steps[0], zones, basis)
        if channels == 3:
            _snap(blue, steps[1], zones, basis)
            _snap(red, steps[2], zones, basis)
        for i in range(min(8 * down, height - top)):
            for x in range(width):
                out[top + i, x, 0] = _byte(luma[i, x])
                if channels == 3:
                    out[top + i, x, 1] = _byte(blue[i // down, x // across])
                    out[top + i, x, 2] = _byte(red[i // down, x // across])


def requantised(pixels: NDArray[np.uint8], tables: Tables, across: int, down: int) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) RGB -> (H, W, 3) YCbCr as in JFIF, or grey (H, W) -> (H, W), on the grid of the quantisation `tables`.

    `tables` holds 64 steps in row order for each component. `across` and `down` say how many pixels share a chroma sample (1 or 2): they
    get the same chroma, so that an encoder's mean over them changes nothing.
    """
    wide = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[..., None])
    steps = np.array(tables, np.float32).reshape(-1, 8, 8)
    out = np.empty_like(wide)
    blocks = -(-len(wide) // (8 * down))  # rows of them, of which none knows of another
    bands = min(blocks, most_threads())
    borders = [8 * down * (blocks * band // bands) for band in range(bands)] + [len(wide)]

    def band(rows: tuple[int, int]) -> None:
        first, last = rows
        _requantise(wide[first:last], steps, _ZONES, _BASIS, across, down, out[first:last])

    if bands == 1:  # to start a thread takes as long as a small picture
        band((0, len(wide)))
    else:
        with ThreadPoolExecutor(bands) as workers:
            list(workers.map(band, itertools.pairwise(borders)))
    return out if pixels.ndim == 3 else out[..., 0]
