"""EXIF blocks, XMP packets and IPTC as phones and programs for photos write them."""

from __future__ import annotations

import struct

from PIL import Image

MAKER = b"Example\0\x01\x02II*\0" + bytes(range(256)) * 3
"""With offsets from the block's beginning, for all that anybody knows."""
RATING, DESCRIPTION, ORIENTATION, SOFTWARE = 0x4746, 0x010E, 0x0112, 0x0131
EXIF, GPS, MAKER_NOTE, USER_COMMENT, LENS = 0x8769, 0x8825, 0x927C, 0x9286, 0xA434


def block(order: str, first: dict[int, object], inner: dict[int, object] | None = None, gps: dict[int, object] | None = None) -> bytes:
    """An EXIF block as a phone writes it: bytes are undefined values, numbers shorts."""
    tags = Image.Exif()
    tags.endian = order
    tags.update(first)
    if inner:
        tags.get_ifd(EXIF).update(inner)
    if gps:
        tags.get_ifd(GPS).update(gps)
    return tags.tobytes().removeprefix(b"Exif\0\0")


def read(data: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(b"Exif\0\0" + data)
    return found


OWN = {
    order: block(order, {0x010F: "Example", ORIENTATION: 6}, {MAKER_NOTE: MAKER, LENS: "Wide"}, {1: "N", 2: (1.0, 2.0, 3.0)})
    for order in "<>"
}


def packet(*inside: str, attributes: str = "") -> bytes:
    return (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'"
        " xmlns:crs='http://ns.adobe.com/camera-raw-settings/1.0/' xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'"
        f" {attributes}>{''.join(inside)}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


SUBJECT = "<dc:subject><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></dc:subject>"


def dataset(number: int, text: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(text)) + text


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)
