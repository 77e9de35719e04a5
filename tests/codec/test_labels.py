"""Labels that somebody's program wrote into a stand-in come back with the photo, and nothing that the photo says of itself is lost."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec import conversion, iptc
from codec.jpeg_segments import walk
from codec.labels import Labels, comments_of, labelled, labels_of, merged, picture_digest, segment, xmp_chunk
from codec.png_chunks import chunk
from codec.rating import read_rating
from tests.codec.labelling import (
    DESCRIPTION,
    EXIF,
    MAKER,
    MAKER_NOTE,
    OWN,
    RATING,
    SOFTWARE,
    USER_COMMENT,
    block,
    dataset,
    packet,
    resource,
)


def test_in_a_whole_jpeg_with_a_video_behind_it(make_jpeg: Callable[..., bytes]) -> None:
    photo = labelled(make_jpeg(96, 128), Labels(exif=OWN[">"])) + b"video behind"
    stand_in = labelled(make_jpeg(48, 64), Labels(exif=block("<", {RATING: 4})))
    data = merged(photo, stand_in).data
    assert read_rating(data).stars == 4
    assert MAKER in labels_of(data).exif
    assert picture_digest(data) == picture_digest(photo)
    assert data.endswith(b"video behind")
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif().get_ifd(EXIF)[MAKER_NOTE] == MAKER


def test_exif_whose_lead_ends_with_another_byte(make_jpeg: Callable[..., bytes]) -> None:
    """As browsers and ExifTool read it."""
    odd = labelled(make_jpeg(96, 128), Labels(exif=OWN[">"])).replace(b"Exif\0\0", b"Exif\0\xff", 1)
    assert labels_of(odd).exif == OWN[">"]
    given_back = merged(odd, labelled(make_jpeg(48, 64), Labels(exif=block("<", {RATING: 4})))).data
    assert read_rating(given_back).stars == 4
    assert given_back.count(b"Exif\0") == 1


def test_a_comment_comes_to_those_of_the_photo(make_jpeg: Callable[..., bytes]) -> None:
    """digiKam writes captions there, too, and jhead, Exiv2 and exiftool what they are told."""
    plain, small = make_jpeg(96, 128), make_jpeg(48, 64)
    photo = labelled(plain, Labels(), (b"CREATOR: an encoder",)) + b"video behind"
    stand_in = labelled(small, Labels(exif=block("<", {RATING: 4})), (b"gallery-optimizer stand-in of ...", b"At the sea", b" \0"))
    assert comments_of(stand_in) == (b"At the sea",)
    given_back = merged(photo, stand_in)
    assert given_back.left_out == ()
    assert comments_of(given_back.data) == (b"At the sea", b"CREATOR: an encoder")
    assert read_rating(given_back.data).stars == 4
    assert given_back.data.endswith(b"video behind")
    assert merged(given_back.data, stand_in) == given_back
    assert merged(photo, labelled(small, Labels(), (b"CREATOR: an encoder",))) == (photo, ())
    big = block("<", {0x010F: "Example"}, {MAKER_NOTE: bytes(65_300)})
    full = merged(labelled(photo, Labels(exif=big)), labelled(stand_in, Labels(exif=block("<", {DESCRIPTION: "x" * 200}))))
    assert full.left_out == ("EXIF",)
    assert b"At the sea" in comments_of(full.data)


def test_thousands_of_comments_take_no_minute(make_jpeg: Callable[..., bytes]) -> None:
    comments = tuple(b"comment %d" % number for number in range(5000))
    photo = labelled(make_jpeg(96, 128), Labels(), comments)
    before = time.process_time()
    given_back = merged(photo, labelled(make_jpeg(48, 64), Labels(), (*comments, b"one more")))
    assert time.process_time() - before < 5.0
    assert comments_of(given_back.data) == (b"one more", *comments)


@pytest.mark.parametrize("captioned", [True, False])
def test_our_own_mark_is_nobody_s_caption(make_jpeg: Callable[..., bytes], captioned: bool) -> None:
    """digiKam takes a JPEG's comment for a caption, and writes that with the stars into all places; GIMP writes it into the EXIF."""
    words = "gallery-optimizer stand-in of " + "ab" * 32
    caption = "<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>{}</rdf:li></rdf:Alt></dc:description>"
    own = Labels()
    if captioned:
        exif = block("<", {DESCRIPTION: "Sea"}, {USER_COMMENT: b"ASCII\0\0\0Sea"})
        own = Labels(exif, packet(caption.format("Sea"), attributes="dc:format='Sea'"), resource(0x0404, dataset(120, b"Sea")))
    tags = {DESCRIPTION: words, RATING: 4, 0x9C9C: words.encode("utf-16-le") + bytes(2)}
    edited = Labels(
        block(">", tags, {USER_COMMENT: b"UNICODE\0" + words.encode("utf-16-be")}),
        packet(caption.format(words), attributes=f"xmp:Rating='4' dc:format='{words}'"),
        resource(0x0404, dataset(120, words.encode()) + dataset(25, b"lake")),
    )
    stand_in = labelled(make_jpeg(48, 64), edited, (words.encode(),))
    photo = labelled(make_jpeg(96, 128), own)
    given_back = merged(photo, stand_in)
    assert b"stand-in of" not in given_back.data.replace(b"\0", b"")
    assert read_rating(given_back.data).stars == 4
    assert labels_of(given_back.data).iptc == resource(0x0404, dataset(25, b"lake") + (dataset(120, b"Sea") if captioned else b""))
    assert (b"Sea" in labels_of(given_back.data).exif, labels_of(given_back.data).xmp.count(b"Sea")) == (captioned, 2 * captioned)
    assert merged(given_back.data, stand_in) == given_back
    real = packet(caption.format("At the lake") + "", attributes="xmp:Rating='4'")
    assert b"At the lake" in labels_of(merged(photo, labelled(stand_in, Labels(xmp=real))).data).xmp


