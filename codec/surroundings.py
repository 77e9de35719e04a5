"""What stands around a picture in its file, verbatim <-> the sections META, TRLR and INNR of an archive.

Some of it are JPEGs in themselves: thumbnails, previews, gain maps. Those that Lepton makes smaller stand in INNR, and META and TRLR hold
what is left; on some phones that is a tenth of an archive. docs/bitstream.md draws the bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from codec import lepton, packing
from codec.bitstream import INNER
from codec.errors import CodecError, Corrupt
from codec.jpeg_segments import frame, walk
from codec.picture import MAX_KEPT_BYTES
from codec.rust import Refusal, reserve

MAX_TRAILER_BYTES: Final = 2**31  # a motion photo's video; bytes that the file itself had
MAX_META_BYTES: Final = 2 * MAX_KEPT_BYTES  # with a length of four bytes before segments that may have four themselves

_PLACES: Final = {"META": MAX_META_BYTES, "TRLR": MAX_TRAILER_BYTES}

_FEWEST_BYTES: Final = 2048
"""Smaller pictures are not worth what the structure says of each."""
_MOST: Final = 64
_MOST_TRIES: Final = 256
"""Places that look like the begin of a JPEG: a video has some by chance, and a hostile file as many as it likes."""
_AREAS: Final = range(1, 100_000_001)
"""Pixels that an inner picture may have."""
_GAIN: Final = 0.95
"""Of its bytes, which a picture may have at most to be coded."""


class _Inner(NamedTuple):
    place: str
    at: int
    """Where the JPEG begins in the verbatim bytes of META or TRLR."""
    coded: bytes


def to_sections(kept: Sequence[bytes], trailer: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Segments or chunks and what follows the picture -> the sections, and what STRC has to say of them."""
    joined, inner = packing.join(kept), list[_Inner]()
    rests = _without_jpegs("META", joined, inner), _without_jpegs("TRLR", trailer, inner)
    plain = _sections(joined, trailer, ())
    # Where the same picture stands there twice, zstd alone may be better.
    return min(plain, _sections(*rests, inner), key=_size) if inner else plain


def _sections(joined: bytes, trailer: bytes, inner: Sequence[_Inner]) -> tuple[dict[str, bytes], dict[str, Any]]:
    sections: dict[str, bytes] = {}
    fields: dict[str, Any] = {"trailer_packed": False}
    if joined:
        sections["META"] = packing.pack(joined)
    if trailer:
        packed = packing.pack(trailer)
        fields["trailer_packed"] = len(packed) < len(trailer)
        sections["TRLR"] = packed if fields["trailer_packed"] else trailer
    if inner:
        sections[INNER] = b"".join(each.coded for each in inner)
        fields["inner"] = [[each.place, each.at, len(each.coded)] for each in inner]
    return sections, fields


def _size(made: tuple[dict[str, bytes], dict[str, Any]]) -> int:
    sections, fields = made
    return sum(map(len, sections.values())) + len(str(fields))


def from_sections(sections: Mapping[str, bytes], fields: Mapping[str, Any]) -> tuple[tuple[bytes, ...], bytes]:
    """The segments or chunks, and what follows the picture. Raises Corrupt for what `to_sections` does not write, KeyError for a field
    that is missing."""
    inner = tuple(_listed(sections.get(INNER, b""), fields.get("inner", [])))
    joined = packing.unpack(sections["META"], MAX_META_BYTES) if "META" in sections else b""
    trailer = sections.get("TRLR", b"")
    packed = fields["trailer_packed"]
    if not isinstance(packed, bool):
        raise Corrupt("a flag of the structure is neither true nor false")
    if packed:
        trailer = packing.unpack(trailer, MAX_TRAILER_BYTES)
    return packing.split(_with_jpegs("META", joined, inner)), _with_jpegs("TRLR", trailer, inner)


def _without_jpegs(place: str, data: bytes, inner: list[_Inner]) -> bytes:
    """What is left of the bytes; what was taken out is appended to `inner`."""
    parts, last = [], 0
    for start, end in _jpegs(data):
        coded = _coded(data[start:end]) if len(inner) < _MOST else None
        if coded is not None:
            inner.append(_Inner(place, start, coded))
            parts.append(data[last:start])
            last = end
    return b"".join((*parts, data[last:])) if parts else data


def _jpegs(data: bytes) -> Iterator[tuple[int, int]]:
    """First byte and the one behind the last of each JPEG in the bytes; those inside of others are left there."""
    at = -1
    for _ in range(_MOST_TRIES):
        at = data.find(b"\xff\xd8\xff", at + 1)
        if at < 0:
            return
        try:
            _, end = walk(data, at)
        except CodecError:
            continue
        if end - at >= _FEWEST_BYTES:
            yield at, end
            at = end - 1


def _coded(jpeg: bytes) -> bytes | None:
    """By Lepton; None for what it does not take, or not back, or where it gains little."""
    try:
        segments, _ = walk(jpeg)
        found = frame(jpeg, segments)
        if found.width * found.height * found.scans not in _AREAS:
            return None
        reserve(lepton.work_bytes(found, len(jpeg)))
        coded = lepton.coded(jpeg)
        return coded if len(coded) <= _GAIN * len(jpeg) and lepton.decoded(coded, len(jpeg), _AREAS) == jpeg else None
    except (CodecError, Refusal, MemoryError):
        return None


def _listed(coded: bytes, items: object) -> Iterator[_Inner]:
    if not isinstance(items, list) or len(items) > _MOST:
        raise Corrupt("the structure's inner pictures are no list")
    start = 0
    for item in items:
        if not isinstance(item, list) or len(item) != 3 or item[0] not in list(_PLACES) or {type(item[1]), type(item[2])} != {int}:
            raise Corrupt("the structure says of an inner picture what none has")
        place, at, size = item
        if at < 0 or not 0 < size <= len(coded) - start:
            raise Corrupt("the structure's inner pictures are not those that are there")
        yield _Inner(place, at, coded[start : start + size])
        start += size
    if start != len(coded):
        raise Corrupt("the structure's inner pictures are not all that are there")


def _with_jpegs(place: str, rest: bytes, inner: Iterable[_Inner]) -> bytes:
    parts, used, size = [], 0, 0
    for each in inner:
        if each.place != place:
            continue
        gap = each.at - size
        jpeg_bytes = lepton.size_bytes_of(each.coded)
        if not 0 <= gap <= len(rest) - used or each.at + jpeg_bytes > _PLACES[place]:
            raise Corrupt("an inner picture has no place where the structure says")
        parts += [rest[used : used + gap], lepton.decoded(each.coded, jpeg_bytes, _AREAS)]
        used, size = used + gap, each.at + jpeg_bytes
    return b"".join((*parts, rest[used:])) if parts else rest
