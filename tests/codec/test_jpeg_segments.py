"""The markers of a JPEG: every byte belongs to one segment, and what no picture can say is named."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import CodecError, Corrupt, NotAPicture, Unsupported
from codec.jpeg_segments import SOFS, SOS, Frame, Segment, colour_segment, frame, walk
from tests.codec.jpegs import SMALL, coded, insert, noise, segment

END = b"\xff\xd9"
DQT, DRI, SOF, DHT = 0xDB, 0xDD, 0xC0, 0xC4
TABLE = segment(DQT, b"\0" + bytes(range(1, 65)))
SCAN = segment(SOS, bytes((1, 1, 0, 0, 63, 0))) + b"\x12\x34"


def header(*components: tuple[int, int, int], height: int = 8, width: int = 8, bits: int = 8) -> bytes:
    """A baseline frame header of components (name, sampling factors, table)."""
    listed = b"".join(bytes(each) for each in components or ((1, 0x11, 0),))
    return segment(SOF, bytes((bits,)) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes((len(listed) // 3,)) + listed)


def picture(*parts: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(parts) + END


def framed(data: bytes) -> Frame:
    return frame(data, walk(data)[0])


KEPT = st.builds(segment, st.sampled_from([0xE0, 0xE1, 0xED, 0xEF, 0xFE]), st.binary(max_size=30), st.integers(1, 4))


@given(before=st.lists(KEPT, max_size=4), behind=st.lists(KEPT, max_size=3), trailer=st.binary(max_size=30), lead=st.binary(max_size=20))
def test_segments_lie_one_behind_the_other(before: list[bytes], behind: list[bytes], trailer: bytes, lead: bytes) -> None:
    data = lead + picture(*before, TABLE, header(), *behind, SCAN) + trailer
    segments, end = walk(data, len(lead))
    assert data[end - 2 : end] == END
    assert data[end:] == trailer
    assert [data[each.start : each.end] for each in segments] == [*before, TABLE, header(), *behind, SCAN]
    assert [each.kept for each in segments] == [True] * len(before) + [False] * 2 + [True] * len(behind) + [False]
    assert all(each.start < each.body <= each.body_end <= each.end for each in segments)


@given(st.integers(0, 2**32))
def test_whatever_is_changed_there_are_segments_without_a_gap_or_a_named_error(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(SMALL)
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(700)] = chance.choice((0, 0xFF, 0xD9, chance.randrange(256)))
    try:
        segments, end = walk(bytes(data))
        found = frame(bytes(data), segments)
    except CodecError:
        return
    places = [2, *(each.end for each in segments)]
    assert [each.start for each in segments] == places[:-1]
    assert places[-1] <= end - 2
    assert found.width > 0 < found.height


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"", NotAPicture, "no JPEG"),
        (b"\xff\xd8\xff", NotAPicture, "no JPEG"),
        (b"\xff\xd8" + TABLE, Corrupt, "without an EOI"),
        (b"\xff\xd8\xff\xff", Corrupt, "fill bytes"),
        (picture(b"\xff\x02\0\2"), Corrupt, "cannot stand here"),
        (picture(b"\xff\xe0\0\1"), Corrupt, "no length"),
        (b"\xff\xd8\xff\xe0\0\x09x", Corrupt, "passes the end"),
        (b"\xff\xd8" + TABLE + header() + SCAN, Corrupt, "runs to the end"),
        (picture(b"xy"), Corrupt, "belong to no segment"),
    ],
)
def test_a_walk_ends_where_nothing_goes_on(data: bytes, error: type[CodecError], said: str) -> None:
    with pytest.raises(error, match=said):
        walk(data)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((TABLE, SCAN), "a scan before the frame header"),
        ((TABLE,), "no frame header"),
        ((TABLE, header(), header(), SCAN), "two frame headers"),
        ((header(), SCAN), "a quantisation table is missing"),
        ((TABLE, header(height=0), SCAN), "the height is 0"),
        ((TABLE, header(width=0), SCAN), "the width is 0"),
        ((TABLE, segment(SOF, b"\x08\0\x08\0\x08\1\1\x11"), SCAN), "frame header of a wrong length"),
        ((TABLE, segment(SOF, b"\x08\0\x08"), SCAN), "frame header of a wrong length"),
        ((TABLE, header((1, 0x51, 0)), SCAN), "sampling factors"),
        ((TABLE, header((1, 0x10, 0)), SCAN), "sampling factors"),
        ((TABLE, header((1, 0x11, 0), (1, 0x11, 0), (2, 0x11, 0)), SCAN), "two components of one name"),
        ((segment(DQT, b"\0" + bytes(63)), header(), SCAN), "table is cut"),
        ((segment(DQT, b"\4" + bytes(64)), header(), SCAN), "table is cut"),
        ((segment(DQT, b"\x20" + bytes(128)), header(), SCAN), "table is cut"),
        ((segment(DQT, b"\0" + bytes(64)), header(), SCAN), "step of 0"),
        ((TABLE, segment(DRI, b"\0"), header(), SCAN), "restart interval"),
        ((TABLE, header(), segment(SOS, bytes((1, 2, 0, 0, 63, 0)))), "component that does not exist"),
        ((TABLE, header(), segment(SOS, b"")), "scan header of a wrong length"),
        ((TABLE, header(), segment(SOS, bytes((1, 1, 0, 0, 63)))), "scan header of a wrong length"),
        ((TABLE, header((1, 0x11, 0), (2, 0x11, 0), (3, 0x11, 0)), SCAN), "scans of the picture are missing"),
    ],
)
def test_a_frame_that_no_picture_has(parts: tuple[bytes, ...], said: str) -> None:
    with pytest.raises(Corrupt, match=said):
        framed(picture(*parts))


@pytest.mark.parametrize(("count", "reason"), [(2, "components"), (4, "cmyk")])
def test_other_numbers_of_components_have_their_reasons(count: int, reason: str) -> None:
    with pytest.raises(Unsupported) as raised:
        framed(picture(TABLE, header(*((name, 0x11, 0) for name in range(count))), SCAN))
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("marker", "reason"), [(0xC9, "arithmetic"), (0xCA, "arithmetic"), (0xDE, "hierarchical"), (0xF7, "lossless-jpeg")]
)
def test_processes_that_no_phone_writes(marker: int, reason: str) -> None:
    with pytest.raises(Unsupported) as raised:
        walk(picture(segment(marker, bytes(10))))
    assert raised.value.reason == reason


def test_a_table_counts_as_it_was_at_the_first_scan_of_a_component() -> None:
    other = segment(DQT, b"\x10" + b"".join(step.to_bytes(2, "big") for step in range(1000, 1064)))
    found = framed(picture(TABLE, header(), SCAN, other, SCAN))
    assert found.quantisation[0][0] == 1
    assert found.scans == 2
    wide = framed(picture(other, header(), SCAN))
    assert wide.quantisation[0][:2] == (1000, 1001)
    assert sorted(wide.quantisation[0]) == list(range(1000, 1064))


def test_markers_that_stand_alone_are_segments_of_their_own() -> None:
    data = picture(b"\xff\x01", TABLE, b"\xff\xd3", header(), SCAN)
    assert [each.marker for each in walk(data)[0]] == [0x01, DQT, 0xD3, SOF, SOS]
    assert framed(data).width == 8


def test_stuffed_bytes_restarts_and_fill_in_a_scan_end_nothing() -> None:
    scan = segment(SOS, bytes((1, 1, 0, 0, 63, 0))) + b"\x12\xff\0\x34\xff\xd0\x56\xff\xff\xd1\x78"
    data = picture(TABLE, header(), scan, b"\xff\xff" + segment(0xFE, b"behind"))
    segments = walk(data)[0]
    assert data[segments[2].start : segments[2].end] == scan
    assert segments[3].marker == 0xFE


def test_what_three_components_are_is_said_in_plain_words() -> None:
    def said(*parts: bytes, names: bytes = b"\1\2\3") -> int:
        data = picture(*parts, TABLE, header(*((name, 0x11, 0) for name in names)), *(_scan(name) for name in names))
        segments: list[Segment] = walk(data)[0]
        return colour_segment(data, segments, frame(data, segments))[-1]

    jfif, rgb, ycc = segment(0xE0, b"JFIF\0" + bytes(9)), segment(0xEE, b"Adobe" + bytes(7)), segment(0xEE, b"Adobe" + bytes(6) + b"\1")
    assert [said(), said(rgb), said(ycc), said(jfif, rgb)] == [1, 0, 1, 1]
    assert [said(names=b"RGB"), said(jfif, names=b"RGB"), said(ycc, names=b"RGB")] == [0, 1, 1]
    grey = picture(TABLE, header(), SCAN)
    assert colour_segment(grey, walk(grey)[0], framed(grey)) == b""


def _scan(name: int) -> bytes:
    return segment(SOS, bytes((1, name, 0, 0, 63, 0)))


def test_the_frames_of_an_encoder() -> None:
    for options in ({}, {"progressive": True}, {"subsampling": "4:4:4"}, {"subsampling": "4:2:2"}, {"restart_marker_blocks": 3}):
        data = coded(noise(40, 56), **options)
        found = framed(data)
        assert (found.width, found.height, found.progressive) == (56, 40, "progressive" in options)
        assert found.restart_interval == options.get("restart_marker_blocks", 0)
        assert found == framed(insert(data, segment(0xE5, b"\xff\xd9\xff\xda")))
        assert any(each.marker in SOFS for each in walk(data)[0])
