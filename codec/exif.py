"""EXIF blocks: a photo's for its stand-in, and what somebody wrote into that, merged into the photo's own, of which nothing else changes.

An EXIF block is a TIFF file (TIFF 6.0; EXIF 3.0, 4.6). The maker's own part of it (MakerNote) may hold offsets from the block's beginning
that nobody but the maker can mend. So nothing that is there is ever moved: values that change, and directories that grow, stand behind it.
Blocks are what strangers wrote: one that can't be read changes nothing, and is changed by nothing.
"""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from codec.leads import STAND_IN_WORDS

EMPTY: Final = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
"""A block with a directory in which nothing stands."""
_EXIF, _GPS = 0x8769, 0x8825
_ORIENTATION: Final = 0x0112
_TEXTS: Final = (2, 129)
"""ASCII, and UTF-8 since EXIF 3.0."""
_MOST_ENTRIES: Final = 1000
_WIDTHS: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 129: 1}
"""Bytes of what has to be turned round in another byte order, by the type of a value; rationals are pairs of such."""
_PAIRS: Final = (5, 10)
_NOWHERE: Final = b"\xff" * 4
"""An offset behind the end of any block."""
_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202
_COLOUR_SPACE, _INTEROPERABILITY, _INDEX = 0xA001, 0xA005, 1
_PADDING: Final = 64
"""Zeros that a camera may leave behind a thumbnail, at most."""
LABELS: Final[Mapping[int, frozenset[int]]] = {
    # Description, orientation, artist, copyright; Windows' stars, title, comment, author, keywords and subject.
    0: frozenset((0x010E, _ORIENTATION, 0x013B, 0x8298, 0x4746, 0x4749, *range(0x9C9B, 0x9CA0))),
    # The day it was taken and the day it was digitised, which programs change together, zone and fraction of a second of both; a comment;
    # title and photographer (EXIF 3.0).
    _EXIF: frozenset((0x9003, 0x9004, 0x9011, 0x9012, 0x9291, 0x9292, 0x9286, 0xA436, 0xA437)),
    _GPS: frozenset(range(0x20)),
}
"""By directory (0: the first), what a person writes on a picture."""
_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}


class _Value(NamedTuple):
    kind: int
    number: int
    data: bytes
    """In the order of its own block."""


class _Directory(NamedTuple):
    values: Mapping[int, tuple[_Value, ...]]
    """Of those tags that matter here; the others may all claim the whole block. Of a tag that stands there several times the first and the
    last: readers take the one or the other."""
    entries: tuple[bytes, ...]
    """As they stand there, twelve bytes each, those that stand there twice among them."""
    following: bytes
    """Offset of the next one."""
    at: int
    """Where it begins."""

    def tags(self, order: str) -> frozenset[int]:
        return frozenset(_tag(order, entry) for entry in self.entries)


class _Block(NamedTuple):
    order: str
    """As `struct` has it."""
    directories: Mapping[int, _Directory]


def byte_order(block: bytes) -> str:
    """As `struct` has it. Raises ValueError for what is no TIFF block."""
    order = _ORDERS.get(block[:4])
    if order is None:
        raise ValueError("no TIFF block begins here")
    return order


def is_adobe_rgb(block: bytes) -> bool:
    """Whether a camera says so in its way: a colour space that is none of EXIF's own, and R03 as its option (DCF 2.0, 4.2.3); or 2."""
    try:
        order = byte_order(block)
        first = _directory(block, order, _long(block, order, 4), frozenset((_EXIF,)))
        second = _directory(block, order, _long(first.values[_EXIF][0].data, order, 0), frozenset((_COLOUR_SPACE, _INTEROPERABILITY)))
        space = second.values[_COLOUR_SPACE][0].data
        if space != b"\xff\xff":
            return space == struct.pack(order + "H", 2)
        third = _directory(block, order, _long(second.values[_INTEROPERABILITY][0].data, order, 0), frozenset((_INDEX,)))
        return third.values[_INDEX][0].data.startswith(b"R03")
    except (struct.error, ValueError, KeyError):
        return False


