"""The small picture that a camera puts into the EXIF of its photos (Exif 2.3, 4.5.8): found without decoding anything."""

import re
import struct
from dataclasses import dataclass

from codec.exif import byte_order
from codec.leads import EXIF_LEAD

ORIENTATION = 0x0112
_OFFSET, _LENGTH = 0x0201, 0x0202
_SEGMENT = re.compile(rb"\xff\xe1(..)Exif\x00\x00", re.DOTALL)
_SHORT, _LONG = 3, 4
_UPRIGHT = 1
_SOI, _APP1 = b"\xff\xd8", b"\xff\xe1"


@dataclass(frozen=True, slots=True)
class CameraThumbnail:
    """A JPEG as it lies in the block, and how the photo, and so it too, is to be turned."""

    data: bytes
    orientation: int

    def upright(self) -> bytes:
        """The same as a file that says itself how it is to be turned, as every viewer understands it."""
        if not 1 < self.orientation <= 8:
            return self.data
        tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION, _SHORT, 1, self.orientation, 0, 0)
        block = EXIF_LEAD + tiff
        return _SOI + _APP1 + struct.pack(">H", len(block) + 2) + block + self.data[2:]


def block_in(data: bytes) -> bytes:
    """The first EXIF block (from its TIFF header on) of a JPEG, or of some of its segments; empty where there is none."""
    found = _SEGMENT.search(data)
    return b"" if found is None else data[found.end() : found.start() + 2 + int.from_bytes(found[1], "big")]


def camera_thumbnail(block: bytes) -> CameraThumbnail | None:
    """Out of an EXIF block; None where there is none, or what is said of it can't be."""
    try:
        order = byte_order(block)
        first = _directory(block, order, struct.unpack_from(order + "I", block, 4)[0])
        second = _directory(block, order, first[None])
        data = block[second[_OFFSET] :][: second[_LENGTH]]
    except (KeyError, ValueError, struct.error):
        return None
    return CameraThumbnail(data, first.get(ORIENTATION, _UPRIGHT)) if data[:2] == _SOI else None


def orientation_of(block: bytes) -> int:
    """How a photo with this EXIF block is to be turned (1 to 8; 1: not at all, also where it does not say)."""
    try:
        order = byte_order(block)
        return _directory(block, order, struct.unpack_from(order + "I", block, 4)[0]).get(ORIENTATION, _UPRIGHT)
    except (ValueError, struct.error):
        return _UPRIGHT


def _directory(block: bytes, order: str, at: int) -> dict[int | None, int]:
    """Short and long values of an image file directory by their tags; under None where the next one begins."""
    (count,) = struct.unpack_from(order + "H", block, at)
    found: dict[int | None, int] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", block, entry)
        if values == 1 and kind in (_SHORT, _LONG):
            (found[tag],) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), block, entry + 8)
    (found[None],) = struct.unpack_from(order + "I", block, at + 2 + 12 * count)
    if not found[None]:
        del found[None]
    return found
