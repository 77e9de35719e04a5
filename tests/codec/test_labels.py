"""Labels that somebody's program wrote into a stand-in come back with the photo, and nothing that the photo says of itself is lost."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec import conversion, exif, iptc, xmp
from codec.jpeg_segments import walk
from codec.labels import Labels, comments_of, labelled, labels_of, merged, picture_digest, segment, xmp_chunk
from codec.png_chunks import chunk
from codec.rating import read_rating

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


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("theirs", "<>")
def test_a_program_that_keeps_little_takes_nothing_away(order: str, theirs: str) -> None:
    """It wrote the block anew, in its own byte order, without the maker's part, the lens and the place."""
    own = OWN[order]
    edited = block(theirs, {RATING: 4, DESCRIPTION: "At the sea", ORIENTATION: 3, SOFTWARE: "A program"}, {0xA002: 1280})
    data = exif.merged(own, edited)
    assert data[8 : len(own)].count(MAKER) == 1
    assert data.index(MAKER) == own.index(MAKER), "its offsets still lead where they led"
    found = read(data)
    assert (found[RATING], found[DESCRIPTION], found[ORIENTATION], found[0x010F]) == (4, "At the sea", 3, "Example")
    assert SOFTWARE not in found
    inner = found.get_ifd(EXIF)
    assert (inner[MAKER_NOTE], inner[LENS]) == (MAKER, "Wide")
    assert 0xA002 not in inner, "the stand-in's own size"
    assert found.get_ifd(GPS)[2] == (1.0, 2.0, 3.0)
    assert exif.merged(data, edited) == data
    assert exif.merged(own, own) == own


@pytest.mark.parametrize("order", "<>")
def test_what_was_added_and_changed_inside(order: str) -> None:
    comment = b"ASCII\0\0\0by the lake"
    edited = block(
        order,
        {0x010F: "Example", ORIENTATION: 6},
        {MAKER_NOTE: MAKER, LENS: "Wide", USER_COMMENT: comment},
        {1: "N", 2: (9.0, 8.0, 7.0), 3: "E", 4: (1.0, 1.0, 1.0)},
    )
    data = exif.merged(OWN[order], edited)
    found = read(data)
    assert found.get_ifd(EXIF)[USER_COMMENT] == comment
    assert found.get_ifd(EXIF)[MAKER_NOTE] == MAKER
    assert found.get_ifd(GPS)[4] == (1.0, 1.0, 1.0)
    assert data.index(MAKER) == OWN[order].index(MAKER)


def test_a_label_that_was_taken_away_goes_only_where_nothing_else_went() -> None:
    own = block("<", {0x010F: "Example", RATING: 5, DESCRIPTION: "x"}, {LENS: "Wide"})
    assert RATING not in read(exif.merged(own, block("<", {0x010F: "Example", DESCRIPTION: "x"}, {LENS: "Wide"})))
    assert exif.merged(own, block("<", {DESCRIPTION: "x"}, {LENS: "Wide"})) == own
    assert exif.merged(own, block("<", {0x010F: "Example", DESCRIPTION: "x"})) == own
    assert read(exif.merged(own, block("<", {DESCRIPTION: "y"})))[RATING] == 5


def test_a_photo_without_exif_gets_the_labels_alone() -> None:
    found = read(exif.merged(b"", block("<", {RATING: 3, SOFTWARE: "A program"}, {0xA002: 1280})))
    assert dict(found) == {RATING: 3}
    assert exif.merged(b"", block("<", {SOFTWARE: "A program"})) == b""


@given(st.binary(max_size=200), st.integers(0, len(OWN["<"]) - 1), st.binary(min_size=1, max_size=8))
def test_no_block_makes_it_fail_or_lose_a_byte(noise: bytes, at: int, damage: bytes) -> None:
    broken = OWN["<"][:at] + damage + OWN["<"][at + len(damage) :]
    for own, edited in ((OWN["<"], noise), (noise, OWN[">"]), (broken, OWN[">"]), (OWN[">"], broken), (OWN["<"], b"II*\0" + noise)):
        data = exif.merged(own, edited)
        assert data == own or data[8:].startswith(own[8:12])
        assert own[8:].count(MAKER) <= data[8:].count(MAKER)


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


