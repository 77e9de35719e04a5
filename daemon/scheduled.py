"""The pace of scheduled work: hours, machine, room and idleness, asked for between any two photos.

The service and `optimize --scheduled` share it, so both wait for the same things.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.budget import Budget
from daemon.composition import Workshop
from daemon.eligibility import Sighting
from daemon.errors import Held
from daemon.galleries import Gallery, holding
from daemon.gate import hold
from daemon.idleness import Idleness
from daemon.machine import Machine, Room
from daemon.nights import tonight
from daemon.pace import Pace
from daemon.pausing import paused_until
from daemon.ports import Clock
from daemon.settings import Schedule
from daemon.settling import Settling
from daemon.waits import Hold
from daemon.window import Night
from storage.ledger import Ledger
from storage.records import PhotoRow

if TYPE_CHECKING:
    from daemon.summary import Summary

_FACTS_S = 15.0
"""The machine is asked anew after so many seconds."""


@dataclass(slots=True)
class Scheduled(Pace):
    """Of one stretch of work. `asked`: what else may stop it; `beat`: called at every question, a sign of life."""

    schedule: Schedule
    clock: Clock
    machine: Machine
    settling: Settling
    galleries: Sequence[Gallery]
    night: Night
    asked: Callable[[], Hold | None] = lambda: None
    beat: Callable[[], None] = lambda: None
    told: "Callable[[Summary], None]" = lambda _: None
    idle: Callable[[Gallery, Sequence[PhotoRow]], list[PhotoRow]] = lambda _, rows: list(rows)
    next_is: Callable[[Path], None] = lambda _: None
    last_was: Callable[[Path], None] = lambda _: None
    room: Callable[[Path], Room | None] = Room.of
    _checked_at: datetime | None = field(default=None, init=False)
    _at: Path | None = field(default=None, init=False)

    purges_first = True

    def check(self) -> None:
        self.beat()
        now = self.clock.now()
        found = self.asked() or (None if self.night.holds(now) else Hold("window"))
        if found is None and (self._checked_at is None or abs((now - self._checked_at).total_seconds()) >= _FACTS_S):
            self._checked_at = now
            found = machine_hold(self.machine, self.schedule, made_up=self.night.made_up)
        if found is not None:
            raise Held(found)

    def early_s(self, gallery: Gallery) -> float:
        return max(0.0, gallery.grace_s - self.schedule.grace_minimum.total_seconds())

    def is_short(self, gallery: Gallery) -> bool:
        found = self.room(gallery.root)
        return found is not None and found.is_below(self.schedule.start_when_free_below)

    def ready(self, sighting: Sighting) -> bool:
        self.beat()
        found = self.asked()
        if found is not None:
            raise Held(found)
        gallery = holding(list(self.galleries), sighting.path)
        quiet_s = 0.0 if gallery is None else gallery.settings.quiet.total_seconds()
        return self.settling.has_settled(os.fsencode(sighting.path), sighting.fingerprint, quiet_s)

    def choose(self, gallery: Gallery, rows: Sequence[PhotoRow]) -> list[PhotoRow]:
        return self.idle(gallery, rows)

    def before(self, gallery: Gallery, row: PhotoRow) -> None:
        self._at = row.location
        self.next_is(row.location)

    def after(self, total: "Summary") -> None:
        if self._at is not None:
            self.last_was(self._at)
        self.told(total)


def for_one_run(shop: Workshop, zone: tzinfo, machine: Machine) -> tuple[Scheduled, Budget]:
    """What `optimize --scheduled` keeps to. Raises Held where nothing may be begun now."""
    schedule, now = shop.settings.schedule, shop.clock.now()
    short = [room for each in shop.galleries if (room := Room.of(each.root)) and room.is_below(schedule.start_when_free_below)]
    night = tonight(schedule.window, zone, now, pressed=bool(short))
    if night is None:
        raise Held(Hold("window", f"they are {schedule.window}"))

    def paused() -> Hold | None:
        return Hold("paused") if paused_until(shop.places, shop.clock.now()) else None

    idle = Idleness(shop.clock).choose
    pace = Scheduled(schedule, shop.clock, machine, Settling(lambda: now.timestamp()), shop.galleries, night, asked=paused, idle=idle)
    pace.check()
    return pace, budget_of(schedule, shop.catalog, night)


def machine_hold(machine: Machine, schedule: Schedule, *, before: Hold | None = None, made_up: bool = False) -> Hold | None:
    """Why the machine would rather not, now."""
    facts = machine.facts(with_session=made_up or schedule.only_when_idle_session)
    return hold(facts, schedule, before=before, made_up=made_up)


def budget_of(schedule: Schedule, catalog: Ledger, night: Night) -> Budget:
    """What may still be written in this night, whoever wrote the rest, and however those runs ended. What was archived by a clock that was
    ahead is not of this night: it would be of every night for as long."""
    photos, changed_bytes = catalog.archived_since(int(night.starts_at.timestamp()), int(night.ends_at.timestamp()))
    return Budget(schedule.nightly_budget, changed_bytes, schedule.nightly_files, photos)
