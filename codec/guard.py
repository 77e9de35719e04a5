"""The guard: whether a decoded picture may stand for its original at a quality level, and if not, what is wrong, where, and how much.

A perceptual score forgives what a network that was trained on it learns to do. So the score does not judge alone: a second metric that no
network here was trained on has a veto, and so has a measure for each kind of artefact that a person sees and a score may not.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from codec import artefacts
from codec.artefact_sums import Sums, sums_of
from codec.artefacts import Map
from codec.levels import LEVELS, Level
from codec.profile import Profile
from codec.quality import Score, prepared, score

Pixels = NDArray[np.uint8]
Area = tuple[int, int, int, int]

MOST_AREAS: Final = 256
"""How many places of one kind a finding names at most, the worst first."""


@dataclass(frozen=True, slots=True)
class Check:
    """One measure of the guard and what each level allows."""

    limits: Mapping[str, float]
    unit: Literal["dB", "levels", "share", "Oklab %", "times"]
    points: float
    """What a doubling (decibels: one decibel) is about worth in points of the score, for a search to steer by."""
    says: str
    """What it means to a person."""

    @property
    def floor(self) -> bool:
        """Whether the limit is the least allowed, not the most."""
        return self.unit == "dB"


def _check(visually_lossless: float, high: float, compact: float, unit: Any, points: float, says: str) -> Check:
    return Check(MappingProxyType({"visually-lossless": visually_lossless, "high": high, "compact": compact}), unit, points, says)


CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "second-metric": _check(42.0, 37.0, 33.0, "dB", 2, "PSNR-HVS-M of the whole, on which no network was trained"),
        "second-metric-tile": _check(37.0, 32.0, 27.5, "dB", 2, "PSNR-HVS-M of the worst tile"),
        "damage": _check(32.0, 27.0, 22.0, "dB", 2, "PSNR-HVS-M of 32 x 32 pixels: a block that is not the photo's"),
        "structure": _check(0.05, 0.12, 0.2, "share", 10, "coarse structure that was lost or invented"),
        "dots": _check(0.25, 0.6, 1.0, "times", 10, "a pattern of 2 to 4 pixels that the original does not have"),
        "patches": _check(0.5, 1.3, 2.0, "levels", 13, "steps at the borders of the codec's patches"),
        "seam": _check(1.0, 1.3, 1.8, "levels", 13, "a straight line that the original does not have"),
        "colour": _check(1.0, 1.5, 2.0, "Oklab %", 10, "another colour over 64 x 64 pixels"),
        "colour-shift": _check(0.5, 0.7, 0.9, "Oklab %", 10, "another colour over 256 x 256 pixels"),
        "clipping": _check(0.05, 0.1, 0.15, "share", 10, "ground that became white or black"),
        "strokes": _check(0.25, 0.45, 0.65, "share", 10, "contrast that thin strokes lost: text is hard to read"),
    }
)
"""The one table of thresholds; docs/codec.md tells what they were calibrated on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A measure beyond what the level allows."""

    name: str
    """Of CHECKS."""
    value: float
    limit: float
    place: tuple[int, int]
    """(y, x) of the worst place, pixels."""
    areas: tuple[Area, ...]
    """(top, left, bottom, right) of all places beyond the limit, the worst first; empty: it is a matter of the whole photo."""

    @property
    def area(self) -> Area | None:
        """The worst place."""
        return self.areas[0] if self.areas else None

    @property
    def sentence(self) -> str:
        check = CHECKS[self.name]
        bound = "at least" if check.floor else "at most"
        where = f" at row {self.place[0]}, column {self.place[1]}" if self.areas else ""
        return f"{check.says}: {self.value:.2f} {check.unit}{where} ({bound} {self.limit:g})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of a decoded picture."""

    score: Score
    measured: Mapping[str, float]
    """The worst value of each measure of CHECKS."""
    findings: tuple[Finding, ...]
    """Those beyond their limits."""
    lead: float
    """Points of the score above the level, of whatever is nearest to failing; below 0 it failed."""

    @property
    def passed(self) -> bool:
        return self.lead >= 0

    def as_dict(self) -> dict[str, Any]:
        """For an archive: numbers and names only."""
        return {
            "measured": {name: round(value, 3) if math.isfinite(value) else None for name, value in self.measured.items()},
            "findings": [
                {"name": each.name, "value": round(each.value, 3), "limit": each.limit, "place": list(each.place)} for each in self.findings
            ],
        }


