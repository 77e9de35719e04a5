"""How things stand beside the sums: what the service is at, what the last night did, what comes next, and what needs attention."""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from daemon import asking, pausing
from daemon.galleries import Gallery
from daemon.nightly import Nightly, of_night
from daemon.outlook import Outlook, outlooks
from daemon.places import Places, is_folder
from daemon.report import amount, photos
from daemon.settings import Schedule
from daemon.surprise import stop_files
from daemon.sync_guard import guard
from daemon.sync_roots import QUICK
from daemon.unended import Lock, in_words
from daemon.waits import WAITS
from storage.errors import shown
from storage.records import RunRow, Totals
from storage.states import State
from storage.vault import Vault

LOW_SPACE = 0.02
"""Share of a disk below which it is worth a word."""
LONG = timedelta(days=3)
"""Without a run, and nobody said pause."""


@dataclass(frozen=True, slots=True)
class Situation:
    service: Mapping[str, Any] | None
    """What the running service says of itself (`control.as_json`); None where none runs."""
    paused_until: datetime | None
    """`pausing.FOR_EVER` for a pause without an end; None where it is not paused."""
    last_run: RunRow | None
    at_work: str
    """What is to be said of a run that has not ended."""
    last_night: Nightly
    """Or the one that is under way."""
    by_night: bool
    next_at: datetime
    """When the next night begins, if the service runs then."""
    attention: tuple[str, ...]
    outlooks: tuple[Outlook, ...]
    zone: tzinfo

    def lines(self) -> Iterator[tuple[str, str]]:
        """(label, text), for people."""
        yield "Service", self._service()
        if self.last_night.runs:
            yield self._when(), self.last_night.paragraph(self.zone).partition(": ")[2]
        elif self.last_run is not None:
            yield "Last run", self._last_run(self.last_run)
        if self.service is not None and self.paused_until is None and not self.last_night.whole_day:
            yield "Next night", f"{self.next_at.astimezone(self.zone):%Y-%m-%d %H:%M}"
        for each in self.outlooks[:1]:
            yield "Outlook", each.sentence()
        for text in self.attention:
            yield "Attention", text

    def _when(self) -> str:
        if self.last_night.whole_day:
            return f"Since {self.last_night.starts_at.astimezone(self.zone):%H:%M}"
        return "This night" if self.by_night else "Last night"

    def _service(self) -> str:
        if self.paused_until is not None:
            until = "" if self.paused_until == pausing.FOR_EVER else f" until {self.paused_until.astimezone(self.zone):%Y-%m-%d %H:%M}"
            return f"paused{until}" + ("" if self.service else "; it does not run")
        if self.service is None:
            return 'does not run; "gallery-optimizer service install" has systemd run it, "optimize" works without it'
        if self.service["what"] in ("working", "asked"):
            done, total = self.service["done"], self.service["total"]
            text = f"at work, {done} of {photos(total)}" if total else "at work, looking around"
            saved = self.service["saving_bytes"]
            return text + (f", {amount(saved)} saved" if saved else "") + (f": {self.service['photo']}" if self.service["photo"] else "")
        if self.service["what"] == "silent":
            return "runs, and does not answer at once: the computer has other things to do"
        if self.service["what"] == "verifying":
            return f"reads archives again, {self.service['done']} of {self.service['total']}"
        if self.service["why"]:
            return f"waits: {self.service['why']}"
        return "has done what there was to do; it looks again later" if self.service["night_ends_at"] else "waits for the night"

    def _last_run(self, run: RunRow) -> str:
        when = datetime.fromtimestamp(run.started_at, UTC).astimezone(self.zone)
        if run.ended_at is None:  # its counts come with its end
            return f"begun {when:%Y-%m-%d %H:%M}; {self.at_work}"
        did = [f"{photos(count)} {what}" for count, what in ((run.archived, "archived"), (run.purged, "purged")) if count]
        text = f"{when:%Y-%m-%d %H:%M}, " + (", ".join(did) or "nothing archived or purged")
        if not run.outcome:
            return text
        return f"{text}; broken off: {WAITS[run.outcome]}" if run.outcome in WAITS else f"{text}; it was stopped"

    def as_json(self) -> dict[str, Any]:
        until = self.paused_until
        return {
            "service": None if self.service is None else dict(self.service),
            "paused": until is not None,
            "paused_until_at": None if until is None or until == pausing.FOR_EVER else int(until.timestamp()),
            "last_run_at": None if self.last_run is None else self.last_run.started_at,
            "last_night": self.last_night.as_json(),
            "next_night_at": int(self.next_at.timestamp()),
            "outlook": [each.as_json() for each in self.outlooks],
            "attention": list(self.attention),
        }


