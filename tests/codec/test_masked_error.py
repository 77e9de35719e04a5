"""PSNR-HVS-M against the reference package."""

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from codec import artefacts
from codec.artefact_sums import sums_of

Pixels = NDArray[np.uint8]
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The file alone: the package imports torch."""
    package = importlib.util.find_spec("psnr_hvsm")
    if package is None or not package.submodule_search_locations:
        pytest.skip("psnr-hvsm is not installed")
    path = Path(package.submodule_search_locations[0]) / "numpy" / "psnr_hvsm.py"
    spec = importlib.util.spec_from_file_location("reference_psnr_hvsm", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def through_jpeg(pixels: Pixels, setting: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=setting)
    return np.asarray(Image.open(buffer))


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")  # the package divides by the variance of flat blocks
@pytest.mark.parametrize("setting", [10, 50, 85, 92])
def test_agrees_with_the_reference_package(package_photos: dict[str, Path], reference: ModuleType, setting: int) -> None:
    for name in sorted(package_photos)[:3]:
        photo = np.ascontiguousarray(np.asarray(Image.open(package_photos[name]).convert("RGB"))[:296, :400])
        copy = through_jpeg(photo, setting)
        expected = float(reference.psnr_hvs_hvsm(photo @ LUMA / 255, copy @ LUMA / 255)[1])
        assert artefacts.masked_error(sums_of(photo, copy)) == pytest.approx(expected, abs=0.1), name


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
@given(st.integers(1, 6), st.integers(1, 80), st.floats(0.5, 40), st.integers(0, 2**32 - 1))
def test_each_block_agrees_on_anything_grey(reference: ModuleType, rows: int, columns: int, deviation: float, seed: int) -> None:
    """More than 64 blocks a row, too, which is what the loops take at once."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (rows * 2, columns * 2))
    photo = np.ascontiguousarray(np.kron(coarse, np.ones((4, 4), int))).astype(np.uint8)
    copy = np.clip(np.rint(photo + rng.normal(0, deviation, photo.shape)), 0, 255).astype(np.uint8)
    expected = reference.hvs_hvsm_mse_tiles(photo.astype(float), copy.astype(float))[1].reshape(rows, columns)
    assert sums_of(photo[..., None], copy[..., None]).error == pytest.approx(expected, rel=2e-3, abs=2e-3)


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_a_tile_is_the_crop(make_photo: Callable[..., Pixels], reference: ModuleType) -> None:
    photo = make_photo(520, 560, seed=3)
    copy = photo.copy()
    copy[300:340, 300:400] = through_jpeg(np.ascontiguousarray(photo[300:340, 300:400]), 5)
    tiles = artefacts.masked_error_of_tiles(sums_of(photo, copy))
    row, column = map(int, np.unravel_index(int(tiles.values.argmax()), tiles.values.shape))
    crop = np.s_[row * 8 : row * 8 + 512, column * 8 : column * 8 + 512]
    assert (row * 8, column * 8) in {(y, x) for y in (0, 8) for x in (0, 48)}
    expected = float(reference.psnr_hvs_hvsm(photo[crop] @ LUMA / 255, copy[crop] @ LUMA / 255)[1])
    assert artefacts.decibels(float(tiles.values.max())) == pytest.approx(expected, abs=0.03)
