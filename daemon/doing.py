"""What the service is at, for anybody who asks: one frozen value, replaced as a whole, so that any thread may read it."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from daemon.pausing import FOR_EVER
from daemon.ports import Progress
from daemon.waits import Hold
from daemon.window import Night

if TYPE_CHECKING:
    from daemon.summary import Summary

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Doing:
    """See above."""

    what: str = "waiting"
    """waiting | working | asked (working on what somebody asked for) | verifying | paused; to whom it does not answer: silent"""
    hold: Hold | None = None
    """Why it waits although it is night."""
    night: Night | None = None
    next_night: Night | None = None
    gallery: str = ""
    photo: str = ""
    done: int = 0
    total: int = 0
    """Of the gallery at hand."""
    archived: int = 0
    """In this stretch of work, as the next."""
    saving_bytes: int = 0
    paused_until: datetime | None = None

    def line(self, zone: tzinfo) -> str:
        """For `systemctl status`."""
        from daemon.report import amount

        if self.what == "verifying":
            return f"reading archives again: {self.done}/{self.total}"
        if self.what in ("working", "asked"):
            return f"{self.done}/{self.total}, {amount(self.saving_bytes)} saved" + (f": {self.photo}" if self.photo else "")
        if self.what == "paused":
            until = None if self.paused_until == FOR_EVER else self.paused_until
            return "paused" + ("" if until is None else f" until {until.astimezone(zone):%a %H:%M}")
        if self.hold is not None:
            return f"waiting: {self.hold}"
        if self.night is not None:
            return "all is done; waiting for new photos"
        return "waiting" + ("" if self.next_night is None else f" for {self.next_night.starts_at.astimezone(zone):%a %H:%M}")


class Board:
    """Where `Doing` hangs; also the progress of a run."""

    def __init__(self) -> None:
        self.now = Doing()
        self._what = "working"

    def show(self, what: str) -> "Board":
        """Progress of a run that is about to begin."""
        self._what = what
        return self

    def told(self, total: "Summary") -> None:
        self.now = replace(self.now, archived=total.archived, saving_bytes=total.saving_bytes)

    def start(self, total: int, what: str) -> None:
        self.now = replace(self.now, what=self._what, hold=None, gallery=what, photo="", done=0, total=total)

    def step(self, name: str) -> None:
        self.now = replace(self.now, photo=name)

    def done(self, name: str, outcome: str) -> None:
        self.now = replace(self.now, done=self.now.done + 1)
        _log.info("%s: %s", name, outcome)

    def close(self) -> None:
        self.now = Doing(night=self.now.night)


class Both:
    """Progress that two listen to."""

    def __init__(self, first: Progress, second: Progress) -> None:
        self._all = (first, second)

    def start(self, total: int, what: str) -> None:
        for each in self._all:
            each.start(total, what)

    def step(self, name: str) -> None:
        for each in self._all:
            each.step(name)

    def done(self, name: str, outcome: str) -> None:
        for each in self._all:
            each.done(name, outcome)

    def close(self) -> None:
        for each in self._all:
            each.close()
