"""The guard's measure against the reference package, and what must not change it: threads, borders of cells, memory layout."""

import io
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from codec import quality
from tests.codec.psnr import psnr

Pixels = NDArray[np.uint8]
Photo = Callable[..., Pixels]
Reference = Callable[[Pixels, Pixels], float]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """SSIMULACRA2 by the package, which reads files."""
    package = pytest.importorskip("ssimulacra2")
    paths = [str(tmp_path_factory.mktemp("reference") / name) for name in ("original.png", "decoded.png")]

    def measure(original: Pixels, decoded: Pixels) -> float:
        for path, pixels in zip(paths, (original, decoded), strict=True):
            Image.fromarray(pixels).save(path, compress_level=1)
        return float(package.compute_ssimulacra2(*paths))

    return measure


def through_jpeg(pixels: Pixels, setting: int, subsampling: str = "4:2:0") -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=setting, subsampling=subsampling)
    return np.asarray(Image.open(buffer))


def noisy(pixels: Pixels, deviation: float, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def shifted(pixels: Pixels, by: int) -> Pixels:
    return np.clip(pixels.astype(np.int16) + by, 0, 255).astype(np.uint8)


DISTORTIONS = {
    "jpeg 8": lambda pixels: through_jpeg(pixels, 8),
    "jpeg 50": lambda pixels: through_jpeg(pixels, 50),
    "jpeg 90": lambda pixels: through_jpeg(pixels, 90, "4:4:4"),
    "jpeg 99": lambda pixels: through_jpeg(pixels, 99, "4:4:4"),
    "noise 1": lambda pixels: noisy(pixels, 1),
    "noise 12": lambda pixels: noisy(pixels, 12),
    "brighter": lambda pixels: shifted(pixels, 6),
}


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_agrees_with_the_reference_on_photos_in_packages(package_photos: dict[str, Path], reference: Reference, distortion: str) -> None:
    for name in sorted(package_photos)[:3]:
        photo = np.asarray(Image.open(package_photos[name]).convert("RGB"))[20:276, 30:350]
        decoded = DISTORTIONS[distortion](photo)
        assert quality.ssimulacra2(photo, decoded) == pytest.approx(reference(photo, decoded), abs=0.005), name


def test_agrees_with_the_reference_on_flat_ground(reference: Reference) -> None:
    """Nearly no variance, hardly an error: where single precision would show."""
    ramp = np.broadcast_to(np.linspace(90, 110, 320)[None, :, None], (256, 320, 3)).astype(np.uint8)
    for decoded in (shifted(ramp, 1), through_jpeg(ramp, 98), noisy(ramp, 0.4)):
        assert quality.ssimulacra2(ramp, decoded) == pytest.approx(reference(ramp, decoded), abs=0.01)


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 513), (513, 8), (15, 16), (61, 127), (224, 225), (225, 224), (257, 251)])
def test_agrees_with_the_reference_at_any_size(make_photo: Photo, reference: Reference, size: tuple[int, int]) -> None:
    photo = make_photo(*size, seed=3)
    decoded = noisy(photo, 5)
    assert quality.score(photo, decoded).whole == pytest.approx(reference(photo, decoded), abs=0.02)


