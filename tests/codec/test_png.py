"""The file around the pixels of a PNG: what comes back, and what is refused."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec import adam7, pixel_exact, png, png_chunks
from codec.errors import CodecError, Corrupt, NotAPicture, Unsupported
from codec.leads import PNG_SIGNATURE
from codec.picture import PngStructure


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def coded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(height: int = 20, width: int = 30, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3) if channels == 3 else (height, width), dtype=np.uint8)


def parts(data: bytes) -> list[bytes]:
    return [data[start:end] for _, start, end in png_chunks.chunks(data)]


def joined(*chunks: bytes) -> bytes:
    return PNG_SIGNATURE + b"".join(chunks)


def interlaced(pixels: np.ndarray) -> bytes:
    """An Adam7 PNG, which Pillow cannot write."""
    height, width = pixels.shape[:2]
    rows = b""
    for left, top, across, down in adam7.PASSES:
        for row in pixels[top::down, left::across]:
            rows += b"\0" + row.tobytes() if row.size else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 1)
    return joined(chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND"))


SMALL = coded(noise())
HEADER, *IMAGE_DATA, END = parts(SMALL)

KINDS = st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"gAMA", b"sBIT", b"cICP", b"pHYs", b"prVt", b"iCCP", b"tIME"])
CHUNKS = st.lists(st.builds(chunk, KINDS, st.binary(max_size=30)), max_size=5)


@given(before=CHUNKS, after=CHUNKS, trailer=st.binary(max_size=30))
def test_chunks_and_trailer_come_back_verbatim_and_in_order(before: list[bytes], after: list[bytes], trailer: bytes) -> None:
    data = joined(HEADER, *before, *IMAGE_DATA, *after, END) + trailer
    picture = png.read(data)
    structure = picture.structure
    assert isinstance(structure, PngStructure)
    assert structure.before == (HEADER, *before)
    assert structure.after == (*after, END)
    assert structure.trailer == trailer
    again = png.read(png.write(picture.pixels, structure))
    assert again.structure == structure
    assert np.array_equal(again.pixels, noise())


@given(seed=st.integers(0, 2**32))
def test_mutations_give_a_picture_or_a_named_error(seed: int) -> None:
    chance = random.Random(seed)
    chunks = parts(joined(HEADER, chunk(b"tEXt", b"a\0b"), *IMAGE_DATA, END))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(chunks))
        body = bytearray(chunks[at][8:-4] or b"\0")
        body[chance.randrange(len(body))] = chance.randrange(256)
        chunks[at] = chunk(chunks[at][4:8], bytes(body))  # the checksum right, so that the damage goes deeper
    data = bytearray(joined(*chunks))
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    try:
        picture = png.read(bytes(data))
        assert isinstance(picture.structure, PngStructure)
        png.write(picture.pixels, picture.structure)
    except CodecError:
        pass


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 30), (1, 1), (3, 2), (9, 5), (520, 3)])
def test_an_interlaced_picture_comes_back_interlaced(channels: int, size: tuple[int, int]) -> None:
    pixels = noise(*size, channels=channels)
    picture = png.read(interlaced(pixels))
    assert np.array_equal(picture.pixels, pixels)
    assert isinstance(picture.structure, PngStructure)
    assert picture.structure.interlaced
    again = png.read(png.write(pixels, picture.structure))
    assert np.array_equal(again.pixels, pixels)
    assert again.structure == picture.structure


def test_every_filter_of_an_interlaced_picture_is_undone_by_readers(make_photo: Callable[..., np.ndarray]) -> None:
    photo = make_photo(256, 256)
    photo[:60] = photo[0] // 2  # rows like the one above
    photo[60:120] = photo[60:120, :1]  # flat rows
    photo[120:130] = 0
    wide = adam7.rows(photo)
    filters, at = set(), 0
    for left, top, across, down in adam7.PASSES:
        part = photo[top::down, left::across]
        for _ in range(part.shape[0]):
            filters.add(wide[at])
            at += 1 + part.shape[1] * 3
    assert at == len(wide)
    assert filters == {0, 1, 2, 3, 4}
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 1))
    with Image.open(io.BytesIO(joined(header, *png._interlaced(photo), chunk(b"IEND")))) as image:
        assert np.array_equal(np.asarray(image), photo)


@pytest.mark.parametrize("transfer", [16, 18])
def test_an_hdr_png_is_no_matter_for_the_guard(transfer: int) -> None:
    data = joined(HEADER, chunk(b"cICP", bytes((9, transfer, 0, 1))), *IMAGE_DATA, END)
    with pytest.raises(Unsupported) as caught:
        png.read(data)
    assert caught.value.reason == "hdr-png"


def test_package_photos_come_back_smaller_or_near(package_photos: dict[str, Path]) -> None:
    data = package_photos["astronaut"].read_bytes()
    picture = png.read(data)
    assert isinstance(picture.structure, PngStructure)
    assert len(png.write(picture.pixels, picture.structure)) < len(data) * 1.1


def converted(mode: str, **save: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise()).convert(mode).save(buffer, "PNG", **save)
    return buffer.getvalue()


def animated() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, "PNG", save_all=True, append_images=[Image.new("RGB", (30, 20))])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (converted("P"), "palette"),
        (converted("RGBA"), "alpha"),
        (converted("LA"), "alpha"),
        (converted("1"), "low-bit-depth"),
        (converted("I;16"), "16-bit"),
        (joined(HEADER, chunk(b"tRNS", bytes(6)), *IMAGE_DATA, END), "alpha"),
        (animated(), "animated"),
        (joined(chunk(b"CgBI", bytes(4)), HEADER, *IMAGE_DATA, END), "cgbi"),
        (joined(HEADER, chunk(b"iDOT", bytes(28)), *IMAGE_DATA, END), "idot"),
        (joined(HEADER, chunk(b"ABCD"), *IMAGE_DATA, END), "critical-chunk"),
        (joined(chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0)), *IMAGE_DATA, END), "too-large"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Unsupported) as caught:
        png.read(data)
    assert caught.value.reason == reason


def test_a_cut_file_is_damage_wherever_it_is_cut() -> None:
    for cut in range(9, len(SMALL), 5):
        with pytest.raises(Corrupt, match="truncated"):
            png.read(SMALL[:cut])
    for cut in (0, 4, 8):
        with pytest.raises(NotAPicture):
            png.read(SMALL[:cut])


def rows(count: int) -> bytes:
    return zlib.compress(bytes(count * 91))


@pytest.mark.parametrize(
    "image_data",
    [
        [chunk(b"IDAT", rows(19))],
        [chunk(b"IDAT", rows(21))],
        [chunk(b"IDAT", rows(5000))],
        [chunk(b"IDAT", rows(20)[:-4])],  # no checksum
        [chunk(b"IDAT", rows(20)[:-1] + b"\0")],  # a wrong one
        [chunk(b"IDAT", rows(20) + b"junk")],
        [chunk(b"IDAT", rows(20)), chunk(b"IDAT", b"junk")],
        [chunk(b"IDAT", rows(20)[:5]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", rows(20)[5:])],
        [chunk(b"IDAT", b"\5" + rows(20)[1:])],
        [chunk(b"IDAT", zlib.compress(b"\x09" * 20 * 91))],  # a filter that does not exist
        [],
        [chunk(b"IDAT")],
        [HEADER, chunk(b"IDAT", rows(20))],
    ],
)
def test_image_data_of_another_amount_is_damage(image_data: list[bytes]) -> None:
    with pytest.raises(Corrupt):
        png.read(joined(HEADER, *image_data, END))


def test_a_flipped_bit_anywhere_in_a_chunk_is_damage() -> None:
    for at in range(8, len(SMALL), 41):
        with pytest.raises(CodecError):
            png.read(SMALL[:at] + bytes((SMALL[at] ^ 4,)) + SMALL[at + 1 :])


@pytest.mark.parametrize(
    ("width", "height", "depth", "colour"), [(20_000, 20_000, 8, 0), (60_000, 5_000, 1, 3), (15_000, 15_000, 8, 6), (2**31 - 1, 1, 1, 0)]
)
def test_a_bomb_is_refused_by_its_header(width: int, height: int, depth: int, colour: int) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = joined(header, chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND"))
    with pytest.raises(Unsupported) as caught:
        pixel_exact.read(data)
    assert caught.value.reason == "too-large"
