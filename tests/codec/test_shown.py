"""A PNG as viewers show it: against another decoder, and where that one is known to be wrong, against the specification."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from codec import pixel_exact
from codec.leads import PNG_SIGNATURE
from codec.png_chunks import chunk
from codec.scanlines import CHANNELS
from codec.shown import flat, preview, shown

SIDE = 16


def png(colour: int, depth: int, rows: np.ndarray, **chunks: bytes) -> bytes:
    """`rows`: the packed bytes of each row, uint8 [H, n]."""
    width = rows.shape[1] * 8 // (depth * CHANNELS[colour])
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    kept = [chunk(kind.encode(), data) for kind, data in chunks.items()]
    return b"".join((PNG_SIGNATURE, chunk(b"IHDR", head), *kept, chunk(b"IDAT", body), chunk(b"IEND", b"")))


def rows(colour: int, depth: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (SIDE, SIDE * CHANNELS[colour] * depth // 8), np.uint8)


PALETTE = bytes(np.random.default_rng(8).integers(0, 256, 768, np.uint8))


@pytest.mark.parametrize(
    ("colour", "depth", "chunks"),
    [
        *((0, depth, {}) for depth in (1, 2, 4, 8)),
        *((colour, depth, {}) for colour in (2, 4, 6) for depth in (8, 16)),
        *((3, depth, {"PLTE": PALETTE[: 3 << depth]}) for depth in (1, 2, 4, 8)),
        (3, 4, {"PLTE": PALETTE[:48], "tRNS": b"\0\x80\xff\x10"}),
    ],
)
def test_it_is_what_another_decoder_shows(colour: int, depth: int, chunks: dict[str, bytes]) -> None:
    data = png(colour, depth, rows(colour, depth), **chunks)
    found = shown(pixel_exact.read(data))
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[found.shape[2]]
    with Image.open(io.BytesIO(data)) as image:
        other = np.asarray(image.convert(mode)).reshape(found.shape)
    assert np.array_equal(found, other)


def test_grey_of_sixteen_bits_is_no_white() -> None:
    grey = rows(0, 16)
    assert np.array_equal(shown(pixel_exact.read(png(0, 16, grey)))[:, :, 0], grey[:, ::2])
    with preview(png(0, 16, grey), 8)[0] as small:
        assert small.mode == "RGB"
        assert np.asarray(small).mean() < 160


@pytest.mark.parametrize(("colour", "depth"), [(0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)])
def test_one_colour_may_be_transparent(colour: int, depth: int) -> None:
    data = rows(colour, depth)
    step = max(1, depth // 8)
    first = [bytes(data[0, k * step : (k + 1) * step]) for k in range(CHANNELS[colour])]
    key = b"".join(each if depth == 16 else bytes((0, each[0] >> 8 - depth)) for each in first)
    found = shown(pixel_exact.read(png(colour, depth, data, tRNS=key)))
    assert found.shape[2] == CHANNELS[colour] + 1
    assert found[0, 0, -1] == 0
    plain = found[:, :, :-1]
    assert ((found[:, :, -1] == 255) | (plain == plain[0, 0]).all(axis=2)).all()
    assert (flat(found)[0, 0] == 255).all()


def test_what_shines_through_is_white() -> None:
    half = np.array([[[10, 128]]], np.uint8)
    assert flat(half) == round((10 * 128 + 255 * 127) / 255)
    assert flat(np.array([[[0, 0, 0, 0], [1, 2, 3, 255]]], np.uint8)).tolist() == [[[255, 255, 255], [1, 2, 3]]]
