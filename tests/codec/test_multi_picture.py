"""Files that hold more than one picture: offsets that stay right, lengths that are kept, and what is refused."""

import io
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec import jpeg, multi_picture
from codec.errors import Unsupported
from codec.jpeg_segments import walk
from codec.picture import JpegStructure
from tests.codec.jpegs import SMALL, coded, insert, noise, segment, structure_of


def two_pictures(first: np.ndarray, second: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(first).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(second)], quality=95)
    return buffer.getvalue()


def test_the_second_picture_of_a_file_is_found_where_the_index_says(make_photo: Callable[..., np.ndarray], tmp_path: Path) -> None:
    data = two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3))
    picture = jpeg.read(data)
    structure = picture.structure
    assert isinstance(structure, JpegStructure)
    copy = jpeg.write(picture.pixels, structure)
    assert walk(copy)[1] == structure.primary_bytes
    with Image.open(io.BytesIO(copy)) as image, Image.open(io.BytesIO(data)) as original:
        assert image.format == "MPO"
        for frame in (0, 1):
            image.seek(frame)
            original.seek(frame)
            assert image.size == original.size
        assert image.tobytes() == original.tobytes()
    assert structure_of(copy).index_at == structure.index_at
    if shutil.which("exiftool"):
        path = tmp_path / "two.jpg"
        path.write_bytes(copy)
        taken = subprocess.run(["exiftool", "-b", "-MPImage2", str(path)], capture_output=True, check=True).stdout
        assert taken == structure.trailer


@pytest.mark.parametrize("behind", [0xDB, 0xC0], ids=["tables", "frame"])
def test_an_index_behind_other_segments_keeps_its_place(make_photo: Callable[..., np.ndarray], behind: int) -> None:
    data = two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3))
    segments, _ = walk(data)
    index = next(s for s in segments if data[s.body : s.body + 4] == b"MPF\0")
    last = [s for s in segments if s.marker == behind][-1]
    assert index.end <= last.start
    # Twice the tables, so that those of the copy are shorter than what stood before the index.
    tables = b"".join(data[s.start : s.end] for s in segments if s.marker == 0xDB)
    moved = data[: index.start] + tables + data[index.end : last.end] + data[index.start : index.end] + data[last.end :]
    picture = jpeg.read(moved)
    structure = picture.structure
    assert isinstance(structure, JpegStructure)
    copy = jpeg.write(picture.pixels, structure)
    assert copy.find(b"MPF\0") == moved.find(b"MPF\0")
    assert walk(copy)[1] == structure.primary_bytes
    again = structure_of(copy)
    assert jpeg.write(picture.pixels, again) == copy


def test_a_picture_too_big_for_its_place_is_refused(make_photo: Callable[..., np.ndarray]) -> None:
    structure = structure_of(two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3)))
    wild = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    with pytest.raises(Unsupported) as caught:
        jpeg.write(wild, structure, fineness=10)
    assert caught.value.reason == "multi-picture"


@pytest.mark.parametrize("behind_tables", [False, True])
def test_a_picture_too_big_for_its_place_moves_the_others_where_asked(make_photo: Callable[..., np.ndarray], behind_tables: bool) -> None:
    data = two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3))
    if behind_tables:  # the index then moves too, by another count of bytes
        index = next(s for s in walk(data)[0] if data[s.body : s.body + 4] == b"MPF\0")
        last = [s for s in walk(data)[0] if s.marker == 0xDB][-1]
        own, between = data[index.start : index.end], data[index.end : last.end]
        place = walk(data)[1] - (index.body + 4)
        assert own.count(place.to_bytes(4, "little")) == 1
        own = own.replace(place.to_bytes(4, "little"), (place - len(between)).to_bytes(4, "little"))
        data = data[: index.start] + between + own + data[last.end :]
    structure = structure_of(data)
    second = Image.open(io.BytesIO(data))
    second.seek(1)
    wild = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    copy = jpeg.write(wild, structure, fineness=10, verbatim=False)
    assert walk(copy)[1] > structure.primary_bytes
    opened = Image.open(io.BytesIO(copy))
    assert opened.format == "MPO"
    opened.seek(1)
    assert np.array_equal(np.asarray(opened), np.asarray(second))
    assert copy.endswith(structure.trailer)
    again = structure_of(copy)
    assert [len(part) for part in again.segments] == [len(part) for part in structure.segments]


