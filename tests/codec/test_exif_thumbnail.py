"""A stand-in's EXIF is its photo's without the thumbnail, and nothing is lost by that."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from codec import exif

MAKER = b"Example\0\x01\x02II*\0" + bytes(range(256)) * 3
RATING, EXIF, MAKER_NOTE = 0x4746, 0x8769, 0x927C
THUMBNAIL = b"\xff\xd8\xff\xdb" + bytes(range(1, 255)) * 20 + b"\xff\xd9"


def plain(order: str, rating: int = 3) -> bytes:
    tags = Image.Exif()
    tags.endian = order
    tags.update({0x010F: "Example", 0x0112: 6, RATING: rating})
    tags.get_ifd(EXIF).update({MAKER_NOTE: MAKER})
    return tags.tobytes().removeprefix(b"Exif\0\0")


def with_thumbnail(block: bytes, order: str, thumbnail: bytes = THUMBNAIL, behind: bytes = b"") -> bytes:
    """As cameras write it: its directory behind all others, and the picture at the end."""
    block += bytes(len(block) % 2)
    at = struct.unpack_from(order + "I", block, 4)[0]
    link = at + 2 + 12 * struct.unpack_from(order + "H", block, at)[0]
    directory = len(block)
    entries = ((0x0103, 3, 1, 6 << (0 if order == "<" else 16)), (0x0201, 4, 1, directory + 2 + 36 + 4), (0x0202, 4, 1, len(thumbnail)))
    second = struct.pack(order + "H", 3) + b"".join(struct.pack(order + "HHII", *entry) for entry in entries) + bytes(4)
    return block[:link] + struct.pack(order + "I", directory) + block[link + 4 :] + second + thumbnail + behind


def read(block: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(b"Exif\0\0" + block)
    return found


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("behind", [b"", bytes(30)])
def test_the_thumbnail_goes_and_the_rest_stays_where_it_was(order: str, behind: bytes) -> None:
    own = with_thumbnail(plain(order), order, behind=behind)
    assert read(own).get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(THUMBNAIL)
    left = exif.without_thumbnail(own)
    assert len(left) == len(own) - len(THUMBNAIL) - len(behind)
    assert THUMBNAIL[:50] not in left
    found = read(left)
    assert (found[0x010F], found[0x0112], found[RATING]) == ("Example", 6, 3)
    assert not found.get_ifd(ExifTags.IFD.IFD1)
    assert found.get_ifd(EXIF)[MAKER_NOTE] == MAKER
    assert left.index(MAKER) == own.index(MAKER)
    assert exif.without_thumbnail(left) == left


@pytest.mark.parametrize("order", "<>")
def test_a_photo_keeps_its_thumbnail_whatever_was_written_on_its_stand_in(order: str) -> None:
    own = with_thumbnail(plain(order), order)
    assert exif.merged(own, exif.without_thumbnail(own)) == own
    data = exif.merged(own, exif.without_thumbnail(with_thumbnail(plain(order, rating=5), order)))
    assert read(data)[RATING] == 5
    assert data[own.index(THUMBNAIL) :].startswith(THUMBNAIL)
    assert read(data).get_ifd(ExifTags.IFD.IFD1)[0x0201] == own.index(THUMBNAIL)


@pytest.mark.parametrize("behind", [b"a preview of the maker's", bytes(200)])
def test_to_one_that_does_not_end_the_block_nothing_leads(behind: bytes) -> None:
    """A desktop would show it in place of the stand-in, though the stand-in was edited since."""
    own = with_thumbnail(plain("<"), "<", behind=behind)
    left = exif.without_thumbnail(own)
    assert not read(left).get_ifd(ExifTags.IFD.IFD1)
    assert sum(one != other for one, other in zip(own, left, strict=True)) <= 4
    assert exif.merged(own, left) == own


def test_what_is_not_surely_a_thumbnail_stays() -> None:
    for block in (
        b"",
        b"neither",
        plain("<"),
        with_thumbnail(plain("<"), "<", thumbnail=bytes(4000)),
        with_thumbnail(plain("<"), "<")[:-1],
    ):
        assert exif.without_thumbnail(block) == block


@given(at=st.integers(0, 2000), value=st.integers(0, 255), cut=st.booleans())
def test_an_altered_block_gives_no_error_and_never_another_photo(at: int, value: int, cut: bool) -> None:
    own = bytearray(with_thumbnail(plain("<"), "<"))
    at %= len(own)
    own[at:] = b"" if cut else bytes((value,)) + own[at + 1 :]
    left = exif.without_thumbnail(bytes(own))
    assert len(left) <= len(own)
    assert exif.merged(bytes(own), left) == bytes(own)
