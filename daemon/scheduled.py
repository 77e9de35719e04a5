"""The pace of scheduled work: hours, machine, room and idleness, asked for between any two photos.

The service and `optimize --scheduled` share it, so both wait for the same things.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.budget import Budget
from daemon.eligibility import Sighting
from daemon.errors import Held
from daemon.galleries import Gallery, holding
from daemon.gate import hold
from daemon.machine import Machine
from daemon.pace import Pace
from daemon.ports import Clock
from daemon.settings import Schedule
from daemon.settling import Settling
from daemon.waits import Hold
from daemon.window import Night
from storage.ledger import Ledger
from storage.records import PhotoRow

if TYPE_CHECKING:
    from daemon.run import Summary

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
    _checked_at: datetime | None = field(default=None, init=False)

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
        self.next_is(row.location)

    def after(self, total: "Summary") -> None:
        self.told(total)


def machine_hold(machine: Machine, schedule: Schedule, *, before: Hold | None = None, made_up: bool = False) -> Hold | None:
    """Why the machine would rather not, now."""
    facts = machine.facts(with_session=made_up or schedule.only_when_idle_session)
    return hold(facts, schedule, before=before, made_up=made_up)


def budget_of(schedule: Schedule, catalog: Ledger, night: Night) -> Budget:
    """What may still be written in this night, whoever wrote the rest, and however those runs ended."""
    photos, changed_bytes = catalog.archived_since(int(night.starts_at.timestamp()))
    return Budget(schedule.nightly_budget, changed_bytes, schedule.nightly_files, photos)
