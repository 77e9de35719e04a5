"""Has a photo been left alone long enough? Nobody wrote, opened or used it for the gallery's `idle_for`. Decisions are pure.

Reading is believed only where the file system notes it, and where no indexer went through the gallery: one that opened a fifth of all
photos within an hour is nobody who looks at pictures.
"""

import bisect
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from daemon.galleries import Gallery
from daemon.mounts import Mount, mount_of, mounts
from daemon.ports import Clock
from storage.records import PhotoRow

CROWD = 0.2
"""Of a gallery's photos, opened within CROWD_S: that was a program."""
CROWD_S = 3600.0
FEWEST = 5
"""So many at least: of three photos, one opened is no crowd."""
ARRIVAL_S = 120.0
"""A reading that is hardly later than the last change belongs to it: sync tools and file managers read what they wrote."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Touches:
    """When a photo was written, changed in any way, and opened (None where that can't be believed); seconds since the epoch."""

    written_s: float
    changed_s: float
    opened_s: float | None = None
    used_s: float | None = None
    """By the desktop's list of recently used files."""


def last_touch(touches: Touches, now_s: float) -> float:
    """The moment from which a photo is left alone. A date of writing that lies ahead is a camera's error; then the ctime counts."""
    written_s = touches.written_s if touches.written_s <= now_s else min(touches.changed_s, now_s)
    opened_s = touches.opened_s
    if opened_s is not None and not touches.changed_s + ARRIVAL_S < opened_s <= now_s:
        opened_s = None
    used = [each for each in (opened_s, touches.used_s) if each is not None and each <= now_s]
    return max([written_s, *used])


def is_idle(touches: Touches, now_s: float, idle_for_s: float) -> bool:
    """Whether nobody wrote, opened or used a photo for `idle_for_s`; times in seconds since the epoch."""
    return now_s - last_touch(touches, now_s) >= idle_for_s


def crowds(opened: Iterable[float]) -> list[tuple[float, float]]:
    """Stretches of time in which so many photos were opened that it was a program; sorted, and apart from one another."""
    times = sorted(opened)
    enough = max(FEWEST, CROWD * len(times))
    found: list[tuple[float, float]] = []
    for first, start in enumerate(times):
        last = bisect.bisect_right(times, start + CROWD_S) - 1
        if last - first + 1 >= enough:
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], times[last]))
            else:
                found.append((start, times[last]))
    return found


def in_crowd(opened_s: float, found: Sequence[tuple[float, float]]) -> bool:
    """Whether a time lies in one of these stretches, as `crowds` gives them."""
    at = bisect.bisect_right(found, (opened_s, float("inf"))) - 1
    return at >= 0 and found[at][0] <= opened_s <= found[at][1]


def believable(mount: Mount | None) -> bool:
    """Whether the file system notes when a file is read."""
    return mount is not None and "noatime" not in mount.options and not mount.is_remote


def recently_used(text: bytes) -> dict[Path, float]:
    """Files in the desktop's list (recently-used.xbel) and when each was last used; what can't be understood says nothing."""
    from urllib.parse import unquote_to_bytes, urlsplit

    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    found: dict[Path, float] = {}
    try:
        bookmarks = list(ElementTree.fromstring(text).iter("bookmark"))
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return found
    for bookmark in bookmarks:
        try:
            place = urlsplit(bookmark.get("href") or "")
        except ValueError:
            continue
        if place.scheme != "file":
            continue
        times = [moment for name in ("visited", "modified") if (moment := _moment(bookmark.get(name))) is not None]
        if times:
            found[Path(os.fsdecode(unquote_to_bytes(place.path)))] = max(times)
    return found


def _moment(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def recent_list() -> Mapping[Path, float]:
    """Of the user who runs us."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    try:
        return recently_used((Path(data).expanduser() / "recently-used.xbel").read_bytes())
    except (OSError, RuntimeError):
        return {}


@dataclass(slots=True)
class Idleness:
    """Chooses the idle photos of a gallery's queue, those that were left alone for longest first."""

    clock: Clock
    recent: Mapping[Path, float] | None = None
    table: list[Mount] | None = None

    def choose(self, gallery: Gallery, rows: Sequence[PhotoRow]) -> list[PhotoRow]:
        """Those of the rows that are idle now."""
        now_s = self.clock.now().timestamp()
        recent = recent_list() if self.recent is None else self.recent
        believed = believable(mount_of(mounts() if self.table is None else self.table, gallery.root))
        touched: list[tuple[PhotoRow, Touches]] = []
        for row in rows:
            fingerprint = row.fingerprint
            opened_s = _opened_s(row.location) if believed else None
            used_s = recent.get(row.location)
            touched.append((row, Touches(fingerprint.mtime_ns / 1e9, fingerprint.ctime_ns / 1e9, opened_s, used_s)))
        crowded = crowds(each.opened_s for _, each in touched if each.opened_s is not None)
        chosen: list[tuple[float, PhotoRow]] = []
        for row, each in touched:
            if each.opened_s is not None and in_crowd(each.opened_s, crowded):
                each = replace(each, opened_s=None)
            if is_idle(each, now_s, gallery.settings.idle_for.total_seconds()):
                chosen.append((last_touch(each, now_s), row))
        chosen.sort(key=lambda pair: (pair[0], pair[1].id))
        if len(chosen) < len(rows):
            _log.info("%s: %d of %d photos are not idle yet", gallery.root, len(rows) - len(chosen), len(rows))
        return [row for _, row in chosen]


def _opened_s(path: Path) -> float | None:
    try:
        return os.lstat(path).st_atime
    except OSError:
        return None
