"""The guard: whether a decoded picture may stand for its original at a quality level, and if not, what is wrong, where, and how much.

A perceptual score forgives what a network that was trained on it learns to do. So the score does not judge alone: a second metric that no
network here was trained on has a veto, and so has a measure for each kind of artefact that a person sees and a score may not.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codec import artefacts
from codec.artefact_sums import Sums, sums_of
from codec.artefacts import Map
from codec.checks import CHECKS, Measured, limit_of
from codec.levels import Level
from codec.profile import Profile
from codec.quality import Score, prepared, score

Pixels = NDArray[np.uint8]
Area = tuple[int, int, int, int]

MOST_AREAS: Final = 256
"""How many places of one kind a finding names at most, the worst first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that the level does not allow."""

    measured: Measured
    limit: float
    areas: tuple[Area, ...]
    """(top, left, bottom, right) of all places beyond the limit, disjoint, the worst first; empty: it is a matter of the whole photo."""
    sentence: str
    """For people."""

    @property
    def name(self) -> str:
        """Of CHECKS."""
        return self.measured.name

    @property
    def value(self) -> float:
        return self.measured.value

    @property
    def place(self) -> tuple[int, int] | None:
        """(y, x) of the worst place, pixels; None: the whole photo."""
        return self.measured.place


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of a decoded picture."""

    score: Score
    measured: tuple[Measured, ...]
    """Every check of CHECKS, whether or not it passed."""
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
            "measured": {each.name: round(each.value, 3) if math.isfinite(each.value) else None for each in self.measured},
            "findings": [
                {
                    "name": each.name,
                    "value": round(each.value, 3),
                    "limit": round(each.limit, 3),
                    "place": None if each.place is None else list(each.place),
                }
                for each in self.findings
            ],
        }


def judge(original: Pixels, decoded: Pixels, level: Level, *, profile: Profile | None = None, threads: int | None = None) -> Verdict:
    """Judge `decoded` against `original`, both uint8 (H, W, 3) or grey (H, W), by a level of LEVELS or by one of these with points raised.

    A level with points to spare wants all other checks better by as much. `profile` is for the score; the other measures look
    at the bytes. Raises ValueError if the shapes differ, a side is under 8 pixels, or the level has no thresholds.
    """
    scored = score(original, decoded, profile=profile, threads=threads)
    sums = sums_of(prepared(original), prepared(decoded), threads)
    lead = min(scored.whole - level.whole, scored.worst_tile - level.worst_tile)
    measured, findings = list[Measured](), list[Finding]()
    for each, maps in _measures(sums):
        headroom = each.headroom(level)
        lead = min(lead, headroom)
        measured.append(each)
        if not headroom >= 0:
            limit = limit_of(each.name, level)
            findings.append(Finding(each, limit, _beyond(each.name, limit, maps, sums), each.sentence(level)))
    return Verdict(scored, tuple(measured), tuple(findings), lead)


def measure(
    original: Pixels, decoded: Pixels, *, profile: Profile | None = None, threads: int | None = None
) -> tuple[Score, tuple[Measured, ...]]:
    """The score and every check, for whoever judges elsewhere; arguments and errors as for `judge`."""
    scored = score(original, decoded, profile=profile, threads=threads)
    return scored, tuple(each for each, _ in _measures(sums_of(prepared(original), prepared(decoded), threads)))


_MAPS: Final[dict[str, Callable[[Sums], tuple[Map, ...]]]] = {
    "second-metric-tile": lambda sums: (artefacts.masked_error_of_tiles(sums),),
    "damage": lambda sums: (artefacts.local_masked_error(sums),),
    "structure": lambda sums: (artefacts.structure(sums),),
    "dots": lambda sums: (artefacts.dots(sums),),
    "patches": artefacts.patches,
    "seam": artefacts.seams,
    "colour": lambda sums: (artefacts.colour(sums, 64),),
    "colour-shift": lambda sums: (artefacts.colour(sums, 256),),
    "clipping": lambda sums: (artefacts.clipping(sums),),
    "strokes": lambda sums: (artefacts.strokes(sums),),
}


def _measures(sums: Sums) -> Iterator[tuple[Measured, tuple[Map, ...]]]:
    """The worst of each check, and its maps; one at a time, since the maps of a large photo are large."""
    yield Measured("second-metric", artefacts.masked_error(sums)), ()
    for name, maps_of in _MAPS.items():
        maps = maps_of(sums)
        worst, place = max((_worst(each) for each in maps), key=lambda found: found[0])
        yield Measured(name, artefacts.decibels(worst) if CHECKS[name].floor else max(worst, 0.0), place), maps


def _worst(found: Map) -> tuple[float, tuple[int, int]]:
    row, column = np.unravel_index(int(found.values.argmax()), found.values.shape)
    return float(found.values[row, column]), (int(row) * found.stride[0], int(column) * found.stride[1])


def _beyond(name: str, limit: float, maps: tuple[Map, ...], sums: Sums) -> tuple[Area, ...]:
    """All places beyond the limit that do not overlap, the worst first."""
    most = artefacts.squared_levels(limit) if CHECKS[name].floor else limit
    places = list[tuple[float, Area]]()
    for each in maps:
        rows, columns = np.nonzero(each.values > most)
        found = each.values[rows, columns]
        for i in np.argsort(-found, kind="stable")[: 8 * MOST_AREAS]:
            top, left = int(rows[i]) * each.stride[0], int(columns[i]) * each.stride[1]
            area = top, left, min(top + each.extent[0], sums.height), min(left + each.extent[1], sums.width)
            places.append((float(found[i]), area))
    areas = list[Area]()
    for _, area in sorted(places, key=lambda place: -place[0]):
        if len(areas) < MOST_AREAS and not any(_overlap(area, other) for other in areas):
            areas.append(area)
    return tuple(areas)


def _overlap(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
