import dataclasses
import hashlib
import io
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from codec import canonical, container
from codec.bitstream import Archive, pack, unpack
from codec.errors import CodecError, Corrupt, ModelMissing, NotAPicture, Unsupported
from codec.facts import Facts
from codec.levels import COPY_MARGIN, Level
from codec.model import Model, model_from
from codec.neural import Analysed, Pixels, decode_pixels
from codec.photo import Archived, archive_photo, examine, restore_photo
from codec.picture import JpegStructure, PngStructure
from codec.quality import ssimulacra2

EASY = Level("compact", 60.0, 50.0, spare=-100.0)
ICC = b"ICC_PROFILE\0\1\1" + b"no profile at all, kept verbatim all the same"
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
TRAILER = b"SEFT a trailer\xff\xd9\0" * 9


def facts_of(data: bytes, name: bytes = b"IMG_1.jpg") -> Facts:
    return Facts(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), name=name, mtime_ns=1_600_000_000 * 10**9, mode=0o644)


def archived(data: bytes, model: Model, level: Level = EASY, **options: Any) -> Archived:
    return archive_photo(data, facts_of(data), model, level, **{"min_saving": 0.1, **options})


def with_segments(data: bytes) -> bytes:
    bodies = ((b"\xe1", XMP), (b"\xe2", ICC), (b"\xfe", b"a comment"), (b"\xed", b"Photoshop 3.0\0"))
    extra = b"".join(b"\xff" + marker + struct.pack(">H", len(body) + 2) + body for marker, body in bodies)
    return data[:2] + extra + data[2:] + TRAILER


def png_of(pixels: Pixels) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + chunk(b"tEXt", b"Author\0somebody") + data[33:-12] + chunk(b"tEXt", b"Late\0chunk") + data[-12:] + b"behind the end"


@pytest.fixture(scope="module")
def original(make_jpeg: Callable[..., bytes]) -> bytes:
    return with_segments(make_jpeg(256, 320, seed=4, quality=96))


@pytest.fixture(scope="module")
def made(original: bytes, model: Model) -> Archived:
    return archived(original, model)


def test_an_archive_saves_keeps_the_level_and_says_what_was_measured(made: Archived, original: bytes, model: Model) -> None:
    assert len(made.archive) < 0.9 * len(original)
    assert (made.width, made.height, made.model_name) == (320, 256, model.name)
    assert made.whole >= EASY.whole
    assert made.worst_tile >= EASY.worst_tile
    assert made.copy_whole >= EASY.whole - COPY_MARGIN
    assert made.rate == made.quality_index / 250
    parts = unpack(made.archive)
    assert parts.model_digest == model.digest
    assert not parts.preview
    assert Facts.from_bytes(parts.sections["FACT"]) == facts_of(original)
    said = canonical.load(parts.sections["QUAL"])
    assert said["whole"] == pytest.approx(made.whole, abs=1e-3)
    assert (said["quality"], said["level"], said["guarded"]) == (made.quality_index, "compact", True)


def test_a_restored_jpeg_keeps_everything_around_the_pixels(made: Archived, original: bytes, model: Model) -> None:
    copy = restore_photo(made.archive, model)
    before, after = container.read(original), container.read(copy)
    assert isinstance(before.structure, JpegStructure)
    assert isinstance(after.structure, JpegStructure)
    assert after.structure.segments == before.structure.segments
    assert len(before.structure.segments) == 6  # JFIF and EXIF too
    assert copy.endswith(TRAILER)
    assert after.structure.sampling == before.structure.sampling
    assert ssimulacra2(before.pixels, after.pixels) == pytest.approx(made.copy_whole, abs=0.01)
    with Image.open(io.BytesIO(copy)) as image:
        assert image.getexif()[0x0112] == 6
        assert image.size == (320, 256)  # unrotated
    assert restore_photo(made.archive, model, "jpeg") == copy


def test_examining_compares_everything(made: Archived, original: bytes, model: Model) -> None:
    found = examine(made.archive, original, model)
    assert found.whole == pytest.approx(made.whole, abs=0.05)
    assert found.copy_bytes == len(restore_photo(made.archive, model))
    assert found.worst_tile == pytest.approx(made.worst_tile, abs=0.05)
    assert found.copy_whole == pytest.approx(made.copy_whole, abs=0.05)
    assert found.metadata_equal
    assert found.original_sha256 == hashlib.sha256(original).hexdigest()
    assert found.archive_sha256 == hashlib.sha256(made.archive).hexdigest()
    assert not examine(made.archive, original + b"x", model).metadata_equal
    assert not examine(made.archive, original.replace(b"a comment", b"A comment"), model).metadata_equal


