"""What a run did, added up photo by photo."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from daemon.in_place import Beside
from daemon.optimizer import Kind, Outcome
from daemon.reasons import in_full, sentence
from daemon.report import change
from daemon.waits import Hold


@dataclass(slots=True)
class Summary:
    """What a run did. Sizes are of the photos archived in it."""

    recovered: int = 0
    archived: int = 0
    left: Counter[str] = field(default_factory=Counter)
    """By reason."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Photo and what went wrong."""
    gone: list[str] = field(default_factory=list)
    """What is wrong with galleries that were passed by."""
    full: list[str] = field(default_factory=list)
    """What is to be said of disks that are too full to go on."""
    beside: list[Beside] = field(default_factory=list)
    """Full photos that were put beside an edit of their stand-in."""
    held: Hold | None = None
    """Why the run was broken off before its end."""
    requested: list[str] = field(default_factory=list)
    """Photos that were asked for in the folder for requests, and restored."""
    followed: int = 0
    """Photos and stand-ins that were renamed or moved, and that the catalogue knows under their new names now."""
    again: int = 0
    postponed: int = 0
    """Photos that wait for the next night, since the budget is spent."""
    purged: int = 0
    freed_bytes: int = 0
    waiting: Counter[str] = field(default_factory=Counter)
    """Originals whose grace is over and that wait for something else, by what that is."""
    missed: int = 0
    """Photos that were deleted by their user: into the trash."""
    lost: list[str] = field(default_factory=list)
    """Photos that are gone, and their archives, too."""
    thrown_away: int = 0
    earlier: int = 0
    """Archives of earlier versions that were thrown away."""
    original_bytes: int = 0
    archive_bytes: int = 0
    stand_in_bytes: int = 0
    worked: int = 0
    """Photos taken out of the queue, whatever became of them."""
    worked_bytes: int = 0
    by_lane: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[str] = field(default_factory=Counter)
    """Photos left or failed."""

    @property
    def saving_bytes(self) -> int:
        """Saved once the originals are purged; stand-ins counted."""
        return self.original_bytes - self.archive_bytes - self.stand_in_bytes

    @property
    def nothing_done(self) -> bool:
        changed = (self.recovered, self.followed, self.beside, self.requested, self.archived, self.purged)
        thrown = (self.missed, self.lost, self.thrown_away, self.earlier)
        return not (any(changed) or any(thrown) or self.gone or self.full or self.left or self.failed or self.again)

    def add(self, name: str, outcome: Outcome) -> str:
        """Count one photo; what to say about it."""
        match outcome.kind:
            case Kind.ARCHIVED:
                self.archived += 1
                self.original_bytes += outcome.original_bytes
                self.archive_bytes += outcome.archive_bytes
                self.stand_in_bytes += outcome.stand_in_bytes
                share = 1 - (outcome.archive_bytes + outcome.stand_in_bytes) / outcome.original_bytes
                return f"archived, {change(share)}"
            case Kind.LEFT:
                self.left[outcome.reason] += 1
                self.by_reason[outcome.reason] += 1
                return f"left alone: {in_full(outcome.reason, outcome.detail)}"
            case Kind.FAILED:
                text = f"{sentence(outcome.reason)} ({outcome.detail})"
                self.failed.append((name, text))
                self.by_reason[outcome.reason] += 1
                return f"failed: {text}"
            case Kind.AGAIN:
                self.again += 1
                return "changed meanwhile; next time"

    def columns(self) -> dict[str, Any]:
        """What the catalogue keeps of it, by the names of its columns."""
        as_they_are = ("archived", "purged", "original_bytes", "archive_bytes", "stand_in_bytes", "worked", "worked_bytes", "freed_bytes")
        return {
            **{name: getattr(self, name) for name in (*as_they_are, "by_lane", "by_reason")},
            "left": self.left.total(),
            "failed": len(self.failed),
        }
