import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.curve import SLOPE, Curve, typical


@given(st.floats(0.004, 0.02), st.floats(5, 60), st.integers(0, 200), st.integers(10, 50), st.floats(40, 95))
def test_two_tries_of_an_ordinary_curve_tell_every_crossing(slope: float, start: float, first: int, apart: int, level: float) -> None:
    def score(quality: float) -> float:
        return 100 - start * math.exp(-slope * quality)

    curve = Curve().after(first, score(first)).after(first + apart, score(first + apart))
    assert curve.slope == pytest.approx(slope, rel=1e-3)
    assert score(curve.crossing(level)) == pytest.approx(level, abs=0.02)


def test_one_try_takes_the_slope_of_ordinary_photos() -> None:
    curve = Curve().after(100, 80.0)
    assert curve.crossing(80) == 100
    assert curve.crossing(90) == pytest.approx(100 + math.log(2) / SLOPE)
    assert curve.crossing(70) < 100


def test_tries_side_by_side_are_too_near_for_a_slope() -> None:
    curve = Curve(0.01).after(100, 80.0).after(101, 79.99)
    assert curve.slope == 0.01


def test_a_score_that_does_not_rise_sends_the_search_far_up() -> None:
    flat = Curve().after(50, 60.0).after(150, 60.0)
    assert flat.crossing(80) > 250


def test_scores_without_a_logarithm() -> None:
    assert math.isfinite(Curve().after(10, 100.0).crossing(99.99))
    assert Curve().after(10, -300.0).crossing(80) > 100


def test_better_levels_are_begun_higher() -> None:
    starts = [typical(level) for level in (70, 80, 90)]
    assert starts == sorted(starts)
    assert all(0 < start < 250 for start in starts)


def test_between_two_tries_it_does_not_matter_how_near_they_are() -> None:
    curve = Curve(0.02).after(100, 79.9).after(101, 80.1)
    assert curve.crossing(80) == pytest.approx(100.5, abs=0.01)
    assert Curve().after(101, 79.9).after(100, 80.1).crossing(80) != pytest.approx(100.5, abs=0.01)  # a curve that falls: by the slope
