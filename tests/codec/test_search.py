"""The search against photos that are functions: what it finds is compared with everything that it could have found."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.curve import SLOPE
from codec.levels import Level
from codec.network.constants import TOP_QUALITY
from codec.quality import Score
from codec.quality_map import Area, least_quality
from codec.search import TRIES, Plan, fewest_bytes

LEVEL = Level("level", 80.0, 70.0)
SIZE = (1024, 1536)
SHAPE = (16, 24)
CORNERS = [(top, left) for top in (0, 512) for left in (0, 512, 1024)]


@dataclass(frozen=True)
class Outcome:
    plan: Plan
    score: Score
    size_bytes: int
    passed: bool
    needed: float = 0.0
    troubles: tuple[Area | None, ...] = ()
    lead: float = -2.0


@dataclass
class Photo:
    """Scores and bytes as photos have them: what is left to 100 falls by a factor, bytes grow by another, tile by tile."""

    slope: float = SLOPE
    left: float = 50.0
    harder: tuple[float, ...] = (1.0,) * 6
    noise: Callable[[float], float] = lambda quality: 0.0
    needed: float = 0.0
    troubled: Callable[[Plan], tuple[Area | None, ...]] = lambda plan: ()
    tried: list[Plan] = field(default_factory=list)

    def measure(self, plan: Plan) -> Outcome:
        qualities = np.clip(plan.quality + plan.offsets.astype(int), 0, TOP_QUALITY)
        distances = np.empty(SHAPE)
        tiles = []
        for (top, left), harder in zip(CORNERS, self.harder, strict=True):
            cells = np.s_[top // 64 : top // 64 + 8, left // 64 : left // 64 + 8]
            distances[cells] = harder * self.left * np.exp(-self.slope * qualities[cells])
            tiles.append(((top, left), 100 - float(distances[cells].mean()) + self.noise(plan.mean)))
        whole = 100 - float(distances.mean()) + self.noise(plan.mean)
        corner, worst = min(tiles, key=lambda tile: tile[1])
        score, troubles = Score(whole, worst, corner, tuple(tiles)), self.troubled(plan)
        passed = whole >= max(LEVEL.whole, self.needed) and worst >= LEVEL.worst_tile and not troubles
        return Outcome(plan, score, int(1e6 * np.exp(0.012 * qualities).mean()), passed, self.needed, troubles)

    def trial(self, plan: Plan) -> Outcome:
        self.tried.append(plan)
        return self.measure(plan)

    def search(self, start: int, slope: float = SLOPE) -> Outcome:
        return fewest_bytes(self.trial, SIZE, LEVEL, start, slope, lambda outcome: False)

    def best_even(self) -> Outcome | None:
        """The best that every cell alike can give: the first of all qualities that passes."""
        qualities = range(TOP_QUALITY + 1)
        first = bisect_left(qualities, True, key=lambda quality: self.measure(Plan.even(quality, SHAPE)).passed)
        return self.measure(Plan.even(first, SHAPE)) if first <= TOP_QUALITY else None


@given(st.floats(0.006, 0.014), st.floats(25, 70), st.integers(-25, 25))
@settings(max_examples=40, deadline=None)
def test_three_tries_come_within_two_per_cent_from_far_away(slope: float, left: float, off: int) -> None:
    photo = Photo(slope=slope, left=left)
    best = photo.best_even()
    assert best is not None
    # the sample knows the slope to a tenth, and the quality to twenty-five steps
    found = photo.search(min(max(best.plan.quality + off, 0), TOP_QUALITY), slope * 1.1)
    assert found.passed
    assert found.size_bytes <= 1.02 * best.size_bytes
    assert len(photo.tried) <= 3


@given(st.floats(0.007, 0.012), st.floats(30, 60), st.integers(-6, 6))
@settings(max_examples=40, deadline=None)
def test_a_good_guess_needs_two_tries_at_most(slope: float, left: float, off: int) -> None:
    photo = Photo(slope=slope, left=left)
    best = photo.best_even()
    assert best is not None
    found = photo.search(min(max(best.plan.quality + off, 0), TOP_QUALITY), slope)
    assert found.size_bytes <= 1.02 * best.size_bytes
    assert len(photo.tried) <= 2


def test_one_try_is_enough_where_it_passes_closely() -> None:
    photo = Photo()
    best = photo.best_even()
    assert best is not None
    assert photo.search(best.plan.quality + 1).plan.quality == best.plan.quality + 1
    assert len(photo.tried) == 1


@given(st.integers(0, TOP_QUALITY), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_noise_neither_keeps_it_from_passing_nor_from_ending(start: int, seed: int) -> None:
    noises = np.random.default_rng(seed).normal(0, 0.1, TOP_QUALITY + 1)
    photo = Photo(noise=lambda quality: float(noises[round(quality)]))
    found = photo.search(start)
    assert len(photo.tried) <= TRIES
    assert found.passed or len(photo.tried) == TRIES
    if found.passed:
        assert found.score.whole < 82


@pytest.mark.parametrize("start", [0, 120, TOP_QUALITY])
def test_a_photo_that_never_passes_is_tried_at_the_top_and_given_up(start: int) -> None:
    photo = Photo(left=60.0, slope=0.002)
    found = photo.search(start)
    assert not found.passed
    assert found.plan.topmost
    assert len(photo.tried) <= 4


def test_what_makes_it_pointless_ends_it() -> None:
    photo = Photo()
    found = fewest_bytes(photo.trial, SIZE, LEVEL, 20, SLOPE, lambda outcome: outcome.size_bytes > 10)
    assert not found.passed
    assert len(photo.tried) == 1


@pytest.mark.parametrize("harder", [1.9, 2.3, 3.0])
@pytest.mark.parametrize("bad", [0, 4])
def test_one_bad_tile_is_raised_and_not_the_photo(harder: float, bad: int) -> None:
    photo = Photo(left=40, harder=tuple(harder if tile == bad else 1.0 for tile in range(6)))
    even = photo.best_even()
    assert even is not None
    found = photo.search(even.plan.quality - 30)
    assert found.passed
    top, left = CORNERS[bad]
    area = top, left, top + 512, left + 512
    assert least_quality(found.plan.quality, found.plan.offsets, area) > found.plan.quality
    assert found.plan.quality < even.plan.quality
    assert found.size_bytes < 0.97 * even.size_bytes
    assert len(photo.tried) <= 3 + (harder > 2.5)  # as far from the rest is seldom


def test_tiles_that_are_all_bad_cost_no_more_than_raising_everything() -> None:
    photo = Photo(left=40, harder=(1.0, 1.0, 1.0, 1.6, 1.6, 1.6))
    even = photo.best_even()
    assert even is not None
    found = photo.search(even.plan.quality)
    assert found.passed
    assert found.size_bytes <= 1.01 * even.size_bytes


def test_what_a_copy_needs_raises_the_whole() -> None:
    plain, needy = Photo(), Photo(needed=83.0)
    start = 100
    assert needy.search(start).score.whole >= 83
    assert plain.search(start).score.whole < 81


def test_a_distortion_in_a_place_is_cured_in_that_place() -> None:
    place = (512, 512, 768, 768)
    photo = Photo(troubled=lambda plan: () if least_quality(plan.quality, plan.offsets, place) >= 120 else (place,))
    found = photo.search(100)
    assert found.passed
    assert found.plan.quality <= 100
    assert not found.plan.offsets[:, :4].any()


@pytest.mark.parametrize("off", [-2, 0, 1])
@pytest.mark.parametrize("enough", [112, 125, 140])
def test_what_is_small_is_cured_by_one_try(off: int, enough: int) -> None:
    """Of hundreds of cells one: what it costs is nothing beside another try."""
    place = (512, 512, 544, 544)
    photo = Photo(troubled=lambda plan: () if least_quality(plan.quality, plan.offsets, place) >= enough else (place,))
    even = Photo().best_even()
    assert even is not None
    found = photo.search(even.plan.quality + off)
    assert found.passed
    assert len(photo.tried) <= 2
    assert found.size_bytes <= 1.03 * even.size_bytes  # the pretended photo has 384 cells


def test_a_distortion_without_a_place_raises_the_photo() -> None:
    photo = Photo(troubled=lambda plan: () if plan.quality >= 118 else (None,))
    found = photo.search(100)
    assert found.passed
    assert 118 <= found.plan.quality <= 130
    assert not found.plan.offsets.any()


def test_a_distortion_that_nothing_cures_ends() -> None:
    photo = Photo(troubled=lambda plan: (None,))
    found = photo.search(100)
    assert not found.passed
    assert math.isfinite(found.score.whole)
    assert len(photo.tried) <= TRIES


def test_a_verdict_without_a_reason_raises_the_photo() -> None:
    """A guard that says no where scores and findings say yes."""
    photo = Photo()

    def strict(plan: Plan) -> Outcome:
        outcome = photo.trial(plan)
        return Outcome(plan, outcome.score, outcome.size_bytes, outcome.passed and plan.quality >= 115)

    found = fewest_bytes(strict, SIZE, LEVEL, 100, SLOPE, lambda outcome: False)
    assert found.passed
    assert found.plan.quality >= 115
