"""EXIF: what somebody wrote into a stand-in's comes to the photo's own, and nothing of that is lost."""

from __future__ import annotations

import struct
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import exif
from tests.codec.labelling import (
    DESCRIPTION,
    EXIF,
    GPS,
    LENS,
    MAKER,
    MAKER_NOTE,
    ORIENTATION,
    OWN,
    RATING,
    SOFTWARE,
    USER_COMMENT,
    block,
    read,
)


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


@pytest.mark.parametrize("name", [0, EXIF])
def test_texts_in_utf_8_as_exif_3_has_them(name: int) -> None:
    tag, text = (DESCRIPTION if name == 0 else 0xA436), "Möwe über dem See".encode() + b"\0"

    def utf8(words: bytes) -> bytes:
        at = 26 if name == 0 else 44
        entry = struct.pack("<HHII", tag, 129, len(words), at)
        if name:
            entry = struct.pack("<HHIII", EXIF, 4, 1, 26, 0) + struct.pack("<H", 1) + entry
        return b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + words

    data = exif.merged(OWN[">"], utf8(text))
    assert text in data
    assert data.index(MAKER) == OWN[">"].index(MAKER)
    assert exif.merged(data, utf8(text)) == data
    assert b"M\xc3\xb6we am Ufer" in exif.merged(data, utf8("Möwe am Ufer".encode()))


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


def test_both_days_are_corrected_together() -> None:
    taken, digitised, zone = 0x9003, 0x9004, 0x9012
    own = block("<", {0x010F: "Example"}, {taken: "2001:01:01 00:00:00", digitised: "2001:01:01 00:00:00"})
    edited = block("<", {0x010F: "Example"}, {taken: "2026:11:28 17:00:00", digitised: "2026:11:28 17:00:00", zone: "+01:00"})
    found = read(exif.merged(own, edited)).get_ifd(EXIF)
    assert [found[tag] for tag in (taken, digitised, zone)] == ["2026:11:28 17:00:00", "2026:11:28 17:00:00", "+01:00"]


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


@pytest.mark.parametrize("taken_over", [True, False])
def test_a_label_whose_value_leaves_the_block_is_not_read_out_of_what_comes_behind(taken_over: bool) -> None:
    """It said nothing before, and must not say, after a first merging, what a second one would take away."""
    entries = struct.pack("<HHII", DESCRIPTION, 2, 20, 48) + struct.pack("<HHIHH", ORIENTATION, 3, 1, 1, 0)
    inner = struct.pack("<HHHII", 1, USER_COMMENT, 7, 400, 40) + bytes(4)
    own = b"II*\0" + struct.pack("<IH", 8, 3) + entries + struct.pack("<HHII", EXIF, 4, 1, 50) + bytes(4) + inner
    kept, other = struct.pack("<HHI", 0x8769, 4, 1), struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
    edited = b"II*\0" + struct.pack("<IH", 8, 2) + other + kept + struct.pack("<I", 38) + bytes(4) + bytes(6)
    assert exif.merged(own, own) == own
    if taken_over:
        edited = block("<", {DESCRIPTION: "sea", ORIENTATION: 6}, {USER_COMMENT: b"ASCII\0\0\0new"})
    data = exif.merged(own, edited)
    with nullcontext() if taken_over else pytest.warns(UserWarning, match="larger than file"):
        found = read(data)
        assert (found[ORIENTATION], found.get(DESCRIPTION)) == (6, "sea" if taken_over else None)
        assert found.get_ifd(EXIF).get(USER_COMMENT) == (b"ASCII\0\0\0new" if taken_over else None)
    assert exif.merged(data, edited) == data


def test_entries_in_another_order_than_tiffs_keep_it() -> None:
    own = directory((0x0131, b"S"), (0x010F, b"A"))
    assert entries_of(exif.merged(own, directory((0x0131, b"S"), (0x010F, b"A"), (0x013B, b"X")))) == [
        (0x0131, b"S"),
        (0x010F, b"A"),
        (0x013B, b"X"),
    ]


def test_directories_that_a_photo_had_none_of() -> None:
    own = block("<", {0x010F: "Example"})
    edited = block("<", {0x010F: "Example"}, {0x9286: b"ASCII\0\0\0new"}, {2: (48.0, 6.0, 0.0), 4: (11.0, 30.0, 0.0), 1: "N", 3: "E"})
    data = exif.merged(own, edited)
    found = read(data)
    assert found[0x010F] == "Example"
    assert found.get_ifd(EXIF)[0x9286] == b"ASCII\0\0\0new"
    assert found.get_ifd(GPS)[2] == (48.0, 6.0, 0.0)
    assert [tag for tag, _ in entries_of(data)] == [0x010F, EXIF, GPS], "in the order that TIFF wants"