def test_examining_against_another_photo(made: Archived, model: Model, make_jpeg: Callable[..., bytes]) -> None:
    other = examine(made.archive, make_jpeg(256, 320, seed=5), model)
    assert other.whole < 50
    assert not other.metadata_equal
    with pytest.raises(Corrupt):
        examine(made.archive, make_jpeg(256, 328, seed=4), model)
    with pytest.raises(NotAPicture):
        examine(made.archive, b"text", model)


def test_facts_of_another_file_are_noticed(original: bytes, model: Model) -> None:
    wrong = dataclasses.replace(facts_of(original), sha256="0" * 64)
    archive = archive_photo(original, wrong, model, EASY, min_saving=0.1).archive
    assert not examine(archive, original, model).metadata_equal


def test_grey_and_progressive(model: Model, make_photo: Callable[..., Pixels]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(200, 264, 6)).convert("L").save(buffer, "JPEG", quality=96, progressive=True)
    result = archived(buffer.getvalue(), model)
    copy = container.read(restore_photo(result.archive, model))
    assert copy.pixels.shape == (200, 264)
    assert examine(result.archive, buffer.getvalue(), model).metadata_equal


def test_png_with_chunks_and_trailer(model: Model, make_photo: Callable[..., Pixels]) -> None:
    data = png_of(make_photo(130, 140, 7))
    result = archived(data, model)
    copy = restore_photo(result.archive, model)
    before, after = container.read(data), container.read(copy)
    assert isinstance(before.structure, PngStructure)
    assert isinstance(after.structure, PngStructure)
    assert (after.structure.before, after.structure.after) == (before.structure.before, before.structure.after)
    assert copy.endswith(b"behind the end")
    assert result.copy_whole == result.whole  # a PNG loses nothing more
    assert (after.pixels == decode_pixels(unpack(result.archive).sections["PIXL"], model)).all()
    assert examine(result.archive, data, model).metadata_equal
    as_jpeg = restore_photo(result.archive, model, "jpeg")
    with Image.open(io.BytesIO(as_jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", (140, 130))
    assert ssimulacra2(after.pixels, container.read(as_jpeg).pixels) > 75


def test_a_jpeg_becomes_a_png_with_its_exif(model: Model, make_jpeg: Callable[..., bytes]) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = make_jpeg(128, 160, seed=8, quality=96, icc_profile=profile)
    result = archived(data, model, min_saving=-math.inf)
    converted = restore_photo(result.archive, model, "png")
    with Image.open(io.BytesIO(converted)) as image, Image.open(io.BytesIO(data)) as before:
        assert image.format == "PNG"
        assert image.getexif()[0x010F] == "Example"
        assert image.getexif()[0x0112] == 6
        assert image.info["icc_profile"] == before.info["icc_profile"] == profile
        assert (np.asarray(image) == decode_pixels(unpack(result.archive).sections["PIXL"], model)).all()


def test_a_photo_from_a_package(model: Model, package_photos: dict[str, Path]) -> None:
    path = package_photos.get("china") or next(path for path in package_photos.values() if path.suffix == ".jpg")
    with Image.open(path) as image:
        buffer = io.BytesIO()
        image.convert("RGB").resize((400, 272)).save(buffer, "JPEG", quality=97)
    data = buffer.getvalue()
    result = archived(data, model, min_saving=0.2)
    found = examine(result.archive, data, model)
    assert min(found.whole - EASY.whole, found.worst_tile - EASY.worst_tile) >= 0
    assert found.copy_whole >= EASY.whole - COPY_MARGIN
    assert found.metadata_equal


def test_a_rate_needs_no_search_and_has_no_guard(original: bytes, model: Model) -> None:
    small, large = (archived(original, model, rate=rate, min_saving=-math.inf) for rate in (0.0, 1.0))
    assert (small.quality_index, large.quality_index) == (0, 250)
    assert small.whole < large.whole
    assert len(small.archive) < len(large.archive)
    assert canonical.load(unpack(small.archive).sections["QUAL"])["guarded"] is False
    with pytest.raises(ValueError, match="rate"):
        archived(original, model, rate=1.5)


def reason_of(caught: pytest.ExceptionInfo[Unsupported]) -> str:
    return caught.value.reason


def test_nothing_to_gain(original: bytes, model: Model) -> None:
    refused: tuple[dict[str, Any], ...] = ({"min_saving": 0.995}, {"allowance_bytes": len(original)}, {"min_saving": 0.995, "rate": 0.5})
    for options in refused:
        with pytest.raises(Unsupported) as caught:
            archived(original, model, **options)
        assert reason_of(caught) == "no-gain"


def test_a_level_out_of_reach(original: bytes, model: Model) -> None:
    with pytest.raises(Unsupported) as caught:
        archived(original, model, Level("compact", 99.9, 99.9), min_saving=-math.inf)
    assert reason_of(caught) == "quality-not-reached"


def test_graphics_are_left_alone_unless_a_rate_is_asked_for(model: Model) -> None:
    drawn = np.full((128, 160, 3), 240, np.uint8)
    for k in range(8):
        drawn[k * 16 : k * 16 + 8, 10 * k : 10 * k + 40] = (20 * k, 30, 200)
    with pytest.raises(Unsupported) as caught:
        archived(png_of(drawn), model)
    assert reason_of(caught) == "graphic"
    assert archived(png_of(drawn), model, rate=0.5, min_saving=-math.inf).width == 160


def test_pictures_too_small_for_an_archive(model: Model, make_jpeg: Callable[..., bytes]) -> None:
    for shape in ((63, 500), (500, 63)):
        with pytest.raises(Unsupported) as caught:
            archived(make_jpeg(*shape), model)
        assert reason_of(caught) == "too-small"


def test_what_is_no_picture(model: Model) -> None:
    for data in (b"", b"text", b"\xff\xd8\xff"):
        with pytest.raises(CodecError):
            archived(data, model)


def test_an_interlaced_png_is_archived_and_comes_back_in_plain_rows(model: Model, make_photo: Callable[..., Pixels]) -> None:
    pixels = make_photo(72, 90, 3)
    plain = png_of(pixels)
    rows = b""
    for left, top, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::across])
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 90, 72, 8, 2, 0, 0, 1)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = [len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks]
    original = plain[:8] + b"".join(packed)
    assert np.array_equal(container.read(original).pixels, pixels)
    made = archived(original, model, min_saving=-math.inf)
    assert examine(made.archive, original, model).metadata_equal


