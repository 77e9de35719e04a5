"""From the points of all codecs to what the tables say. Every figure is taken picture by picture and then averaged.

**The range.** SSIMULACRA2 is compared between 60 and 88. Every other measure is compared where that range lies for the peer: between the
values that the peer has of it at the rates at which its SSIMULACRA2 is 60 and 88. So all measures judge the same pictures of the peer, and
which codec is judged changes nothing about where. What one of the two curves does not reach is left out.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from tests.bench.bdrate import bd_rate, rate_at
from tests.bench.measures import ARTEFACTS, METRICS
from tests.bench.peers import ANCHOR, OURS
from tests.bench.points import Point

RANGE = (60.0, 88.0)
SCORES = (70.0, 80.0, 85.0, 90.0)
SCORE = "ssimulacra2"
REFERENCE = "avif"
"""What the places are told against: the strongest peer."""

Curves = dict[str, dict[str, list[Point]]]
"""codec -> picture -> points"""


@dataclass(frozen=True, slots=True)
class Difference:
    """BD-rates over the pictures, percent; negative: the codec needs fewer bits than the peer."""

    mean: float
    worst: float
    worst_picture: str
    pictures: int


def by_codec(points: Iterable[Point]) -> Curves:
    """Points from smallest to largest file, one of each size."""
    found: Curves = {}
    for point in sorted(points, key=lambda point: (point.bpp, -point.values[SCORE])):
        row = found.setdefault(point.codec, {}).setdefault(point.picture, [])
        if not row or row[-1].bytes < point.bytes:
            row.append(point)
    return found


def difference(curves: Curves, name: str, peer: str, metric: str) -> Difference:
    """nan, and no picture, where the two share no quality."""
    rates = {picture: _picture_difference(curves[name][picture], curves[peer][picture], metric) for picture in curves[peer]}
    known = {picture: rate for picture, rate in rates.items() if math.isfinite(rate)}
    if not known:
        return Difference(math.nan, math.nan, "", 0)
    worst = max(known, key=known.__getitem__)
    return Difference(statistics.fmean(known.values()), known[worst], worst, len(known))


def _picture_difference(ours: Sequence[Point], theirs: Sequence[Point], metric: str) -> float:
    try:
        return bd_rate(_rates(theirs), _values(theirs, metric), _rates(ours), _values(ours, metric), interval(theirs, metric))
    except ValueError:
        return math.nan


def interval(points: Sequence[Point], metric: str) -> tuple[float, float]:
    """The values of a measure between which a codec is compared with this peer. Raises ValueError for a curve of one point."""
    if metric == SCORE:
        return RANGE
    rates, scores = _rates(points), _values(points, SCORE)
    ends = [rate_at(rates, scores, score) for score in RANGE]
    low, high = (rate if math.isfinite(rate) else end for rate, end in zip(ends, (rates[0], rates[-1]), strict=True))
    return _value_at(points, metric, low), _value_at(points, metric, high)


def _value_at(points: Sequence[Point], metric: str, rate: float) -> float:
    return float(PchipInterpolator(np.log(_rates(points)), _values(points, metric))(math.log(rate)))


def rates_at(curves: Curves, score: float) -> dict[str, tuple[float, int]]:
    """codec -> (bits a pixel at a SSIMULACRA2 score, pictures): the mean over the pictures that all codecs bring there.

    A codec that brings fewer than half of the pictures there has nan and its own count, and the others do not wait for it.
    """
    reached = {
        name: {p: rate for p, points in pictures.items() if math.isfinite(rate := rate_at(_rates(points), _values(points, SCORE), score))}
        for name, pictures in curves.items()
    }
    able = [name for name, rates in reached.items() if 2 * len(rates) >= len(curves[name]) and rates]
    common = set.intersection(*(set(reached[name]) for name in able)) if able else set()
    return {
        name: (statistics.fmean(rates[picture] for picture in common), len(common)) if name in able and common else (math.nan, len(rates))
        for name, rates in reached.items()
    }


def artefacts_at(curves: Curves, name: str, score: float) -> dict[str, float]:
    """The artefacts of a codec at a score, mean over the pictures that it brings there; nan where it brings none."""
    found: dict[str, list[float]] = {kind: [] for kind in ARTEFACTS}
    for points in curves[name].values():
        rate = rate_at(_rates(points), _values(points, SCORE), score)
        if math.isfinite(rate):
            for kind in ARTEFACTS:
                found[kind].append(_value_at(points, kind, rate))
    return {kind: statistics.fmean(values) if values else math.nan for kind, values in found.items()}


def places(curves: Curves) -> dict[str, dict[str, float]]:
    """measure -> codec -> BD-rate against REFERENCE, percent, best first; the reference itself has 0."""
    found = {}
    for metric in METRICS:
        means = {name: 0.0 if name == REFERENCE else difference(curves, name, REFERENCE, metric).mean for name in curves}
        found[metric] = dict(sorted(means.items(), key=lambda item: item[1]))
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """How far the measure that suits us least is from the one that the codec is trained on, against one peer."""

    peer: str
    trained_on: float
    metric: str
    other: float

    @property
    def points(self) -> float:
        return self.other - self.trained_on


def gaps(curves: Curves) -> list[Gap]:
    """Of our codec, for each peer; a wide gap is what a measure that was gamed looks like."""
    found = []
    for peer in curves:
        if peer != OURS:
            rates = {metric: difference(curves, OURS, peer, metric).mean for metric in METRICS}
            furthest = max((metric for metric in METRICS if metric != SCORE), key=lambda metric: abs(rates[metric] - rates[SCORE]))
            found.append(Gap(peer, rates[SCORE], furthest, rates[furthest]))
    return found


def in_order(names: Iterable[str]) -> list[str]:
    """Ours first, then libjpeg-turbo, then as they come."""
    first = [OURS, ANCHOR]
    listed = list(dict.fromkeys(names))
    return [name for name in first if name in listed] + [name for name in listed if name not in first]


def _rates(points: Sequence[Point]) -> list[float]:
    return [point.bpp for point in points]


def _values(points: Sequence[Point], metric: str) -> list[float]:
    return [point.values[metric] for point in points]
