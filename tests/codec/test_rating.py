"""Ratings as programs really write them."""

import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.leads import MOST_TEXT_BYTES
from codec.rating import Rating, read_rating

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xap": "http://ns.adobe.com/xap/1.0/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "prefix0": "http://ns.microsoft.com/photo/1.0",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "xmpDM": "http://ns.adobe.com/xmp/1.0/DynamicMedia/",
    "acdsee": "http://ns.acdsee.com/iptc/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
}
DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


def xmp(attributes: str = "", children: str = "") -> bytes:
    """As Adobe's toolkit writes it, instructions, padding and all."""
    description = f'<rdf:Description rdf:about="" {attributes}>{children}</rdf:Description>'
    body = f'<x:xmpmeta {DECLARED} x:xmptk="Adobe XMP Core 5.6-c140"><rdf:RDF>{description}</rdf:RDF></x:xmpmeta>'
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{body}\n{" " * 200}\n<?xpacket end="w"?>'.encode()


def stars(count: int | None) -> Rating:
    return Rating(count)


REAL = {
    # Lightroom and exiftool: an attribute; digiKam and Shotwell: an element.
    "attribute": (xmp('xmp:Rating="5"'), stars(5)),
    "element": (xmp("", "<xmp:Rating>4</xmp:Rating>"), stars(4)),
    "old prefix": (xmp('xap:Rating="3"'), stars(3)),
    "real number": (xmp('xmp:Rating="4.0"'), stars(4)),
    "with spaces": (xmp("", "<xmp:Rating>\n  2\n </xmp:Rating>"), stars(2)),
    "not rated": (xmp('xmp:Rating="0"'), stars(0)),
    "nothing said": (xmp(), stars(None)),
    "rejected": (xmp('xmp:Rating="-1"'), Rating(rejected=True)),
    "beyond": (xmp('xmp:Rating="99"'), stars(5)),
    "alternatives": (xmp("", '<xmp:Rating><rdf:Alt><rdf:li xml:lang="x-default">4</rdf:li></rdf:Alt></xmp:Rating>'), stars(4)),
    "bag": (xmp("", "<xmp:Rating><rdf:Bag><rdf:li>1</rdf:li><rdf:li>5</rdf:li></rdf:Bag></xmp:Rating>"), stars(5)),
    "qualified": (xmp("", '<xmp:Rating rdf:parseType="Resource"><rdf:value>5</rdf:value></xmp:Rating>'), stars(5)),
    "value as attribute": (xmp("", '<xmp:Rating><rdf:Description rdf:value="4"/></xmp:Rating>'), stars(4)),
    "windows": (xmp('xmp:Rating="4" MicrosoftPhoto:Rating="75"'), stars(4)),
    "windows alone": (xmp("", "<MicrosoftPhoto:Rating>99</MicrosoftPhoto:Rating>"), stars(5)),
    "windows, without the slash": (xmp('prefix0:Rating="50"'), stars(3)),
    "windows, one star": (xmp('MicrosoftPhoto:Rating="1"'), stars(1)),
    "acdsee": (xmp('acdsee:rating="4"'), stars(4)),
    "digikam accepted": (xmp('digiKam:PickLabel="3"'), Rating(labels=("accepted in digiKam",))),
    "digikam pending": (xmp('digiKam:PickLabel="2"'), Rating()),
    "digikam rejected": (xmp('digiKam:PickLabel="1" digiKam:ColorLabel="4"'), Rating(None, ("colour label in digiKam",), True)),
    "digikam no colour": (xmp('digiKam:ColorLabel="0" digiKam:PickLabel="0" xmp:Rating="0"'), stars(0)),
    "digikam colour": (xmp('digiKam:ColorLabel="5" xmp:Label="Blue"'), Rating(None, ("colour label in digiKam", 'label "Blue"'))),
    "bridge": (xmp('xmp:Label="Approved"'), Rating(labels=('label "Approved"',))),
    "no label": (xmp('xmp:Label=""'), Rating()),
    "lightroom pick": (xmp('xmpDM:pick="1"'), Rating(labels=("flagged as a pick",))),
    "lightroom reject": (xmp('xmpDM:pick="-1" xmpDM:good="false"'), Rating(rejected=True)),
    "premiere good": (xmp('xmpDM:good="True"'), Rating(labels=("flagged as good",))),
    # Not of the photo itself, but of what it was made from.
    "inside": (xmp("", '<xmpMM:DerivedFrom rdf:parseType="Resource"><xmp:Rating>5</xmp:Rating></xmpMM:DerivedFrom>'), stars(None)),
    # Nothing that could be understood.
    "text": (xmp('xmp:Rating="five"'), stars(None)),
    "infinite": (xmp('xmp:Rating="inf" MicrosoftPhoto:Rating="nan"'), stars(None)),
    "cut off": (xmp('xmp:Rating="5"')[:-60].replace(b"</x:xmpmeta>", b""), stars(None)),
    "empty": (b"", stars(None)),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?>' + xmp('xmp:Rating="5"'), stars(None)),
    "entity": (b'<!DOCTYPE a [<!ENTITY b "5">]>' + xmp("", "<xmp:Rating>&b;</xmp:Rating>"), stars(None)),
    "too long": (xmp('xmp:Rating="5"') + b" " * MOST_TEXT_BYTES, stars(None)),
}


