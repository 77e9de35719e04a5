"""XMP: what a stand-in repeats of its photo's packet, and what comes back of it."""

from __future__ import annotations

import pytest

from codec import xmp
from codec.rating import read_rating
from tests.codec.labelling import SUBJECT, packet


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


@pytest.mark.parametrize(
    "dimensions",
    ["<r:AppliedToDimensions d:w='{}' d:h='{}' d:unit='pixel'/>"]
    + [
        f"<r:AppliedToDimensions {kind}><d:w>{{}}</d:w><d:h>{{}}</d:h></r:AppliedToDimensions>" for kind in ("rdf:parseType='Resource'", "")
    ],
)
@pytest.mark.parametrize("upright", [True, False])
def test_faces_that_were_marked_on_a_stand_in_are_of_the_photo(dimensions: str, upright: bool) -> None:
    """As digiKam and Lightroom write them; of a picture of another size some readers take them for out of date."""

    def regions(width: int, height: int, more: str = "") -> bytes:
        size = (width, height) if upright else (height, width)
        inside = (
            dimensions.format(*size) + "<r:RegionList><rdf:Bag><rdf:li><rdf:Description r:Name='Anna'/></rdf:li></rdf:Bag></r:RegionList>"
        )
        spaces = "xmlns:r='http://www.metadataworkinggroup.com/schemas/regions/' xmlns:d='http://ns.adobe.com/xap/1.0/sType/Dimensions#'"
        return packet(f"<r:Regions rdf:parseType='Resource'>{inside}{more}</r:Regions>", attributes=spaces)

    sizes = (1280, 960), (4000, 3000)
    data = xmp.merged(b"", regions(1280, 960), sizes)
    assert xmp.merged(b"", regions(4000, 3000), sizes) == data
    assert xmp.merged(data, regions(1280, 960), sizes) == data
    assert (b"4000" in data, b"3000" in data, b"1280" in data) == (True, True, False)
    assert b"1280" in xmp.merged(b"", regions(1280, 9), sizes)
    own = regions(1280, 960)
    assert xmp.merged(own, xmp.for_stand_in(own, {}), sizes) == own, "which the photo says itself"


def test_a_corrected_day_takes_the_place_of_the_photo_s() -> None:
    own = packet(attributes="xmp:CreateDate='2001' crs:Exposure='1'")
    data = xmp.merged(own, packet(attributes="xmp:CreateDate='2026' crs:Exposure='1'"))
    assert b"2026" in data
    assert b"2001" not in data


def test_what_a_maker_says_of_a_video_is_neither_repeated_nor_taken_over() -> None:
    for space in ("http://ns.xiaomi.com/photos/1.0/camera/", "http://ns.another.example/photos/1.0/camera/"):
        own = packet(attributes=f"xmlns:m='{space}' m:SubVideo='1' crs:Exposure='1'")
        short = xmp.for_stand_in(own, {})
        assert b"SubVideo" not in short
        assert b"Exposure" in short
        assert xmp.merged(own, short) == own


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
