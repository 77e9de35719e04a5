"""Bjontegaard's rate difference between two rate-distortion curves."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator


def bd_rate(
    rates_a: Sequence[float],
    quality_a: Sequence[float],
    rates_b: Sequence[float],
    quality_b: Sequence[float],
    interval: tuple[float, float] | None = None,
) -> float:
    """Percent of bits that `b` spends beyond `a` at equal quality; negative where `b` is the better codec.

    Through each curve's points goes log(rate) over quality, a monotone piecewise cubic (pchip). The mean difference of the two over
    the qualities that both reach becomes a percentage. `interval` narrows those qualities. A point that costs more than another and is no
    better is dropped. Nothing is extrapolated: what a curve does not reach is left out.

    Raises ValueError if a curve keeps fewer than two points, or if the curves share no quality.
    """
    over_a, over_b = _curve(rates_a, quality_a), _curve(rates_b, quality_b)
    (low_a, high_a), (low_b, high_b) = ((float(qualities[0]), float(qualities[-1])) for qualities, _ in (over_a, over_b))
    low, high = max(low_a, low_b), min(high_a, high_b)
    if interval is not None:
        low, high = max(low, interval[0]), min(high, interval[1])
    if low >= high:
        raise ValueError(f"the curves share no quality: {low_a:.3f} to {high_a:.3f} and {low_b:.3f} to {high_b:.3f}")
    mean_a, mean_b = (float(PchipInterpolator(*curve).integrate(low, high)) / (high - low) for curve in (over_a, over_b))
    return float(100 * np.expm1(mean_b - mean_a))


def rate_at(rates: Sequence[float], quality: Sequence[float], target: float) -> float:
    """The rate at which a curve reaches a quality, on the same cubic; nan where it does not."""
    qualities, logs = _curve(rates, quality)
    return float(np.exp(PchipInterpolator(qualities, logs)(target))) if qualities[0] <= target <= qualities[-1] else float("nan")


def _curve(rates: Sequence[float], quality: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(qualities, log rates), both strictly increasing."""
    kept: list[tuple[float, float]] = []
    for rate, value in sorted(zip(rates, quality, strict=True), key=lambda point: (point[0], -point[1])):
        if np.isfinite(value) and (not kept or (rate > kept[-1][0] and value > kept[-1][1])):
            kept.append((rate, value))
    if len(kept) < 2:
        raise ValueError("a curve needs two points of rising rate and quality")
    points = np.array(kept, dtype=np.float64)
    return points[:, 1], np.log(points[:, 0])