@given(st.integers(8, 80), st.integers(8, 80), st.integers(0, 2**32 - 1))
def test_agrees_with_the_reference_on_anything(reference: Reference, height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    photo = np.ascontiguousarray(np.repeat(np.repeat(coarse, 8, 0), 8, 1)[:height, :width])
    decoded = noisy(photo, float(rng.uniform(0.3, 20)), seed)
    expected = reference(photo, decoded)
    assert quality.ssimulacra2(photo, decoded) == pytest.approx(expected, abs=0.02, rel=1e-4)


@pytest.mark.parametrize("setting", [25, 92])
def test_a_tile_scores_like_the_crop(make_photo: Photo, reference: Reference, setting: int) -> None:
    """Both with the last row and column moved inwards, so that tiles lie at odd places."""
    photo = make_photo(513, 1025, seed=5)
    decoded = through_jpeg(photo, setting)
    got = quality.score(photo, decoded)
    crops = {(y, x): np.s_[y : y + 512, x : x + 512] for y in (0, 1) for x in (0, 512, 513)}
    assert got.tile in crops
    crop = crops[got.tile]
    assert got.worst_tile == pytest.approx(reference(photo[crop], decoded[crop]), abs=0.2)
    own = {corner: quality.ssimulacra2(photo[crop], decoded[crop]) for corner, crop in crops.items()}
    assert got.worst_tile == pytest.approx(min(own.values()), abs=0.2)


def test_damage_in_one_place_is_found_there(make_photo: Photo) -> None:
    photo = make_photo(720, 1100, seed=2)
    decoded = photo.copy()
    decoded[680:710, 530:580] = decoded[680:710, 530:580, ::-1] // 2
    got = quality.score(photo, decoded)
    assert got.tile == (720 - 512, 512)
    assert got.worst_tile < got.whole - 3


def test_a_photo_smaller_than_a_tile_has_one(make_photo: Photo) -> None:
    for size in ((512, 512), (300, 200)):
        photo = make_photo(*size)
        got = quality.score(photo, noisy(photo, 3))
        assert (got.worst_tile, got.tile) == (got.whole, (0, 0))


def test_a_narrow_photo_has_tiles_as_wide_as_it_is(make_photo: Photo) -> None:
    photo = make_photo(1200, 100)
    decoded = photo.copy()
    decoded[700:760] = 255 - decoded[700:760]
    got = quality.score(photo, decoded)
    assert got.tile in {(512, 0), (1200 - 512, 0)}
    crop = np.s_[got.tile[0] : got.tile[0] + 512]
    assert got.worst_tile == pytest.approx(quality.ssimulacra2(photo[crop], decoded[crop]), abs=1)


def test_borders_of_cells_do_not_show(make_photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = make_photo(401, 397, seed=1)
    decoded = through_jpeg(photo, 60)
    whole = quality.score(photo, decoded).whole
    monkeypatch.setattr(quality, "_BAND", 8)
    for tile in (33, 64, 200):
        monkeypatch.setattr(quality, "TILE", tile)
        assert quality.score(photo, decoded).whole == pytest.approx(whole, abs=1e-6)


def test_the_number_of_threads_changes_nothing(make_photo: Photo) -> None:
    photo = make_photo(530, 700, seed=4)
    decoded = through_jpeg(photo, 70)
    once = quality.score(photo, decoded, threads=1)
    assert all(quality.score(photo, decoded, threads=threads) == once for threads in (2, 3, 7))
    found = []
    callers = [threading.Thread(target=lambda: found.append(quality.score(photo, decoded, threads=2))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [once] * 3


def test_equal_pictures(make_photo: Photo) -> None:
    photo = make_photo(530, 90)
    assert quality.score(photo, photo.copy()) == quality.Score(100.0, 100.0, (0, 0))
    assert psnr(photo, photo.copy()) == math.inf


def test_grey_is_equal_rgb(make_photo: Photo) -> None:
    grey = make_photo(300, 530)[..., 1]
    decoded = noisy(grey, 4)
    in_colour = quality.score(np.repeat(grey[..., None], 3, 2), np.repeat(decoded[..., None], 3, 2))
    assert quality.score(grey, decoded) == in_colour


def test_views_and_read_only_pixels(make_photo: Photo) -> None:
    photo, decoded = make_photo(120, 130), make_photo(120, 130, seed=1)
    frozen = np.frombuffer(photo.tobytes(), np.uint8).reshape(photo.shape)
    assert quality.score(frozen, decoded) == quality.score(photo, decoded)
    assert quality.score(photo[:, ::-1], decoded[:, ::-1]) == quality.score(photo[:, ::-1].copy(), decoded[:, ::-1].copy())


def test_worse_is_lower(make_photo: Photo) -> None:
    photo = make_photo(256, 256)
    scores = [quality.ssimulacra2(photo, through_jpeg(photo, setting)) for setting in (5, 20, 50, 80, 95)]
    assert scores == sorted(scores)


def test_psnr_in_decibels() -> None:
    black = np.zeros((100, 70, 3), np.uint8)
    assert psnr(black, black + 1) == pytest.approx(20 * math.log10(255))
    assert psnr(black, black + 255) == 0


@pytest.mark.parametrize(("a", "b"), [((20, 20, 3), (20, 21, 3)), ((20, 20, 3), (20, 20)), ((20, 20), (21, 20))])
def test_other_shapes_are_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    for measure in (quality.score, quality.ssimulacra2):
        with pytest.raises(ValueError, match="can't be compared"):
            measure(np.zeros(a, np.uint8), np.zeros(b, np.uint8))


@pytest.mark.parametrize("shape", [(7, 100, 3), (100, 7), (1, 1), (0, 20, 3)])
def test_a_side_under_eight_has_no_score(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="undefined"):
        quality.score(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))


@pytest.mark.parametrize("pixels", [np.zeros((20, 20, 4), np.uint8), np.zeros((20, 20, 3), np.float32), np.zeros(20, np.uint8)])
def test_other_pixels_are_refused(pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        quality.score(pixels, pixels)


def test_the_network_is_trained_for_the_same_score(make_photo: Photo) -> None:
    torch = pytest.importorskip("torch")
    from codec.ssimulacra2 import raw_sum, score_of_sum

    photo = make_photo(256, 240)
    for setting in (30, 90):
        decoded = through_jpeg(photo, setting)
        a, b = (torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255 for pixels in (photo, decoded))
        assert float(score_of_sum(raw_sum(a, b))) == pytest.approx(quality.ssimulacra2(photo, decoded), abs=0.3)


def test_measuring_needs_no_torch() -> None:
    command = "import sys, codec.quality; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], cwd=Path(quality.__file__).parents[1]).returncode == 0


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "distortion"), [("kodim03", "jpeg 8"), ("kodim13", "jpeg 50"), ("kodim20", "jpeg 90")])
def test_agrees_with_the_reference_on_kodak(shared: Path, reference: Reference, name: str, distortion: str) -> None:
    photo = np.asarray(Image.open(shared / "data" / "kodak" / f"{name}.png").convert("RGB"))
    decoded = DISTORTIONS[distortion](photo)
    got = quality.score(photo, decoded)
    y, x = got.tile
    crop = np.s_[y : y + 512, x : x + 512]
    assert got.whole == pytest.approx(reference(photo, decoded), abs=0.01)
    assert got.worst_tile == pytest.approx(reference(photo[crop], decoded[crop]), abs=0.2)
