"""IPTC: what somebody wrote into a stand-in's comes to the photo's own."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from codec import iptc
from tests.codec.labelling import dataset, resource


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


def test_keywords_that_were_taken_away_go_only_where_nothing_else_went() -> None:
    head, day = dataset(0, b"\0\4"), dataset(55, b"20260101")
    own = resource(0x0404, head + dataset(25, b"sea") + day + dataset(120, b"Am Meer"))
    left = resource(0x0404, head + day + dataset(120, b"Am Meer"))
    assert iptc.merged(own, left) == left
    assert iptc.merged(left, left) == left
    for dropped in (head + dataset(120, b"Am Meer"), head + dataset(5, b"new"), dataset(5, b"new")):
        assert dataset(25, b"sea") in iptc.merged(own, resource(0x0404, dropped))
    assert iptc.merged(own, b"") == own
    large = own + resource(0x07D0, bytes(iptc.MOST_REPEATED_BYTES))
    assert dataset(25, b"sea") in iptc.merged(large, left), "stand-ins of earlier versions had none of it"


KEYS = st.lists(st.tuples(st.sampled_from([0, 5, 25, 55, 120]), st.sampled_from([b"a", b"b"])), max_size=5)


@given(KEYS, KEYS)
def test_once_more_changes_no_more(ours: list[tuple[int, bytes]], theirs: list[tuple[int, bytes]]) -> None:
    own, edited = (resource(0x0404, b"".join(dataset(*each) for each in some)) for some in (ours, theirs))
    data = iptc.merged(own, edited)
    assert iptc.merged(data, edited) == data
    assert all(dataset(*each) in data for each in theirs)


@given(st.binary(max_size=80))
def test_no_resources_make_it_fail(noise: bytes) -> None:
    own = resource(0x0404, dataset(25, b"old"))
    iptc.merged(noise, own)
    iptc.merged(own, noise)
    iptc.merged(own, resource(0x0404, noise))


def test_the_digest_of_iptc_says_what_iptc_says() -> None:
    """Photoshop passes a block by whose digest (resource 1061) is another one's."""
    own = resource(0x0404, dataset(25, b"old")) + resource(0x0425, bytes(16))
    data = iptc.merged(own, resource(0x0404, dataset(25, b"sea")))
    assert data == resource(0x0404, dataset(25, b"sea")) + resource(0x0425, hashlib.md5(dataset(25, b"sea")).digest())