def two_pictures(first: Pixels, second: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(first).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(second)], quality=quality)
    return buffer.getvalue()


def test_several_pictures_in_a_file_keep_their_places(model: Model, make_photo: Callable[..., Pixels]) -> None:
    data = two_pictures(make_photo(200, 240, 1), make_photo(64, 80, 2), 97)
    result = archived(data, model, min_saving=-math.inf)
    copy = restore_photo(result.archive, model)
    assert len(copy) == len(data)
    before, after = container.read(data).structure, container.read(copy).structure
    assert isinstance(before, JpegStructure)
    assert isinstance(after, JpegStructure)
    assert (after.primary_bytes, after.index_at, after.trailer) == (before.primary_bytes, before.index_at, before.trailer)


def repacked(archive: bytes, model_digest: bytes | None = None, **sections: bytes | None) -> bytes:
    parts = unpack(archive)
    changed = {name: data for name, data in ({**parts.sections, **sections}).items() if data is not None}
    return pack(Archive(parts.lane, model_digest or parts.model_digest, changed))


def test_archives_that_contradict_themselves(made: Archived, model: Model, make_photo: Callable[..., Pixels]) -> None:
    other = Analysed(make_photo(256, 256, 1), model).encode(50).stream
    grey = Analysed(make_photo(256, 320, 1)[..., 0].copy(), model).encode(50).stream
    for sections in ({"PIXL": other}, {"PIXL": grey}, {"PIXL": b""}, {"PIXL": None}, {"FACT": None}, {"FACT": b"{}"}, {"STRC": None}):
        with pytest.raises(Corrupt):
            restore_photo(repacked(made.archive, **sections), model)
    for lane in ("exact", "pixel-exact"):
        with pytest.raises(Corrupt):
            restore_photo(pack(Archive(lane, model.digest, unpack(made.archive).sections)), model)
    with pytest.raises(Corrupt):
        restore_photo(pack(Archive("neural", None, unpack(made.archive).sections)), model)


def test_every_cut_of_an_archive_is_noticed(made: Archived, model: Model) -> None:
    for length in [*range(0, len(made.archive), 97), len(made.archive) - 1]:
        with pytest.raises(Corrupt):
            restore_photo(made.archive[:length], model)


def test_an_archive_of_another_model(made: Archived, model: Model, resaved: Callable[..., bytes]) -> None:
    other = model_from(resaved("other"))
    assert restore_photo(made.archive, other) == restore_photo(made.archive, model)  # it finds the one that ships by its digest
    with pytest.raises(ModelMissing):
        restore_photo(repacked(made.archive, model_digest=b"\1" * 32), model)
    with pytest.raises(ModelMissing):  # archive and stream name two models
        restore_photo(repacked(made.archive, model_digest=other.digest), other)
