"""How the archived photos score, in a line and for programs."""

from collections.abc import Mapping
from typing import Any

from storage.records import Scores

_MOST_BINS = 8


def scores_line(scores: Scores) -> str:
    """'80.1 and better, worst tile 70.3; photos by points: 80: 12, 81: 3'."""
    width, bins = 1, dict(scores.by_points)
    for width in (1, 2, 5, 10, 20, 50):
        bins = _binned(scores.by_points, width)
        if len(bins) <= _MOST_BINS:
            break
    names = {first: str(first) if width == 1 else f"{first}-{first + width - 1}" for first in bins}
    counts = ", ".join(f"{names[first]}: {count}" for first, count in bins.items())
    return f"{scores.lowest or 0:.1f} and better, worst tile {scores.lowest_tile or 0:.1f}; photos by points: {counts}"


def _binned(by_points: Mapping[int, int], width: int) -> dict[int, int]:
    bins = dict[int, int]()
    for points, count in by_points.items():
        bins[points // width * width] = bins.get(points // width * width, 0) + count
    return bins


def scores_as_json(scores: Scores) -> dict[str, Any]:
    """Keys are strings in JSON."""
    return {
        "by_points": {str(points): count for points, count in scores.by_points.items()},
        "lowest": scores.lowest,
        "lowest_tile": scores.lowest_tile,
    }
