"""The exact lane: a JPEG, bit for bit, in about a fifth less.

    sections = to_sections(original)            # checked: they give the original back
    original = from_sections(sections, facts)   # checked against the original's digest

Lepton codes the picture's coefficients anew. It is handed the bare picture only: metadata, fill bytes and whatever follows the picture are
kept beside it, so that neither an odd segment nor a video behind the picture can stand in its way.
"""

import hashlib
import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

import lepton_jpeg_python
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from codec import canonical, packing
from codec.container import MAX_META_BYTES, MAX_TRAILER_BYTES
from codec.errors import Corrupt, Unsupported
from codec.facts import Facts
from codec.health import check_end
from codec.jpeg_segments import Frame, Segment, frame, walk
from codec.rust import Refusal, call, reserve

MAX_PIXELS: Final = 220_000_000
"""More than any phone's sensor has. Checked before anything is decoded, by what the header says."""

MAX_SCANS: Final = 100
MAX_SCANNED_PIXELS: Final = 4_000_000_000
"""Pixels times scans: a small file must not take minutes."""

_END: Final = b"\xff\xd9"
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))  # between segments they mean nothing, and lepton takes none
_MAX_INSERTS: Final = 1 << 16
_MAX_HEADER_BYTES: Final = 1 << 20  # of a bare JPEG: its tables
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


def to_sections(original: bytes) -> dict[str, bytes]:
    """The archive sections from which `from_sections` gives the same bytes; decoded once more before they are returned.

    Raises NotAPicture, Corrupt (also for everything at which libjpeg would warn and go on: damage is not archived as health), Unsupported
    (12 bits, print colours and the like; 'exact-failed' where lepton did not give the same bytes back).
    """
    segments, end = walk(original)
    found = frame(original, segments)
    check_work(found)
    bare, inserts = _bared(original, segments, end)
    if len(inserts) > _MAX_INSERTS:
        raise Unsupported("too-large", "more metadata than pictures have")
    reserve(_work_bytes(found, len(bare)))
    check_health(bare, found)
    try:
        coded = call(lepton_jpeg_python.compress_bytes, bare, _CODER)
    except Refusal:  # scans or samplings that it does not know: what stands around the picture may be worth the archive all the same
        coded = packing.pack(bare)
    fields = {
        "kind": "jpeg-exact",
        "width": found.width,
        "height": found.height,
        "bare_bytes": len(bare),
        "inserts": [at for at, _ in inserts],
        "trailer_packed": False,
    }
    sections = {"LEPT": coded}
    if inserts:
        sections["META"] = packing.pack(packing.join(data for _, data in inserts))
    if end < len(original):
        trailer = original[end:]
        packed = packing.pack(trailer)
        fields["trailer_packed"] = len(packed) < len(trailer)
        sections["TRLR"] = packed if fields["trailer_packed"] else trailer
    sections["STRC"] = canonical.dump(fields)
    try:
        same = _rebuilt(sections) == original
    except Corrupt as error:
        raise Unsupported("exact-failed", str(error)) from None
    if not same:
        raise Unsupported("exact-failed", "lepton did not give the same bytes back")
    return sections


def from_sections(sections: Mapping[str, bytes], facts: Facts) -> bytes:
    """The original. Raises Corrupt, also where what comes out has not the digest that the facts name."""
    original = _rebuilt(sections)
    if len(original) != facts.size_bytes or hashlib.sha256(original).hexdigest() != facts.sha256:
        raise Corrupt("the archive does not give the original's bytes")
    return original


def check_work(found: Frame) -> None:
    """Raise Unsupported('too-large') from the headers alone, before memory or time is spent."""
    pixels = found.width * found.height
    if pixels > MAX_PIXELS:
        raise Unsupported("too-large", f"{found.width} x {found.height} pixels, at most {MAX_PIXELS // 1_000_000} million")
    if found.scans > MAX_SCANS or found.scans * pixels > MAX_SCANNED_PIXELS:
        raise Unsupported("too-large", f"{found.scans} scans")


def check_health(bare: bytes, found: Frame) -> None:
    """Raise Corrupt for a picture at which libjpeg warns or that ends in grey."""
    small = glimpse(bare, found, 1)
    check_end(small, max(1, round(found.height / small.shape[0])))