@pytest.mark.parametrize("name", REAL)
def test_forms_of_xmp_in_a_sidecar(name: str) -> None:
    packet, expected = REAL[name]
    assert read_rating(b"", [packet]) == expected


def app1(lead: bytes, body: bytes) -> bytes:
    return b"\xff\xe1" + (len(lead) + len(body) + 2).to_bytes(2, "big") + lead + body


def inserted(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def tiff(order: str, *entries: tuple[int, int, int]) -> bytes:
    """A directory of (tag, type, value)."""
    forms = {1: "Bxxx", 3: "Hxx", 4: "I"}
    body = b"".join(struct.pack(order + "HHI" + forms[kind], tag, kind, 1, value) for tag, kind, value in entries)
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries)) + body + bytes(4)


@pytest.fixture(scope="module")
def jpeg(make_jpeg: Callable[..., bytes]) -> bytes:
    return make_jpeg(64, 64, exif=False)


def test_a_jpegs_own_packet(jpeg: bytes) -> None:
    lead = b"http://ns.adobe.com/xap/1.0/\0"
    assert read_rating(jpeg) == Rating()
    assert read_rating(inserted(jpeg, app1(lead, xmp('xmp:Rating="4"')))) == stars(4)
    assert read_rating(inserted(jpeg, app1(b"http://ns.adobe.com/xmp/extension/\0", xmp('xmp:Rating="4"')))) == stars(None)
    assert read_rating(inserted(jpeg, app1(lead, xmp('xmp:Rating="4"')))[:-2]) == stars(None), "a JPEG that is cut off says nothing"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([(0x0112, 3, 6), (0x4746, 3, 5), (0x4749, 3, 99)], 5),
        ([(0x4749, 3, 75)], 4),
        ([(0x4746, 4, 3)], 3),
        ([(0x4746, 3, 0)], 0),
        ([(0x0112, 3, 6)], None),
    ],
)
def test_what_windows_writes_into_exif(jpeg: bytes, order: str, entries: list[tuple[int, int, int]], expected: int | None) -> None:
    assert read_rating(inserted(jpeg, app1(b"Exif\0\0", tiff(order, *entries)))) == stars(expected)


def test_the_most_stars_of_all_places_count(jpeg: bytes) -> None:
    photo = inserted(jpeg, app1(b"Exif\0\0", tiff("<", (0x4746, 3, 2))), app1(b"http://ns.adobe.com/xap/1.0/\0", xmp('xmp:Rating="-1"')))
    assert read_rating(photo, [xmp('xmp:Rating="5"'), xmp('xmp:Rating="1"'), b"<broken"]) == Rating(5, (), True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_png(packed: bool) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    text = xmp('xmp:Rating="5"')
    body = b"XML:com.adobe.xmp\0" + (b"\1\0" if packed else b"\0\0") + b"en\0\0" + (zlib.compress(text) if packed else text)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"iTXt", body)
    assert read_rating(png) == stars(5)
    assert read_rating(png[:-20]) == stars(None)
    assert read_rating(png[:33] + chunk(b"eXIf", tiff(">", (0x4746, 3, 4)))) == stars(4)


@given(st.sampled_from([packet for packet, _ in REAL.values()]), st.data())
def test_damage_never_raises(packet: bytes, data: st.DataObject) -> None:
    broken = bytearray(packet[:2000])
    for at in data.draw(st.lists(st.integers(0, max(0, len(broken) - 1)), max_size=8)):
        if broken:
            broken[at] = data.draw(st.integers(0, 255))
    assert isinstance(read_rating(bytes(broken), [bytes(broken)]), Rating)


@given(st.binary(max_size=300), st.sampled_from(["<", ">"]))
def test_a_directory_of_anything_never_raises(tail: bytes, order: str) -> None:
    block = (b"II*\0" if order == "<" else b"MM\0*") + tail
    photo = b"\xff\xd8" + app1(b"Exif\0\0", block) + b"\xff\xd9"
    assert isinstance(read_rating(photo), Rating)
