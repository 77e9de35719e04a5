"""The archive file: a header, a table of sections, the sections, and a digest of it all. docs/bitstream.md draws the bytes.

    pack(Archive) -> bytes        unpack(bytes) -> Archive, after checking every byte        peek(bytes) -> Header, from the first bytes

It knows nothing about what the sections hold, except that the small ones stand in front.
"""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from codec.errors import Corrupt, UnknownVersion

MAGIC: Final = b"\x9eNPH\r\n\x1a\n"
"""As PNG's: a byte that is no ASCII and both kinds of line end, so that a transfer as text shows at once."""

VERSION: Final = 1
LANES: Final = {"neural": 1, "exact": 2, "pixel-exact": 3}

SMALL_SECTIONS: Final = ("FACT", "QUAL", "STRC")
"""JSON sections, written first, which `peek` returns."""

PEEK_BYTES: Final = 1 << 16
"""So many first bytes nearly always hold the small sections; where not, `peek` wants the whole file."""

MAX_SECTIONS: Final = 64

_LEAD: Final = struct.Struct("<8sHBBHH32sQ")  # magic, version, lane, flags, sections, reserved, model digest, size of the file
_ENTRY: Final = struct.Struct("<4sQQI")  # name, offset, length, CRC-32
_CRC: Final = struct.Struct("<I")
_DIGEST_BYTES: Final = 32
_NO_MODEL: Final = bytes(32)
_PREVIEW: Final = 1
_INNER: Final = 2
INNER: Final = "INNR"
"""The section without which META and TRLR would be misread, so that a flag tells of it."""
_ORDER: Final = {name: place for place, name in enumerate((*SMALL_SECTIONS, "META", "PIXL", "TRLR"))}


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive as its parts. Raises ValueError for parts that can't be written.

    `sections` maps names of four upper-case letters or digits to bytes; those with other names than the documented ones are kept
    and ignored. `preview` marks an archive made with a model that was never released.
    """

    lane: str
    model_digest: bytes | None
    sections: Mapping[str, bytes]
    preview: bool = False

    def __post_init__(self) -> None:
        if self.lane not in LANES:
            raise ValueError(f"there is no lane {self.lane!r}")
        if self.model_digest is not None and (len(self.model_digest) != _DIGEST_BYTES or self.model_digest == _NO_MODEL):
            raise ValueError("a model's digest is 32 bytes, not all of them zero; no model is None")
        if not 1 <= len(self.sections) <= MAX_SECTIONS:
            raise ValueError(f"an archive has 1 to {MAX_SECTIONS} sections")
        for name in self.sections:
            if not _is_name(name.encode("ascii", "replace")):
                raise ValueError(f"{name!r} is no name of a section")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a section lies in the file."""

    name: str
    offset: int
    length_bytes: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of an archive tell. `small` holds the sections of SMALL_SECTIONS that it has, checked by their CRC."""

    version: int
    lane: str
    model_digest: bytes | None
    preview: bool
    size_bytes: int
    entries: tuple[Entry, ...]
    small: Mapping[str, bytes] = field(default_factory=dict)


def pack(archive: Archive) -> bytes:
    """The bytes of an archive file; equal archives give equal bytes."""
    names = sorted(archive.sections, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    start = _LEAD.size + _ENTRY.size * len(names) + _CRC.size
    size = start + sum(len(archive.sections[name]) for name in names) + _DIGEST_BYTES
    flags = (_PREVIEW if archive.preview else 0) | (_INNER if INNER in archive.sections else 0)
    parts = [_LEAD.pack(MAGIC, VERSION, LANES[archive.lane], flags, len(names), 0, archive.model_digest or _NO_MODEL, size)]
    for name in names:
        data = archive.sections[name]
        parts.append(_ENTRY.pack(name.encode("ascii"), start, len(data), zlib.crc32(data)))
        start += len(data)
    parts.append(_CRC.pack(zlib.crc32(b"".join(parts))))
    parts.extend(archive.sections[name] for name in names)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([*parts, digest.digest()])


def unpack(data: bytes) -> Archive:
    """The archive in `data`, of which every byte was checked.

    Raises Corrupt for a file that is foreign, altered, cut or followed by anything, UnknownVersion for one of a later version.
    """
    header = _header(data)
    if len(data) != header.size_bytes:
        what = "is cut short" if len(data) < header.size_bytes else "is followed by other bytes"
        raise Corrupt(f"the archive {what}: {len(data)} bytes instead of {header.size_bytes}")
    sections = {entry.name: _section(data, entry) for entry in header.entries}
    if hashlib.sha256(memoryview(data)[:-_DIGEST_BYTES]).digest() != data[-_DIGEST_BYTES:]:
        raise Corrupt("the archive does not match its digest")
    return Archive(header.lane, header.model_digest, sections, header.preview)


def peek(data: bytes) -> Header:
    """The header and the small sections, from the first PEEK_BYTES of an archive or more of it; nothing behind them is checked.

    Raises Corrupt, also where `data` ends before the small sections do, and UnknownVersion.
    """
    header = _header(data)
    small = {entry.name: _section(data, entry) for entry in header.entries if entry.name in SMALL_SECTIONS}
    return Header(header.version, header.lane, header.model_digest, header.preview, header.size_bytes, header.entries, small)


def _header(data: bytes) -> Header:
    if data[: len(MAGIC)] != MAGIC:
        raise Corrupt("not an .nphoto file")
    if len(data) < _LEAD.size:
        raise Corrupt("the archive ends inside its header")
    _, version, lane, flags, count, reserved, model, size = _LEAD.unpack_from(data)
    end = _LEAD.size + _ENTRY.size * count
    if version > VERSION and not _is_sealed(_with_version(data, VERSION), end):
        raise UnknownVersion(f"the archive is of version {version} of the format, and this program reads {VERSION}")
    if version != VERSION:  # what a later version writes has no checksum that holds for this one
        raise Corrupt("the archive's version is damaged")
    if not 1 <= count <= MAX_SECTIONS:
        raise Corrupt(f"the archive claims {count} sections")
    if len(data) < end + _CRC.size:
        raise Corrupt("the archive ends inside its header")
    if not _is_sealed(data, end):
        raise Corrupt("the archive's header is damaged")
    # From here on the header is as it was written: what is not understood was meant by a later version.
    lanes = {number: name for name, number in LANES.items()}
    if lane not in lanes or flags & ~(_PREVIEW | _INNER) or reserved:
        raise UnknownVersion("the archive uses a lane or a flag of a later version")
    entries = tuple(_entries(data, count, end + _CRC.size, size))
    if bool(flags & _INNER) != any(entry.name == INNER for entry in entries):
        raise Corrupt(f"the archive's flags and its section {INNER} do not belong together")
    return Header(version, lanes[lane], None if model == _NO_MODEL else model, bool(flags & _PREVIEW), size, entries)


def _is_sealed(data: bytes, end: int) -> bool:
    """Whether the CRC of the header is there, and holds."""
    return len(data) >= end + _CRC.size and _CRC.unpack_from(data, end)[0] == zlib.crc32(data[:end])


def _with_version(data: bytes, version: int) -> bytes:
    """The same front of an archive with another version in it."""
    at = len(MAGIC)
    front = data[: _LEAD.size + _ENTRY.size * MAX_SECTIONS + _CRC.size]
    return front[:at] + struct.pack("<H", version) + front[at + 2 :]


def _entries(data: bytes, count: int, start: int, size: int) -> list[Entry]:
    """The section table: each section begins where the one before ends, and the digest follows the last."""
    entries: list[Entry] = []
    for number in range(count):
        name, offset, length, crc = _ENTRY.unpack_from(data, _LEAD.size + _ENTRY.size * number)
        if not _is_name(name) or any(entry.name == name.decode("ascii") for entry in entries):
            raise Corrupt(f"the archive has a section {name!r} twice or misnamed")
        if offset != start:
            raise Corrupt(f"the archive's section {name!r} overlaps another or leaves a gap")
        start += length
        entries.append(Entry(name.decode("ascii"), offset, length, crc))
    if start + _DIGEST_BYTES != size:
        raise Corrupt("the archive's sections do not add up to its size")
    return entries


def _section(data: bytes, entry: Entry) -> bytes:
    if entry.offset + entry.length_bytes > len(data):
        raise Corrupt(f"the archive ends inside its section {entry.name}")
    section = data[entry.offset : entry.offset + entry.length_bytes]
    if zlib.crc32(section) != entry.crc32:
        raise Corrupt(f"the archive's section {entry.name} is damaged")
    return section


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and name.isascii() and name.isalnum() and name == name.upper()