def container(primary: str) -> bytes:
    items = f'<Container:Item Item:Mime="image/jpeg" {primary}/><Container:Item Item:Semantic="GainMap" Item:Length="{len(SMALL)}"/>'
    return segment(0xE1, f"http://ns.adobe.com/xap/1.0/\0<Container:Directory>{items}</Container:Directory>".encode())


def test_a_container_in_xmp_is_enough_to_keep_the_length() -> None:
    data = insert(coded(noise(120, 160), quality=95), container('Item:Semantic="Primary"'))
    assert len(jpeg.write(noise(120, 160), structure_of(data + SMALL))) == len(data + SMALL)
    assert len(jpeg.write(noise(120, 160), structure_of(data))) < len(data)  # nothing behind it, nothing to find


@pytest.mark.parametrize("primary", ['Item:Semantic="Primary" Item:Length="1234"', 'Item:Length="1234" Item:Semantic="Primary"'])
def test_a_container_binds_only_where_it_gives_the_length(primary: str) -> None:
    wild = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    free = structure_of(insert(SMALL, container('Item:Semantic="Primary"')) + SMALL)
    assert jpeg.write(wild, free, fineness=10).endswith(b"\xff\xd9" + SMALL)
    with pytest.raises(Unsupported, match="multi-picture"):
        jpeg.write(wild, structure_of(insert(SMALL, container(primary)) + SMALL), fineness=10)


def listed(length: str) -> bytes:
    """The same in the longer way of writing it."""
    item = f"<rdf:li><C:Item><I:Semantic>Primary</I:Semantic><I:Length>{length}</I:Length></C:Item></rdf:li>"
    other = f"<rdf:li><C:Item><I:Semantic>GainMap</I:Semantic><I:Length>{len(SMALL)}</I:Length></C:Item></rdf:li>"
    xmp = f"http://ns.adobe.com/xap/1.0/\0<x xmlns:C='http://ns.google.com/photos/1.0/container/'>{other}{item}{other}</x>"
    return segment(0xE1, xmp.encode(), fill=2)


@pytest.mark.parametrize(
    "say",
    [
        lambda length: container(f'Item:Length="{length}" Item:Semantic="Primary"'),
        lambda length: container(f"Item:Semantic='Primary' I:Length='{length}'"),
        listed,
    ],
)
@pytest.mark.parametrize("width", [1, 4, 7])
def test_a_longer_primary_says_its_own_length(say: Callable[[str], bytes], width: int) -> None:
    """Where a number has no room for its new digits, its segment grows, and with it the picture."""
    wild = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    own = len(insert(SMALL, say("0" * width)))
    for _ in range(3):
        own = len(insert(SMALL, say(str(own).rjust(width, "0"))))
    data = insert(SMALL, say(str(own).rjust(width, "0"))) + SMALL
    structure = structure_of(data)
    assert structure.primary_bytes == own
    copy = jpeg.write(wild, structure, fineness=10, verbatim=False)
    end = walk(copy)[1]
    assert end > own
    assert copy[end:] == SMALL
    assert insert(SMALL, say(str(end).rjust(width, "0")))[2:].startswith(structure_of(copy).segments[0])


@pytest.mark.parametrize(
    "text", [b"<rdf:li", b"<rdf:li>", b':Semantic="Primary"', b'<:Semantic="Primary" :Length="1"', b"> ", b">Primary<"]
)
def test_no_text_takes_long_to_look_through(text: bytes) -> None:
    """A restored photo with labels is given what its XMP says, whoever wrote that; a minute for each such segment was none to wait."""
    body = b"http://ns.adobe.com/xap/1.0/\0 http://ns.google.com/photos/1.0/container/ <rdf:li" + text * (60_000 // len(text))
    structure = structure_of(insert(SMALL, segment(0xE1, body)) + SMALL)
    before = time.process_time()
    parts = multi_picture.move_places([b"\xff\xd8", *structure.segments, bytes(90_000), b"\xff\xd9"], structure)
    assert multi_picture.places_matter(structure)
    assert time.process_time() - before < 2.0
    assert len(parts) == len(structure.segments) + 3


def test_a_length_of_something_else_stays() -> None:
    wild = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    data = insert(SMALL, container('Item:Semantic="Primary" Item:Length="77"')) + SMALL
    copy = jpeg.write(wild, structure_of(data), fineness=10, verbatim=False)
    assert structure_of(copy).segments == structure_of(data).segments
