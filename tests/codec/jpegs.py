"""Small JPEG files for tests, and their parts."""

import io

import numpy as np
from PIL import Image

from codec import jpeg
from codec.jpeg_segments import walk
from codec.picture import JpegStructure


def coded(pixels: np.ndarray, **save: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90, **save})
    return buffer.getvalue()


def noise(height: int = 40, width: int = 56, channels: int = 3, seed: int = 1) -> np.ndarray:
    shape = (height, width, 3) if channels == 3 else (height, width)
    ramp = np.random.default_rng(seed).integers(0, 60, shape) + np.arange(width).reshape((1, width) + (1,) * (len(shape) - 2))
    return ramp.astype(np.uint8)


def structure_of(data: bytes) -> JpegStructure:
    structure = jpeg.read(data).structure
    assert isinstance(structure, JpegStructure)
    return structure


def insert(data: bytes, extra: bytes, at: int = 2) -> bytes:
    return data[:at] + extra + data[at:]


def frame_header(data: bytes) -> int:
    """Offset of the payload of the frame header."""
    return next(s.body for s in walk(data)[0] if s.marker in (0xC0, 0xC1, 0xC2))


def segment(marker: int, payload: bytes, fill: int = 0) -> bytes:
    return b"\xff" * fill + bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


SMALL = coded(noise())
PROGRESSIVE = coded(noise(), progressive=True)
