"""The chunks of a PNG: every byte of a file is in one of them or behind them, and what none can be is named."""

import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import png_chunks
from codec.errors import CodecError, Corrupt, NotAPicture, Unsupported
from codec.leads import PNG_SIGNATURE
from codec.picture import MAX_KEPT_BYTES
from codec.png_chunks import Parts

COLOURS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Depths of each colour type (PNG specification, third edition, table 12)."""


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int = 3, height: int = 2, depth: int = 8, colour: int = 0, *rest: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *(rest or (0, 0, 0))))


HEADER, END = ihdr(), chunk(b"IEND")
OTHERS = st.lists(
    st.builds(chunk, st.sampled_from([b"tEXt", b"eXIf", b"PLTE", b"prVt", b"acTL", b"bKGD"]), st.binary(max_size=40)), max_size=4
)
IMAGE_DATA = st.lists(st.builds(chunk, st.just(b"IDAT"), st.binary(max_size=40)), min_size=1, max_size=4)


@given(before=OTHERS, image_data=IMAGE_DATA, after=OTHERS, trailer=st.binary(max_size=40))
def test_a_file_is_its_parts_one_behind_the_other(before: list[bytes], image_data: list[bytes], after: list[bytes], trailer: bytes) -> None:
    data = b"".join((PNG_SIGNATURE, HEADER, *before, *image_data, *after, END, trailer))
    parts = png_chunks.split(data)
    assert parts == Parts((HEADER, *before), tuple(image_data), (*after, END), trailer)
    assert parts.kept == (HEADER, *before, *after, END)
    places = list(png_chunks.chunks(data))
    assert [data[start:end] for _, start, end in places] == [HEADER, *before, *image_data, *after, END]
    assert [kind for kind, *_ in places] == [data[start + 4 : start + 8] for _, start, _ in places]


@given(before=OTHERS, image_data=IMAGE_DATA, cut=st.integers(0, 400))
def test_a_file_that_was_cut_is_damage(before: list[bytes], image_data: list[bytes], cut: int) -> None:
    data = b"".join((PNG_SIGNATURE, HEADER, *before, *image_data, END))
    with pytest.raises((Corrupt, NotAPicture)):
        png_chunks.split(data[: cut % len(data)])


@given(before=OTHERS, image_data=IMAGE_DATA, bit=st.integers(0, 8 * 4000))
def test_a_bit_that_fell_over_is_damage_wherever_it_is(before: list[bytes], image_data: list[bytes], bit: int) -> None:
    data = bytearray(b"".join((PNG_SIGNATURE, HEADER, *before, *image_data, END)))
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    with pytest.raises((Corrupt, NotAPicture)):
        png_chunks.split(bytes(data))


@given(st.binary(max_size=200))
def test_bytes_behind_a_signature_give_chunks_or_a_named_error(noise: bytes) -> None:
    for data in (noise, PNG_SIGNATURE + noise, PNG_SIGNATURE + HEADER + noise):
        with pytest.raises(CodecError):
            png_chunks.split(data)


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"", NotAPicture, "no PNG"),
        (PNG_SIGNATURE, NotAPicture, "only the signature"),
        (PNG_SIGNATURE + END, Corrupt, "IHDR is not the first"),
        (PNG_SIGNATURE + HEADER + HEADER + chunk(b"IDAT") + END, Corrupt, "IHDR is not the first"),
        (PNG_SIGNATURE + HEADER + chunk(b"IDAT") + HEADER + END, Corrupt, "IHDR is not the first"),
        (PNG_SIGNATURE + HEADER + END, Corrupt, "no image data"),
        (PNG_SIGNATURE + HEADER + chunk(b"IDAT") + chunk(b"tEXt") + chunk(b"IDAT") + END, Corrupt, "not in one piece"),
        (PNG_SIGNATURE + HEADER + chunk(b"ID4T") + END, Corrupt, "no chunk begins"),
        (PNG_SIGNATURE + HEADER + chunk(b"ID\xc4T") + END, Corrupt, "no chunk begins"),
        (PNG_SIGNATURE + HEADER + struct.pack(">I4s", 0xFFFFFFFF, b"IDAT") + bytes(40), Corrupt, "passes the end"),
        (PNG_SIGNATURE + chunk(b"CgBI", bytes(4)) + HEADER + chunk(b"IDAT") + END, Unsupported, "Apple"),
    ],
)
def test_what_no_png_can_be_is_named(data: bytes, error: type[CodecError], said: str) -> None:
    with pytest.raises(error, match=said):
        png_chunks.split(data)


@pytest.mark.parametrize("kind", [*png_chunks.REFUSED, b"ABCD"])
@pytest.mark.parametrize("behind", [False, True])
def test_chunks_that_forbid_other_image_data_have_a_reason_before_and_behind_it(kind: bytes, behind: bool) -> None:
    around = [b"", chunk(kind)] if behind else [chunk(kind), b""]
    parts = png_chunks.split(PNG_SIGNATURE + HEADER + around[0] + chunk(b"IDAT") + around[1] + END)
    with pytest.raises(Unsupported) as raised:
        parts.check_kept()
    assert raised.value.reason == png_chunks.REFUSED.get(kind, ("critical-chunk", ""))[0]


@pytest.mark.parametrize("kind", [b"PLTE", b"abCD", b"aBcd", b"tEXt"])
def test_chunks_that_forbid_nothing_are_kept(kind: bytes) -> None:
    parts = png_chunks.split(PNG_SIGNATURE + HEADER + chunk(kind) + chunk(b"IDAT") + END)
    parts.check_kept()
    parts.check_kept_bytes()
    assert parts.kept == (HEADER, chunk(kind), END)


def test_more_around_the_picture_than_an_archive_has_room_for() -> None:
    half = chunk(b"prVt", bytes(MAX_KEPT_BYTES // 2))
    parts = Parts((HEADER, half), (), (END,), bytes(MAX_KEPT_BYTES))
    parts.check_kept_bytes()
    with pytest.raises(Unsupported, match="more metadata"):
        Parts((HEADER, half), (), (half, END), b"").check_kept_bytes()


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.sampled_from(range(20)), st.sampled_from(range(9)), st.integers(0, 2))
def test_a_header_says_what_it_says_or_what_no_png_can_be(width: int, height: int, depth: int, colour: int, interlace: int) -> None:
    whole = ihdr(width, height, depth, colour, 0, 0, interlace)
    if width and height and depth in COLOURS.get(colour, ()) and interlace < 2:
        assert png_chunks.header(whole) == (width, height, depth, colour, interlace == 1)
    else:
        with pytest.raises(Corrupt):
            png_chunks.header(whole)


@pytest.mark.parametrize("whole", [b"", HEADER[:-1], HEADER + b"\0", chunk(b"IHDR", bytes(12)), chunk(b"PLTE", HEADER[8:21])])
def test_a_header_of_another_length_or_name(whole: bytes) -> None:
    with pytest.raises(Corrupt, match="length"):
        png_chunks.header(whole)


@pytest.mark.parametrize("rest", [(1, 0, 0), (0, 1, 0), (0, 0, 2)])
def test_methods_that_there_are_not(rest: tuple[int, int, int]) -> None:
    with pytest.raises(Corrupt):
        png_chunks.header(ihdr(3, 2, 8, 0, *rest))


def pieces(packed: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in as many parts, empty ones among them."""
    places = [0, *sorted(cut % (len(packed) + 1) for cut in cuts), len(packed)]
    return [packed[start:end] for start, end in pairwise(places)]


