"""The file around the pixels of a PNG: chunks read strictly, kept raw and in order, and put back around new image data."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec import adam7
from codec.errors import Corrupt, NotAPicture, Unsupported
from codec.picture import MAX_KEPT_BYTES, Picture, PngStructure, check_area, check_pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Chunks that say something about IDAT or the pixels which would no longer be true of a copy.
_REFUSED = {
    b"acTL": ("animated", "APNG"),
    b"fcTL": ("animated", "APNG"),
    b"fdAT": ("animated", "APNG"),
    b"tRNS": ("alpha", "a transparent colour"),
    b"iDOT": ("idot", "Apple's index into the compressed data"),
    b"caBX": ("signed", "C2PA, whose digest no re-coded picture can match"),
    b"dSIG": ("signed", "a digital signature"),
}
_HDR = (16, 18)
"""Transfer functions of a cICP chunk (ITU-T H.273): PQ and HLG, of whose light the guard knows nothing."""
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type

_IDAT_BYTES = 1 << 20  # of one chunk of the image data of an interlaced copy


def read(data: bytes) -> Picture:
    """The pixels, uint8 [H, W, 3] or [H, W], and all chunks around them. Raises NotAPicture, Unsupported(reason) or Corrupt."""
    if data[:8] != SIGNATURE:
        raise NotAPicture("no PNG begins here")
    if len(data) == 8:
        raise NotAPicture("only the signature of a PNG")
    before: list[bytes] = []
    after: list[bytes] = []
    packed: list[bytes] = []
    end = 8
    for kind, start, end in chunks(data):
        if kind == b"CgBI":
            raise Unsupported("cgbi", "Apple's own variant of PNG")  # it stands before IHDR
        if (not before) != (kind == b"IHDR"):
            raise Corrupt("damaged: IHDR is not the first chunk and the only one")
        if kind == b"IDAT":
            if after:
                raise Corrupt("damaged: the image data is not in one piece")
            packed.append(data[start:end])
        else:
            (after if packed else before).append(data[start:end])
    if not packed:
        raise Corrupt("truncated: there is no image data")
    width, height, grey, interlaced = _header(before[0])
    for chunk in (*before, *after):
        kind = chunk[4:8]
        if kind in _REFUSED:
            raise Unsupported(*_REFUSED[kind])
        if not kind[0] & 0x20 and kind not in _CRITICAL:
            raise Unsupported("critical-chunk", f"an unknown critical chunk {kind.decode('latin-1')}")
        if kind == b"cICP" and len(chunk) == 16 and chunk[9] in _HDR:
            raise Unsupported("hdr-png", "PQ or HLG")
    check_area(width, height)
    if sum(map(len, before)) + sum(map(len, after)) > MAX_KEPT_BYTES:
        raise Unsupported("too-large", "more metadata than pictures have")
    _check_amount(packed, _inflated_bytes(width, height, 1 if grey else 3, interlaced))
    structure = PngStructure(width, height, grey, interlaced, tuple(before), tuple(after), data[end:])
    return Picture(_decode(before[0], packed, after[-1], structure), structure)


def write(pixels: NDArray[np.uint8], structure: PngStructure) -> bytes:
    """A PNG of `pixels` between the chunks of `structure`, IHDR first, and its trailer."""
    check_pixels(pixels, structure)
    image_data = _interlaced(pixels) if structure.interlaced else _plain(pixels)
    return b"".join((SIGNATURE, *structure.before, *image_data, *structure.after, structure.trailer))


def _plain(pixels: NDArray[np.uint8]) -> list[bytes]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    coded = buffer.getvalue()
    return [coded[start:end] for kind, start, end in chunks(coded) if kind == b"IDAT"]


def _interlaced(pixels: NDArray[np.uint8]) -> list[bytes]:
    packed = zlib.compress(adam7.rows(pixels), 9)
    bodies = [b"IDAT" + packed[at : at + _IDAT_BYTES] for at in range(0, len(packed), _IDAT_BYTES)]
    return [struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in bodies]


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk up to IEND, their CRCs checked."""
    at = 8
    while True:
        if at + 12 > len(data):
            raise Corrupt("truncated: the file ends without an IEND chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if not kind.isalpha():
            raise Corrupt(f"damaged: no chunk begins at {at}")
        if end > len(data):
            raise Corrupt(f"truncated: the {kind.decode()} chunk passes the end of the file")
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise Corrupt(f"damaged: the checksum of the {kind.decode()} chunk at {at} is wrong")
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end


def _header(chunk: bytes) -> tuple[int, int, bool, bool]:
    """Width, height, grey?, interlaced? of an IHDR chunk."""
    if len(chunk) != 25:
        raise Corrupt("damaged: IHDR has a wrong length")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", chunk[8:21])
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1 or not width or not height:
        raise Corrupt("damaged: IHDR says what no PNG can be")
    if colour == 3:
        raise Unsupported("palette", "colours by a palette")
    if colour in (4, 6):
        raise Unsupported("alpha", "an alpha channel")
    if depth != 8:
        raise Unsupported("16-bit" if depth == 16 else "low-bit-depth", f"{depth} bits a sample")
    return width, height, colour == 0, interlace == 1


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


def _check_amount(packed: list[bytes], expected: int) -> None:
    """Raise Corrupt unless the image data inflates to exactly the rows that the header promises, checksum included.

    Pillow ignores rows too many, and may accept a stream whose end is missing. Inflated piece by piece, and never beyond what was
    promised, so that a small file cannot take a lot of memory.
    """
    inflater = zlib.decompressobj()
    inflated = 0
    try:
        for chunk in packed:
            piece = chunk[8:-4]
            while piece and not inflater.eof:
                inflated += len(inflater.decompress(piece, 1 << 20))
                piece = inflater.unconsumed_tail
                if inflated > expected:
                    raise Corrupt("damaged: more image data than the picture has rows")
            if piece or inflater.unused_data:
                raise Corrupt("damaged: bytes behind the end of the image data")
        while not inflater.eof and (more := inflater.decompress(b"", 1 << 20)):
            inflated += len(more)
    except zlib.error as error:
        raise Corrupt(f"damaged: the image data does not inflate ({error})") from None
    if not inflater.eof or inflated < expected:
        raise Corrupt("truncated: rows of the picture are missing")
    if inflated > expected:
        raise Corrupt("damaged: more image data than the picture has rows")


def _decode(header: bytes, packed: list[bytes], end: bytes, structure: PngStructure) -> NDArray[np.uint8]:
    # Pillow sees no ancillary chunk: it would inflate texts and profiles, of whatever size.
    bare = b"".join((SIGNATURE, header, *packed, end))
    try:
        with Image.open(io.BytesIO(bare), formats=("PNG",)) as image:
            pixels = np.array(image)  # a copy, since Pillow's own memory is read-only
    except (OSError, SyntaxError, ValueError) as error:
        raise Corrupt(f"damaged: {error}") from None
    check_pixels(pixels, structure)
    return pixels
