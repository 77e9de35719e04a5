"""What a photo's metadata say of how much somebody values it: stars, labels, a rejection.

Read from the XMP and EXIF inside a JPEG or PNG, and from XMP sidecars beside it. All of it is what strangers wrote: nothing here raises,
whatever can't be understood says nothing. Fields and their meaning: XMP specification part 1 (xmp:Rating -1 or 0..5, xmp:Label),
Microsoft's System.Rating (1..99), EXIF as Windows writes it (0x4746, 0x4749), digiKam's and Adobe Dynamic Media's namespaces.
"""

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codec.exif import byte_order
from codec.leads import EXIF_LEAD, MOST_TEXT_BYTES, raw_profile
from codec.packets import as_utf8, jpeg_bodies, packets_of, png_chunks

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_EXIF_STARS, _EXIF_PERCENT = 0x4746, 0x4749


@dataclass(frozen=True, slots=True)
class Rating:
    """Several programs may have rated one photo: the most stars count, each label, and whether one of them rejected it."""

    stars: int | None = None
    """0 to 5; None where nobody rated it."""
    labels: tuple[str, ...] = ()
    """Marks that single a photo out, for people: 'accepted in digiKam', 'label "Winner"' ..."""
    rejected: bool = False


def read_rating(data: bytes, sidecars: Sequence[bytes] = ()) -> Rating:
    """The rating of a photo by its bytes and those of its XMP sidecars. Never raises."""
    found = [each for packet in (*packets_of(data), *sidecars) for each in _of_xmp(packet)]
    found += [each for block in _exif_blocks(data) for each in _of_exif(block)]
    stars = [each for each in found if isinstance(each, int)]
    labels = dict.fromkeys(each for each in found if isinstance(each, str))
    return Rating(max((each for each in stars if each >= 0), default=None), tuple(labels), any(each < 0 for each in stars))


_Mark = int | str
"""Stars (-1: rejected), or a label."""


def _stars(text: str) -> Iterator[_Mark]:
    """xmp:Rating, a real number by the specification. Some programs go beyond 5; a rejection is anything below 0."""
    value = _number(text)
    if value is not None:
        yield -1 if value < 0 else min(5, round(value))


def _percent(text: str) -> Iterator[_Mark]:
    """The bounds between stars are those of System.Rating (propkey.h)."""
    value = _number(text)
    if value is not None and value >= 0:
        yield sum(value >= least for least in (1, 13, 38, 63, 88))


def _picked(accepted: float, rejected: float, words: str) -> Callable[[str], Iterator[_Mark]]:
    def read(text: str) -> Iterator[_Mark]:
        value = _number(text)
        if value == accepted:
            yield words
        elif value == rejected:
            yield -1

    return read


def _colour(text: str) -> Iterator[_Mark]:
    """digiKam's ColorLabel: 0 is none, 1 to 9 are colours."""
    if (value := _number(text)) is not None and 1 <= value <= 9:
        yield "colour label in digiKam"


def _label(text: str) -> Iterator[_Mark]:
    if text and text.lower() not in ("none", "no label", "0"):
        yield f'label "{text[:40]}"'


def _good(text: str) -> Iterator[_Mark]:
    if text.lower() in ("true", "1"):
        yield "flagged as good"


_PROPERTIES: Final[dict[str, Callable[[str], Iterator[_Mark]]]] = {
    "{http://ns.adobe.com/xap/1.0/}Rating": _stars,
    "{http://ns.adobe.com/xap/1.0/}Label": _label,
    "{http://ns.microsoft.com/photo/1.0/}Rating": _percent,
    "{http://ns.microsoft.com/photo/1.0}Rating": _percent,
    "{http://www.digikam.org/ns/1.0/}PickLabel": _picked(3, 1, "accepted in digiKam"),
    "{http://www.digikam.org/ns/1.0/}ColorLabel": _colour,
    "{http://ns.adobe.com/xmp/1.0/DynamicMedia/}pick": _picked(1, -1, "flagged as a pick"),
    "{http://ns.adobe.com/xmp/1.0/DynamicMedia/}good": _good,
    "{http://ns.acdsee.com/iptc/1.0/}rating": _stars,
}


def _of_xmp(packet: bytes) -> Iterator[_Mark]:
    """Properties of the resource itself: those of things described inside of it (history, faces) are not the photo's."""
    root = _parsed(packet)
    if root is None:
        return
    for rdf in root.iter(_RDF + "RDF"):
        for description in rdf.findall(_RDF + "Description"):
            for name, text in description.attrib.items():
                if name in _PROPERTIES:
                    yield from _PROPERTIES[name](text.strip())
            for child in description:
                if child.tag in _PROPERTIES:
                    for text in _texts(child):
                        yield from _PROPERTIES[child.tag](text)


def _parsed(packet: bytes) -> "Element | None":
    if len(packet) > MOST_TEXT_BYTES:
        return None
    from xml.etree.ElementTree import ParseError

    from defusedxml.ElementTree import fromstring

    try:
        # A document type is refused, and with it every entity: XMP needs none, and they are how XML attacks its readers.
        root: Element = fromstring(as_utf8(packet), forbid_dtd=True)
    except (ParseError, ValueError, LookupError):  # ValueError: what defusedxml refuses, and encodings that expat can't read
        return None
    return root


def _texts(element: "Element") -> Iterator[str]:
    """A value stands in its element, in the items of a container (rdf:Alt, rdf:Seq, rdf:Bag), or in rdf:value beside qualifiers."""
    if element.text and element.text.strip():
        yield element.text.strip()
    for inner in element.iter():
        if inner.tag in (_RDF + "li", _RDF + "value") and inner.text and inner.text.strip():
            yield inner.text.strip()
        if inner.attrib.get(_RDF + "value"):
            yield inner.attrib[_RDF + "value"].strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _of_exif(block: bytes) -> Iterator[_Mark]:
    """From the first directory of a TIFF block, where Windows writes the rating."""
    try:
        order = byte_order(block)
        (directory,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, directory)
        for index in range(count):
            tag, kind, values = struct.unpack_from(order + "HHI", block, directory + 2 + 12 * index)
            if tag in (_EXIF_STARS, _EXIF_PERCENT) and values == 1 and kind in (1, 3, 4):
                form = {1: "B", 3: "H", 4: "I"}[kind]
                (value,) = struct.unpack_from(order + form, block, directory + 10 + 12 * index)
                yield from (_stars if tag == _EXIF_STARS else _percent)(str(value))
    except (struct.error, ValueError):  # no block, or a directory that leaves it
        return


def _exif_blocks(data: bytes) -> Iterator[bytes]:
    for body in jpeg_bodies(data):
        if body.startswith(EXIF_LEAD[:-1]):  # the last byte may be any
            yield body[len(EXIF_LEAD) :]
    for kind, body in png_chunks(data):
        if kind == b"eXIf":
            yield body.removeprefix(EXIF_LEAD)
        elif body.startswith((b"Raw profile type exif\0", b"Raw profile type APP1\0")):
            yield raw_profile(kind, body)