def test_faces_on_a_stand_in_are_of_the_photo_s_size(make_jpeg: Callable[..., bytes]) -> None:
    spaces = "xmlns:r='http://www.metadataworkinggroup.com/schemas/regions/' xmlns:d='http://ns.adobe.com/xap/1.0/sType/Dimensions#'"
    faces = packet("<r:Regions rdf:parseType='Resource'><r:AppliedToDimensions d:w='64' d:h='48'/></r:Regions>", attributes=spaces)
    given_back = merged(make_jpeg(96, 128), labelled(make_jpeg(48, 64), Labels(xmp=faces)))
    assert b'w="128"' in labels_of(given_back.data).xmp
    assert b'h="96"' in labels_of(given_back.data).xmp


def test_texts_come_to_those_of_a_png(make_photo: Callable[..., np.ndarray]) -> None:
    """As exiftool -Comment and Exiv2 write them; IPTC is such a text there."""
    buffer = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(buffer, "PNG")
    plain = buffer.getvalue()
    texts = chunk(b"tEXt", b"Comment\0At the sea"), chunk(b"iTXt", b"Description\0\0\0\0\0Meer"), raw_profile(b"zTXt", b"iptc", b"8BIM new")
    own = chunk(b"tEXt", b"Comment\0an encoder"), raw_profile(b"zTXt", b"iptc", b"8BIM old"), chunk(b"tEXt", b"Software\0a phone")
    marked = chunk(b"tEXt", b"Comment\0gallery-optimizer stand-in of ..."), xmp_chunk(packet()), chunk(b"eXIf", OWN["<"])
    photo, stand_in = (plain[:33] + b"".join(each) + plain[33:] for each in (own, (*marked, *texts)))
    assert comments_of(stand_in) == texts
    given_back = merged(photo, stand_in)
    assert given_back.left_out == ()
    assert comments_of(given_back.data) == (own[0], own[2], *texts)
    assert merged(given_back.data, stand_in) == given_back
    long = labelled(stand_in, Labels(), (chunk(b"tEXt", b"Comment\0" + b"x" * 60_000),))
    assert merged(photo, labelled(long, Labels(), (chunk(b"tEXt", b"Comment\0" + b"y" * 60_000),))).left_out == ("comment",)
    jpeg = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(jpeg, "JPEG")
    assert comments_of(merged(jpeg.getvalue(), stand_in).data) == ()


def test_exif_in_two_segments_is_left_whole(make_jpeg: Callable[..., bytes]) -> None:
    """As ExifTool writes what has no room in one."""
    plain = make_jpeg(96, 128)
    own = block("<", {0x010F: "Example"}, {MAKER_NOTE: bytes(500)})
    pieces = segment(0xE1, b"Exif\0\0" + own[:300]) + segment(0xE1, b"Exif\0\0" + own[300:])
    photo = plain[:2] + pieces + plain[2:]
    stand_in = labelled(make_jpeg(48, 64), Labels(exif=block("<", {RATING: 4}), xmp=packet(attributes="xmp:Rating='4'")))
    given_back = merged(photo, stand_in)
    assert given_back.left_out == ("EXIF",)
    assert pieces in given_back.data, "nothing stands between the two"
    assert read_rating(given_back.data).stars == 4


def test_new_labels_stand_behind_jfif(make_jpeg: Callable[..., bytes]) -> None:
    plain = make_jpeg(96, 128)
    assert plain[2:4] == b"\xff\xe0"
    data = labelled(plain, Labels(exif=OWN["<"], xmp=packet()))
    markers = [each.marker for each in walk(data)[0][:4]]
    assert markers == [0xE0, 0xE1, 0xE1, 0xDB]
    assert labels_of(data) == Labels(OWN["<"], packet())


