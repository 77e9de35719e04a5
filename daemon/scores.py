"""How the archived photos score, in a line and for programs."""

from collections.abc import Mapping
from typing import Any

from storage.records import Scores

_MOST_BINS = 8


def scores_line(scores: Scores) -> str:
    """'9 photos coded with loss score at least 80.1, their worst parts at least 70.3 (100: identical to the original): 7 at 80,
    2 at 81'."""
    width, bins = 1, dict(scores.by_points)
    for width in (1, 2, 5, 10, 20, 50):
        bins = _binned(scores.by_points, width)
        if len(bins) <= _MOST_BINS:
            break
    whole, tile = scores.lowest or 0, scores.lowest_tile or 0
    count = sum(bins.values())
    if count == 1:
        return f"1 photo coded with loss scores {whole:.1f}, its worst part {tile:.1f} (100: identical to the original)"
    names = {first: str(first) if width == 1 else f"{first}-{first + width - 1}" for first in bins}
    counts = ", ".join(f"{number} at {names[first]}" for first, number in bins.items())
    least = f"at least {whole:.1f}, their worst parts at least {tile:.1f}"
    return f"{count} photos coded with loss score {least} (100: identical to the original): {counts}"


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
