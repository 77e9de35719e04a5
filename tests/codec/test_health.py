"""Pictures that end in grey: what a decoder invented is not archived as if a camera had seen it."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFile

from codec import container, exact, jpeg
from codec.errors import Corrupt
from codec.health import check_end


def cut_and_saved_again(make_jpeg: Callable[..., bytes], share: float, monkeypatch: pytest.MonkeyPatch, **save: object) -> bytes:
    """What an app makes of an upload that stopped: it decodes what is there, and writes a sound file."""
    data = make_jpeg(320, 240, exif=False)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with Image.open(io.BytesIO(data[: int(len(data) * share)])) as image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=92, **save)
    return buffer.getvalue()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_an_upload_that_stopped_and_was_saved_again_is_damage(
    share: float, make_jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = cut_and_saved_again(make_jpeg, share, monkeypatch)
    with pytest.raises(Corrupt, match="grey of missing data"):
        container.read(data)
    with pytest.raises(Corrupt, match="grey of missing data"):
        exact.to_sections(data)


def grey_end(rows: int, value: int = 128, top: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 256, (200, 160, 3), dtype=np.uint8)
    pixels[200 - rows :] = value
    pixels[:top] = value
    return pixels


@pytest.mark.parametrize(
    ("pixels", "damaged"),
    [
        (grey_end(8), True),
        (grey_end(150)[:, :, 0], True),
        (grey_end(7), False),
        (grey_end(100, value=120), False),
        (grey_end(40, top=40), False),  # a frame
        (grey_end(200), False),  # a grey card
        (grey_end(0), False),
    ],
)
def test_only_a_grey_end_is_damage(pixels: np.ndarray, damaged: bool) -> None:
    if damaged:
        with pytest.raises(Corrupt):
            check_end(pixels)
    else:
        check_end(pixels)


def test_a_grey_sky_at_the_top_is_none(make_photo: Callable[..., np.ndarray]) -> None:
    pixels = make_photo(128, 128).copy()
    pixels[:64] = 128
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    assert jpeg.read(buffer.getvalue()).pixels.shape == (128, 128, 3)
