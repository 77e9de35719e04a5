"""The rate difference on curves whose answer is known."""

import math

import pytest

from tests.bench.bdrate import bd_rate, rate_at

RATES = [0.2, 0.4, 0.8, 1.6, 3.2]
QUALITY = [28.0, 31.0, 34.5, 38.0, 42.0]


def test_a_curve_against_itself() -> None:
    assert bd_rate(RATES, QUALITY, RATES, QUALITY) == pytest.approx(0, abs=1e-9)


def test_half_the_bits_at_every_quality() -> None:
    half = [rate / 2 for rate in RATES]
    assert bd_rate(RATES, QUALITY, half, QUALITY) == pytest.approx(-50)
    assert bd_rate(half, QUALITY, RATES, QUALITY) == pytest.approx(100)
    assert bd_rate(RATES, QUALITY, half, QUALITY, interval=(33, 36)) == pytest.approx(-50)


def test_order_and_useless_points_do_not_matter() -> None:
    rates, quality = [3.2, 0.2, 0.9, 0.4, 0.8, 1.6], [42.0, 28.0, 30.0, 31.0, 34.5, 38.0]  # 0.9 is worse than 0.8
    assert bd_rate(RATES, QUALITY, rates, quality) == pytest.approx(0, abs=1e-9)


def test_points_elsewhere_on_one_line_are_the_same_codec() -> None:
    line = [10 + 3 * math.log2(rate) for rate in RATES]
    between = [0.3, 0.7, 1.1, 2.9]
    assert bd_rate(RATES, line, between, [10 + 3 * math.log2(rate) for rate in between]) == pytest.approx(0, abs=1e-6)


def test_only_the_chosen_part_counts() -> None:
    """Half the bits where quality is low, twice where it is high."""
    mixed = [0.1, 0.2, 0.8, 3.2, 6.4]
    assert -60 < bd_rate(RATES, QUALITY, mixed, QUALITY, interval=(28, 31)) < -45
    assert 80 < bd_rate(RATES, QUALITY, mixed, QUALITY, interval=(38, 42)) < 120


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="share no quality"):
        bd_rate(RATES, QUALITY, RATES, [value + 20 for value in QUALITY])
    with pytest.raises(ValueError, match="two points"):
        bd_rate(RATES, QUALITY, [1.0], [30.0])
    with pytest.raises(ValueError, match="two points"):
        bd_rate([1.0, 2.0], [math.inf, math.inf], RATES, QUALITY)


def test_rate_at_a_quality() -> None:
    assert rate_at(RATES, QUALITY, 34.5) == pytest.approx(0.8)
    assert math.isnan(rate_at(RATES, QUALITY, 50))
