"""Which bytes are a picture, the archive's sections of a structure, and photograph or graphic."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from codec import container, surroundings
from codec.errors import CodecError, Corrupt, NotAPicture, Unsupported
from codec.graphic import is_graphic
from codec.picture import JpegStructure, PngStructure, check_size


def saved(image: Image.Image, kind: str, **save: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **save)
    return buffer.getvalue()


PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (70, 90, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\0" * 500, b"\xff" * 500, b"<html>", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypisom" + bytes(20)]
)
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        container.read(data)


@pytest.mark.parametrize(
    "data",
    [saved(PICTURE, kind) for kind in ("GIF", "BMP", "TIFF", "WEBP", "JPEG2000")]
    + [b"\0\0\0\x18ftypheic" + bytes(20), b"\0\0\0\x20ftypavif" + bytes(20), b"\xff\x0a" + bytes(30)],
)
def test_other_formats_are_left_alone(data: bytes) -> None:
    with pytest.raises(Unsupported) as caught:
        container.read(data)
    assert caught.value.reason == "unsupported-format"


def test_a_damaged_signature_is_damage() -> None:
    with pytest.raises(Corrupt):
        container.read(saved(PICTURE, "PNG").replace(b"\r\n\x1a\n", b"\n\x1a\n", 1))


def test_small_pictures_are_read_but_not_worth_an_archive() -> None:
    for kind in ("JPEG", "PNG"):
        picture = container.read(saved(PICTURE.crop((0, 0, 63, 70)), kind))
        with pytest.raises(Unsupported) as caught:
            check_size(picture.structure)
        assert caught.value.reason == "too-small"
        check_size(container.read(saved(PICTURE.crop((0, 0, 64, 64)), kind)).structure)


@given(
    segments=st.lists(st.binary(min_size=4, max_size=50), max_size=5),
    trailer=st.one_of(st.binary(max_size=80), st.just(bytes(5000))),
    index_at=st.none() | st.integers(2, 10**6),
    fineness=st.integers(1, 100),
    grey=st.booleans(),
)
def test_jpeg_sections_give_the_structure_back(
    segments: list[bytes], trailer: bytes, index_at: int | None, fineness: int, grey: bool
) -> None:
    structure = container.read(saved(PICTURE.convert("L") if grey else PICTURE, "JPEG")).structure
    assert isinstance(structure, JpegStructure)
    structure = replace(
        structure, segments=tuple(segments), ahead=len(segments) // 2, trailer=trailer, index_at=index_at, fineness=fineness
    )
    sections = container.to_sections(structure)
    assert container.from_sections(sections) == structure
    assert len(sections.get("TRLR", b"")) <= len(trailer)
    assert ("META" in sections) == bool(segments)


@given(kept=st.lists(st.binary(max_size=50), min_size=1, max_size=5), trailer=st.binary(max_size=80))
def test_png_sections_give_the_structure_back(kept: list[bytes], trailer: bytes) -> None:
    structure = container.read(saved(PICTURE, "PNG")).structure
    assert isinstance(structure, PngStructure)
    structure = replace(structure, before=(*structure.before, *kept), trailer=trailer)
    assert container.from_sections(container.to_sections(structure)) == structure


def test_a_copy_from_the_sections_is_the_copy_from_the_structure() -> None:
    for kind in ("JPEG", "PNG"):
        picture = container.read(saved(PICTURE, kind) + b"tail")
        again = container.from_sections(container.to_sections(picture.structure))
        copy = container.write(picture.pixels, again)
        assert copy == container.write(picture.pixels, picture.structure)
        assert copy.endswith(b"tail")


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"width": 1.5},
        {"width": True},
        {"height": 65536},
        {"kind": "gif"},
        {"kind": []},
        {"sampling": [[1, 5]] * 3},
        {"sampling": [[1, 1]]},
        {"sampling": 3},
        {"quantisation": [[1] * 63] * 3},
        {"quantisation": [[0] * 64] * 3},
        {"components": [1, 2]},
        {"progressive": 1},
        {"trailer_packed": None},
        {"trailer_packed": True},
        {"fineness": 101},
        {"index_at": -1},
        {"primary_bytes": 2**40},
    ],
)
def test_a_structure_that_cannot_be_is_damage(change: dict[str, object]) -> None:
    sections = container.to_sections(container.read(saved(PICTURE, "JPEG")).structure)
    fields = json.loads(sections["STRC"])
    with pytest.raises(Corrupt):
        container.from_sections({**sections, "STRC": json.dumps(fields | change).encode()})
    for key in change:
        del fields[key]
        with pytest.raises(Corrupt):
            container.from_sections({**sections, "STRC": json.dumps(fields).encode()})


@given(name=st.sampled_from(["STRC", "META", "TRLR"]), at=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.booleans())
def test_mutated_sections_give_a_structure_or_a_named_error(name: str, at: int, value: int, cut: bool) -> None:
    sections = container.to_sections(container.read(saved(PICTURE, "JPEG") + bytes(500)).structure)
    data = bytearray(sections[name])
    at %= len(data)
    data[at:] = b"" if cut else bytes((value,)) + data[at + 1 :]
    try:
        container.from_sections({**sections, name: bytes(data)})
    except CodecError:
        pass


def test_a_section_that_unpacks_to_more_than_it_may_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    sections = container.to_sections(container.read(saved(PICTURE, "JPEG")).structure)
    bomb = zstandard.compress(bytes(10**6))
    monkeypatch.setattr(surroundings, "MAX_META_BYTES", 10**5)
    with pytest.raises(Corrupt, match="more than it may have"):
        container.from_sections({**sections, "META": bomb})


def test_sections_of_missing_or_odd_kinds_are_damage() -> None:
    for sections in ({}, {"STRC": b""}, {"STRC": b"[]"}, {"STRC": b"\xff"}, {"STRC": b"[" * 100_000}):
        with pytest.raises(Corrupt):
            container.from_sections(sections)


def screen(dark: bool) -> np.ndarray:
    image = Image.new("RGB", (480, 800), (18, 18, 24) if dark else "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 480, 60), fill=(30, 80, 160))
    for line in range(12):
        draw.text((20, 80 + 55 * line), "A line of a message", fill=(230, 230, 230) if dark else "black", font=ImageFont.load_default(28))
    return np.asarray(image)


@pytest.mark.parametrize("dark", [True, False])
def test_a_screen_is_a_graphic(dark: bool) -> None:
    assert is_graphic(screen(dark))
    assert is_graphic(screen(dark)[:, :, 1])


def test_photos_are_no_graphics(make_photo: Callable[..., np.ndarray]) -> None:
    photo = make_photo(300, 400)
    assert not is_graphic(photo)
    assert not is_graphic(photo[:, :, 0])
    assert not is_graphic(container.read(saved(Image.fromarray(photo), "JPEG", quality=30)).pixels)
    night = np.clip((photo.astype(int) - 100) * 3, 0, 255).astype(np.uint8)  # black ground, lamps burnt out
    assert ((night == 0) | (night == 255)).mean() > 0.4
    assert not is_graphic(night)


def test_smooth_and_tiny_pictures_are_no_graphics() -> None:
    assert not is_graphic(np.repeat(np.arange(256, dtype=np.uint8)[None, :], 200, axis=0).repeat(3, axis=1))
    assert not is_graphic(np.full((100, 100, 3), 90, np.uint8))
    assert not is_graphic(np.zeros((1, 1, 3), np.uint8))
    assert not is_graphic(np.zeros((2, 2), np.uint8))


def told_apart(paths: list[Path]) -> None:
    assert paths
    for path in paths:
        with Image.open(path) as image:
            assert is_graphic(np.asarray(image.convert("RGB"))) == (path.parent.name == "screenshots"), path.name


@pytest.mark.corpus
def test_shared_screens_and_photos_are_told_apart(shared: Path) -> None:
    data = shared / "data"
    told_apart([*sorted(data.glob("screenshots/*.png")), *sorted(data.glob("kodak/*.png"))[::6], *sorted(data.glob("phone/*.jpg"))[:2]])


@pytest.mark.corpus
@pytest.mark.slow
def test_all_shared_screens_and_photos_are_told_apart(shared: Path) -> None:
    told_apart([*(shared / "data").glob("*/*.png"), *(shared / "data").glob("*/*.jpg")])
