"""The chunks of a PNG, walked and checked, whatever becomes of its pixels: `png` and `pixel_exact` both read by these.

PNG specification, third edition: 5 (chunks), 11.2.1 (IHDR), 10 (compression).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from codec.errors import Corrupt, NotAPicture, Unsupported
from codec.leads import PNG_SIGNATURE
from codec.picture import MAX_KEPT_BYTES

REFUSED: Final[Mapping[bytes, tuple[str, str]]] = MappingProxyType(
    {
        b"acTL": ("animated", "APNG"),
        b"fcTL": ("animated", "APNG"),
        b"fdAT": ("animated", "APNG"),
        b"iDOT": ("idot", "Apple's index into the compressed data"),
        b"caBX": ("signed", "C2PA, whose digest no re-coded picture can match"),
        b"dSIG": ("signed", "a digital signature"),
    }
)
"""Chunks that say something about IDAT which would no longer be true of a copy: reason and detail."""

CRITICAL: Final = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
_PIECE_BYTES: Final = 1 << 20
"""Of image data: in a chunk that is written, and inflated at once."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A PNG in pieces, each chunk raw with its CRC. `before` begins with IHDR, `after` ends with IEND."""

    before: tuple[bytes, ...]
    image_data: tuple[bytes, ...]
    after: tuple[bytes, ...]
    trailer: bytes
    """What follows IEND."""

    @property
    def kept(self) -> tuple[bytes, ...]:
        """All chunks around the image data."""
        return self.before + self.after

    def check_kept(self, refused: Mapping[bytes, tuple[str, str]] = REFUSED) -> None:
        """Raise Unsupported, with a reason of `refused` or 'critical-chunk', where a chunk forbids to code the image data anew."""
        for chunk in self.kept:
            kind = chunk[4:8]
            if kind in refused:
                raise Unsupported(*refused[kind])
            if not kind[0] & 0x20 and kind not in CRITICAL:
                raise Unsupported("critical-chunk", f"an unknown critical chunk {kind.decode('latin-1')}")

    def check_kept_bytes(self) -> None:
        """Raise Unsupported('too-large') where more would be kept verbatim than an archive has room for."""
        if sum(map(len, self.kept)) > MAX_KEPT_BYTES:
            raise Unsupported("too-large", "more metadata than pictures have")


def split(data: bytes) -> Parts:
    """Every chunk's CRC checked. Raises NotAPicture, Corrupt, and Unsupported('cgbi')."""
    if data[:8] != PNG_SIGNATURE:
        raise NotAPicture("no PNG begins here")
    if len(data) == 8:
        raise NotAPicture("only the signature of a PNG")
    before: list[bytes] = []
    after: list[bytes] = []
    image_data: list[bytes] = []
    end = 8
    for kind, start, end in chunks(data):
        if kind == b"CgBI":
            raise Unsupported("cgbi", "Apple's own variant of PNG")  # it stands before IHDR
        if (not before) != (kind == b"IHDR"):
            raise Corrupt("damaged: IHDR is not the first chunk and the only one")
        if kind == b"IDAT":
            if after:
                raise Corrupt("damaged: the image data is not in one piece")
            image_data.append(data[start:end])
        else:
            (after if image_data else before).append(data[start:end])
    if not image_data:
        raise Corrupt("truncated: there is no image data")
    return Parts(tuple(before), tuple(image_data), tuple(after), data[end:])


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk up to IEND, their CRCs checked. Raises Corrupt."""
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


def chunk(kind: bytes, body: bytes) -> bytes:
    """One whole chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def image_chunks(packed: bytes) -> list[bytes]:
    """IDAT chunks that hold rows which are deflated already."""
    return [chunk(b"IDAT", packed[at : at + _PIECE_BYTES]) for at in range(0, len(packed), _PIECE_BYTES)]


def header(ihdr: bytes) -> tuple[int, int, int, int, bool]:
    """Width, height, bits a sample, colour type and whether interlaced, of a whole IHDR chunk. Raises Corrupt for what no PNG can be."""
    if len(ihdr) != 25 or ihdr[4:8] != b"IHDR":
        raise Corrupt("damaged: IHDR has a wrong length")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", ihdr[8:21])
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1 or not width or not height:
        raise Corrupt("damaged: IHDR says what no PNG can be")
    return width, height, depth, colour, interlace == 1


def inflated(bodies: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
    """What the bodies of the IDAT chunks inflate to, piece by piece, and never much beyond `size_bytes`, so that a small file cannot take a
    lot of memory. Raises Corrupt unless they are exactly so many bytes, checksum included.
    """
    inflater = zlib.decompressobj()
    size = 0
    try:
        for body in bodies:
            piece = body
            while piece and not inflater.eof:
                found = inflater.decompress(piece, _PIECE_BYTES)
                size += len(found)
                if size > size_bytes:
                    raise Corrupt("damaged: more image data than the picture has rows")
                yield found
                piece = inflater.unconsumed_tail
            if piece or inflater.unused_data:
                raise Corrupt("damaged: bytes behind the end of the image data")
        while not inflater.eof and size <= size_bytes and (more := inflater.decompress(b"", _PIECE_BYTES)):
            size += len(more)
            yield more
    except zlib.error as error:
        raise Corrupt(f"damaged: the image data does not inflate ({error})") from None
    if not inflater.eof or size < size_bytes:
        raise Corrupt("truncated: rows of the picture are missing")
    if size > size_bytes:
        raise Corrupt("damaged: more image data than the picture has rows")
