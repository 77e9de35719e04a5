"""Keeping offsets right in files that hold more than one picture.

Ultra HDR, Apple HDR, 3D and many camera files carry further pictures behind the EOI of the primary one. A multi-picture index
(MPF, in an APP2 segment) gives their places as offsets from itself, and Container XMP may give the primary's length; both are
kept verbatim. They stay true when the rebuilt primary image is exactly as long as the original's was and the index stands where
it stood. So the rebuilt one, which must not be longer, is filled up with bytes 0xFF in front of a marker: T.81 B.1.1.2 allows any
number of them there, and libjpeg, Pillow and ExifTool skip them.
"""

from codec.errors import Unsupported
from codec.picture import JpegStructure

INDEX_MAGIC = b"MPF\0"

# Namespaces of the XMP that describes what lies behind the primary image.
_CONTAINER_MARKS = (b"ns.google.com/photos/1.0/container", b"Container:Directory", b"ns.adobe.com/hdr-gain-map", b"HDRGainMap")


def places_matter(structure: JpegStructure) -> bool:
    """Whether something in the file counts bytes from its front or says how long the primary image is."""
    if structure.index_at is not None:
        return True
    return bool(structure.trailer) and any(mark in segment for segment in structure.segments for mark in _CONTAINER_MARKS)


def fill(structure: JpegStructure, coded_bytes: int) -> list[bytes]:
    """The kept segments with fill bytes, such that `coded_bytes` more end where the original's primary image did.

    Raises Unsupported('multi-picture') where that is not enough room.
    """
    parts: list[bytes] = []
    at = 2  # after SOI
    index_at = structure.index_at
    for segment in structure.segments:
        if index_at is not None and is_index(segment):
            # Tables may have stood before the index; those that we write all stand behind it.
            parts.append(_filler(index_at - at))
            at, index_at = index_at, None
        parts.append(segment)
        at += len(segment)
    parts.append(_filler(structure.primary_bytes - coded_bytes - at))
    return parts


def is_index(segment: bytes) -> bool:
    """Whether a raw segment, fill bytes included, is the multi-picture index."""
    bare = segment.lstrip(b"\xff")
    return bare[:1] == b"\xe2" and bare.startswith(INDEX_MAGIC, 3)


def _filler(count: int) -> bytes:
    if count < 0:
        raise Unsupported("multi-picture", f"the rebuilt picture is {-count} bytes too long for the offsets in the file")
    return b"\xff" * count
