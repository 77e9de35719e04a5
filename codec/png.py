"""The file around the pixels of a PNG: chunks read strictly, kept raw and in order, and put back around new image data."""

import io
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec import adam7
from codec.errors import Corrupt, Unsupported
from codec.leads import PNG_SIGNATURE
from codec.picture import Picture, PngStructure, check_area, check_pixels
from codec.png_chunks import REFUSED, Parts, chunks, header, image_chunks, inflated, split
from codec.profile import HDR, icc_of, is_hdr

_REFUSED = {**REFUSED, b"tRNS": ("alpha", "a transparent colour")}


def read(data: bytes) -> Picture:
    """The pixels, uint8 [H, W, 3] or [H, W], and all chunks around them. Raises NotAPicture, Unsupported(reason) or Corrupt."""
    parts = split(data)
    width, height, grey, interlaced = _supported(parts.before[0])
    parts.check_kept(_REFUSED)
    if any(map(_is_hdr, parts.kept)):
        raise Unsupported("hdr-png", "PQ or HLG")
    check_area(width, height)
    parts.check_kept_bytes()
    _check_rows(parts.image_data, _inflated_bytes(width, height, 1 if grey else 3, interlaced))
    structure = PngStructure(width, height, grey, interlaced, parts.before, parts.after, parts.trailer)
    return Picture(_decode(parts, structure), structure)


def _is_hdr(chunk: bytes) -> bool:
    kind = chunk[4:8]
    return (kind == b"cICP" and len(chunk) == 16 and chunk[9:10] in HDR) or (kind == b"iCCP" and is_hdr(icc_of(chunk)))


def write(pixels: NDArray[np.uint8], structure: PngStructure) -> bytes:
    """A PNG of `pixels` between the chunks of `structure`, IHDR first, and its trailer."""
    check_pixels(pixels, structure)
    image_data = _interlaced(pixels) if structure.interlaced else _plain(pixels)
    return b"".join((PNG_SIGNATURE, *structure.before, *image_data, *structure.after, structure.trailer))


def _plain(pixels: NDArray[np.uint8]) -> list[bytes]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    coded = buffer.getvalue()
    return [coded[start:end] for kind, start, end in chunks(coded) if kind == b"IDAT"]


def _interlaced(pixels: NDArray[np.uint8]) -> list[bytes]:
    return image_chunks(zlib.compress(adam7.rows(pixels), 9))


def _supported(chunk: bytes) -> tuple[int, int, bool, bool]:
    """Width, height, grey?, interlaced? of an IHDR chunk. Raises Corrupt, and Unsupported for samples other than 8 bits of grey or RGB."""
    width, height, depth, colour, interlaced = header(chunk)
    if colour == 3:
        raise Unsupported("palette", "colours by a palette")
    if colour in (4, 6):
        raise Unsupported("alpha", "an alpha channel")
    if depth != 8:
        raise Unsupported("16-bit" if depth == 16 else "low-bit-depth", f"{depth} bits a sample")
    return width, height, colour == 0, interlaced


def _inflated_bytes(width: int, height: int, channels: int, interlaced: bool) -> int:
    """Bytes of the filtered rows, each with its filter byte."""
    if not interlaced:
        return height * (1 + width * channels)
    total = 0
    for left, top, across, down in adam7.PASSES:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + columns * channels)
    return total


def _check_rows(image_data: Iterable[bytes], expected: int) -> None:
    """Raise Corrupt unless the IDAT chunks inflate to exactly the rows that the header promises.

    Pillow ignores rows too many, and may accept a stream whose end is missing.
    """
    for _ in inflated((chunk[8:-4] for chunk in image_data), expected):
        pass


def _decode(parts: Parts, structure: PngStructure) -> NDArray[np.uint8]:
    # Pillow sees no ancillary chunk: it would inflate texts and profiles, of whatever size.
    bare = b"".join((PNG_SIGNATURE, parts.before[0], *parts.image_data, parts.after[-1]))
    try:
        with Image.open(io.BytesIO(bare), formats=("PNG",)) as image:
            pixels = np.array(image)  # a copy, since Pillow's own memory is read-only
    except (OSError, SyntaxError, ValueError) as error:
        raise Corrupt(f"damaged: {error}") from None
    check_pixels(pixels, structure)
    return pixels
