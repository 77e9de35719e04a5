"""What people write on a picture: EXIF, XMP and IPTC as blocks of bytes, read from a JPEG or PNG and put into another one.

The rest of a file, that which makes the picture, has a digest of its own: two files with the same one differ in their labels only.
"""

import hashlib
from typing import Final, NamedTuple

from codec import exif, iptc, jpeg_segments, xmp
from codec.errors import CodecError, Unsupported
from codec.jpeg_segments import APP0, APP1, COM, SOFS, Segment, walk
from codec.leads import EXIF_LEAD, IPTC_LEAD, PNG_SIGNATURE, XMP_KEYWORD, XMP_LEAD, international_text, raw_profile
from codec.multi_picture import fill, filler, is_index, move_places, places_matter
from codec.picture import JpegStructure
from codec.png_chunks import chunk, chunks

APP13: Final = 0xED
_LEADS: Final = ((APP1, EXIF_LEAD), (APP1, XMP_LEAD), (APP13, IPTC_LEAD))
MOST: Final = 65533
"""Bytes in a JPEG segment behind its length."""
_RAW_PROFILES: Final = {
    b"Raw profile type exif": b"eXIf",
    b"Raw profile type APP1": b"eXIf",
    b"Raw profile type xmp": b"iTXt",
}
"""Keywords of texts in which ImageMagick, Exiv2 and digiKam put what has a chunk of its own (by which it is named here) in a PNG. APP1 is
XMP where that leads it in."""
OWN_COMMENT: Final = b"gallery-optimizer "
"""How the comment begins that marks a stand-in; such a one is no label."""
_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_PICTURE_CHUNKS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")


class Labels(NamedTuple):
    """Each without what leads it in; empty where there is none."""

    exif: bytes = b""
    """A TIFF block."""
    xmp: bytes = b""
    """A packet."""
    iptc: bytes = b""
    """Photoshop's image resources, of which IPTC is one; only in a JPEG."""

    def digest(self) -> str:
        """32 hex digits."""
        return hashlib.sha256(b"".join(len(each).to_bytes(4, "big") + each for each in self)).hexdigest()[:32]


def labels_of(data: bytes) -> Labels:
    """Of a whole file. Raises CodecError for one that can't be walked."""
    if data[:8] == PNG_SIGNATURE:
        found, raw = dict.fromkeys((b"eXIf", b"iTXt"), b""), dict[bytes, bytes]()
        for kind, start, end in chunks(data):
            body = data[start + 8 : end - 4]
            name = _label_in(kind, body)
            if name is None:
                continue
            if kind != name:
                raw.setdefault(name, raw_profile(kind, body).removeprefix(XMP_LEAD))
            else:
                found[kind] = body if kind == b"eXIf" else international_text(body[len(XMP_KEYWORD) :])
        found = {name: value or raw.get(name, b"") for name, value in found.items()}
        return Labels(found[b"eXIf"], found[b"iTXt"])
    segments, _ = walk(data)
    return Labels(*(_of(data, segments, lead) for _, lead in _LEADS))


def comments_of(data: bytes) -> tuple[bytes, ...]:
    """What somebody wrote as comments: of a JPEG their texts, of a PNG the whole chunks of texts (IPTC by Exiv2 among them), which are no
    labels. Without our own. Raises CodecError for a file that can't be walked."""
    if data[:8] == PNG_SIGNATURE:
        own = b"Comment\0" + OWN_COMMENT
        texts = ((kind, start, end) for kind, start, end in chunks(data) if kind in _TEXTS and not data.startswith(own, start + 8))
        return tuple(dict.fromkeys(data[a:b] for kind, a, b in texts if _label_in(kind, data[a + 8 : b - 4]) is None))
    bodies = (data[each.body : each.body_end] for each in walk(data)[0] if each.marker == COM)
    return tuple(dict.fromkeys(each for each in bodies if not each.startswith(OWN_COMMENT) and each.strip(b"\0 \t\r\n")))


def picture_digest(data: bytes) -> str:
    """Of all that makes the picture: 32 hex digits. Raises CodecError for a file that can't be walked."""
    digest = hashlib.sha256()
    if data[:8] == PNG_SIGNATURE:
        for kind, start, end in chunks(data):
            if kind in _PICTURE_CHUNKS:
                digest.update(data[start:end])
    else:
        for segment in walk(data)[0]:
            if not segment.kept:
                digest.update(data[segment.start : segment.end].lstrip(b"\xff"))
    return digest.hexdigest()[:32]


def labelled(data: bytes, labels: Labels, comments: tuple[bytes, ...] = ()) -> bytes:
    """The file with these labels in place of its own; an empty one leaves what the file has. Everything else is kept, in order;
    so is a second EXIF or XMP in a JPEG. `comments`, as `comments_of` gives them, come to those that the file has, in front of them.

    Where other pictures in the file are found by offsets, these still lead there; bytes that fill take or give the room as far as they
    reach. Raises CodecError, Unsupported('too-large') for a label that does not fit into a JPEG, or makes a PNG grow by more than one of
    a JPEG could hold: a PNG's own labels may be as large as they are.
    """
    return _labelled_png(data, labels, comments) if data[:8] == PNG_SIGNATURE else _labelled_jpeg(data, labels, comments)


