"""Previews behind the picture, which only the maker's part of the EXIF, or a trailer itself, leads to."""

import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import far_offsets, jpeg
from codec.errors import CodecError, Unsupported
from codec.jpeg_segments import walk
from codec.labels import Labels, labelled, labels_of
from codec.multi_picture import places_matter
from tests.codec.jpegs import SMALL, coded, insert, noise, segment, structure_of

PREVIEW = coded(noise(32, 48))
SONYS = bytes(32) + b"\0" + PREVIEW[1:]
NOTE_AT = 26
FIELD = 10
"""Where the offset stands in the maker's note."""
BASES = ("file", "exif", "note")


def block(order: str, note: bytes) -> bytes:
    """An EXIF block of one directory with one entry, the maker's note."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "HHHII", 1, 0x927C, 7, len(note), NOTE_AT) + bytes(4) + note


def place_of(base: str, tiff: int) -> int:
    return {"file": 0, "exif": tiff, "note": tiff + NOTE_AT}[base]


def photo(pixels: np.ndarray, base: str, order: str, trailer: bytes = PREVIEW, ahead: bytes = b"") -> bytes:
    bare = coded(pixels, quality=95)
    tiff = 2 + len(ahead) + 10
    length = len(bare) + len(ahead) + 10 + NOTE_AT + 20
    note = bytes(range(65, 65 + FIELD)) + struct.pack(order + "I", length - place_of(base, tiff)) + bytes(6)
    data = insert(insert(bare, segment(0xE1, b"Exif\0\0" + block(order, note))), ahead)
    assert walk(data)[1] == length
    return data + trailer


def led_to(data: bytes, base: str, order: str) -> int:
    tiff = data.index(b"Exif\0\0") + 6
    (value,) = struct.unpack_from(order + "I", data, tiff + NOTE_AT + FIELD)
    return int(value) + place_of(base, tiff)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("trailer", [PREVIEW, SONYS], ids=["plain", "with a head"])
@pytest.mark.parametrize("ahead", [b"", segment(0xFE, b"a comment")], ids=["first", "second"])
def test_a_preview_behind_the_picture_lies_where_the_maker_says(
    base: str, order: str, trailer: bytes, ahead: bytes, make_photo: Callable[..., np.ndarray]
) -> None:
    data = photo(make_photo(120, 160), base, order, trailer, ahead)
    picture = jpeg.read(data)
    structure = structure_of(data)
    copy = jpeg.write(picture.pixels, structure)
    at = led_to(copy, base, order)
    assert at == led_to(data, base, order)
    assert copy[at:] == trailer


def test_a_copy_that_is_too_long_is_refused_or_leads_further(
    make_photo: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_offsets, "_LEAST", 0)
    data = photo(make_photo(120, 160, seed=5), "exif", ">")
    structure = structure_of(data)
    busy = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    with pytest.raises(Unsupported) as caught:
        jpeg.write(busy, structure)
    assert caught.value.reason == "multi-picture"
    copy = jpeg.write(busy, structure, verbatim=False)
    assert walk(copy)[1] > structure.primary_bytes
    assert copy[led_to(copy, "exif", ">") :] == PREVIEW


def test_labels_that_make_the_exif_longer_lead_further(make_photo: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    data = photo(make_photo(120, 160), "exif", "<")
    more = Labels(exif=labels_of(data).exif + bytes(100))
    assert labels_of(labelled(data, more)) == more  # small numbers may mean anything
    monkeypatch.setattr(far_offsets, "_LEAST", 0)
    longer = labelled(data, more)
    assert longer[led_to(longer, "exif", "<") :] == PREVIEW


def test_a_trailer_that_says_where_itself_is() -> None:
    at = len(SMALL)
    trailer = b"AXS!\1\0\0\1\0\0\0\0" + b"IPTC" + struct.pack(">II", 4, at + 24) + b"text" + b"AXS!" + struct.pack(">II", at, 0)
    data = SMALL + trailer
    copy = jpeg.write(jpeg.read(data).pixels, structure_of(data))
    assert copy.index(trailer) == at


@pytest.mark.parametrize("trailer", [b"", PREVIEW, bytes(100), b"\0" * 10 + PREVIEW])
def test_other_trailers_bind_nothing(trailer: bytes, make_photo: Callable[..., np.ndarray]) -> None:
    data = insert(coded(make_photo(64, 64)), segment(0xE1, b"Exif\0\0" + block("<", bytes(50)))) + trailer
    assert not places_matter(structure_of(data))


def test_archives_of_earlier_versions_keep_the_size_of_their_copy(make_photo: Callable[..., np.ndarray]) -> None:
    data = photo(make_photo(120, 160), "exif", "<")
    assert places_matter(structure_of(data))
    assert not places_matter(replace(structure_of(data), copy_bytes=len(data) + 300))


@given(st.binary(max_size=200), st.binary(max_size=60), st.sampled_from("<>"))
def test_no_block_and_no_trailer_make_it_fail(note: bytes, trailer: bytes, order: str) -> None:
    data = insert(SMALL, segment(0xE1, b"Exif\0\0" + block(order, note)))
    for exif in (data, data.replace(struct.pack(order + "I", NOTE_AT), b"\xff\xff\xff\xff"), data[:14] + data[20:]):
        try:
            structure = structure_of(exif + trailer + PREVIEW)
        except CodecError:
            continue
        places_matter(structure)