def test_both_days_are_corrected_together() -> None:
    taken, digitised, zone = 0x9003, 0x9004, 0x9012
    own = block("<", {0x010F: "Example"}, {taken: "2001:01:01 00:00:00", digitised: "2001:01:01 00:00:00"})
    edited = block("<", {0x010F: "Example"}, {taken: "2026:11:28 17:00:00", digitised: "2026:11:28 17:00:00", zone: "+01:00"})
    found = read(exif.merged(own, edited)).get_ifd(EXIF)
    assert [found[tag] for tag in (taken, digitised, zone)] == ["2026:11:28 17:00:00", "2026:11:28 17:00:00", "+01:00"]


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


def packet(*inside: str, attributes: str = "") -> bytes:
    return (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'"
        " xmlns:crs='http://ns.adobe.com/camera-raw-settings/1.0/' xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'"
        f" {attributes}>{''.join(inside)}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


SUBJECT = "<dc:subject><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></dc:subject>"


def test_a_packet_that_a_program_wrote_anew() -> None:
    own = packet(SUBJECT.format("old"), attributes="crs:Exposure='1' xmp:CreatorTool='Phone' GCamera:MotionPhoto='1'")
    data = xmp.merged(own, packet(SUBJECT.format("sea"), attributes="xmp:Rating='3' xmp:CreatorTool='Program' xmp:MetadataDate='2026'"))
    assert read_rating(b"", [data]).stars == 3
    for kept in (b'crs:Exposure="1"', b"Phone", b"MotionPhoto", b"sea", b"2026"):
        assert kept in data
    assert b"old" not in data
    assert b"Program" not in data
    assert xmp.merged(data, xmp.for_stand_in(data, {"Original": "0" * 64})) == data


def provenance(inside: str, attributes: str = "") -> bytes:
    return packet(inside, attributes=f"xmlns:terms='http://purl.org/dc/terms/' {attributes}")


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (provenance("", "terms:provenance='https://manifests.example/urn-1'"), True),
        (provenance("<terms:provenance> ipfs://bafy </terms:provenance>"), True),
        (provenance("<terms:provenance rdf:resource='http://manifests.example/1'/>"), True),
        (provenance("", "terms:provenance='self#jumbf=/c2pa/urn:uuid:1'"), False),
        (provenance("<terms:provenance>From the estate of my aunt</terms:provenance>"), False),
        (provenance("<terms:license>https://example.org/by</terms:license>"), False),
        (provenance("<dc:source>https://example.org/</dc:source>"), False),
        (b"terms:provenance='https://manifests.example/' http://purl.org/dc/terms/", False),
        (b"", False),
    ],
)
def test_a_packet_that_names_a_manifest_elsewhere(data: bytes, signed: bool) -> None:
    assert xmp.is_signed(data) is signed
    assert b"provenance" not in xmp.for_stand_in(data, {}), "which is not the stand-in's"


def test_a_keyword_that_was_taken_away() -> None:
    own = packet(SUBJECT.format("old"), attributes="crs:Exposure='1' xmp:Rating='2'")
    assert b"old" not in xmp.merged(own, packet(attributes="crs:Exposure='1' xmp:Rating='2'"))
    assert xmp.merged(own, packet(attributes="xmp:Rating='2'")) == own, "the program dropped other things, too"


