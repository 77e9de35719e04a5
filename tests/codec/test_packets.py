"""XMP in every encoding that it may have, and in every place where programs put it."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec import multi_picture, xmp
from codec.admission import check_unsigned
from codec.errors import Unsupported
from codec.labels import Labels, labelled, labels_of, merged, segment
from codec.leads import XMP_EXTENSION_LEAD, XMP_LEAD
from codec.packets import as_utf8, is_wide, packets_of
from codec.png_chunks import chunk
from codec.rating import read_rating
from tests.codec.jpegs import SMALL, insert, structure_of
from tests.codec.labelling import OWN, RATING, SUBJECT, block, packet

ENCODINGS = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
RATED = packet(SUBJECT.format("Möwe"), attributes="xmp:Rating='5'")
SIGNED = packet("", attributes="xmlns:terms='http://purl.org/dc/terms/' terms:provenance='https://manifests.example/urn-1'")
FRONTS = (
    "",
    "\ufeff",
    "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n",
    '\ufeff<?xml version="1.0" encoding="UTF-16"?>\n',
    " \n",
)


@pytest.fixture(scope="module")
def png(make_photo: Callable[..., np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


def in_png(png: bytes, data: bytes, packed: bool = False) -> bytes:
    body = b"XML:com.adobe.xmp\0" + bytes((packed, 0, 0, 0)) + (zlib.compress(data) if packed else data)
    return png[:33] + chunk(b"iTXt", body) + png[33:]


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8"])
def test_every_encoding_is_read(encoding: str, front: str, png: bytes) -> None:
    data = (front + RATED.decode() + "\n  \0").encode(encoding)
    assert as_utf8(data).endswith(RATED)
    assert is_wide(data) is (encoding != "utf-8")
    assert read_rating(b"", [data]).stars == 5, "a sidecar"
    assert read_rating(in_png(png, data)).stars == read_rating(in_png(png, data, packed=True)).stars == 5
    assert read_rating(labelled(SMALL, Labels(xmp=data))).stars == 5
    short = xmp.for_stand_in(data, {"Original": "0" * 64})
    assert "Möwe".encode() in short
    assert b"GalleryOptimizer:Original" in short
    said = (front + SIGNED.decode()).encode(encoding)
    for photo in (labelled(SMALL, Labels(xmp=said)), in_png(png, said)):
        with pytest.raises(Unsupported, match="C2PA"):
            check_unsigned(photo)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_labels_come_to_a_packet_of_another_encoding_and_from_one(encoding: str) -> None:
    own = packet(SUBJECT.format("old"), attributes="xmp:Rating='5'").decode().encode(encoding)
    given_back = merged(labelled(SMALL, Labels(xmp=own)), labelled(SMALL, Labels(xmp=packet(attributes="xmp:Rating='2'"))))
    assert given_back.left_out == ()
    assert read_rating(given_back.data).stars == 2
    assert b"old" in labels_of(given_back.data).xmp, "stand-ins of earlier versions repeated nothing of such a packet"
    edited = labelled(SMALL, Labels(xmp=packet(SUBJECT.format("sea")).decode().encode(encoding)))
    assert b"sea" in labels_of(merged(labelled(SMALL, Labels(xmp=RATED)), edited).data).xmp


def test_what_is_no_packet_stays_as_it_is() -> None:
    for data in (b"", b"<", b"\0<", b"<\0", b"\0\0\0<", bytes(9), b"\xff\xfe", "no tag".encode("utf-16"), b"\0\0<x:xmpmeta>"):
        assert not is_wide(data)
        assert as_utf8(data) == data.strip(b"\0 \t\r\n")
    assert as_utf8(b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>").startswith(b"<?xml"), "which XML's own reader knows"


@given(st.binary(max_size=60), st.sampled_from((*ENCODINGS, "utf-8")), st.integers(0, 40), st.booleans())
def test_no_bytes_make_it_fail(noise: bytes, encoding: str, at: int, whole: bool) -> None:
    data = "<?xml version='1.0' encoding='UTF-16'?><a>ä</a>".encode(encoding)
    data = noise if whole else data[:at] + noise + data[at:]
    read_rating(b"", [data])
    list(packets_of(b"\xff\xd8" + segment(0xE1, XMP_EXTENSION_LEAD + data) + b"\xff\xd9"))
    assert xmp.merged(RATED, as_utf8(data)) == xmp.merged(RATED, data)


def extended(whole: bytes, *cuts: int) -> list[bytes]:
    """A packet over several segments, as part 3 of the specification has it."""
    head = XMP_EXTENSION_LEAD + hashlib.md5(whole).hexdigest().upper().encode() + len(whole).to_bytes(4, "big")
    ends = [*cuts, len(whole)]
    return [segment(0xE1, head + begin.to_bytes(4, "big") + whole[begin:end]) for begin, end in zip([0, *cuts], ends, strict=True)]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_packet_that_goes_on_in_other_segments(backwards: bool) -> None:
    main = segment(0xE1, XMP_LEAD + packet(attributes="xmlns:n='http://ns.adobe.com/xmp/note/' n:HasExtendedXMP='0'"))
    for whole in (RATED, SIGNED):
        pieces = extended(whole, 90, 200)
        photo = insert(SMALL, main + b"".join(pieces[::-1] if backwards else pieces))
        assert whole in list(packets_of(photo))
        assert read_rating(photo).stars == (5 if whole == RATED else None)
        given_back = merged(photo, labelled(SMALL, Labels(xmp=packet(attributes="xmp:Label='Sea'")))).data
        assert all(each in given_back for each in pieces), "not a byte of it changes"
        assert b"HasExtendedXMP" in labels_of(given_back).xmp
    with pytest.raises(Unsupported, match="C2PA"):
        check_unsigned(photo)


@pytest.mark.parametrize("kind", [b"zTXt", b"tEXt"])
def test_a_png_as_image_magick_and_exiv2_write_it(png: bytes, kind: bytes) -> None:
    def raw(name: bytes, data: bytes) -> bytes:
        text = b"\n%s\n%8d\n%s\n" % (name, len(data), data.hex().encode())
        return chunk(kind, b"Raw profile type " + name + (b"\0\0" + zlib.compress(text) if kind == b"zTXt" else b"\0" + text))

    rated = block("<", {RATING: 4})
    for name, data in ((b"exif", b"Exif\0\0" + rated), (b"APP1", b"Exif\0\0" + rated), (b"xmp", RATED), (b"APP1", XMP_LEAD + RATED)):
        photo = png[:33] + raw(name, data) + png[33:]
        is_packet = RATED in data
        assert read_rating(photo).stars == (5 if is_packet else 4)
        assert labels_of(photo) == (Labels(xmp=RATED) if is_packet else Labels(exif=rated))
        given_back = merged(photo, labelled(png, Labels(exif=OWN["<"], xmp=packet(attributes="xmp:Rating='1'"))))
        assert given_back.left_out == ()
        assert labels_of(merged(given_back.data, photo).data).xmp
    signed = png[:33] + raw(b"xmp", SIGNED) + png[33:]
    with pytest.raises(Unsupported, match="C2PA"):
        check_unsigned(signed)


def test_what_lies_behind_is_found_where_a_packet_of_another_encoding_says() -> None:
    said = "<a xmlns:Container='http://ns.google.com/photos/1.0/container/'>".encode("utf-16-le")
    structure = structure_of(insert(SMALL, segment(0xE1, XMP_LEAD + said)) + SMALL)
    assert multi_picture.places_matter(structure)
    assert not multi_picture.places_matter(structure_of(insert(SMALL, segment(0xE1, XMP_LEAD + said))))
    with pytest.raises(Unsupported, match="multi-picture"):
        multi_picture.fill([b"\xff\xd8", bytes(structure.primary_bytes), b"\xff\xd9"], structure)
