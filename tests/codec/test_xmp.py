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