def test_of_a_long_packet_the_stand_in_repeats_what_people_say() -> None:
    own = packet(SUBJECT.format("old"), f"<crs:History>{'x' * 40_000}</crs:History>")
    short = xmp.for_stand_in(own, {"Original": "0" * 64})
    assert b"old" in short
    assert len(short) < 2000
    data = xmp.merged(own, short.replace(b"old", b"new"))
    assert b"new" in data
    assert b"x" * 40_000 in data
    assert xmp.merged(own, packet(attributes="xmp:Rating='1'")).count(b"old") == 1, "stand-ins of earlier versions had none of it"
    assert xmp.merged(b"no packet", packet(attributes="xmp:Rating='1'")) == b"no packet"


def dataset(number: int, text: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(text)) + text


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)


def test_datasets_of_iptc_and_resources_of_others() -> None:
    own = resource(0x040C, b"thumbnail") + resource(0x0404, dataset(0, b"\0\4") + dataset(25, b"old") + dataset(90, b"K\xf6ln"))
    edited = resource(0x0404, dataset(90, b"\x1b%G", 1) + dataset(25, b"sea") + dataset(25, b"lake") + dataset(120, b"Am Meer"))
    data = iptc.merged(own, edited)
    for kept in (
        resource(0x040C, b"thumbnail"),
        dataset(25, b"sea") + dataset(25, b"lake"),
        dataset(120, b"Am Meer"),
        dataset(90, "Köln".encode()),
    ):
        assert kept in data
    assert b"old" not in data
    assert iptc.merged(data, edited) == iptc.merged(data, data) == data
    assert iptc.merged(own, own) == own
    assert iptc.merged(b"", edited)
    for broken in (b"", own[:20], b"8BIM" + bytes(9), edited[:-3], b"x" * 40):
        assert iptc.merged(own, broken) == own
    assert iptc.merged(own[:30], edited) == own[:30]


@given(st.binary(max_size=80))
def test_no_resources_make_it_fail(noise: bytes) -> None:
    own = resource(0x0404, dataset(25, b"old"))
    iptc.merged(noise, own)
    iptc.merged(own, noise)
    iptc.merged(own, resource(0x0404, noise))


def _nested(depth: int) -> bytes:
    return b"".join(
        (
            b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>",
            b"<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'>",
            b"<dc:a>" * depth + b"</dc:a>" * depth,
            b"</rdf:Description></rdf:RDF></x:xmpmeta>",
        )
    )


def test_a_packet_that_goes_too_deep_is_one_that_cannot_be_read() -> None:
    deep, plain = _nested(3000), _nested(1)
    assert xmp.merged(plain, deep) == plain
    assert xmp.merged(deep, plain) == deep
    assert b"<dc:a>" not in xmp.for_stand_in(deep, {"archive": "1"})
    assert xmp.merged(_nested(1), _nested(50)).count(b"<dc:a>") == 49  # the innermost closes itself


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


def test_a_label_that_cannot_be_read_is_not_one_that_was_taken_away() -> None:
    def block(at: int) -> bytes:
        entries = struct.pack(">HHII", 0x010F, 2, 8, 38) + struct.pack(">HHII", 0x013B, 2, 8, at)
        return b"MM\0*" + struct.pack(">IH", 8, 2) + entries + bytes(4) + b"Camera\0\0Artist\0\0"

    assert exif.merged(block(46), block(9999)) == block(46)


def test_many_values_that_all_claim_the_whole_block_cost_no_memory() -> None:
    import tracemalloc

    size = 1 << 20
    entries = b"".join(struct.pack(">HHII", number, 7, size - 1, 1) for number in range(1, 201))
    block = (b"MM\0*" + struct.pack(">IH", 8, 200) + entries + bytes(4)).ljust(size, b"\0")
    tracemalloc.start()
    try:
        assert exif.merged(block, block) == block
        assert tracemalloc.get_traced_memory()[1] < 16 * size
    finally:
        tracemalloc.stop()


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


def directory(*entries: tuple[int, bytes], at: int = 8) -> bytes:
    """A TIFF block whose one directory has these texts, of up to four bytes."""
    packed = b"".join(struct.pack("<HHI", tag, 2, len(text)) + text.ljust(4, b"\0") for tag, text in entries)
    return b"II*\0" + struct.pack("<IH", at, len(entries)) + packed + bytes(4)


