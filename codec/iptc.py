"""Photoshop's image resources, of which IPTC is one: what somebody wrote into a stand-in's, merged into its photo's own.

Resources: Adobe Photoshop File Formats, "Image resource blocks". IPTC: IIM 4.1, chapter 1.5, records of datasets. They are what strangers
wrote: blocks that can't be read change nothing, and are changed by nothing.
"""

import hashlib
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from codec.leads import STAND_IN_WORDS

_IPTC, _IPTC_DIGEST = 0x0404, 0x0425
_CHARSET: Final = (1, 90)
_VERSIONS: Final = ((1, 0), (2, 0))
_UTF_8: Final = b"\x1b%G"
_LONGEST: Final = 0x7FFF
_PEOPLES: Final = frozenset(
    (2, number) for number in (5, 10, 15, 20, 25, 40, 80, 85, 90, 92, 95, 100, 101, 103, 105, 110, 115, 116, 118, 120, 122)
)
"""Title, keywords, author, place, headline, copyright, caption and the like."""
MOST_REPEATED_BYTES: Final = 16 << 10
"""Of resources, which a stand-in repeats whole; above, they hold pictures and paths of their own."""


class _Resource(NamedTuple):
    number: int
    name: bytes
    """A Pascal string, with the byte that makes its length even."""
    data: bytes


class _Dataset(NamedTuple):
    key: tuple[int, int]
    """Record and number."""
    data: bytes


def merged(own: bytes, edited: bytes) -> bytes:
    """A photo's resources with the datasets of IPTC that the block of its stand-in says otherwise; every other resource stays. `own` as it
    is where nothing does.

    A label that is not in the other one was taken away; but not if other things are missing there, too, or all of it: then a program
    dropped what it did not know.
    """
    theirs = _resources(edited)
    ours = _resources(own) if own else []
    if theirs is None or ours is None:
        return own
    said = next((_datasets(each.data) for each in theirs if each.number == _IPTC), None)
    before = next((_datasets(each.data) for each in ours if each.number == _IPTC), [])
    there = {each.key for each in said or ()}
    said = [each for each in said or () if STAND_IN_WORDS not in each.data]
    if not said or before is None or _by_key(said) == _by_key(before):
        return own
    missing = {each.key for each in before} - there
    taken = missing if missing <= _PEOPLES and len(own) <= MOST_REPEATED_BYTES else set()
    data = b"".join(_written(_together([each for each in before if each.key not in taken], said)))
    made = [each for each in ours if each.number not in (_IPTC, _IPTC_DIGEST)]
    made.append(_Resource(_IPTC, b"\0\0", data))
    if any(each.number == _IPTC_DIGEST for each in ours):
        made.append(_Resource(_IPTC_DIGEST, b"\0\0", hashlib.md5(data, usedforsecurity=False).digest()))
    return b"".join(map(_packed, made))


def is_lost(own: bytes, edited: bytes) -> bool:
    """Whether the block of a stand-in has datasets that can't be given to its photo, since the photo's own block can't be read."""
    if not own or edited == own:
        return False
    ours = _resources(own)
    if ours is not None and all(_datasets(each.data) is not None for each in ours if each.number == _IPTC):
        return False
    return any(_datasets(each.data) for each in _resources(edited) or () if each.number == _IPTC)


def alone(block: bytes) -> bytes:
    """IPTC without the other resources, which may be pictures and paths; empty where the block can't be read."""
    return b"".join(_packed(each) for each in _resources(block) or () if each.number == _IPTC)


def _packed(resource: _Resource) -> bytes:
    return b"8BIM" + struct.pack(">H", resource.number) + resource.name + _sized(resource.data)


def _together(before: list[_Dataset], said: list[_Dataset]) -> list[_Dataset]:
    """Theirs, and of ours what they don't have, in the characters that theirs are written in."""
    new, charsets = {each.key for each in said}, [dict(each).get(_CHARSET, b"") for each in (before, said)]
    kept = [each for each in before if each.key not in new and each.key != _CHARSET]
    if charsets[0] != charsets[1]:
        names = ["utf-8" if each == _UTF_8 else "latin-1" for each in charsets]
        kept = [each._replace(data=each.data.decode(names[0], "replace").encode(names[1], "replace")) for each in kept]
    return sorted(said + kept, key=lambda each: (each.key[0], each.key[1] if each.key in _VERSIONS else 1))


def _by_key(datasets: list[_Dataset]) -> dict[tuple[int, int], list[bytes]]:
    found: dict[tuple[int, int], list[bytes]] = {}
    for each in datasets:
        found.setdefault(each.key, []).append(each.data)
    return found


def _resources(block: bytes) -> list[_Resource] | None:
    found, at = [], 0
    while at + 12 <= len(block):
        if block[at : at + 4] != b"8BIM":
            return None
        (number,) = struct.unpack_from(">H", block, at + 4)
        length = block[at + 6] + 1
        name = block[at + 6 : at + 6 + length + length % 2]
        start = at + 6 + len(name) + 4
        if start > len(block):
            return None
        (size,) = struct.unpack_from(">I", block, start - 4)
        if start + size > len(block):
            return None
        found.append(_Resource(number, name, block[start : start + size]))
        at = start + size + size % 2
    return found if not block[at:].strip(b"\0") else None


def _datasets(data: bytes) -> list[_Dataset] | None:
    found, at = [], 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", data, at + 1)
        if size > _LONGEST or at + 5 + size > len(data):  # one with a longer head: larger than any label
            return None
        found.append(_Dataset((record, number), data[at + 5 : at + 5 + size]))
        at += 5 + size
    return found if not data[at:].strip(b"\0") else None


def _written(datasets: list[_Dataset]) -> Iterator[bytes]:
    for (record, number), data in datasets:
        yield struct.pack(">BBBH", 0x1C, record, number, len(data)) + data


def _sized(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body + bytes(len(body) % 2)
