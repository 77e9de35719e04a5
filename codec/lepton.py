"""Lepton: the coefficients of a JPEG coded anew, a fifth smaller, and every byte of it back.

What it is given to decode is not believed: a file's header is read first, since the decoder takes the memory that it claims.
"""

import struct
import zlib
from typing import Final

import lepton_jpeg_python

from codec.errors import Corrupt, Unsupported
from codec.jpeg_segments import Frame, frame, walk
from codec.rust import Refusal, call, reserve

_MAX_HEADER_BYTES: Final = 1 << 20  # of a JPEG: its tables
_CODER: Final = {
    "max_partitions": 1,
    "threads": "single",
    "max_jpeg_width": 65535,
    "max_jpeg_height": 65535,
    "max_jpeg_file_size": 2**31 - 1,
}
"""One partition saves half a percent more than eight, which are there for threads; a worker process has a core of its own anyway."""

_LISTS: Final = {b"CRS": (4, 0), b"FRS": (1, 0), b"GRB": (1, 0), b"PGR": (1, 0), b"P0D": (0, 1), b"EEE": (0, 28)}
"""What follows the tables in a coded picture's header: bytes of each item of a list, whose length is written first, or bytes in all."""

_LEAD: Final = struct.Struct("<2sBcB3x12sII")  # magic, version, kind, partitions, revision, size of the JPEG and of the header


def coded(jpeg: bytes) -> bytes:
    """The Lepton file of a JPEG. Raises Refusal for scans and samplings that it does not know. `work_bytes` of memory are taken."""
    made: bytes = call(lepton_jpeg_python.compress_bytes, jpeg, _CODER)
    return made


def size_bytes_of(coded: bytes) -> int:
    """How many bytes the JPEG in a Lepton file has, as the file says. Raises Corrupt."""
    if len(coded) < _LEAD.size:
        raise Corrupt("the coded picture is cut")
    size: int = _LEAD.unpack_from(coded)[5]
    return size


def decoded(coded: bytes, size_bytes: int, areas: range) -> bytes:
    """The JPEG, which must have so many bytes, and one of these numbers of pixels. Raises Corrupt, and MemoryError before it is taken."""
    header = _header_of(coded, size_bytes)
    found = _frame_of(header)
    if found.width * found.height not in areas:
        raise Corrupt("the coded picture is not of the size that the structure says")
    reserve(_partitions(header) * work_bytes(found, size_bytes))
    try:
        jpeg: bytes = call(lepton_jpeg_python.decompress_bytes, coded, _CODER)
    except Refusal as error:
        raise Corrupt(f"the coded picture cannot be decoded ({error})") from None
    if len(jpeg) != size_bytes:
        raise Corrupt("the coded picture has another length than the structure says")
    return jpeg


def _header_of(coded: bytes, size_bytes: int) -> bytes:
    """What the coded picture says of itself, read first: the decoder takes the memory that a header claims, and dies of too much."""
    if len(coded) < _LEAD.size:
        raise Corrupt("the coded picture is cut")
    magic, _, _, _, _, size, packed_bytes = _LEAD.unpack_from(coded)
    if magic != b"\xcf\x84" or size != size_bytes or packed_bytes > len(coded) - _LEAD.size:
        raise Corrupt("the coded picture has another header than the structure says")
    inflater = zlib.decompressobj()
    try:
        header = inflater.decompress(coded[_LEAD.size : _LEAD.size + packed_bytes], _MAX_HEADER_BYTES)
    except zlib.error as error:
        raise Corrupt(f"the coded picture's header cannot be read ({error})") from None
    if header[:3] != b"HDR" or len(header) < 7 or inflater.unconsumed_tail:
        raise Corrupt("the coded picture's header is of another kind")
    return header


def _partitions(header: bytes) -> int:
    """In how many parts the decoder keeps the picture, each as large as all of it. Raises Corrupt for a list that is longer than the
    header: for it the decoder would take the memory first and look afterwards. At a list of no kind known here the decoder stops."""
    at, parts = 7 + int.from_bytes(header[3:7], "little"), 0
    while at + 3 <= len(header):
        kind, size = header[at : at + 3], int.from_bytes(header[at + 3 : at + 7], "little")
        if kind[:2] == b"HH":
            parts += kind[2]
        elif kind not in _LISTS:
            break
        unit, fixed = _LISTS.get(kind, (0, 16 * kind[2]))
        at += 3 + (4 + unit * size if unit else fixed)
    if at > len(header):
        raise Corrupt("the coded picture's header claims more than it has")
    return max(1, parts)


def _frame_of(header: bytes) -> Frame:
    head = b"\xff\xd8" + header[7 : 7 + int.from_bytes(header[3:7], "little")] + b"\xff\xd9"
    try:
        return frame(head, walk(head)[0])
    except Unsupported as error:
        raise Corrupt(f"the coded picture is none that is ever coded ({error})") from None


def work_bytes(found: Frame, size_bytes: int) -> int:
    """Memory that coding or decoding takes, at most: all coefficients in 16 bits, a quarter more for the rest, and the bytes themselves."""
    widest, tallest = max(c.horizontal for c in found.components), max(c.vertical for c in found.components)
    blocks = sum(
        (found.width * c.horizontal // (8 * widest) + 4) * (found.height * c.vertical // (8 * tallest) + 4) for c in found.components
    )
    return blocks * 64 * 2 * 5 // 4 + 3 * size_bytes + (32 << 20)
