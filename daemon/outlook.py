"""The forecast: when the disk will be full at the rate at which photos come, and how much later with everything archived.

The rate is that of the photos' own dates over the last twelve weeks. It needs a look at every row: a run notes it in the state folder, and
`status` only reads it there.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.galleries import Gallery
from daemon.places import Places
from daemon.report import counted
from storage import durable
from storage.errors import StorageError, shown
from storage.ledger import Ledger
from storage.records import Totals

WEEKS = 12
WEEK_S = 7 * 86400
LONGEST_WEEKS = 5 * 52
"""Beyond that nobody needs a number."""
FRESH_S = 6 * 3600
FEW = 5
"""So many photos in twelve weeks are a rate; fewer are chance."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of one disk. Weeks are None where the disk lasts for years."""

    path: str
    """A gallery on it."""
    free_bytes: int
    bytes_a_week: float
    saved_share: float | None
    """Of a photo's bytes, as it came out so far; None before anything was archived."""
    full_in_weeks: float | None
    full_in_weeks_optimized: float | None

    def sentence(self) -> str:
        from daemon.report import amount

        rate = f"{shown(self.path)}: at this rate ({amount(round(self.bytes_a_week))} of photos a week)"
        if self.full_in_weeks is None:
            return f"{rate} its disk lasts for years."
        text = f"{rate} its disk is full in {_weeks(self.full_in_weeks)}"
        if self.saved_share is None:
            return f"{text}."
        if self.full_in_weeks_optimized is None:
            return f"{text}; optimized, it lasts for years."
        more = self.full_in_weeks_optimized - self.full_in_weeks
        return f"{text}; optimizing gives you {_weeks(more)} more." if more >= 1 / 7 else f"{text}."

    def as_json(self) -> dict[str, Any]:
        return {
            "path": shown(self.path),
            "free_bytes": self.free_bytes,
            "bytes_a_week": round(self.bytes_a_week),
            "saved_share": self.saved_share,
            "full_in_weeks": self.full_in_weeks,
            "full_in_weeks_optimized": self.full_in_weeks_optimized,
        }


def foretell(path: str, free_bytes: int, bytes_a_week: float, waiting_bytes: float, sums: Sequence[Totals]) -> Outlook:
    """From what is free, what comes, what waits to be archived, and what archiving has saved so far."""
    done = [each for totals in sums for each in (totals.purged, totals.retired)]
    original_bytes = sum(each.original_bytes for each in done)
    share = sum(each.saving_bytes for each in done) / original_bytes if original_bytes else None
    optimized = None
    if share is not None and share < 1:
        to_come = sum(totals.retired.saving_bytes for totals in sums) + share * waiting_bytes
        optimized = _within(max(0.0, free_bytes + to_come) / (bytes_a_week * (1 - share)))
    return Outlook(path, free_bytes, bytes_a_week, share, _within(free_bytes / bytes_a_week), optimized)


def _within(weeks: float) -> float | None:
    return round(weeks, 1) if weeks <= LONGEST_WEEKS else None


def _weeks(weeks: float) -> str:
    for unit, length, most in (("day", 1 / 7, 14), ("week", 1.0, 16), ("month", 52 / 12, 24)):
        count = round(weeks / length)
        if count <= most:
            return counted(count, unit)
    return f"{round(weeks / 52)} years"


def note(places: Places, galleries: Sequence[Gallery], catalog: Ledger, now: int) -> None:
    """After a run: how much came in the last weeks, by gallery. What was noted a few hours ago still holds, for every row is looked at.

    Where it can't be noted, only the forecast is missing.
    """
    if 0 <= now - _noted_at(places) < FRESH_S:
        return
    since_ns = (now - WEEKS * WEEK_S) * 10**9
    found = {}
    for gallery in galleries:
        photos, size_bytes = catalog.dated_since(gallery.key, since_ns, now * 10**9)
        waiting = catalog.queued_bytes(gallery.key)
        found[shown(gallery.root)] = {"photos": photos, "bytes_a_week": size_bytes / WEEKS, "waiting_bytes": waiting}
    text = json.dumps({"at": now, "galleries": found}, indent=1)
    try:
        durable.write_over(places.outlook_file, text.encode())
    except StorageError as error:
        _log.warning("the forecast can't be noted: %s", error)


def outlooks(places: Places, totals: Sequence[tuple[Path, Totals]]) -> list[Outlook]:
    """One for each disk that has galleries into which photos come; the disk that is full first comes first."""
    noted = _read(places)
    disks: dict[int, list[tuple[Path, Totals]]] = {}
    for root, each in totals:
        with suppress(OSError):
            disks.setdefault(root.stat().st_dev, []).append((root, each))
    found = []
    for mine in disks.values():
        weekly, waiting = (sum(noted.get(shown(root), (0.0, 0.0))[which] for root, _ in mine) for which in (0, 1))
        if weekly > 0:
            first = mine[0][0]
            found.append(foretell(str(first), shutil.disk_usage(first).free, weekly, waiting, [each for _, each in mine]))
    return sorted(found, key=lambda each: each.full_in_weeks or LONGEST_WEEKS)


def _noted_at(places: Places) -> int:
    try:
        return int(json.loads(places.outlook_file.read_text(encoding="utf-8"))["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _read(places: Places) -> dict[str, tuple[float, float]]:
    """By gallery: bytes a week, and bytes that wait to be archived."""
    try:
        galleries = json.loads(places.outlook_file.read_text(encoding="utf-8"))["galleries"]
        return {
            name: (float(each["bytes_a_week"]), float(each["waiting_bytes"])) for name, each in galleries.items() if each["photos"] >= FEW
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
