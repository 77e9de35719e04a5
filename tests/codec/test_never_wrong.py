"""Whatever goes in comes back as a picture like it; whatever is damaged ends in a named error, soon and without much memory."""

import io
import itertools
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from codec import decode_pixels, reference
from codec.bitstream import Archive, pack, unpack
from codec.errors import CodecError, Corrupt
from codec.model import Model
from codec.network.constants import TOP_QUALITY
from codec.neural import Analysed, Pixels, read_head

Seed = np.random.Generator


def noise(h: int, w: int, rng: Seed) -> Any:
    return rng.integers(0, 256, (h, w, 3))


def flat(h: int, w: int, rng: Seed) -> Any:
    return np.full((h, w, 3), rng.integers(0, 256, 3))


def text(h: int, w: int, rng: Seed) -> Any:
    image = Image.new("RGB", (w, h), "white")
    for y in range(0, h, 12):
        ImageDraw.Draw(image).text((int(rng.integers(0, 9)), y), "It was the best of times, it was the worst of times. " * 9, "black")
    return np.asarray(image)


def extreme(h: int, w: int, rng: Seed) -> Any:
    """Blocks of the corners of the colour cube."""
    side = int(rng.integers(1, 20))
    return (rng.integers(0, 2, (-(-h // side), -(-w // side), 3)) * 255).repeat(side, 0).repeat(side, 1)[:h, :w]


def ramp(h: int, w: int, rng: Seed) -> Any:
    y, x = np.mgrid[:h, :w]
    return np.stack([y * 255 // max(h - 1, 1), x * 255 // max(w - 1, 1), (x + y) % 256], 2)


def spike(h: int, w: int, rng: Seed) -> Any:
    """A single white pixel on black."""
    out = np.zeros((h, w, 3))
    out[rng.integers(h), rng.integers(w)] = 255
    return out


def corner(h: int, w: int, rng: Seed) -> Any:
    """Nothing but a corner of the colour cube."""
    return np.broadcast_to(rng.integers(0, 2, 3) * 255, (h, w, 3))


def halves(h: int, w: int, rng: Seed) -> Any:
    """Two corners of the colour cube on either side of an edge, which runs anyhow."""
    y, x = np.mgrid[:h, :w]
    angle, colours = rng.uniform(0, 2 * np.pi), rng.permutation(np.indices((2, 2, 2)).reshape(3, 8).T)[:2] * 255
    return colours[((x - w / 2) * np.cos(angle) + (y - h / 2) * np.sin(angle) > 0).astype(int)]


def stripes(h: int, w: int, rng: Seed) -> Any:
    """Lines of one to three pixels, black and white, across, down or both: up to Nyquist."""
    y, x = np.mgrid[:h, :w]
    down, across, width = [(0, 1), (1, 0), (1, 1)][rng.integers(3)] + (int(rng.integers(1, 4)),)
    return np.repeat(((down * y + across * x) // width % 2 * 255)[..., None], 3, 2)


KINDS = [noise, flat, text, extreme, ramp, spike, corner, halves, stripes]
SMOOTH = [flat, corner]


def coarse(pixels: Pixels) -> Any:
    """Means of blocks of 32 x 32, or of all where a side is shorter: noise loses its grain, no picture its colours."""
    h, w = (side // 32 * 32 for side in pixels.shape[:2])
    if not (h and w):
        return pixels.astype(float).mean((0, 1))
    return pixels[:h, :w].astype(float).reshape(h // 32, 32, w // 32, 32, -1).mean((1, 3))


def check(model: Model, pixels: Pixels, quality: int, smooth: bool = False) -> None:
    """The colours of large blocks are right, on the average and at the worst place; of smooth ground everywhere."""
    encoded = Analysed(pixels, model).encode(quality)
    decoded = decode_pixels(encoded.stream, model)
    assert decoded.shape == pixels.shape
    assert decoded.dtype == np.uint8
    assert (decoded == encoded.decoded(model)).all()
    difference = np.abs(coarse(decoded) - coarse(pixels))
    mean, most = (15, 30) if quality >= 100 else (35, 60)  # lines of black and white lose most at the smallest qualities
    assert difference.mean() < mean
    assert difference.max() < most
    if smooth:
        assert np.abs(decoded.astype(int) - pixels).mean() < 10
    assert len(encoded.stream) < 2000 + 3 * 64 * 64 * encoded.head.cells.size  # what the padding shows costs bytes, too


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(h=st.integers(1, 130), w=st.integers(1, 130), grey=st.booleans(), quality=st.integers(0, TOP_QUALITY), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_any_content_of_any_shape_comes_back(
    model: Model, kind: Callable[[int, int, Seed], Any], h: int, w: int, grey: bool, quality: int, seed: int
) -> None:
    pixels = np.asarray(kind(h, w, np.random.default_rng(seed))).astype(np.uint8)
    check(model, pixels[..., 1].copy() if grey else pixels, quality, smooth=kind in SMOOTH)


@pytest.mark.parametrize("quality", [0, TOP_QUALITY])
@pytest.mark.parametrize("colour", list(itertools.product((0, 255), repeat=3)))
def test_every_extreme_colour_comes_back(model: Model, colour: tuple[int, int, int], quality: int) -> None:
    """What a row can't code the encoder cuts off: without room for the brightest patches they would turn grey."""
    check(model, np.full((64, 128, 3), colour, np.uint8), quality, smooth=True)


@pytest.mark.parametrize(("shape", "kind"), [((1, 5000), ramp), ((2500, 1), ramp), ((100, 1500), noise)])
def test_long_pictures_come_back(model: Model, shape: tuple[int, int], kind: Callable[[int, int, Seed], Any]) -> None:
    pixels = np.asarray(kind(*shape, np.random.default_rng(1))).astype(np.uint8)
    check(model, pixels if shape[0] > 1 else pixels[..., 0].copy(), 150)


@pytest.fixture(scope="module")
def archive(model: Model, photo: Pixels) -> bytes:
    stream = Analysed(photo[100:170, 200:260], model).encode(20, np.array([[0], [9]], np.int8)).stream
    return pack(Archive("neural", model.digest, {"FACT": b'{"a":1}', "QUAL": b"{}", "STRC": b"{}", "PIXL": stream, "TRLR": b"xyz"}))


def read(archive: bytes, model: Model) -> Pixels:
    return decode_pixels(unpack(archive).sections["PIXL"], model)


def test_every_damaged_byte_of_an_archive_is_noticed(archive: bytes, model: Model) -> None:
    read(archive, model)
    for at in range(len(archive)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(archive)
            damaged[at] ^= flip
            with pytest.raises(CodecError):
                read(bytes(damaged), model)
        with pytest.raises(Corrupt):
            read(archive[:at], model)


def resealed(stream: bytes) -> bytes:
    """Every CRC of a pixel stream of one unit made right again, wherever the map and the unit now say that they end."""
    at = 15
    if stream[1] & 2:
        at += 4 + struct.unpack_from("<I", stream, at)[0]
    if at + 8 > len(stream):
        return stream
    unit = stream[at + 4 : -4]
    return stream[:at] + struct.pack("<I", zlib.crc32(stream[:at])) + unit + struct.pack("<I", zlib.crc32(unit, zlib.crc32(stream[:at])))


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_damage_behind_right_checksums_ends_in_a_picture_or_a_named_error(archive: bytes, model: Model, flip: int) -> None:
    """Someone who writes a stream by hand reaches the layers behind the checksums: map, coder, rows, networks."""
    stream = unpack(archive).sections["PIXL"]
    assert resealed(stream) == stream
    shape, errors = decode_pixels(stream, model).shape, 0
    for at in range(len(stream)):
        damaged = bytearray(stream)
        damaged[at] ^= flip
        try:
            found = decode_pixels(resealed(bytes(damaged)), model)
            assert found.shape == shape or 1 <= at < 6  # the head's sides and its flag for grey
        except CodecError:
            errors += 1
    assert errors > 0.8 * len(stream)  # the coder ends in its first state, else it complains


@given(st.binary(min_size=9, max_size=400), st.integers(1, 64))
@settings(max_examples=40, deadline=None)
def test_a_coded_stream_of_anything_ends(model: Model, photo: Pixels, data: bytes, lanes: int) -> None:
    """Both decoders say the same of it: the same z and levels, or Corrupt."""
    from codec.unit import read_unit

    payload = bytes([lanes]) + data
    cells = np.full((1, 1), 3, np.int32)
    found: list[Any] = []
    for read_it in (lambda: read_unit(model, payload, cells), lambda: reference.read_unit(tensors(), payload, cells.astype(np.int64))):
        try:
            found.append([part.tolist() for part in read_it()])
        except Corrupt:
            found.append(None)
    assert found[0] == found[1]


_tensors: dict[str, Any] = {}


def tensors() -> dict[str, Any]:
    if not _tensors:
        from codec.model import weight_file

        _tensors.update(reference.read_weights(weight_file()))
    return _tensors


def test_a_huge_picture_in_a_few_bytes_takes_no_memory(model: Model, archive: bytes) -> None:
    """What the head claims is believed only when the units are there."""
    stream = bytearray(unpack(archive).sections["PIXL"][:15])
    stream[1] = 0
    tracemalloc.start()
    try:
        for width, height in ((16384, 16384), (65535, 4096), (4096, 65535)):
            struct.pack_into("<HH", stream, 2, width, height)
            head = bytes(stream) + struct.pack("<I", zlib.crc32(stream))
            assert read_head(head).width == width
            for rest in (b"", bytes(8), struct.pack("<I", 0xFFFFFFFF) * 9):
                with pytest.raises(Corrupt):
                    decode_pixels(head + rest, model)
        assert tracemalloc.get_traced_memory()[1] < 4e6  # numpy's arrays count, filled or not; the picture would take 800 MB
    finally:
        tracemalloc.stop()


def test_neither_time_nor_memory_follow_what_a_stream_blows_up_to(model: Model, archive: bytes) -> None:
    """A map that unpacks to a thousand times its size, a unit of megabytes for four cells; all checksums right."""
    stream = unpack(archive).sections["PIXL"]
    packed = zlib.compress(bytes(64 << 20), 1)
    bomb = resealed(stream[:15] + struct.pack("<I", len(packed)) + packed + bytes(4) + stream[read_head(stream).end :])
    junk = np.random.default_rng(1).bytes(1 << 22)
    end = read_head(stream).end - 4
    long = resealed(stream[:end] + bytes(4) + struct.pack("<I", 1 + 8 + len(junk)) + b"\2" + b"\xff" * 8 + junk + bytes(4))
    for data, said in ((bomb, "quality map"), (long, "coded stream")):
        begun = time.process_time()
        tracemalloc.start()
        try:
            with pytest.raises(Corrupt, match=said):
                decode_pixels(data, model)
            assert tracemalloc.get_traced_memory()[1] < 6e6 + 4 * len(data)
        finally:
            tracemalloc.stop()
        assert time.process_time() - begun < 5


def test_an_archive_of_other_things_is_no_archive(model: Model) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (70, 70)).save(buffer, "PNG")
    for data in (b"", b"\x9eNPH", buffer.getvalue(), bytes(1000)):
        with pytest.raises(Corrupt):
            read(data, model)
