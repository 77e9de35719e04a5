"""Keeping offsets right in files that hold more than one picture.

Ultra HDR, Apple HDR, 3D and many camera files carry further pictures behind the EOI of the primary one. A multi-picture index
(MPF, in an APP2 segment) gives their places as offsets from itself, and Container XMP may give the primary's length; both are
kept verbatim, and so are offsets that makers write into the EXIF (codec.far_offsets). They stay true when the rebuilt primary
image is exactly as long as the original's was and the index stands where it stood. So the rebuilt one, which must not be longer,
is filled up with bytes 0xFF: T.81 B.1.1.2 allows any number of them in front of every marker, and all readers skip them. In front
of EOI they disturb least: nobody who looks for metadata gets there, while ExifTool grumbles about them in front of a table and
Pillow takes a second for each megabyte.

A copy is proven to fit when its archive is made. Should the JPEG encoder of a later day need more room all the same, `move_places`
writes the new places into the index, and the new length into the XMP: a copy with a changed index is worth more than none.
"""

import re
import struct
from collections.abc import Iterator

from codec.errors import Unsupported
from codec.far_offsets import leads_behind, moved
from codec.picture import JpegStructure

INDEX_MAGIC = b"MPF\0"
_ENTRIES_TAG = 0xB002

# Namespaces of the XMP that describes what lies behind the primary image.
_CONTAINER_MARKS = (b"ns.google.com/photos/1.0/container", b"Container:Directory", b"ns.adobe.com/hdr-gain-map", b"HDRGainMap")

# XMP is UTF-8 in every such file that anybody has seen; of what it says in another encoding only that it does is known.
_WIDE_MARKS = tuple(mark.decode().encode(form) for mark in _CONTAINER_MARKS for form in ("utf-16-le", "utf-16-be"))

# In such XMP a length is mostly given for what lies behind only, and readers count it from the end of the file.
_TAG = re.compile(rb"<[^<>]*>")
_IS_PRIMARY = re.compile(rb""":Semantic=["']Primary["']""")
_LENGTH = re.compile(rb""":Length=["']0*[1-9]""")
_LIST_ITEM = (b"<rdf:li", b"</rdf:li>")
_PRIMARY_VALUE = re.compile(rb">\s*Primary\s*<")
_GIVEN_LENGTH = re.compile(rb"""(:Length\s*(?:=\s*["']|>\s*))(\d{1,18})""")


def places_matter(structure: JpegStructure) -> bool:
    """Whether a reader may look for something in the file by counting from its front."""
    if structure.index_at is not None:
        return True
    if structure.trailer and any(mark in segment for segment in structure.segments for mark in _CONTAINER_MARKS):
        return True
    return _leads_behind(structure) or _says_it_widely(structure)


def fill(parts: list[bytes], structure: JpegStructure) -> list[bytes]:
    """The `parts` of a primary image, SOI first and EOI last, with fill bytes that put its index and its end where they were.

    Each part begins with a marker. Raises Unsupported('multi-picture') where there is too little room and something in the file
    says where things are.
    """
    filled: list[bytes] = []
    at = 0
    index_at = structure.index_at
    for part in parts[:-1]:
        if index_at is not None and is_index(part):
            # Other tables, of another length, may have stood before the index.
            filled.append(filler(index_at - at))
            at, index_at = index_at, None
        filled.append(part)
        at += len(part)
    missing = structure.primary_bytes - at - len(parts[-1])
    if missing < 0 and structure.index_at is None and not _says_its_length(structure) and not _leads_behind(structure):
        return parts
    return [*filled, filler(missing), parts[-1]]


def move_places(parts: list[bytes], structure: JpegStructure) -> list[bytes]:
    """The `parts`, with the new length and places of the pictures in the index, the new length of the primary one in XMP, and the new
    places in the EXIF.

    Lengths of what lies behind it stay as they are. An index that does not say what indexes say is left as it is.
    """
    parts = _with_length(parts, structure.primary_bytes)
    longer = sum(map(len, parts)) - structure.primary_bytes
    parts = moved(parts, structure, longer)
    index = next((number for number, part in enumerate(parts) if is_index(part)), None)
    if index is None or structure.index_at is None:
        return parts
    index_moved = sum(map(len, parts[:index])) - structure.index_at
    return [*parts[:index], _moved_index(parts[index], structure.primary_bytes, longer, longer - index_moved), *parts[index + 1 :]]


