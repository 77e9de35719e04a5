"""How a score rises with the quality, learnt from a few tries: what is left to 100 shrinks by nearly the same factor at every step.

Over photos of all kinds ln(100 - score) falls by 0.011 a quality step at the worst end to 0.007 near the best, and hardly bends between two
tries: a line through two of them tells to a tenth of a point where a level is crossed, and the first alone to a few points.
"""

import math
from typing import Final, Self

SLOPE: Final = 0.0095
"""Fall of ln(100 - score) a quality step, until two tries say it better."""

_LEAST, _MOST = 0.003, 0.03
_APART: Final = 3
"""Quality steps between two tries from which on their slope can be believed."""
_CLOSEST: Final = 0.05
"""Points below 100 at which the logarithm ends."""


def _distance(score: float) -> float:
    return math.log(max(100 - score, _CLOSEST))


class Curve:
    """Tries (quality, score) of one picture or of one tile."""

    def __init__(self, slope: float = SLOPE) -> None:
        self.slope = slope
        self._tries: dict[float, float] = {}

    def after(self, quality: float, score: float) -> Self:
        """Add a try, and take the slope from it and the nearest other one."""
        here = _distance(score)
        others = [other for other in self._tries if abs(other - quality) >= _APART]
        if others:
            near = min(others, key=lambda other: abs(other - quality))
            self.slope = min(max((self._tries[near] - here) / (quality - near), _LEAST), _MOST)
        self._tries[quality] = here
        return self

    def crossing(self, level: float) -> float:
        """The quality at which the score would reach `level`: between the nearest tries on both sides of it, or by the slope from the
        nearest. Needs a try."""
        wanted = _distance(level)
        worse = max((quality for quality, tried in self._tries.items() if tried > wanted), default=None)
        better = min((quality for quality, tried in self._tries.items() if tried <= wanted), default=None)
        if worse is not None and better is not None and worse < better:
            fall = self._tries[worse] - self._tries[better]
            return worse + (self._tries[worse] - wanted) / fall * (better - worse)
        quality = min(self._tries, key=lambda tried: abs(self._tries[tried] - wanted))
        return quality + (self._tries[quality] - wanted) / self.slope

    @property
    def tries(self) -> int:
        return len(self._tries)


def typical(level: float) -> float:
    """The quality at which an ordinary photo reaches a score."""
    return Curve().after(100, 80).crossing(level)