def look(
    places: Places,
    schedule: Schedule,
    galleries: Sequence[tuple[Gallery, Totals]],
    runs: Sequence[RunRow],
    lock: Lock,
    now: datetime,
    zone: tzinfo,
    archived: Mapping[bytes, int],
    known: Collection[bytes],
) -> Situation:
    """Gather it all; quick, and without taking the lock. `runs`: the latest first; `lock`: as it was before they were read; `archived`: how
    many photos have only a stand-in in their place, by gallery, whether that is configured or not; `known`: galleries with something in
    their vaults that the catalogue knows of."""
    service = asking.doing(places)
    paused_until = pausing.paused_until(places, now)
    tonight = schedule.window.night(now, zone)
    night = tonight or schedule.window.last_night(now, zone)
    last_run = runs[0] if runs else None
    present = [(gallery, totals) for gallery, totals in galleries if is_folder(gallery.root)]
    attention = [text for gallery, totals in galleries for text in _attention(places, gallery, totals, gallery.key in known, now)]
    attention += _left_out([gallery for gallery, _ in galleries], archived)
    last_at = now if last_run is None else datetime.fromtimestamp(last_run.started_at, UTC)
    if service is None and paused_until is None and now - last_at > LONG:
        attention.append(f"no run since {last_at.astimezone(zone):%Y-%m-%d}, and the service does not run")
    return Situation(
        service=service,
        paused_until=paused_until,
        last_run=last_run,
        at_work="" if last_run is None else in_words(last_run, last_run, lock),
        last_night=of_night(night, runs),
        by_night=tonight is not None,
        next_at=schedule.window.next_night(now, zone).starts_at,
        attention=tuple(dict.fromkeys(attention)),
        outlooks=tuple(outlooks(places, [(gallery.root, totals) for gallery, totals in present])),
        zone=zone,
    )


def _attention(places: Places, gallery: Gallery, totals: Totals, known: bool, now: datetime) -> Iterator[str]:
    where = shown(gallery.root)
    if not is_folder(gallery.root):
        yield f"{where} is not there; is its disk mounted?"
        return
    if not os.access(gallery.root, os.W_OK):
        yield f"{where} can't be written to, so nothing is archived there: it is mounted read-only, or belongs to somebody else"
    if known and not gallery.vault.is_there:
        yield f"the vault of {where} is not there, so nothing is done there; is the right disk mounted?"
    if not known and _has_archives(gallery):
        yield f"archives lie in {where} that the catalogue does not know, since it is lost or old: doctor --rebuild"
    for place in stop_files(places, gallery):
        yield f"the file {shown(place)} stops all work; remove it to go on"
    seen = guard(gallery.root, gallery.settings, QUICK)
    for text in seen.refusals:
        yield f"nothing is archived in {where}: {text}"
    dates = [each.earliest_at for each in (totals.retired, totals.kept) if each.earliest_at is not None]
    due = any(date <= now.timestamp() for date in dates)
    if due and gallery.settings.backup_check:
        yield f"originals in {where} whose grace is over go as soon as backup_check finds their archives in a backup"
    elif due and (seen.both_ways or seen.by_word) and not gallery.settings.one_copy:
        who = seen.both_ways[0].tool if seen.both_ways else "a sync tool (two_way_sync)"
        yield f"originals in {where} whose grace is over wait: {who} carries their stand-ins (backup_check, one_copy)"
    failed = totals.by_state[State.FAILED]
    if failed:
        yield f'{photos(failed)} in {where} failed and will be tried again; "explain" says why'
    usage = shutil.disk_usage(gallery.root)
    if usage.free < usage.total * LOW_SPACE:
        yield f"the disk of {where} has only {amount(usage.free)} left"


def _left_out(galleries: Sequence[Gallery], archived: Mapping[bytes, int]) -> Iterator[str]:
    """Of galleries that were taken out of the configuration with archives in them: nobody looks after those. One that was moved or copied,
    and is configured where it is now, is none of them."""
    known, ids = {gallery.key for gallery in galleries}, {gallery.vault.id for gallery in galleries}
    for key, count in archived.items():
        root = Path(os.fsdecode(key))
        vault = Vault(root)
        if key in known or not is_folder(vault.folder) or vault.id in ids:
            continue
        around = next((f" in place of {shown(each.root)}" for each in galleries if root.is_relative_to(each.root)), "")
        yield (
            f"{photos(count)} in {shown(root)} {'is' if count == 1 else 'are'} archived, but the configuration does not name it any more: "
            f"nothing there is restored, verified or purged. Write it in again{around}, and eject it if you want to be rid of it"
        )


def _has_archives(gallery: Gallery) -> bool:
    """Whether there are any, whatever the catalogue says; told by the first."""
    try:
        return next((gallery.vault.folder / "archives").glob("??/*.nphoto"), None) is not None
    except OSError:
        return False
