"""The value types between a picture file and its archive: pixels, and everything that stood around them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.errors import Unsupported

MAX_PIXELS = 60_000_000
"""Beyond it decoding takes more memory than a worker is given. Checked before anything is decoded."""

MIN_SIDE = 64
"""Below it there is nothing to save: the fixed costs of an archive and its stand-in eat the gain."""

MAX_KEPT_BYTES = 64 * 2**20
"""Metadata that a picture may carry; the trailer, which may be a video, is not counted."""


@dataclass(frozen=True, slots=True)
class JpegStructure:
    """What is needed, beside the pixels, to build a JPEG like the original.

    Tables of quantisation and sampling factors are those of the original, one entry a component. `segments` are the APPn and
    COM segments in their order, raw, each with the fill bytes before it: the first `ahead` of them stood before the frame header,
    where some readers stop looking. `trailer` is everything after the EOI.
    """

    width: int
    height: int
    component_ids: tuple[int, ...]  # one for grey, three for YCbCr
    sampling: tuple[tuple[int, int], ...]  # (horizontal, vertical) factors, 1..4
    quantisation: tuple[tuple[int, ...], ...]  # 64 steps in row order, 1..65535
    progressive: bool
    restart_interval: int
    adobe_transform: int | None
    primary_bytes: int  # SOI to EOI of the original
    index_at: int | None  # where the original's multi-picture (MPF) segment begins, fill bytes included
    segments: tuple[bytes, ...]
    ahead: int
    trailer: bytes
    fineness: int = 100  # percent of the original's quantisation steps that a rebuilt file uses
    copy_bytes: int | None = None  # that a rebuilt file is filled up to; None where offsets decide, and in archives of earlier versions

    @property
    def grey(self) -> bool:
        return len(self.component_ids) == 1


@dataclass(frozen=True, slots=True)
class PngStructure:
    """What is needed, beside the pixels, to build a PNG like the original: all chunks but IDAT, raw, with their CRC.

    `before` begins with IHDR, `after` ends with IEND, the IDAT chunks stood between; `trailer` is everything after IEND.
    """

    width: int
    height: int
    grey: bool
    interlaced: bool
    before: tuple[bytes, ...]
    after: tuple[bytes, ...]
    trailer: bytes


Structure = JpegStructure | PngStructure


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded file. `pixels` are uint8 [H, W, 3] RGB or [H, W] grey, unrotated, in the file's own colour space."""

    pixels: NDArray[np.uint8]
    structure: Structure


def check_area(width: int, height: int) -> None:
    """Raise `Unsupported('too-large')` for more pixels than this program decodes."""
    if width * height > MAX_PIXELS:
        raise Unsupported("too-large", f"{width} x {height} pixels, at most {MAX_PIXELS // 1_000_000} million")


def check_size(structure: Structure) -> None:
    """Raise `Unsupported('too-small')` for a picture that is not worth an archive."""
    if min(structure.width, structure.height) < MIN_SIDE:
        raise Unsupported("too-small", f"{structure.width} x {structure.height} pixels, at least {MIN_SIDE} a side")


def check_pixels(pixels: NDArray[np.uint8], structure: Structure) -> None:
    """Raise ValueError where the pixels are not of the structure's shape: a caller's mistake, never a file's."""
    shape = (structure.height, structure.width) if structure.grey else (structure.height, structure.width, 3)
    if pixels.dtype != np.uint8 or pixels.shape != shape:
        raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}, the structure says uint8 {shape}")
