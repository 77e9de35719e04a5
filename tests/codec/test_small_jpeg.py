"""Small JPEGs: fewer bytes for what an ordinary encoder shows."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from codec.quality import ssimulacra2
from codec.small_jpeg import small_jpeg


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG"
        return np.asarray(image)


def plain(pixels: NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    return buffer.getvalue()


def test_it_shows_more_than_an_ordinary_encoder_with_as_many_bytes() -> None:
    gains = []
    for pixels in (data.astronaut(), data.rocket(), data.chelsea()):
        ours = small_jpeg(pixels, 76)
        others = [other for quality in range(60, 80) if len(other := plain(pixels, quality)) <= len(ours)]
        gains.append(ssimulacra2(pixels, decoded(ours)) - ssimulacra2(pixels, decoded(others[-1])))
    assert np.mean(gains) > 0.5


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 97), (17, 8), (50, 33)])
@pytest.mark.parametrize("grey", [False, True])
def test_any_size_and_grey(height: int, width: int, grey: bool) -> None:
    pixels = np.full((height, width) if grey else (height, width, 3), 200, np.uint8)
    shown = decoded(small_jpeg(pixels, 76))
    assert shown.shape == pixels.shape
    assert abs(shown.astype(int) - 200).max() <= 3


def test_colours_keep_their_order() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = 220, 60
    assert abs(decoded(small_jpeg(pixels, 90)).astype(int) - pixels).max() <= 6


def test_noise_fits_the_encoders_buffer() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    assert decoded(small_jpeg(noise, 90)).shape == noise.shape
