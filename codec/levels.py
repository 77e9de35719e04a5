"""The quality levels that a user chooses from.

A level is a threshold of the guard: the SSIMULACRA2 score that a decoded archive must reach, for the whole photo and for
its worst 512 x 512 tile. `exact` is no level of the guard: there the bytes are identical.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Self


@dataclass(frozen=True, slots=True)
class Level:
    """What a decoded archive must reach, in SSIMULACRA2 points (100 is identical)."""

    name: str
    whole: float
    worst_tile: float
    spare: float = 0.0
    """Points by which every other check of the guard must be better than its threshold, too."""

    def raised(self, points: float, spare: float) -> Self:
        """The same with higher scores, and more to spare for the other checks."""
        return replace(self, whole=self.whole + points, worst_tile=self.worst_tile + points, spare=self.spare + spare)


LEVELS: Final[Mapping[str, Level]] = MappingProxyType(
    {
        level.name: level
        for level in (
            Level("visually-lossless", whole=90.0, worst_tile=80.0),
            Level("high", whole=80.0, worst_tile=70.0),
            Level("compact", whole=70.0, worst_tile=55.0),
        )
    }
)

DEFAULT_LEVEL: Final = LEVELS["high"]

EXACT: Final = Level("exact", whole=100.0, worst_tile=100.0)
"""Identical bytes. Not one of LEVELS: no lossy archive reaches it, and no guard is asked."""

COPY_MARGIN: Final = 2.0
"""Points that the rebuilt JPEG copy may lose against the decoded archive, since it is coded once more."""


def level_of(name: str) -> Level:
    """The level that a user named, `exact` among them. Raises KeyError for what is none."""
    return EXACT if name == EXACT.name else LEVELS[name]