def entries_of(block: bytes) -> list[tuple[int, bytes]]:
    """As they stand in the first directory of a little-endian block, texts of up to four bytes."""
    (at,) = struct.unpack_from("<I", block, 4)
    (count,) = struct.unpack_from("<H", block, at)
    found = [block[at + 2 + 12 * number : at + 14 + 12 * number] for number in range(count)]
    return [(struct.unpack_from("<H", each)[0], each[8:].rstrip(b"\0")) for each in found]


def test_a_tag_that_stands_there_twice_stays_twice() -> None:
    own = directory((0x010F, b"A"), (0x010F, b"B"), (0x0110, b"M"), (0x013B, b"X"), (0x013B, b"Y"))
    data = exif.merged(own, directory((0x010E, b"sea"), (0x010F, b"A"), (0x0110, b"M"), (0x013B, b"X")))
    assert entries_of(data) == [
        (0x010E, b"sea"),
        (0x010F, b"A"),
        (0x010F, b"B"),
        (0x0110, b"M"),
        (0x013B, b"X"),
        (0x013B, b"Y"),
    ], "a program that keeps one of two changes nothing"
    assert data[8 : len(own)] == own[8:]
    changed = exif.merged(own, directory((0x010F, b"A"), (0x0110, b"M"), (0x013B, b"Z")))
    assert entries_of(changed) == [(0x010F, b"A"), (0x010F, b"B"), (0x0110, b"M"), (0x013B, b"Z")]
    gone = exif.merged(own, directory((0x010F, b"A"), (0x0110, b"M")))
    assert entries_of(gone) == [(0x010F, b"A"), (0x010F, b"B"), (0x0110, b"M")]


def test_a_block_that_ends_within_an_entry_cannot_be_read() -> None:
    own, edited = directory((0x010F, b"A"), (0x013B, b"X")), directory((0x010F, b"A"), (0x013B, b"Z"))
    assert exif.merged(own[:-4], edited) != own[:-4], "of a directory the offset of the next one may be missing"
    for cut in (own[:-5], own[:-8]):
        assert exif.merged(cut, edited) == cut, "what is appended would become a part of the entry"
        assert exif.merged(own, edited[: len(cut)]) == own


def test_entries_in_another_order_than_tiffs_keep_it() -> None:
    own = directory((0x0131, b"S"), (0x010F, b"A"))
    assert entries_of(exif.merged(own, directory((0x0131, b"S"), (0x010F, b"A"), (0x013B, b"X")))) == [
        (0x0131, b"S"),
        (0x010F, b"A"),
        (0x013B, b"X"),
    ]


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


def test_the_digest_of_iptc_says_what_iptc_says() -> None:
    """Photoshop passes a block by whose digest (resource 1061) is another one's."""
    own = resource(0x0404, dataset(25, b"old")) + resource(0x0425, bytes(16))
    data = iptc.merged(own, resource(0x0404, dataset(25, b"sea")))
    assert data == resource(0x0404, dataset(25, b"sea")) + resource(0x0425, hashlib.md5(dataset(25, b"sea")).digest())


def test_directories_that_a_photo_had_none_of() -> None:
    own = block("<", {0x010F: "Example"})
    edited = block("<", {0x010F: "Example"}, {0x9286: b"ASCII\0\0\0new"}, {2: (48.0, 6.0, 0.0), 4: (11.0, 30.0, 0.0), 1: "N", 3: "E"})
    data = exif.merged(own, edited)
    found = read(data)
    assert found[0x010F] == "Example"
    assert found.get_ifd(EXIF)[0x9286] == b"ASCII\0\0\0new"
    assert found.get_ifd(GPS)[2] == (48.0, 6.0, 0.0)
    assert [tag for tag, _ in entries_of(data)] == [0x010F, EXIF, GPS], "in the order that TIFF wants"
