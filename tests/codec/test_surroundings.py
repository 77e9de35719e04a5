"""What stands around a picture comes back verbatim, and the JPEGs in it take fewer bytes."""

import io
import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from codec import packing, surroundings
from codec.bitstream import Archive, pack, peek, unpack
from codec.errors import CodecError, Corrupt


def jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, comment=b"a preview")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def preview(make_photo: Callable[..., NDArray[np.uint8]]) -> bytes:
    return jpeg(make_photo(160, 240), 85)


@pytest.fixture(scope="module")
def gain_map(make_photo: Callable[..., NDArray[np.uint8]]) -> bytes:
    return jpeg(make_photo(200, 300, 5)[..., 0], 75)


Parts = tuple[tuple[bytes, ...], bytes]


def there_and_back(kept: tuple[bytes, ...], trailer: bytes) -> tuple[dict[str, bytes], Parts]:
    sections, fields = surroundings.to_sections(kept, trailer)
    return sections, surroundings.from_sections(sections, json.loads(json.dumps(fields)))


def total(sections: dict[str, bytes]) -> int:
    return sum(map(len, sections.values()))


def test_pictures_are_coded_and_come_back(preview: bytes, gain_map: bytes) -> None:
    kept, trailer = (b"Exif" + preview + b"\0\0", b"comment"), b"\0\0" + gain_map + b"SEFT" * 5
    sections, found = there_and_back(kept, trailer)
    assert found == (kept, trailer)
    plain = len(packing.pack(packing.join(kept))) + len(packing.pack(trailer))
    assert total(sections) < 0.9 * plain
    assert not any(each[-300:-200] in b"".join(sections.values()) for each in (preview, gain_map))


def test_what_stands_there_twice_is_kept_once(preview: bytes) -> None:
    kept = (b"Exif" + preview, b"MPF" + preview, b"XMP" + preview)
    sections, found = there_and_back(kept, b"")
    assert found == (kept, b"")
    assert total(sections) < 1.1 * len(preview)


def test_a_trailer_that_is_all_a_picture(preview: bytes) -> None:
    sections, found = there_and_back((), preview)
    assert found == ((), preview)
    assert set(sections) == {"INNR"}


def test_without_pictures_the_sections_are_as_they_always_were() -> None:
    sections, fields = surroundings.to_sections((b"Exif", b"more"), b"tail")
    assert sections == {"META": packing.pack(packing.join((b"Exif", b"more"))), "TRLR": b"tail"}
    assert fields == {"trailer_packed": False}
    assert surroundings.to_sections((), bytes(900))[1] == {"trailer_packed": True}
    assert surroundings.to_sections((), b"") == ({}, {"trailer_packed": False})


def test_what_only_looks_like_a_picture_stays_as_it_is(preview: bytes) -> None:
    for odd in (
        preview[:-2],
        preview[:700],
        b"\xff\xd8\xff" * 500,
        preview[:400] + preview[900:],
        preview[:20] + b"\xff\xd8\xff\xd9" * 900,
    ):
        for kept, trailer in (((odd,), b""), ((), odd)):
            assert there_and_back(kept, trailer)[1] == (kept, trailer)


def test_a_picture_inside_of_another_stays_there(preview: bytes, gain_map: bytes) -> None:
    inside = gain_map[:2] + b"\xff\xe1" + (2 + len(preview)).to_bytes(2, "big") + preview + gain_map[2:]
    sections, found = there_and_back((inside,), b"")
    assert found == ((inside,), b"")
    assert "INNR" in sections


@settings(max_examples=30)
@given(data=st.data())
def test_any_mixture_comes_back(preview: bytes, data: st.DataObject) -> None:
    piece = st.sampled_from([preview, preview[:-7], b"\xff\xd8\xff", b""]) | st.binary(max_size=20)
    mixed = st.lists(piece, max_size=4).map(b"".join)
    kept, trailer = tuple(data.draw(st.lists(mixed, max_size=4))), data.draw(mixed)
    sections, found = there_and_back(kept, trailer)
    assert found == (kept, trailer)
    whole = Archive("exact", None, {"FACT": b"{}", **sections})
    assert unpack(pack(whole)) == whole


