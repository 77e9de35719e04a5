from collections.abc import Callable

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn

from codec.requantise import requantised

Pixels = NDArray[np.uint8]
FLAT = (tuple([16] * 64),) * 3


def coefficients(plane: NDArray[np.generic]) -> NDArray[np.float64]:
    height, width = plane.shape
    blocks = (plane.astype(float) - 128).reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    return np.asarray(dctn(blocks, axes=(2, 3), norm="ortho"))


def test_every_coefficient_lies_on_the_grid(make_photo: Callable[..., Pixels]) -> None:
    out = requantised(make_photo(64, 96, 1), FLAT, 1, 1)
    for plane in np.moveaxis(out, -1, 0):
        found = coefficients(plane) / 16
        assert np.abs(found - np.rint(found)).max() < 0.25  # bytes are rounded


def test_chroma_is_shared_as_an_encoder_shares_it(make_photo: Callable[..., Pixels]) -> None:
    out = requantised(make_photo(64, 96, 1), FLAT, 2, 2)
    assert (out[::2, ::2, 1:] == out[1::2, 1::2, 1:]).all()
    assert (out[::2, ::2, 1:] == out[::2, 1::2, 1:]).all()
    assert (out[::2, ::2, 0] != out[1::2, 1::2, 0]).any()
    across = requantised(make_photo(64, 96, 1), FLAT, 2, 1)
    assert (across[:, ::2, 1:] == across[:, 1::2, 1:]).all()
    assert (across[::2, :, 1] != across[1::2, :, 1]).any()


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (64, 64), (65, 33)])
@pytest.mark.parametrize("shared", [(1, 1), (2, 1), (2, 2)])
def test_the_finest_steps_change_hardly_anything(
    shape: tuple[int, int], shared: tuple[int, int], make_photo: Callable[..., Pixels]
) -> None:
    pixels = make_photo(*shape, 2)
    pixels[...] = pixels[..., :1]  # grey, so that sharing chroma loses nothing
    out = requantised(pixels, (tuple([1] * 64),) * 3, *shared)
    assert out.shape == pixels.shape
    assert np.abs(out[..., 0].astype(int) - pixels[..., 0]).max() <= 2
    assert np.abs(out[..., 1:].astype(int) - 128).max() <= 1


def test_colours_are_those_of_jfif() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8) + np.array([200, 30, 90], np.uint8)
    luma, blue, red = requantised(pixels, (tuple([1] * 64),) * 3, 1, 1)[4, 4]
    assert luma == round(0.299 * 200 + 0.587 * 30 + 0.114 * 90)
    assert blue == round(128 + (90 - 87.67) / 1.772)
    assert red == round(128 + (200 - 87.67) / 1.402)


def test_grey_stays_grey(make_photo: Callable[..., Pixels]) -> None:
    pixels = make_photo(40, 50, 3)[..., 0].copy()
    out = requantised(pixels, (tuple([8] * 64),), 1, 1)
    assert out.shape == pixels.shape
    assert 0 < np.abs(out.astype(int) - pixels).mean() < 4


def test_high_frequencies_have_a_wider_dead_zone() -> None:
    x = np.mgrid[:8, :8][1]
    for k, kept in ((1, True), (7, False)):
        wave = np.cos((2 * x + 1) * k * np.pi / 16) * 0.5 * np.sqrt(1 / 8)
        pixels = np.clip(np.rint(128 + 0.6 * 80 * wave), 0, 255).astype(np.uint8)  # 0.6 of a step
        out = requantised(pixels, (tuple([80] * 64),), 1, 1)
        assert bool((out != 128).any()) == kept


@pytest.mark.parametrize("shape", [(1, 1), (47, 50), (129, 40, 3)])
@pytest.mark.parametrize("shared", [(1, 1), (2, 2)])
def test_any_number_of_threads_gives_the_same_bytes(
    shape: tuple[int, ...], shared: tuple[int, int], make_photo: Callable[..., Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = make_photo(*shape[:2], 5)
    pixels = pixels if len(shape) == 3 else pixels[..., 0].copy()
    found = []
    for threads in (1, 3, 8):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        found.append(requantised(pixels, FLAT, *shared).tobytes())
    assert len(set(found)) == 1