def without_thumbnail(block: bytes) -> bytes:
    """A photo's block that leads to no thumbnail (EXIF 3.0, 4.5.8), for a stand-in: desktops would show that in its place, and programs
    that edit pictures do not all draw it anew. Where it ends the block, its bytes, up to 60 KB, are left out, too.

    What is left stays at its place; so does the thumbnail's directory, to which nothing leads any more. The block as it is where the
    thumbnail is none.
    """
    try:
        order = byte_order(block)
        at = _long(block, order, 4)
        (count,) = struct.unpack_from(order + "H", block, at)
        link = at + 2 + 12 * count
        found = _directory(block, order, _long(block, order, link), frozenset((_THUMBNAIL, _THUMBNAIL_BYTES))).values
        start, size = (_long(found[tag][0].data, order, 0) for tag in (_THUMBNAIL, _THUMBNAIL_BYTES))
    except (struct.error, ValueError, KeyError):
        return block
    if block[start : start + 2] != b"\xff\xd8" or start + size > len(block):
        return block
    is_last = link + 4 <= start and len(block) - _PADDING <= start + size and not block[start + size :].strip(b"\0")
    left = block[:link] + bytes(4) + block[link + 4 : start if is_last else None]
    return left if merged(block, left) == block else block  # no label may have lain in there


def merged(own: bytes, edited: bytes) -> bytes:
    """A photo's block with what the block of its stand-in, which was made with the same, says otherwise as a label. `own` as it is where
    nothing does, and where one of them can't be read.

    A label that is not in the other one was taken away; but not if other things are missing there, too: then a program dropped what it
    did not know.
    """
    theirs, ours = _read(edited), _read(own or EMPTY)
    if ours is None or theirs is None:
        return own
    changes = {name: _changes(name, ours, theirs) for name in LABELS}
    taken = [name for name, values in changes.items() if None in values.values()]
    if taken and any(_dropped(name, ours, theirs) for name in (0, _EXIF)):
        changes = {name: {tag: value for tag, value in values.items() if value is not None} for name, values in changes.items()}
    if not any(changes.values()):
        return own
    return _written(own or EMPTY, ours, changes)


def is_lost(own: bytes, edited: bytes) -> bool:
    """Whether the block of a stand-in has labels that can't be given to its photo, since the photo's own block can't be read."""
    if not own or edited == own or _read(own) is not None:
        return False
    theirs = _read(edited)
    return theirs is not None and any(LABELS[name] & _values(theirs, name).keys() for name in LABELS)


def _changes(name: int, ours: _Block, theirs: _Block) -> dict[int, _Value | None]:
    """What has another value in one directory; None: it is not there any more."""
    here, there = (_values(block, name) for block in (ours, theirs))
    if name == _GPS and not {2, 4} <= there.keys():  # no position: cleaned away before it was sent, most likely
        return {}
    found: dict[int, _Value | None] = {}
    for tag in sorted(LABELS[name] & (here.keys() | there.keys())):
        value = there[tag][-1] if tag in there else None
        if value is not None and STAND_IN_WORDS in value.data.replace(b"\0", b""):  # some are UTF-16
            continue
        turned = None if value is None or not _is_sound(tag, value) else _turned(value, theirs.order, ours.order)
        before = [_said(each) for each in here.get(tag, (None,))]
        if _said(turned) not in before and (turned is not None or value is None):
            found[tag] = turned
    return found


def _is_sound(tag: int, value: _Value) -> bool:
    return tag != _ORIENTATION or (value.kind == 3 and value.number == 1 and any(1 <= byte <= 8 for byte in value.data))


def _said(value: _Value | None) -> tuple[int, bytes] | None:
    """What two values are compared by: a text that is empty says nothing, and its end is not part of it."""
    if value is None:
        return None
    text = value.data.rstrip(b"\0 ") if value.kind in _TEXTS else value.data
    return (value.kind, text) if text or value.kind not in _TEXTS else None


def _dropped(name: int, ours: _Block, theirs: _Block) -> bool:
    """Whether others than labels are missing, or a label is there that can't be read."""
    here, there = (block.directories.get(name) for block in (ours, theirs))
    others = frozenset() if here is None else here.tags(ours.order) - LABELS[name]
    if there is None:
        return bool(others)
    tags = there.tags(theirs.order)
    return not others <= tags or bool((tags & LABELS[name]) - there.values.keys())


def _values(block: _Block, name: int) -> Mapping[int, tuple[_Value, ...]]:
    return block.directories[name].values if name in block.directories else {}


def _turned(value: _Value, order: str, wanted: str) -> _Value:
    """In another byte order."""
    width = _WIDTHS[value.kind]
    if order == wanted or width == 1:
        return value
    return value._replace(data=b"".join(value.data[at : at + width][::-1] for at in range(0, len(value.data), width)))


def _read(block: bytes) -> _Block | None:
    try:
        order = byte_order(block)
        first = _directory(block, order, _long(block, order, 4), LABELS[0] | {_EXIF, _GPS})
        directories = {0: first}
        for name in (_EXIF, _GPS):
            if name in first.values:
                directories[name] = _directory(block, order, _long(first.values[name][0].data, order, 0), LABELS[name])
    except (struct.error, ValueError):
        return None
    return _Block(order, directories)


