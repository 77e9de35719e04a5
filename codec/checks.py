"""What the guard allows beside the score: each check, its unit, and the thresholds of every level in one table. Without numpy:
whoever judges by numbers that another process measured needs no more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from codec.levels import LEVELS, Level


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
        "second-metric": _check(45.0, 39.5, 34.0, "dB", 2, "PSNR-HVS-M of the whole, on which no network was trained"),
        "second-metric-tile": _check(40.0, 35.0, 30.0, "dB", 2, "PSNR-HVS-M of the worst tile"),
        "damage": _check(34.0, 29.0, 24.0, "dB", 2, "PSNR-HVS-M of 32 x 32 pixels: a block that is not the photo's"),
        "structure": _check(0.03, 0.07, 0.13, "share", 10, "coarse structure that was lost or invented"),
        "dots": _check(0.25, 0.6, 1.0, "times", 10, "a pattern of 2 to 4 pixels that the original does not have"),
        "patches": _check(0.5, 1.1, 1.7, "levels", 13, "steps at the borders of the codec's patches"),
        "seam": _check(1.0, 1.3, 1.8, "levels", 13, "a straight line that the original does not have"),
        "colour": _check(1.0, 1.5, 2.0, "Oklab %", 10, "another colour over 64 x 64 pixels"),
        "colour-shift": _check(0.4, 0.6, 0.8, "Oklab %", 10, "another colour over 256 x 256 pixels"),
        "clipping": _check(0.05, 0.1, 0.15, "share", 10, "ground that became white or black"),
        "strokes": _check(0.25, 0.45, 0.65, "share", 10, "contrast that thin strokes lost: text is hard to read"),
    }
)
"""The one table of thresholds, the same for every photo; docs/guard.md tells what they were calibrated on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The worst value of one check in a photo."""

    name: str
    """Of CHECKS."""
    value: float
    place: tuple[int, int] | None = None
    """(y, x) of the worst place's upper left corner, pixels; None for what is about the whole, or is not known."""

    def headroom(self, level: Level) -> float:
        """How far within what a level allows, in points of the score, 100 at most; below 0 it is a finding.

        Raises ValueError for a level without thresholds.
        """
        if level.name not in LEVELS:
            raise ValueError(f"the guard has no thresholds for {level.name}")
        check = CHECKS[self.name]
        limit = check.limits[level.name]
        if check.floor:
            points = (self.value - limit) * check.points
        else:
            points = 100.0 if self.value <= 0 else math.log2(limit / self.value) * check.points
        return (100.0 if points > 100 else points) - level.spare  # what is no number stays none

    def sentence(self, level: Level) -> str:
        """For people: what, how much, where, and what is allowed."""
        check = CHECKS[self.name]
        bound = "at least" if check.floor else "at most"
        where = "" if self.place is None else f" at row {self.place[0]}, column {self.place[1]}"
        return f"{check.says}: {self.value:.2f} {check.unit}{where} ({bound} {check.limits[level.name]:g})"


def limit_of(name: str, level: Level) -> float:
    """The value of a check at which the headroom is 0, for a level."""
    check = CHECKS[name]
    limit = check.limits[level.name]
    return limit + level.spare / check.points if check.floor else limit * 2 ** (-level.spare / check.points)


def failed(measured: tuple[Measured, ...], level: Level) -> tuple[Measured, ...]:
    """Those that a level does not allow. Raises ValueError for a level without thresholds."""
    return tuple(each for each in measured if not each.headroom(level) >= 0)  # a NaN fails