class Merged(NamedTuple):
    """A photo with the labels of its stand-in."""

    data: bytes
    left_out: tuple[str, ...] = ()
    """Kinds of labels (EXIF, XMP, IPTC, comment) that its stand-in says otherwise and that could not be given to it: there is no room, or
    its own can't be read."""


def merged(photo: bytes, stand_in: bytes) -> Merged:
    """A photo with the labels that somebody gave to its stand-in; all else that the photo says of itself stays, and so does its picture.

    The photo as it is, where its stand-in says the same. It has to come back whatever was written on its stand-in: what can't be given to
    it stays behind, and is told. Raises CodecError for a stand-in that can't be walked.
    """
    edited = _without_lead(labels_of(stand_in))
    try:
        own = _without_lead(labels_of(photo))
    except CodecError:
        return Merged(photo, _kinds(edited._asdict()))
    wanted = Labels(
        exif=exif.merged(own.exif, edited.exif),
        xmp=xmp.merged(own.xmp, edited.xmp, _sizes(stand_in, photo)) if edited.xmp else b"",
        iptc=b"" if photo[:8] == PNG_SIGNATURE else iptc.merged(own.iptc, edited.iptc),
    )
    changed = {name: value for name, value in wanted._asdict().items() if value and value != getattr(own, name)}
    kinds = {"exif": exif.is_lost, "xmp": xmp.is_lost, "iptc": iptc.is_lost}
    left_out = {name: getattr(edited, name) for name, is_lost in kinds.items() if is_lost(getattr(own, name), getattr(edited, name))}
    said = comments_of(stand_in) if photo[:2] == stand_in[:2] else ()
    known = frozenset(comments_of(photo)) if said else frozenset()
    said = tuple(each for each in said if each not in known)
    together = _given(photo, changed, said) if changed or said else photo
    if together is not None:
        return Merged(together, _kinds(left_out))
    data = photo
    alone = [(name, value, {name: value}, ()) for name, value in changed.items()]
    for name, value, labels, comments in (*alone, ("comment", b"".join(said), {}, said)):
        given = _given(data, labels, comments)
        data, left_out = (data, {**left_out, name: value}) if given is None else (given, left_out)
    return Merged(data, _kinds(left_out))


def _sizes(stand_in: bytes, photo: bytes) -> tuple[xmp.Size, xmp.Size] | None:
    found = [_size(stand_in), _size(photo)]
    return (found[0], found[1]) if found[0] is not None and found[1] is not None else None


def _size(data: bytes) -> xmp.Size | None:
    """By the header; None where it says none."""
    if data[:8] == PNG_SIGNATURE:
        return (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) if data[12:16] == b"IHDR" else None
    head = next((data[each.body : each.body_end] for each in walk(data)[0] if each.marker in SOFS), b"")
    return (int.from_bytes(head[3:5], "big"), int.from_bytes(head[1:3], "big")) if len(head) >= 5 else None


def _without_lead(labels: Labels) -> Labels:
    """Some programs lead EXIF in in a PNG, too."""
    return labels._replace(exif=labels.exif.removeprefix(EXIF_LEAD))


def _given(photo: bytes, labels: dict[str, bytes], comments: tuple[bytes, ...]) -> bytes | None:
    """None where they can't be given, or not without touching the picture."""
    try:
        data = labelled(photo, Labels(**labels), comments)
        return data if picture_digest(data) == picture_digest(photo) else None
    except CodecError:
        return None


def _kinds(labels: dict[str, bytes]) -> tuple[str, ...]:
    return tuple(name.upper() if name in Labels._fields else name for name, value in labels.items() if value)


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment. Raises Unsupported('too-large')."""
    if len(body) > MOST:
        raise Unsupported("too-large", "metadata that no segment of a JPEG has room for")
    return b"\xff" + bytes((marker,)) + (len(body) + 2).to_bytes(2, "big") + body


def _segments(marker: int, lead: bytes, body: bytes) -> bytes:
    """A label's segment; several where Photoshop's resources need them. Raises Unsupported('too-large')."""
    most = MOST - len(lead) if lead == IPTC_LEAD else len(body)
    return b"".join(segment(marker, lead + body[at : at + most]) for at in range(0, len(body), most))


def xmp_chunk(packet: bytes) -> bytes:
    """The iTXt chunk of a packet (XMP specification part 3, 1.1.5): not compressed, no language, no other keyword."""
    return chunk(b"iTXt", XMP_KEYWORD + bytes(4) + packet)


def _of(data: bytes, segments: list[Segment], lead: bytes) -> bytes:
    """The first label of a kind; Photoshop's resources go on in further segments, wherever those are cut."""
    found = [data[each.body + len(lead) : each.body_end] for each in segments if _lead_in(data, each) == lead]
    return b"".join(found if lead == IPTC_LEAD else found[:1])