def judge(original: Pixels, decoded: Pixels, level: Level, *, profile: Profile | None = None, threads: int | None = None) -> Verdict:
    """Judge `decoded` against `original`, both uint8 (H, W, 3) or grey (H, W), by a level of LEVELS or by one of these with points raised.

    A level raised by some points of its whole score wants all measures better by as much. `profile` is for the score; the other measures
    look at the bytes. Raises ValueError if the shapes differ, a side is under 8 pixels, or the level has no thresholds.
    """
    if level.name not in LEVELS:
        raise ValueError(f"the guard has no thresholds for {level.name}")
    margin = level.whole - LEVELS[level.name].whole
    scored = score(original, decoded, profile=profile, threads=threads)
    sums = sums_of(prepared(original), prepared(decoded), threads)
    lead = min(scored.whole - level.whole, scored.worst_tile - level.worst_tile)
    measured: dict[str, float] = {}
    findings = []
    for name, value, maps in _measures(sums):
        check = CHECKS[name]
        limit = check.limits[level.name]
        measured[name] = value
        headroom = _headroom(check, value, limit) - margin
        lead = min(lead, headroom)
        if headroom < 0:
            findings.append(_finding(name, value, _moved(check, limit, margin), maps, sums))
    return Verdict(scored, MappingProxyType(measured), tuple(findings), lead)


def _measures(sums: Sums) -> Iterator[tuple[str, float, tuple[Map, ...]]]:
    """Name, worst value, and where; one at a time, since maps of a large photo are large."""
    yield "second-metric", artefacts.masked_error(sums), ()
    in_decibels: dict[str, Callable[[Sums], Map]] = {
        "second-metric-tile": artefacts.masked_error_of_tiles,
        "damage": artefacts.local_masked_error,
    }
    for name, measure in in_decibels.items():
        found = measure(sums)
        yield name, artefacts.decibels(float(found.values.max())), (found,)
    others: dict[str, Callable[[Sums], Map | tuple[Map, ...]]] = {
        "structure": artefacts.structure,
        "dots": artefacts.dots,
        "patches": artefacts.patches,
        "seam": artefacts.seams,
        "colour": lambda sums: artefacts.colour(sums, 64),
        "colour-shift": lambda sums: artefacts.colour(sums, 256),
        "clipping": artefacts.clipping,
        "strokes": artefacts.strokes,
    }
    for name, measures in others.items():
        result = measures(sums)
        maps = result if isinstance(result, tuple) else (result,)
        yield name, max(0.0, *(float(each.values.max()) for each in maps)), maps


def _headroom(check: Check, value: float, limit: float) -> float:
    """How far within the limit, in points of the score; 100 at most."""
    if check.floor:
        return min((value - limit) * check.points, 100.0)
    return min(math.log2(limit / value) * check.points, 100.0) if value > 0 else 100.0


def _moved(check: Check, limit: float, points: float) -> float:
    """The limit that leaves so many points of headroom."""
    return limit + points / check.points if check.floor else limit * 2 ** (-points / check.points)


def _finding(name: str, value: float, limit: float, maps: tuple[Map, ...], sums: Sums) -> Finding:
    beyond = 255**2 / 10 ** (limit / 10) if CHECKS[name].floor else limit
    places = list[tuple[float, Area]]()
    for each in maps:
        rows, columns = np.nonzero(each.values > beyond)
        found = each.values[rows, columns]
        for i in np.argsort(-found, kind="stable")[: 8 * MOST_AREAS]:
            top, left = int(rows[i]) * each.stride[0], int(columns[i]) * each.stride[1]
            area = top, left, min(top + each.extent[0], sums.height), min(left + each.extent[1], sums.width)
            places.append((float(found[i]), area))
    areas = list[Area]()
    for _, area in sorted(places, key=lambda place: -place[0]):
        if len(areas) < MOST_AREAS and not any(_overlap(area, other) for other in areas):
            areas.append(area)
    return Finding(name, value, limit, areas[0][:2] if areas else (0, 0), tuple(areas))


def _overlap(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