def glimpse(jpeg: bytes, found: Frame, side: int) -> NDArray[np.uint8]:
    """A JPEG, uint8 [h, w, 3] or [h, w], as small as the decoder makes it (down to an eighth) with a longer side of at least `side`.

    Every coded bit is read all the same. Raises Corrupt where libjpeg would warn; of samplings that its simple interface refuses only
    where it would stop.
    """
    tall = found.height >= found.width
    side = min(side, max(found.height, found.width))
    least = {"min_height": side, "min_width": 1} if tall else {"min_height": 1, "min_width": side}
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(jpeg, "GRAY" if len(found.components) == 1 else "RGB", strict=True, **least)
    except ValueError as error:
        if "subsampling" in str(error):
            return _glimpse_of_odd(jpeg)
        raise Corrupt(f"damaged: {str(error).removeprefix('Corrupt JPEG data: ')}") from None
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _glimpse_of_odd(jpeg: bytes) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            return np.array(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise Corrupt(f"damaged: {error}") from None
    except Image.DecompressionBombError:
        raise Unsupported("too-large", "of an unusual sampling, and very large") from None


def check(original: bytes) -> None:
    """Raise what keeps a JPEG out of this lane, short of coding it: NotAPicture, Corrupt, Unsupported."""
    segments, end = walk(original)
    found = frame(original, segments)
    check_work(found)
    check_health(_bared(original, segments, end)[0], found)


def preview(original: bytes, side: int) -> tuple[NDArray[np.uint8], tuple[bytes, ...]]:
    """Pixels uint8 [h, w, 3] or [h, w] with a longer side of at least `side` (or the photo's own), and the metadata segments in order.

    Raises what `check` raises. Reads JPEGs that the neural lane refuses: directly coded red, green and blue, signed ones, very large ones.
    """
    segments, end = walk(original)
    found = frame(original, segments)
    check_work(found)
    pixels = glimpse(_bared(original, segments, end)[0], found, side)
    return pixels, tuple(original[s.start : s.end] for s in segments if s.kept)


def _bared(original: bytes, segments: list[Segment], end: int) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The picture without metadata and fill bytes, and what was taken out: where in the bare picture it belongs, and its bytes."""
    parts, inserts = [original[:2]], []
    size, last = 2, 2
    for segment in segments:
        if segment.kept or segment.marker in _ALONE:
            continue
        start = segment.start
        while original[start : start + 2] == b"\xff\xff":  # fill bytes
            start += 1
        if start > last:
            inserts.append((size, original[last:start]))
        parts.append(original[start : segment.end])
        size += segment.end - start
        last = segment.end
    if end - len(_END) > last:
        inserts.append((size, original[last : end - len(_END)]))
    return b"".join((*parts, _END)), inserts


def _rebuilt(sections: Mapping[str, bytes]) -> bytes:
    try:
        fields, coded = canonical.load(sections["STRC"]), sections["LEPT"]
        bare_bytes = _integer(fields["bare_bytes"], 4, 2**31)
        places = [_integer(at, 2, bare_bytes - 2) for at in _list(fields["inserts"])]
        packed = fields["trailer_packed"]
        if fields["kind"] != "jpeg-exact" or not isinstance(packed, bool) or places != sorted(places):
            raise Corrupt("the structure is of another kind")
        area = _integer(fields["width"], 1, 65535) * _integer(fields["height"], 1, 65535)
    except KeyError as error:
        raise Corrupt(f"the archive lacks {error}") from None
    inserts = packing.split(packing.unpack(sections["META"], MAX_META_BYTES)) if "META" in sections else ()
    if len(inserts) != len(places):
        raise Corrupt("the archive's metadata is not what its structure says")
    trailer = sections.get("TRLR", b"")
    bare = _decoded(coded, bare_bytes, area)
    parts, last = [], 0
    for at, data in zip(places, inserts, strict=True):
        parts += [bare[last:at], data]
        last = at
    return b"".join((*parts, bare[last:], packing.unpack(trailer, MAX_TRAILER_BYTES) if packed else trailer))


def _decoded(coded: bytes, bare_bytes: int, area: int) -> bytes:
    if coded.startswith(packing.MAGIC):
        plain = packing.unpack(coded, bare_bytes)
        if len(plain) != bare_bytes:
            raise Corrupt("the packed picture has another length than the structure says")
        return plain
    header = _header_of(coded, bare_bytes)
    found = _frame_of(header)
    if found.width * found.height != area:
        raise Corrupt("the coded picture is not of the size that the structure says")
    reserve(_partitions(header) * _work_bytes(found, bare_bytes))
    try:
        bare: bytes = call(lepton_jpeg_python.decompress_bytes, coded, _CODER)
    except Refusal as error:
        raise Corrupt(f"the coded picture cannot be decoded ({error})") from None
    if len(bare) != bare_bytes:
        raise Corrupt("the coded picture has another length than the structure says")
    return bare


def _header_of(coded: bytes, bare_bytes: int) -> bytes:
    """What the coded picture says of itself, read first: the decoder takes the memory that a header claims, and dies of too much."""
    if len(coded) < _LEAD.size:
        raise Corrupt("the coded picture is cut")
    magic, _, _, _, _, size, packed_bytes = _LEAD.unpack_from(coded)
    if magic != b"\xcf\x84" or size != bare_bytes or packed_bytes > len(coded) - _LEAD.size:
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
    head = b"\xff\xd8" + header[7 : 7 + int.from_bytes(header[3:7], "little")] + _END
    try:
        return frame(head, walk(head)[0])
    except Unsupported as error:
        raise Corrupt(f"the coded picture is none that is ever coded ({error})") from None


def _work_bytes(found: Frame, size_bytes: int) -> int:
    """Memory that coding or decoding takes, at most: all coefficients in 16 bits, a quarter more for the rest, and the bytes themselves."""
    widest, tallest = max(c.horizontal for c in found.components), max(c.vertical for c in found.components)
    blocks = sum(
        (found.width * c.horizontal // (8 * widest) + 4) * (found.height * c.vertical // (8 * tallest) + 4) for c in found.components
    )
    return blocks * 64 * 2 * 5 // 4 + 3 * size_bytes + (32 << 20)


def _integer(value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Corrupt(f"a number of the structure is not in {least}..{most}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MAX_INSERTS:
        raise Corrupt("the structure's places are no list")
    return value