@settings(max_examples=60)
@given(name=st.sampled_from(["INNR", "META", "TRLR"]), at=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.booleans())
def test_altered_sections_give_bytes_or_a_named_error(preview: bytes, gain_map: bytes, name: str, at: int, value: int, cut: bool) -> None:
    sections, fields = surroundings.to_sections((b"Exif" + preview,), b"more" + gain_map)
    data = bytearray(sections[name])
    at %= len(data)
    data[at:] = b"" if cut else bytes((value,)) + data[at + 1 :]
    try:
        surroundings.from_sections({**sections, name: bytes(data)}, fields)
    except CodecError:
        pass


@pytest.mark.parametrize(
    "change",
    [
        lambda items: None,
        lambda items: items[:1],
        lambda items: items[::-1],
        lambda items: [*items, ["TRLR", 0, 1]],
        lambda items: [["META", -1, items[0][2]], items[1]],
        lambda items: [["META", 10**9, items[0][2]], items[1]],
        lambda items: [["META", items[0][1], True], items[1]],
        lambda items: [["META", items[0][1], items[0][2] - 1], ["TRLR", 4, items[1][2] + 1]],
        lambda items: [["META", 4.0, items[0][2]], items[1]],
        lambda items: [[["META"], *items[0][1:]], items[1]],
        lambda items: [["PIXL", *items[0][1:]], items[1]],
        lambda items: [["META", 5], items[1]],
        lambda items: [[] for _ in range(100)],
    ],
)
def test_a_structure_that_says_something_else_is_damage(
    preview: bytes, gain_map: bytes, change: Callable[[list[list[object]]], object]
) -> None:
    sections, fields = surroundings.to_sections((b"Exif" + preview,), b"more" + gain_map)
    with pytest.raises(Corrupt):
        surroundings.from_sections(sections, fields | {"inner": change(fields["inner"])})


def test_a_reader_that_knows_of_no_inner_pictures_is_told_by_a_flag(preview: bytes) -> None:
    sections, _ = surroundings.to_sections((), b"more" + preview)
    data = pack(Archive("exact", None, {"FACT": b"{}", **sections}))
    assert data[11] == 2
    assert peek(data).entries[-1].name == "INNR"
    assert pack(Archive("exact", None, {"FACT": b"{}"}))[11] == 0


def test_flag_and_section_belong_together(preview: bytes) -> None:
    for with_inner in (True, False):
        sections = {"FACT": b"{}", **({"INNR": b"x"} if with_inner else {})}
        data = bytearray(pack(Archive("exact", None, sections)))
        data[11] ^= 2
        end = 56 + 24 * len(sections)
        data[end : end + 4] = struct.pack("<I", zlib.crc32(bytes(data[:end])))
        with pytest.raises(Corrupt, match="do not belong together"):
            peek(bytes(data))


def test_no_more_pictures_are_coded_than_is_sensible(preview: bytes, gain_map: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_MOST", 1)
    kept, trailer = (b"Exif" + preview,), gain_map
    sections, fields = surroundings.to_sections(kept, trailer)
    assert surroundings.from_sections(sections, fields) == (kept, trailer)
    assert [place for place, _, _ in fields["inner"]] == ["META"]
    with pytest.raises(Corrupt, match="no list"):
        surroundings.from_sections(sections, fields | {"inner": fields["inner"] * 2})


def test_looking_for_pictures_copies_nothing() -> None:
    """A video of 100 MB took minutes where much of it looked like the begin of one."""
    video = (b"\xff\xd8\xff\xe0\0\4no" + bytes(1000)) * 4000
    tracemalloc.start()
    try:
        assert not list(surroundings._jpegs(video))
        assert tracemalloc.get_traced_memory()[1] < len(video) // 4
    finally:
        tracemalloc.stop()
