"""A budget of bytes changed a night, so that a sync or a backup that follows stays small. Pure.

What counts is what a backup has to carry: archives, what stands beside them, and stand-ins. Originals that are only renamed, and what is
purged, cost nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from storage.records import RunRow


@dataclass(slots=True)
class Budget:
    """`limit_bytes` None: no limit. `spent_bytes`: what earlier runs of the same night have changed."""

    limit_bytes: int | None = None
    spent_bytes: int = 0

    def spend(self, changed_bytes: int) -> None:
        """Count bytes that were written for a photo. The photo that reaches the limit is still finished."""
        self.spent_bytes += changed_bytes

    @property
    def is_spent(self) -> bool:
        """Whether no further photo may be begun."""
        return self.limit_bytes is not None and self.spent_bytes >= self.limit_bytes

    @property
    def left_bytes(self) -> int | None:
        """What may still be changed; None without a limit."""
        return None if self.limit_bytes is None else max(0, self.limit_bytes - self.spent_bytes)


def changed_since(runs: Iterable[RunRow], since_at: int) -> int:
    """Bytes that runs begun at `since_at` (seconds since the epoch) or later have written for photos."""
    return sum(run.archive_bytes + run.stand_in_bytes for run in runs if run.started_at >= since_at)