def test_what_goes_on_in_a_second_segment_stays(make_jpeg: Callable[..., bytes]) -> None:
    def resources(number: int, data: bytes) -> bytes:
        body = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">H", number) + bytes(2) + struct.pack(">I", len(data)) + data
        return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body

    plain = make_jpeg()
    photo, stand_in = (
        plain[:2] + resources(0x0404, b"\x1c\x02\x19\0\x03" + word) + more + plain[2:]
        for word, more in ((b"old", resources(0x0409, b"a thumbnail!")), (b"new", b""))
    )
    given_back = merged(photo, stand_in).data
    assert b"a thumbnail!" in given_back
    assert b"new" in given_back
    assert b"old" not in given_back


def test_resources_that_are_cut_by_a_segment(make_jpeg: Callable[..., bytes]) -> None:
    """As Photoshop writes more than 64 KB, and less."""
    plain = make_jpeg()
    own = resource(0x0404, dataset(25, b"old")) + resource(0x07D0, bytes(range(256)) * 600) + resource(0x0406, b"x")
    cuts = [0, 20, 40_000, 100_000, len(own)]
    photo = plain[:2] + b"".join(segment(0xED, b"Photoshop 3.0\0" + own[a:b]) for a, b in pairwise(cuts)) + plain[2:]
    assert labels_of(photo).iptc == own
    assert iptc.alone(own) == resource(0x0404, dataset(25, b"old"))
    stand_in = labelled(make_jpeg(48, 64), Labels(iptc=resource(0x0404, dataset(25, b"sea"))))
    given_back = merged(photo, stand_in)
    assert given_back.left_out == ()
    assert labels_of(given_back.data).iptc == own[len(iptc.alone(own)) :] + resource(0x0404, dataset(25, b"sea"))
    assert merged(given_back.data, stand_in) == given_back
    assert merged(photo, labelled(stand_in, Labels(iptc=iptc.alone(own)))) == (photo, ())


def test_what_can_not_be_given_since_the_photo_s_own_cannot_be_read_is_told(make_jpeg: Callable[..., bytes]) -> None:
    edited = Labels(block("<", {RATING: 4}), packet(attributes="xmp:Rating='4'"), resource(0x0404, dataset(25, b"sea")))
    stand_in = labelled(make_jpeg(48, 64), edited)
    unread = Labels(b"MM\0*garbage", b"<x:xmpmeta", b"8BIM\4\4garbage garbage")
    photo = labelled(make_jpeg(96, 128), unread)
    assert merged(photo, stand_in) == (photo, ("EXIF", "XMP", "IPTC"))
    assert merged(photo, labelled(make_jpeg(48, 64), unread)) == (photo, ())
    nothing = Labels(block("<", {SOFTWARE: "A program"}), packet(attributes="xmp:CreatorTool='Program'"), resource(0x0409, b"no IPTC"))
    assert merged(photo, labelled(make_jpeg(48, 64), nothing)) == (photo, ())


def test_what_finds_no_room_is_told_and_the_rest_is_given(make_jpeg: Callable[..., bytes]) -> None:
    own = block("<", {0x010F: "Example"}, {MAKER_NOTE: bytes(65_300)})
    photo = labelled(make_jpeg(96, 128), Labels(exif=own))
    stand_in = labelled(make_jpeg(48, 64), Labels(exif=block("<", {DESCRIPTION: "x" * 200}), xmp=packet(attributes="xmp:Rating='4'")))
    given_back = merged(photo, stand_in)
    assert given_back.left_out == ("EXIF",)
    assert labels_of(given_back.data).exif == own
    assert read_rating(given_back.data).stars == 4
    small = labelled(make_jpeg(48, 64), Labels(exif=block("<", {RATING: 4})))
    assert merged(photo, small).left_out == (), "that one fits, to the last byte that a segment has"


def test_a_photo_whose_segments_cannot_be_walked_comes_back_as_it_is(make_jpeg: Callable[..., bytes]) -> None:
    stand_in = labelled(make_jpeg(48, 64), Labels(exif=block("<", {RATING: 4})))
    assert merged(b"no picture", stand_in) == (b"no picture", ("EXIF",))