def _moved_index(segment: bytes, primary_bytes: int, longer: int, shift: int) -> bytes:
    """An index segment whose first picture is `longer` and whose others lie `shift` bytes further on (CIPA DC-007, 5.2.3)."""
    start = segment.find(INDEX_MAGIC) + len(INDEX_MAGIC)
    data = bytearray(segment)
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(data[start : start + 2])]
        (ifd,) = struct.unpack_from(order + "I", data, start + 4)
        (count,) = struct.unpack_from(order + "H", data, start + ifd)
        for at in range(start + ifd + 2, start + ifd + 2 + 12 * count, 12):
            tag, _, size, offset = struct.unpack_from(order + "HHII", data, at)
            if tag != _ENTRIES_TAG:
                continue
            for entry in range(start + offset, start + offset + size - 15, 16):
                _, length, place = struct.unpack_from(order + "III", data, entry)
                if place == 0 and length == primary_bytes:
                    struct.pack_into(order + "I", data, entry + 4, length + longer)
                elif place != 0:
                    struct.pack_into(order + "I", data, entry + 8, place + shift)
    except (struct.error, KeyError):
        return segment
    return bytes(data)


def _with_length(parts: list[bytes], before: int) -> list[bytes]:
    """The `parts`, with the primary picture's length wherever XMP gives it as `before`.

    A number that grows by a digit makes the picture longer itself; one that shrinks keeps its width by zeros in front.
    """
    now = 0
    while now != (now := sum(map(len, parts))):
        parts = [_saying(part, before, now) if any(mark in part for mark in _CONTAINER_MARKS) else part for part in parts]
        before = now
    return parts


def _saying(segment: bytes, before: int, now: int) -> bytes:
    def corrected(item: bytes) -> bytes:
        return _GIVEN_LENGTH.sub(lambda m: m[1] + str(now).encode().rjust(len(m[2]), b"0") if int(m[2]) == before else m[0], item)

    once = _TAG.sub(lambda tag: corrected(tag[0]) if _IS_PRIMARY.search(tag[0]) else tag[0], segment)
    changed = b"".join(corrected(item) if _PRIMARY_VALUE.search(item) else item for item in _list_items(once))
    marker = len(segment) - len(segment.lstrip(b"\xff"))
    length = int.from_bytes(segment[marker + 1 : marker + 3], "big") + len(changed) - len(segment)
    return segment if length > 65535 else changed[: marker + 1] + length.to_bytes(2, "big") + changed[marker + 3 :]


def _list_items(text: bytes) -> Iterator[bytes]:
    """All of the text in parts: the items of its lists, and what stands between them. With a pattern some texts would take a minute."""
    begin, end = _LIST_ITEM
    last = 0
    while (start := text.find(begin, last)) >= 0 and (close := text.find(end, start)) >= 0:
        yield text[last:start]
        last = close + len(end)
        yield text[start:last]
    yield text[last:]


def is_index(segment: bytes) -> bool:
    """Whether a raw segment, fill bytes included, is the multi-picture index."""
    bare = segment.lstrip(b"\xff")
    return bare[:1] == b"\xe2" and bare.startswith(INDEX_MAGIC, 3)


def _leads_behind(structure: JpegStructure) -> bool:
    """A size of the copy that is fixed otherwise was chosen by a version that did not know of such offsets: it has to stay."""
    return structure.copy_bytes is None and leads_behind(structure)


def _says_its_length(structure: JpegStructure) -> bool:
    for segment in structure.segments:
        if b">Primary<" in segment or any(_IS_PRIMARY.search(tag) and _LENGTH.search(tag) for tag in _TAG.findall(segment)):
            return True
    return _says_it_widely(structure)


def _says_it_widely(structure: JpegStructure) -> bool:
    """Whether XMP that is not UTF-8 describes what lies behind; earlier versions did not know of such, as above."""
    if structure.copy_bytes is not None or not structure.trailer:
        return False
    return any(mark in segment for segment in structure.segments for mark in _WIDE_MARKS)


def filler(count: int) -> bytes:
    """So many bytes that a reader skips in front of a marker. Raises Unsupported for a negative number."""
    if count < 0:
        raise Unsupported("multi-picture", f"the rebuilt picture is {-count} bytes too long for the offsets in the file")
    return b"\xff" * count