def _lead_in(data: bytes, segment: Segment) -> bytes | None:
    """What leads in the label that a segment holds, None for others. The last byte of EXIF's may be any: browsers and ExifTool skip it."""
    for marker, lead in _LEADS:
        start = EXIF_LEAD[:-1] if lead == EXIF_LEAD else lead
        if segment.marker == marker and data.startswith(start, segment.body, segment.body_end):
            return lead
    return None


def _labelled_jpeg(data: bytes, labels: Labels, comments: tuple[bytes, ...]) -> bytes:
    segments, end = walk(data)
    if labels.exif and _goes_on(data, segments):
        raise Unsupported("too-large", "EXIF that goes on in another segment, which nothing may be written in front of")
    parts, wanted = [], {lead: _segments(marker, lead, body) for (marker, lead), body in zip(_LEADS, labels, strict=True) if body}
    placed: set[bytes] = set()
    index_at = None
    for each in segments:
        raw = data[each.start : each.end]
        lead = _lead_in(data, each)
        if is_index(raw) and index_at is None:
            index_at = each.start
            raw = raw[len(raw) - len(raw.lstrip(b"\xff")) - 1 :]
        if lead is not None and lead in wanted and lead not in placed:
            parts.append(wanted[lead])
            placed.add(lead)
        elif lead != IPTC_LEAD or lead not in wanted:
            parts.append(raw)
    missing = [wanted[lead] for _, lead in _LEADS if lead in wanted and lead not in placed]
    missing += [segment(COM, each) for each in comments]
    at = _front(data, segments)
    parts = [data[:2], *parts[:at], *missing, *parts[at:], b"\xff\xd9"]
    outline = JpegStructure(1, 1, (1,), ((1, 1),), ((1,) * 64,), False, 0, None, end, index_at, tuple(parts[1:-1]), 0, data[end:])
    if places_matter(outline):
        try:
            parts = fill(parts, outline)
        except Unsupported:
            parts = move_places(parts, outline)
    else:
        parts.insert(-1, filler(max(0, _filled(data, segments, end) and end - sum(map(len, parts)))))
    return b"".join((*parts, data[end:]))


def _front(data: bytes, segments: list[Segment]) -> int:
    """How many segments stand in front of labels that a file had none of: JFIF's, and all of EXIF, which are to come first."""
    firsts = (each.marker == APP0 or _lead_in(data, each) == EXIF_LEAD for each in segments)
    return next((at for at, is_first in enumerate(firsts) if not is_first), len(segments))


def _goes_on(data: bytes, segments: list[Segment]) -> bool:
    """Whether a block of EXIF does not end with its segment: then the next one begins as none does. ExifTool writes more than 64 KB so."""
    blocks = [data[each.body + len(EXIF_LEAD) :][:4] for each in segments if _lead_in(data, each) == EXIF_LEAD]
    return len(blocks) > 1 and blocks[1] not in (b"II*\0", b"MM\0*")


def _filled(data: bytes, segments: list[jpeg_segments.Segment], end: int) -> int:
    """Fill bytes in front of the end marker."""
    return end - 2 - segments[-1].end if segments else 0


def _labelled_png(data: bytes, labels: Labels, comments: tuple[bytes, ...]) -> bytes:
    placed: set[bytes] = set()
    parts, end = [data[:8]], 8
    if any(len(label) > MOST + len(own) for label, own in zip(labels, labels_of(data), strict=True)) or sum(map(len, comments)) > MOST:
        raise Unsupported("too-large", "more labels than a picture is given here")
    wanted = {b"eXIf": chunk(b"eXIf", labels.exif)} if labels.exif else {}
    wanted |= {b"iTXt": xmp_chunk(labels.xmp)} if labels.xmp else {}
    replaced = {keyword for each in comments if (keyword := each[8:].partition(b"\0")[0]).startswith(b"Raw profile type ")}
    wanted |= {b"": b"".join(comments)} if comments else {}
    for kind, start, end in chunks(data):
        label = _label_in(kind, data[start + 8 : end - 4])
        if kind in (b"IDAT", b"IEND"):  # all that is wanted stands before the picture, or where it stood
            parts += [each for name, each in wanted.items() if name not in placed]
            placed |= wanted.keys()
        if label not in wanted:
            parts += [data[start:end]] if kind not in _TEXTS or data[start + 8 : end].partition(b"\0")[0] not in replaced else []
        elif label not in placed:
            parts.append(wanted[label])
            placed.add(label)
    return b"".join((*parts, data[end:]))


def _label_in(kind: bytes, body: bytes) -> bytes | None:
    """The kind of chunk that holds the label which this one holds, of whatever kind this one is; None for others."""
    if kind == b"eXIf" or (kind == b"iTXt" and body.startswith(XMP_KEYWORD)):
        return kind
    keyword = body[:80].partition(b"\0")[0] if kind in (b"tEXt", b"zTXt") else b""
    if keyword.endswith(b"APP1") and keyword in _RAW_PROFILES and raw_profile(kind, body).startswith(XMP_LEAD):
        return b"iTXt"
    return _RAW_PROFILES.get(keyword)


def same_picture(data: bytes, digest: str) -> bool:
    """Whether a file has this picture digest; False where it can't be read."""
    try:
        return bool(digest) and picture_digest(data) == digest
    except CodecError:
        return False
