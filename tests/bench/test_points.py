"""What is measured, what is measured again, and what is not."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.bench import measures, points
from tests.bench.artefacts import Artefacts, artefacts
from tests.bench.peers import Codec
from tests.bench.points import Source

Pixels = NDArray[np.uint8]
Called = tuple[Codec, list[int]]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    pixels = np.arange(40 * 30 * 3, dtype=np.uint32).reshape(40, 30, 3).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return Source("set", tmp_path / "photo.png", 16)


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> Called:
    """Its score is its setting; `calls` counts what it encodes."""
    monkeypatch.setattr(points, "measure", lambda original, decoded: {"ssimulacra2": float(decoded[0, 0, 0])})
    calls: list[int] = []

    def prepare(pixels: Pixels) -> Callable[[int], bytes]:
        def encode(setting: int) -> bytes:
            calls.append(setting)
            return bytes([setting]) * 10

        return encode

    made = Codec(
        "peer", "1.0", (30, 40, 50, 65, 75, 85, 92, 95, 99), (0, 99), prepare, lambda data: np.full((16, 16, 3), data[0], np.uint8)
    )
    return made, calls


def test_a_curve_goes_just_beyond_the_range(source: Source, codec: Called) -> None:
    made, calls = codec
    found = points.curve(source, source.pixels(), made, None)
    assert [point.setting for point in found] == [50, 65, 75, 85, 92]
    assert sorted(calls) == [50, 65, 75, 85, 92]
    assert {(point.pixels, point.bytes, point.bpp) for point in found} == {(256, 10, 80 / 256)}


def test_a_curve_ends_where_the_codec_does(source: Source, codec: Called) -> None:
    made, _ = codec
    short = dataclasses.replace(made, settings=(62, 70, 80))
    assert [point.setting for point in points.curve(source, source.pixels(), short, None)] == [62, 70, 80]


def test_a_second_run_measures_nothing_of_a_peer(source: Source, codec: Called, tmp_path: Path) -> None:
    made, calls = codec
    first = points.curve(source, source.pixels(), made, tmp_path / "cache")
    calls.clear()
    assert points.curve(source, source.pixels(), made, tmp_path / "cache") == first
    assert not calls


def test_ours_is_always_measured_and_further_up(source: Source, codec: Called, tmp_path: Path) -> None:
    made, calls = codec
    ours = dataclasses.replace(made, name="ours")
    for _ in range(2):
        calls.clear()
        found = points.curve(source, source.pixels(), ours, tmp_path / "cache")
        assert [point.setting for point in found] == sorted(calls) == [50, 65, 75, 85, 92, 95]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("change", ["version", "crop", "picture", "damage", "revision"])
def test_a_cache_of_something_else_says_nothing(
    source: Source, codec: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    made, _ = codec
    cache = points.Cache(tmp_path, source, made)
    cache.put(50, 123, {"ssimulacra2": 61.5})
    assert points.Cache(tmp_path, source, made).get(50) == (123, {"ssimulacra2": 61.5})
    assert points.Cache(tmp_path, source, made).get(65) is None
    match change:
        case "version":
            made = dataclasses.replace(made, version="1.1")
        case "crop":
            source = dataclasses.replace(source, crop=8)
        case "picture":
            Image.new("RGB", (40, 30)).save(source.path)
        case "damage":
            (stored,) = tmp_path.glob("*.json")
            stored.write_text(stored.read_text()[:-5])
        case "revision":
            monkeypatch.setattr(points, "REVISION", measures.REVISION + 1)
    assert points.Cache(tmp_path, source, made).get(50) is None


def test_the_crop_is_around_the_centre() -> None:
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert np.array_equal(points.centre(pixels, 4), pixels[1:5, 2:6])
    assert points.centre(pixels, 0) is pixels
    assert points.centre(pixels, 7).shape == (6, 7, 3)


def test_every_measure_falls_with_noise() -> None:
    original = np.ascontiguousarray(data.astronaut()[:200, 100:300])
    noise = np.random.default_rng(0).normal(size=original.shape)
    found = [measures.measure(original, np.clip(original + level * noise, 0, 255).astype(np.uint8)) for level in (2, 12)]
    assert set(found[0]) == {*measures.METRICS, *measures.ARTEFACTS}
    assert all(found[0][metric] > found[1][metric] for metric in measures.METRICS)
    assert measures.ms_ssim(original, original) == measures.flip(original, original) == math.inf
    assert measures.psnr_hvs_m(original, original) == 100


@pytest.fixture(scope="module")
def ramp() -> Pixels:
    """Smooth ground."""
    return np.repeat(np.linspace(60, 180, 160).astype(np.uint8)[None, :, None], 96, 0).repeat(3, 2)


def test_artefacts_of_known_patterns(ramp: Pixels) -> None:
    rows, columns = np.mgrid[:96, :160]

    def seen(pattern: NDArray[np.int64]) -> Artefacts:
        return artefacts(ramp, (ramp + pattern[..., None]).astype(np.uint8))

    nothing = artefacts(ramp, ramp)
    assert (nothing.seams, nothing.dots, nothing.nyquist) == (0, 0, 0)
    patches = seen(4 * ((rows // 16 + columns // 16) % 2))
    assert patches.seams == pytest.approx(4, abs=0.01)
    assert patches.dots == pytest.approx(0, abs=0.01)
    small = seen(4 * ((rows // 4 + columns // 4) % 2))
    assert small.dots == pytest.approx(4, abs=0.01)
    chequered = seen(2 * ((rows + columns) % 2))
    assert chequered.nyquist == pytest.approx(math.sqrt(2), abs=0.05)  # one level of amplitude, in both directions
    assert abs(chequered.seams) < 0.01
    assert patches.nyquist < 0.6 * chequered.nyquist


def test_smoothing_is_no_artefact_near_nyquist(ramp: Pixels) -> None:
    noisy = (ramp + np.random.default_rng(0).integers(0, 6, ramp.shape[:2])[..., None]).astype(np.uint8)
    assert artefacts(noisy, ramp).nyquist == 0