@given(st.binary(max_size=3000), st.lists(st.integers(0, 4000), max_size=6), st.integers(0, 9))
def test_image_data_inflates_however_it_is_cut_into_chunks(rows: bytes, cuts: list[int], level: int) -> None:
    packed = zlib.compress(rows, level)
    assert b"".join(png_chunks.inflated(pieces(packed, cuts), len(rows))) == rows
    for size in (len(rows) - 1, len(rows) + 1):
        with pytest.raises(Corrupt):
            list(png_chunks.inflated(pieces(packed, cuts), size))


@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(0, 400), max_size=3), st.data())
def test_image_data_that_is_cut_or_goes_on_is_damage(rows: bytes, cuts: list[int], data: st.DataObject) -> None:
    packed = zlib.compress(rows)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    for wrong in (cut, packed + b"\0", packed + packed):
        with pytest.raises(Corrupt):
            list(png_chunks.inflated(pieces(wrong, cuts), len(rows)))


def test_a_chunk_without_anything_behind_the_end_is_none_too_many() -> None:
    assert b"".join(png_chunks.inflated([zlib.compress(b"rows"), b""], 4)) == b"rows"


def test_a_bomb_is_left_as_soon_as_it_is_larger_than_its_picture() -> None:
    read: list[int] = []

    def bodies() -> Iterator[bytes]:
        packer = zlib.compressobj()
        for number in range(64):
            read.append(number)
            yield packer.compress(bytes(4 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)

    given = list[int]()
    with pytest.raises(Corrupt, match="more image data"):
        given.extend(map(len, png_chunks.inflated(bodies(), 5 << 20)))
    assert sum(given) <= 5 << 20
    assert len(read) == 2


def test_rows_that_the_inflater_still_holds_are_given() -> None:
    """A stream that inflates to a thousand times its length ends within its last piece, and not all of that comes at once."""
    rows = bytes((5 << 20) + 7)
    assert b"".join(png_chunks.inflated([zlib.compress(rows, 9)], len(rows))) == rows