def _directory(block: bytes, order: str, at: int, wanted: frozenset[int]) -> _Directory:
    """With the values of the tags that are `wanted`.

    Raises struct.error or ValueError for one that leaves its block, or has more entries than any camera writes."""
    (count,) = struct.unpack_from(order + "H", block, at)
    if count > _MOST_ENTRIES:
        raise ValueError("too many entries")
    values: dict[int, tuple[_Value, ...]] = {}
    entries = []
    for index in range(count):
        start = at + 2 + 12 * index
        tag, kind, number = struct.unpack_from(order + "HHI", block, start)
        entry = block[start : start + 12]
        if len(entry) < 12:
            raise ValueError("the last entry is cut")
        entries.append(entry)
        size = _size(kind, number)
        place = start + 8 if size <= 4 else _long(entry, order, 8)
        if tag in wanted and kind in _WIDTHS and place + size <= len(block):  # else it is kept as it is, whatever it means
            values[tag] = (*values.get(tag, ())[:1], _Value(kind, number, block[place : place + size]))
    following = block[at + 2 + 12 * count :][:4].ljust(4, b"\0")
    return _Directory(values, tuple(entries), following, at)


def _size(kind: int, number: int) -> int:
    """Bytes of so many values; 0 where nobody knows the kind."""
    return number * _WIDTHS.get(kind, 0) * (2 if kind in _PAIRS else 1)


def _tag(order: str, entry: bytes) -> int:
    return int.from_bytes(entry[:2], "little" if order == "<" else "big")


def _long(data: bytes, order: str, at: int) -> int:
    (number,) = struct.unpack_from(order + "I", data, at)
    return int(number)


def _written(own: bytes, block: _Block, changes: Mapping[int, Mapping[int, _Value | None]]) -> bytes:
    """All that is there, and behind it new values and directories; the places that lead to those, or out of the block, are the only bytes
    that change."""
    data = bytearray(own)
    pointers: dict[int, bytes] = {}
    for name in (_EXIF, _GPS, 0):
        before = _out_of_reach(data, len(own), block, name)
        entries = [entry for entry in before if _tag(block.order, entry) not in changes[name]]
        for tag, value in changes[name].items():
            if value is not None:
                _put(entries, block.order, _entry(data, block.order, tag, value))
        for tag, pointer in pointers.items() if name == 0 else ():
            at = next((at for at, entry in enumerate(entries) if _tag(block.order, entry) == tag), None)
            if at is None:
                _put(entries, block.order, pointer)
            else:
                entries[at] = pointer
        if entries == before:
            continue
        following = block.directories[name].following if name in block.directories else bytes(4)
        at = _appended(data, struct.pack(block.order + "H", len(entries)) + b"".join(entries) + following)
        place = struct.pack(block.order + "I", at)
        if name == 0:
            data[4:8] = place
        else:
            pointers[name] = struct.pack(block.order + "HHI", name, 4, 1) + place
    return bytes(data)


def _out_of_reach(data: bytearray, end: int, block: _Block, name: int) -> list[bytes]:
    """The entries of a directory. A label whose value leaves the block can't be read; so that it is not read out of what comes behind the
    block, it leads to nowhere from now on."""
    directory = block.directories.get(name)
    entries = list(directory.entries) if directory is not None else []
    for index, entry in enumerate(entries):
        kind, number = struct.unpack_from(block.order + "HI", entry, 2)
        size = _size(kind, number)
        if directory is not None and _tag(block.order, entry) in LABELS[name] and size > 4 and _long(entry, block.order, 8) + size > end:
            entries[index] = entry[:8] + _NOWHERE
            start = directory.at + 10 + 12 * index
            data[start : start + 4] = _NOWHERE
    return entries


def _put(entries: list[bytes], order: str, new: bytes) -> None:
    """In front of the first of a higher tag, as TIFF wants them ordered; the others keep their places."""
    at = next((at for at, entry in enumerate(entries) if _tag(order, entry) > _tag(order, new)), len(entries))
    entries.insert(at, new)


def _entry(data: bytearray, order: str, tag: int, value: _Value) -> bytes:
    """Twelve bytes; a value that has no room in them is appended."""
    head = struct.pack(order + "HHI", tag, value.kind, value.number)
    if len(value.data) <= 4:
        return head + value.data.ljust(4, b"\0")
    return head + struct.pack(order + "I", _appended(data, value.data))


def _appended(data: bytearray, more: bytes) -> int:
    """Where it begins: at an even place, as TIFF wants it."""
    data += bytes(len(data) % 2)
    at = len(data)
    data += more
    return at
