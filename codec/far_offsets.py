"""Offsets in front of a JPEG's picture, or at its end, that lead behind it: what many cameras have for a larger preview.

Sony's, Pentax's, Olympus's, Casio's and other cameras write a preview behind the picture's end, and into their part of the EXIF where it
is; AFCP, a trailer of older programs for photos, says where itself is. No document tells the makers' tags, so an offset is known by its
value: four bytes that count from the file's beginning, or that of the EXIF or of the maker's part in it, to just where a JPEG begins.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from codec.picture import JpegStructure

_EXIF: Final = re.compile(rb"\xff+\xe1..Exif\0.", re.DOTALL)
_MAKERS: Final = (re.compile(rb"\x7c\x92\x07\0.{4}(.{4})", re.DOTALL), re.compile(rb"\x92\x7c\0\x07.{4}(.{4})", re.DOTALL))
"""The entry of the maker's note (EXIF 3.0, 4.6.6.4.10) and the offset in it, in both byte orders."""
_PICTURE: Final = b"\xd8\xff"
"""How a JPEG goes on behind its first byte,"""
_FIRSTS: Final = b"\xff\0"
"""for which Sony writes 0,"""
_HEAD: Final = 32
"""and so many bytes in front."""
_MOST: Final = 8
"""JPEGs that are looked for; a video has some by chance, behind the previews."""
_FARTHEST: Final = 4 << 20
"""Bytes behind the picture in which they are looked for."""
_LEAST = 1 << 16
"""A smaller offset is never changed: an EXIF block is full of small numbers that mean something else, and cameras' pictures are larger."""
_AFCP: Final = (b"AXS!", b"AXS*")
_AFCP_BYTES: Final = 12
"""At its end, among them where it begins (AFCP 1.0)."""


class _Offset(NamedTuple):
    segment: int
    at: int
    order: str
    value: int


def leads_behind(structure: JpegStructure) -> bool:
    """Whether something counts from the front of the file to what lies behind its picture."""
    trailer = structure.trailer
    return trailer[-_AFCP_BYTES:].startswith(_AFCP) or any(True for _ in _offsets(structure.segments, structure.primary_bytes, trailer))


def moved(parts: Sequence[bytes], structure: JpegStructure, shift: int) -> list[bytes]:
    """The parts of a primary image, SOI first, with the offsets in its EXIF by `shift` larger."""
    parts = list(parts)
    for segment, at, order, value in list(_offsets(parts[1:-1], structure.primary_bytes, structure.trailer)):
        if value < _LEAST:
            continue
        whole = bytearray(parts[1 + segment])
        struct.pack_into(order + "I", whole, at, value + shift)
        parts[1 + segment] = bytes(whole)
    return parts


def _offsets(segments: Iterable[bytes], end: int, trailer: bytes) -> Iterator[_Offset]:
    """Those of the first EXIF, where only these segments stand before it."""
    start = 2
    for number, segment in enumerate(segments):
        found = _EXIF.match(segment) if trailer else None
        if found is not None:
            places = list(_places(end, trailer))
            block = segment[found.end() :]
            for base in _bases(block, start + found.end()):
                for place in places:
                    for order in "<>" if place > base else "":
                        at = segment.find(struct.pack(order + "I", place - base), found.end())
                        if at >= 0:
                            yield _Offset(number, at, order, place - base)
            return
        start += len(segment)


def _places(end: int, trailer: bytes) -> Iterator[int]:
    """Where an offset may lead."""
    at, found = 0, 0
    while found < _MOST and (at := trailer.find(_PICTURE, at + 1, _FARTHEST)) > 0:
        first = trailer[at - 1]
        if first not in _FIRSTS:
            continue
        found += 1
        if first:
            yield end + at - 1
        if at > _HEAD:
            yield end + at - 1 - _HEAD


def _bases(block: bytes, start: int) -> Iterator[int]:
    """From where an offset may count; `start`: where the block begins in the file."""
    yield from (0, start)
    for order, entry in zip("<>", _MAKERS, strict=True):
        found = entry.search(block) if block[:2] == (b"II" if order == "<" else b"MM") else None
        if found is not None:
            yield start + int(struct.unpack(order + "I", found[1])[0])
