"""The search on the whole photo: try a plan, learn what photo, tiles and guard would be content with, correct it.

It knows neither the codec nor the guard: a trial is a function.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeVar

import numpy as np

from codec.curve import Curve
from codec.levels import Level
from codec.network.constants import CELL_PIXELS, STEPS, TOP_QUALITY
from codec.quality import TILE, Score
from codec.quality_map import LARGEST, Area, Offsets, least_quality, mean_quality, raised

NEAR: Final = 1.4
"""Quality steps above the lowest that should pass at which the search is content: a step is 1.1 to 1.35 per cent of the bytes."""

_ROUNDING: Final = 0.15
"""What the best guess is lowered by before it is rounded up: what lies that little above a whole step may as well lie below it."""

NEARLY: Final = 7.0
"""The same where places were cured and passed at the second try: the photo is then about where an even quality would be at its best, and
what a third try would gain is the map's."""

ANYHOW: Final = 4.0
"""The same after as many tries as a search should take."""

TRIES_FOR_THE_BEST: Final = 3
TRIES: Final = 5

_SAFETY: Final = 0.3
"""Quality steps that a plan is put above the crossing, so that a correction rarely has to be corrected."""

_LEAST_CURE, _MOST_CURE = 10, 2 * STEPS
"""Quality steps by which a place is raised where the guard found a distortion that scores do not see."""
_CURE: Final = 2.5
"""Times what a score would need: a place is small, and a try more costs more than some bytes in it. Each round cures harder."""
_SPENT_ON_CURES: Final = 1.0
"""Quality steps of the whole photo that curing may cost at once: the less there is to cure, the harder, since what a place does at the next
quality is not known to a tenth, and a try that fails costs as much as all others."""
_WORTH, _MOST_WORTH = 0.6, 2.0
"""What raising a part of the cells gives the score of the whole, as a share of what raising all by their mean would: 0.4 to 1.6 in phone
photos, by what is in the cells. The second try tells."""
_MAPPED: Final = 0.2
"""Quality steps of mean gain up to which a plan is as good as even."""
_LOCAL_ROUNDS: Final = 2
"""Rounds in which places alone are cured; then the photo is raised with them."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to encode with: a quality, and for each 64 x 64 cell what is added to it."""

    quality: int
    offsets: Offsets

    @classmethod
    def even(cls, quality: int, shape: tuple[int, int]) -> Self:
        """The same quality in every cell; `shape` counts cells."""
        return cls(quality, np.zeros(shape, np.int8))

    @property
    def mean(self) -> float:
        return mean_quality(self.quality, self.offsets)

    @property
    def topmost(self) -> bool:
        """Whether no cell can get better."""
        return bool((self.quality + self.offsets.astype(int) >= TOP_QUALITY).all())

    def same(self, other: Self) -> bool:
        return self.quality == other.quality and bool((self.offsets == other.offsets).all())


class Outcome(Protocol):
    """What the search reads of a trial."""

    @property
    def score(self) -> Score: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def passed(self) -> bool: ...
    @property
    def lead(self) -> float:
        """Points above what is asked for, of whatever is nearest to failing."""

    @property
    def needed(self) -> float:
        """What the whole photo must score, as the trial showed, for other reasons than the level."""

    @property
    def troubles(self) -> tuple[Area | None, ...]:
        """Where the guard found distortions that a better quality may cure; None for the whole photo."""


Result = TypeVar("Result", bound=Outcome)


def fewest_bytes(
    trial: Callable[[Plan], Result], size: tuple[int, int], level: Level, start: int, slope: float, enough: Callable[[Result], bool]
) -> Result:
    """The smallest outcome that passed; where none did, the one of the best plan tried.

    `size` is the photo's height and width, `start` the quality to begin with, `slope` how fast ln(100 - score) falls a quality step.
    `enough` ends the search early, after a trial that makes it pointless.
    """
    aims = _Aims(size, level, slope)
    plan, tried, best = Plan.even(start, aims.shape), list[Plan](), None
    while True:
        outcome = trial(plan)
        tried.append(plan)
        aims.learn(plan, outcome)
        if outcome.passed and (best is None or outcome.size_bytes < best[1].size_bytes):
            best = plan, outcome
        above = math.inf if best is None else best[0].mean - aims.plan(-_ROUNDING).mean
        content = best is not None and above <= _tolerance(len(tried), best[0])
        if content or (best is None and plan.topmost) or enough(outcome) or len(tried) >= TRIES:
            return outcome if best is None else best[1]
        plan = aims.plan(_SAFETY)
        while any(plan.same(other) for other in tried):
            if best is not None:
                return best[1]
            plan = Plan(plan.quality + 1, plan.offsets)


