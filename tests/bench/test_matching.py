"""The search for a setting, on leads that are known, and what is made of its results."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from codec import rans
from codec.quality import ssimulacra2
from tests.bench import guarded, matching, speed
from tests.bench.peers import Codec

Pixels = NDArray[np.uint8]


@pytest.fixture
def codec() -> Codec:
    """Adds an error that falls with the setting, and takes bytes that grow with it."""

    def prepare(pixels: Pixels) -> Callable[[int], bytes]:
        return lambda setting: bytes([setting]) * (10 * (setting + 1))

    def decode(data: bytes) -> Pixels:
        noise = np.random.default_rng(0).normal(size=(64, 64, 3)) * (100 - data[0]) / 5
        return np.clip(128 + noise, 0, 255).astype(np.uint8)

    return Codec("peer", "1", (0, 50, 100), (0, 100), prepare, decode)


@given(
    st.integers(0, 100),
    st.integers(-20, 120),
    st.integers(-20, 120),
    st.floats(0.01, 30),
    st.sampled_from([1.0, 0.2, 3.0]),
)
def test_the_smallest_that_passes(crossing: int, start: int, reach_end: int, steepness: float, power: float) -> None:
    asked: list[int] = []

    def lead(setting: int) -> float:
        asked.append(setting)
        distance = setting - crossing
        return math.copysign(abs(distance) ** power, distance) * steepness

    reach = (0, max(0, min(reach_end, 100)))
    found = matching.smallest(lead, reach, start)
    assert found == (crossing if crossing <= reach[1] else None)
    assert len(asked) == len(set(asked)) <= 21  # three for each halving of a hundred
    assert all(reach[0] <= setting <= reach[1] for setting in asked)


def test_a_straight_line_is_found_at_once() -> None:
    asked: list[int] = []

    def lead(setting: int) -> float:
        asked.append(setting)
        return (setting - 61.3) / 2

    assert matching.smallest(lead, (0, 100), 50) == 62
    assert len(asked) <= 4


def test_a_setting_with_a_score_and_one_with_as_many_bytes(codec: Codec) -> None:
    original = np.full((64, 64, 3), 128, np.uint8)
    setting, data = matching.with_score(codec, original, 70.0)
    assert ssimulacra2(original, codec.decode(data)) >= 70
    assert ssimulacra2(original, codec.decode(bytes([setting - 1]))) < 70
    assert matching.with_bytes(codec, original, 405) == (39, bytes([39]) * 400)
    assert matching.with_bytes(codec, original, 400)[0] == 39
    assert matching.with_bytes(codec, original, 5)[0] == 0
    assert matching.with_bytes(codec, original, 10**6)[0] == 100


def test_what_the_guard_leaves_is_counted_whole() -> None:
    rows = [
        guarded.Kept("a", "avif", 1000, 400, "60", 80.1, 71.0, 2.0),
        guarded.left("b", "avif", bytes(1000), "quality-not-reached", 3.0),
        guarded.Kept("a", "ours", 1000, 300, "neural", 80.4, 72.0, 9.0),
        guarded.Kept("b", "ours", 1000, 780, "exact", 100.0, 100.0, 1.0),
    ]
    printed = guarded.totals(rows).splitlines()
    assert [cell.strip() for cell in printed[2].split("|")[1:-1]] == ["ours", "2", "1", "46.0 %", "0", "10"]
    assert [cell.strip() for cell in printed[3].split("|")[1:-1]] == ["AVIF", "2", "1", "30.0 %", "1", "5"]
    assert "left: quality-not-reached |     - |          - |" in guarded.table(rows)


def test_what_a_peer_came_to_is_remembered(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> guarded.Kept:
        made.append(1)
        return guarded.Kept("a", "avif", 1000, 400, "60", 80.1, 71.0, 2.0)

    first = guarded.remembered(tmp_path / "new", "key", make)
    assert guarded.remembered(tmp_path / "new", "key", make) == first
    assert len(made) == 1
    guarded.remembered(tmp_path / "new", "another key", make)
    guarded.remembered(None, "key", make)
    assert len(made) == 3


def test_a_photo_of_exactly_so_many_megapixels(tmp_path: Path) -> None:
    Image.new("RGB", (300, 500), "red").save(tmp_path / "large.png")
    Image.new("RGB", (50, 50), "blue").save(tmp_path / "a_small.png")
    found = speed.photo(tmp_path, 0.12)
    assert found.shape == (400, 300, 3)
    assert found[0, 0].tolist() == [255, 0, 0]
    assert speed.photo(None, 0.48).shape == (600, 800, 3)


def test_ratios_are_against_the_yardstick() -> None:
    row = {"wall": 2.0, "cpu": 3.0, "peak_mib": 100.0}
    printed = speed.table({"ours": row, "jxl": {**row, "wall": 1.0, "cpu": 2.0}}, 12.0)
    assert [cell.strip() for cell in printed.splitlines()[2].split("|")[1:-1]] == ["ours", "2.00", "6.0", "2.00", "3.00", "1.50", "100"]


def test_time_inside_the_entropy_coder_is_counted() -> None:
    before = rans.encode
    with speed.entropy_coding() as spent:
        rans.encode([])
    assert len(spent) == 1
    assert spent[0] > 0
    assert rans.encode is before
