"""The exact lane: a JPEG, bit for bit, in about a fifth less.

    sections = to_sections(original)            # checked: they give the original back
    original = from_sections(sections, facts)   # checked against the original's digest

Lepton codes the picture's coefficients anew. It is handed the bare picture only: metadata, fill bytes and whatever follows the picture are
kept beside it, so that neither an odd segment nor a video behind the picture can stand in its way.
"""

import hashlib
import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from codec import canonical, lepton, packing, surroundings
from codec.errors import Corrupt, Unsupported
from codec.facts import Facts
from codec.health import check_end
from codec.jpeg_segments import Frame, Segment, colour_segment, frame, walk
from codec.rust import Refusal, reserve

MAX_PIXELS: Final = 220_000_000
"""More than any phone's sensor has. Checked before anything is decoded, by what the header says."""

MAX_SCANS: Final = 100
MAX_SCANNED_PIXELS: Final = 4_000_000_000
"""Pixels times scans: a small file must not take minutes."""

_END: Final = b"\xff\xd9"
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))  # between segments they mean nothing, and lepton takes none
_MAX_INSERTS: Final = 1 << 16


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
    reserve(lepton.work_bytes(found, len(bare)))
    check_health(bare, found)
    try:
        coded = lepton.coded(bare)
    except Refusal:  # scans or samplings that it does not know: what stands around the picture may be worth the archive all the same
        coded = packing.pack(bare)
    fields = {
        "kind": "jpeg-exact",
        "width": found.width,
        "height": found.height,
        "bare_bytes": len(bare),
        "inserts": [at for at, _ in inserts],
    }
    around, more = surroundings.to_sections([data for _, data in inserts], original[end:])
    sections = {"STRC": canonical.dump(fields | more), "LEPT": coded, **around}
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
    bare = _bared(original, segments, end)[0]
    pixels = glimpse(bare[:2] + colour_segment(original, segments, found) + bare[2:], found, side)
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
        bare_bytes = canonical.integer(fields["bare_bytes"], 4, 2**31)
        places = [canonical.integer(at, 2, bare_bytes - 2) for at in _list(fields["inserts"])]
        if fields["kind"] != "jpeg-exact" or places != sorted(places):
            raise Corrupt("the structure is of another kind")
        area = canonical.integer(fields["width"], 1, 65535) * canonical.integer(fields["height"], 1, 65535)
        inserts, trailer = surroundings.from_sections(sections, fields)
    except KeyError as error:
        raise Corrupt(f"the archive lacks {error}") from None
    if len(inserts) != len(places):
        raise Corrupt("the archive's metadata is not what its structure says")
    packed = coded.startswith(packing.MAGIC)
    bare = _unpacked(coded, bare_bytes) if packed else lepton.decoded(coded, bare_bytes, range(area, area + 1))
    parts, last = [], 0
    for at, data in zip(places, inserts, strict=True):
        parts += [bare[last:at], data]
        last = at
    return b"".join((*parts, bare[last:], trailer))


def _unpacked(coded: bytes, bare_bytes: int) -> bytes:
    plain = packing.unpack(coded, bare_bytes)
    if len(plain) != bare_bytes:
        raise Corrupt("the packed picture has another length than the structure says")
    return plain


def _list(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MAX_INSERTS:
        raise Corrupt("the structure's places are no list")
    return value
