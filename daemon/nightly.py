"""The report of one night: what was done, saved and left, and what comes next, in one paragraph. Made of the catalogue's runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from daemon.reasons import sentence
from daemon.report import amount, change, photos
from daemon.waits import WAITS
from daemon.window import Night
from storage.records import RunRow

RUNS = 200
"""So many runs are looked at for a night; a stretch of work each."""
MOST_REASONS = 4
_LONGEST = timedelta(hours=22)
"""What is longer is a day, even one in which the clock changes."""


@dataclass(frozen=True, slots=True)
class Nightly:
    """Sums over the runs of one night, or of a single run by hand."""

    starts_at: datetime
    ends_at: datetime
    runs: int
    archived: int
    original_bytes: int
    saving_bytes: int
    purged: int
    freed_bytes: int
    failed: int
    by_reason: Counter[str]
    """Photos left alone or failed."""
    held: tuple[str, ...]
    """What broke the work off or kept it from beginning, in the order of the runs: slugs of WAITS."""
    under_way: bool = False
    """Whether the latest run has not ended (or was killed)."""

    @property
    def whole_day(self) -> bool:
        """Whether there is no night: the service works at any hour, and its days go from noon to noon."""
        return self.ends_at - self.starts_at > _LONGEST

    @property
    def anything(self) -> bool:
        return bool(self.archived or self.purged or self.failed or self.by_reason)

    def paragraph(self, zone: tzinfo, next_at: datetime | None = None, passed_by: Sequence[str] = ()) -> str:
        """`passed_by`: why galleries are not worked on at all, a text each."""
        first, last = self.starts_at.astimezone(zone), self.ends_at.astimezone(zone)
        if self.whole_day:
            parts = [f"From {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}:"]
        else:
            parts = [f"Night of {first:%Y-%m-%d}, {first:%H:%M} to {last:%H:%M}:"]
        if self.archived:
            share = self.saving_bytes / self.original_bytes if self.original_bytes else 0.0
            after = self.original_bytes - self.saving_bytes
            parts.append(
                f"{photos(self.archived)} archived, {amount(self.original_bytes)} -> {amount(after)} with stand-ins ({change(share)})."
            )
        if self.purged:
            # Runs of versions that did not count the bytes have 0, and no photo has none.
            parts.append(f"{photos(self.purged)} purged" + (f", {amount(self.freed_bytes)} given back." if self.freed_bytes else "."))
        if self.by_reason:
            (*most,) = self.by_reason.most_common(MOST_REASONS)
            told = "; ".join(f"{photos(count)} ({sentence(reason)})" for reason, count in most)
            rest = self.by_reason.total() - sum(count for _, count in most)
            parts.append(f"Not archived: {told}" + (f"; {rest} for other reasons." if rest else "."))
        if self.failed:
            parts.append(f"{photos(self.failed)} failed and will be tried again.")
        if self.under_way:
            parts.append("Work is under way.")
        elif not self.anything:
            parts.append("nothing was done." if self.held or passed_by or not self.runs else "there was nothing to do.")
        holds = [WAITS.get(reason, reason) for reason in self.held]
        if holds:
            parts.append(f"It was held up: {'; '.join(holds)}.")
        parts += [f"Passed by: {text}." for text in passed_by]
        if next_at is not None and not self.whole_day:
            parts.append(f"Next: {next_at.astimezone(zone):%Y-%m-%d %H:%M}.")
        return " ".join(parts)

    def as_json(self) -> dict[str, Any]:
        return {
            "starts_at": int(self.starts_at.timestamp()),
            "ends_at": int(self.ends_at.timestamp()),
            "runs": self.runs,
            "archived": self.archived,
            "original_bytes": self.original_bytes,
            "saving_bytes": self.saving_bytes,
            "purged": self.purged,
            "freed_bytes": self.freed_bytes,
            "failed": self.failed,
            "by_reason": dict(self.by_reason),
            "held": list(self.held),
            "under_way": self.under_way,
        }


def of_night(night: Night, runs: Sequence[RunRow]) -> Nightly:
    """`runs`: the latest first; those that began in the night count, whoever began them."""
    first, last = night.starts_at.timestamp(), night.ends_at.timestamp()
    mine = [run for run in reversed(runs) if first <= run.started_at < last]
    reasons: Counter[str] = Counter()
    for run in mine:
        reasons.update(run.by_reason)
    held = dict.fromkeys(run.outcome for run in mine if run.outcome in WAITS and run.outcome not in ("window", "asked", "reload"))
    return Nightly(
        starts_at=night.starts_at,
        ends_at=night.ends_at,
        runs=len(mine),
        archived=sum(run.archived for run in mine),
        original_bytes=sum(run.original_bytes for run in mine),
        saving_bytes=sum(run.saving_bytes for run in mine),
        purged=sum(run.purged for run in mine),
        freed_bytes=sum(run.freed_bytes for run in mine),
        failed=sum(run.failed for run in mine),
        by_reason=reasons,
        held=tuple(held),
        under_way=bool(mine) and mine[-1].ended_at is None,
    )