def test_a_png_gets_no_more_than_a_jpeg_would_and_keeps_what_it_has(make_photo: Callable[..., np.ndarray]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(buffer, "PNG")
    large = block("<", {0x010F: "Example"}, {MAKER_NOTE: bytes(200_000)})
    photo = buffer.getvalue()[:33] + chunk(b"eXIf", large) + buffer.getvalue()[33:]
    rated = merged(photo, labelled(buffer.getvalue(), Labels(exif=block("<", {RATING: 4}))))
    assert rated.left_out == ()
    assert read_rating(rated.data).stars == 4
    assert len(labels_of(rated.data).exif) > 200_000
    huge = buffer.getvalue()[:33] + chunk(b"eXIf", block("<", {DESCRIPTION: "x" * 70_000})) + buffer.getvalue()[33:]
    assert merged(photo, huge) == (photo, ("EXIF",))
    assert merged(buffer.getvalue(), huge) == (buffer.getvalue(), ("EXIF",))


def test_a_png_with_more_than_a_jpeg_can_hold_becomes_a_jpeg_without_it(make_photo: Callable[..., np.ndarray]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(buffer, "PNG")
    for size, there in ((70_000, False), (60_000, True)):
        exif = block("<", {DESCRIPTION: "x" * size})
        photo = buffer.getvalue()[:33] + chunk(b"eXIf", exif) + buffer.getvalue()[33:]
        data = conversion.converted(photo, make_photo(64, 64), "jpeg")
        assert (labels_of(data).exif == exif) is there


def test_labels_of_a_png(make_photo: Callable[..., object]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(buffer, "PNG")  # type: ignore[arg-type]
    data = labelled(buffer.getvalue(), Labels(xmp=packet(attributes="xmp:Rating='2'")))
    assert read_rating(data).stars == 2
    assert picture_digest(data) == picture_digest(buffer.getvalue())
    assert read_rating(labelled(data, Labels(xmp=packet(attributes="xmp:Rating='4'")))).stars == 4


@pytest.mark.parametrize("leads", [(b"Exif\0\0", b""), (b"Exif\0\0", b"Exif\0\0"), (b"", b"Exif\0\0")])
def test_exif_that_is_led_in_in_a_png(leads: tuple[bytes, bytes], make_photo: Callable[..., np.ndarray]) -> None:
    """As some versions of ImageMagick write it."""
    buffer = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(buffer, "PNG")
    plain = buffer.getvalue()
    photo, stand_in = (
        plain[:33] + chunk(b"eXIf", lead + each) + plain[33:]
        for lead, each in zip(leads, (OWN[">"], block("<", {RATING: 4, DESCRIPTION: "sea"})), strict=True)
    )
    given_back = merged(photo, stand_in)
    assert given_back.left_out == ()
    assert read_rating(given_back.data).stars == read_rating(stand_in).stars == 4
    assert MAKER in given_back.data
    assert merged(given_back.data, stand_in) == given_back


def raw_profile(kind: bytes, name: bytes, data: bytes) -> bytes:
    """As ImageMagick and Exiv2 write it."""
    digits = data.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = b"\n%s\n%8d\n%s\n" % (name, len(data), lines)
    return chunk(kind, b"Raw profile type " + name + (b"\0\0" + zlib.compress(text) if kind == b"zTXt" else b"\0" + text))


@pytest.mark.parametrize("kind", [b"zTXt", b"tEXt"])
@pytest.mark.parametrize("name", [b"exif", b"APP1"])
def test_labels_of_a_png_in_hex(kind: bytes, name: bytes, make_photo: Callable[..., np.ndarray]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(buffer, "PNG")
    plain, exif = buffer.getvalue(), block("<", {DESCRIPTION: "sea"})
    data = plain[:33] + raw_profile(kind, name, b"Exif\0\0" + exif) + raw_profile(kind, b"xmp", packet()) + plain[33:]
    assert labels_of(data) == Labels(exif, packet())
    other = block("<", {DESCRIPTION: "lake"})
    made = labelled(data, Labels(exif=other))
    assert labels_of(made) == Labels(other, packet())
    assert name not in made  # it would go on saying the other
    own = plain[:33] + chunk(b"eXIf", other) + raw_profile(kind, name, exif) + plain[33:]
    assert labels_of(own).exif == other
    assert picture_digest(own) == picture_digest(plain)


@given(st.binary(max_size=60), st.sampled_from([b"zTXt", b"tEXt"]))
def test_no_text_makes_it_fail(text: bytes, kind: bytes) -> None:
    pixel = b"\x89PNG\r\n\x1a\n" + chunk(kind, b"Raw profile type exif\0" + text) + chunk(b"IEND", b"")
    assert labels_of(pixel).xmp == b""


def test_bytes_that_fill_make_room_for_labels(make_jpeg: Callable[..., bytes]) -> None:
    photo = make_jpeg(96, 128)
    filled = photo[:-2] + b"\xff" * 4000 + photo[-2:]
    data = labelled(filled, Labels(xmp=packet(attributes="xmp:Rating='2'")))
    assert len(data) == len(filled)
    assert read_rating(data).stars == 2