def _tolerance(tries: int, plan: Plan) -> float:
    if tries > 1 and plan.offsets.any():
        return NEARLY
    return NEAR if tries < TRIES_FOR_THE_BEST else ANYHOW


class _Aims:
    """What each part of the photo needs, as far as it is known."""

    def __init__(self, size: tuple[int, int], level: Level, slope: float) -> None:
        self.shape = -(-size[0] // CELL_PIXELS), -(-size[1] // CELL_PIXELS)
        self._size, self._level, self._slope = size, level, slope
        self._whole, self._wanted = Curve(slope), level.whole
        self._tiles: dict[Area, Curve] = {}
        self._cures: dict[Area, float] = {}
        self._floor = 0.0
        self._rounds = 0
        self._worth = _WORTH

    def learn(self, plan: Plan, outcome: Outcome) -> None:
        score, gain = outcome.score, plan.mean - plan.quality
        if gain <= _MAPPED:
            self._whole.after(plan.mean, score.whole)
        elif self._whole.tries:
            self._worth = min(max((self._whole.crossing(score.whole) - plan.quality) / gain, 0), _MOST_WORTH)
        self._wanted = max(self._level.whole, outcome.needed)
        for (top, left), points in score.tiles:
            area = top, left, min(top + TILE, self._size[0]), min(left + TILE, self._size[1])
            self._tiles.setdefault(area, Curve(self._slope)).after(least_quality(plan.quality, plan.offsets, area), points)
        troubles = outcome.troubles
        if None not in troubles:
            self._floor = min(self._floor, plan.quality)
        for cured in self._cures.keys() - set(troubles):
            self._cures[cured] = min(self._cures[cured], least_quality(plan.quality, plan.offsets, cured))
        if outcome.passed:
            return
        if not troubles and score.whole >= self._wanted and score.worst_tile >= self._level.worst_tile:
            troubles = (None,)
        steps_a_point = 1 / (self._whole.slope * max(100 - score.whole, 1))
        needed = -outcome.lead * steps_a_point
        self._rounds += bool(troubles)
        places = [(place, LARGEST) for place in troubles if place is not None]
        part = float(raised(self.shape, places).mean()) / LARGEST
        cure = max(_CURE * needed, _LEAST_CURE) * self._rounds
        cure = min(math.ceil(max(cure, _SPENT_ON_CURES / part) if part else cure), _MOST_CURE)
        for place in (*troubles, None) if self._rounds > _LOCAL_ROUNDS else troubles:
            if place is None:
                self._floor = max(self._floor, plan.quality + min(max(math.ceil(needed), 1), _MOST_CURE))
            else:
                self._cures[place] = least_quality(plan.quality, plan.offsets, place) + cure

    def plan(self, above: float) -> Plan:
        """The lowest mean quality that should content the whole photo, every tile and the guard, and `above` it."""
        whole = self._whole.crossing(self._wanted) + above
        needs = {area: curve.crossing(self._level.worst_tile) + above for area, curve in self._tiles.items()}
        for area, need in self._cures.items():
            needs[area] = max(need, needs.get(area, 0))
        highest = max(needs.values(), default=0)
        base = _clipped(max(whole, self._floor, highest - LARGEST))
        lowest = max(_clipped(max(self._floor, highest - LARGEST)), base - STEPS)
        # What the raised cells add to the score of the whole, all others may do without.
        while base > lowest and self._alike(self._with(base - 1, needs)) >= min(whole, TOP_QUALITY):
            base -= 1
        return self._with(base, needs)

    def _alike(self, plan: Plan) -> float:
        """The even quality at which the whole photo would score about the same."""
        return plan.quality + self._worth * (plan.mean - plan.quality)

    def _with(self, base: int, needs: dict[Area, float]) -> Plan:
        offsets = raised(self.shape, ((area, math.ceil(need) - base) for area, need in needs.items() if need > base))
        return Plan(base, offsets)


def _clipped(quality: float) -> int:
    return min(max(math.ceil(quality), 0), TOP_QUALITY)
