"""What the service does at each look at the clock: work that was asked for, new arrivals, the night. No threads: `step` is called.

Everything that other threads may call is in the first part; the rest belongs to the thread that calls `step`.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from daemon import pausing
from daemon.asked import Asked, Result
from daemon.composition import Workshop, start_workers
from daemon.doing import Board, Both, Doing
from daemon.errors import CommandFailed, DaemonError, Held, Interrupted
from daemon.gathering import Gathering
from daemon.idleness import Idleness
from daemon.intake import BATCH_S, Arrival, Intake, arrivals
from daemon.machine import Machine, Room
from daemon.nights import SLEPT, missed, tonight
from daemon.places import Places
from daemon.ports import Clock, Codec, Silence
from daemon.run import optimize
from daemon.scheduled import Scheduled, budget_of, machine_hold
from daemon.scrub import scrub
from daemon.settings import Settings
from daemon.settling import Settling
from daemon.summary import Summary
from daemon.surprise import STOP_NAME
from daemon.waits import Hold
from daemon.window import Night
from storage.errors import Locked, StorageError

_log = logging.getLogger(__name__)

COMMAND = "run"
"""Name of the service's runs in the history."""
_LONGEST_S = 60.0
_LONGEST_REST = timedelta(days=1, hours=2)
"""A rest that seems to last longer comes from a clock that was put back."""
_COOL = timedelta(minutes=5)
"""After work was held up by the machine: a look at the whole gallery costs too much to begin with every gust."""
_REST = timedelta(hours=3)
"""After everything was done: a night is looked over again, for what no event told of."""
_CALLED_AWAY = frozenset({"stopping", "asked", "reload", "paused"})
"""Reasons for which work ends at once that could go on at once."""


class Nightwork:
    """One set-up's service, without its threads."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        clock: Clock,
        zone: tzinfo,
        *,
        machine: Machine | None = None,
        shop: Callable[[Places, Settings], Workshop] | None = None,
        reading: Callable[[Places, Settings], Workshop] | None = None,
        room: Callable[[Path], Room | None] = Room.of,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.places = places
        self.settings = settings
        self.clock = clock
        self.zone = zone
        self.machine = machine or Machine()
        self.settling = Settling(lambda: clock.now().timestamp())
        self.board = Board()
        self.intake = Intake(self.settling, self._beat_or_leave)
        self.about_to_change: Callable[[Path], None] = lambda _: None
        """Called with every photo before it is worked on: what follows there is our own doing."""
        self.changed: Callable[[Path], None] = lambda _: None
        """Called with it when that is done."""
        self.night_over: list[Callable[[Night], None]] = []
        """Called after every night, whether there was work in it or not."""
        self._shop = shop or (lambda places, settings: Workshop(places, settings, clock, self._workers, patient=False))
        self._reading = reading or shop or (lambda places, settings: Workshop(places, settings, clock, self._workers, reading=True))
        self._room = room
        self._beat_once = beat
        self._asked: deque[Asked[Any]] = deque()
        self._stopping = threading.Event()
        self._new_settings: Settings | None = None
        self._at_work: Workshop | None = None
        self._hold: Hold | None = None
        self._night: Night | None = None
        self._worked = False
        self._scrubbed: Night | None = None
        self._rest_until: datetime | None = None
        self._gathering = Gathering()
        self._made_up: Night | None = None
        self._last_look: datetime | None = None

    # From any thread.

    def stop(self) -> None:
        """End soon, in the midst of a photo if need be: it goes back into the queue."""
        self._stopping.set()
        shop = self._at_work
        codec = None if shop is None else shop.started_codec
        if codec is not None:
            codec.interrupt()
        while (asked := self._next_asked()) is not None:
            asked.error = Held(Hold("stopping"))
            asked.finish()

    def pause(self, until: datetime | None = None) -> None:
        """Begin no further photo until then, or until `resume`; also after a restart. Raises StorageError."""
        pausing.pause(self.places, until)

    def resume(self) -> None:
        pausing.resume(self.places)

    def ask(self, asked: Asked[Result]) -> Asked[Result]:
        """Have this done next: before anything else, whatever the hour and the pause."""
        self._asked.append(asked)
        return asked

    def reload(self, settings: Settings) -> None:
        """Use these from the next photo on."""
        self._new_settings = settings

    def progress(self) -> Doing:
        return self.board.now

    def arrived(self, paths: Iterable[Path]) -> None:
        """Something was written under these names, or came there; or anything may have, below a folder."""
        self.intake.add(paths, BATCH_S)

    @property
    def wait_s(self) -> float:
        """How long `step` need not be called, if nothing happens."""
        soon = [self.intake.wait_s(), self._gathers_s(self.clock.now())]
        return min([_LONGEST_S, *(max(1.0, wait_s) for wait_s in soon if wait_s is not None)])

    def _gathers_s(self, now: datetime) -> float | None:
        """Seconds for which arrivals are still gathered: as long as the slowest gallery's photos take to settle."""
        return self._gathering.wait_s(now, max(gallery.quiet for gallery in self.settings.galleries))

    def _next_asked(self) -> Asked[Any] | None:
        try:
            return self._asked.popleft()
        except IndexError:  # asked for in one step: another thread may have taken the last one since
            return None

    # In the thread that works.

    def step(self) -> None:
        """Look at the clock, and do what is due. Returns when that is done, or was broken off."""
        self._beat()
        if self._new_settings is not None:
            self.settings, self._new_settings = self._new_settings, None
            self._rest_until = None
        while not self._stopping.is_set() and (asked := self._next_asked()) is not None:
            self._serve(asked)
        if self._stopping.is_set():
            return
        try:
            self._gathering.add(self.intake.take_in(self._open), self.clock.now())
            self._tonight()
        except Locked as error:
            self._wait(Hold("locked", f"process {error.pid}" if error.pid else ""))
            self._rest_until = self.clock.now() + _COOL  # a vault's: the run before it was begun, and stands in the history
        except Held:
            return
        except (DaemonError, StorageError) as error:
            _log.error("%s", error)
            self._rest_until = self.clock.now() + _COOL

    def _workers(self, settings: Settings) -> Codec:
        workers = start_workers(settings)
        workers.pulse_with(self._beat)
        if self._stopping.is_set():  # told so before there was anything to interrupt
            workers.interrupt()
        return workers

    def _open(self) -> Workshop:
        return self._shop(self.places, self.settings)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def _beat(self) -> None:
        self._beat_once()
        now = self.clock.now()
        slept = self._last_look is None or now - self._last_look > SLEPT
        self._last_look = now
        if slept:
            self._made_up = missed(self.settings.schedule.window, self.zone, now, self._last_run_at())

    def _beat_or_leave(self) -> None:
        self._beat()
        if self._stopping.is_set() or self._asked:
            raise Held(Hold("stopping" if self._stopping.is_set() else "asked"))

    def _last_run_at(self) -> datetime | None:
        from daemon.reading import reading_room

        with reading_room(self.places) as catalog:
            runs = [] if catalog is None else catalog.runs(limit=1)
        return datetime.fromtimestamp(runs[0].started_at, UTC) if runs else None

    def _interrupted(self) -> Hold | None:
        """What else stops a stretch of work, besides hours and machine."""
        if self._stopping.is_set():
            return Hold("stopping")
        if self._asked:
            return Hold("asked")
        if self._new_settings is not None:
            return Hold("reload")
        return Hold("paused") if pausing.paused_until(self.places, self.clock.now()) else None

    def _tonight(self) -> None:
        now, window = self.clock.now(), self.settings.schedule.window
        night = tonight(window, self.zone, now, made_up=self._made_up, pressed=self._pressed())
        self._turn_over(night)
        following = window.next_night(now, self.zone)
        until = pausing.paused_until(self.places, now)
        if until is not None:
            self._hold = Hold("paused")
            self.board.now = Doing("paused", night=night, next_night=following, paused_until=until)
            return
        if self._hold == Hold("paused"):
            self._hold = None
        if night is None:
            self._gathering.take()
            self.board.now = Doing(next_night=following)
            return
        rests = self._rest_until is not None and timedelta() < self._rest_until - now <= _LONGEST_REST
        if rests and (self._hold is not None or self._gathers_s(now) is not None or not self._gathering):
            self.board.now = Doing(hold=self._hold, night=night, next_night=following)
            return
        stopped = Hold("stop-file") if (self.places.state_folder / STOP_NAME).exists() else None
        held = stopped or machine_hold(self.machine, self.settings.schedule, before=self._hold, made_up=night.made_up)
        if held is not None and rests:
            self.board.now = Doing(hold=held, night=night, next_night=following)
        elif held is not None:
            self._wait(held)
        else:
            came = self._gathering.take()
            self._stretch(night, came if rests else None)

    def _turn_over(self, night: Night | None) -> None:
        """One night is over, or another has begun."""
        if night == self._night:
            return
        over, self._night, self._rest_until = self._night, night, None
        if over is None:
            self._worked, self._hold = False, None
            return
        if not self._worked and self._hold is not None:
            try:
                with self._open() as shop:  # so that the history tells of a night in which nothing could be done
                    shop.catalog.ended_run(shop.catalog.started_run(COMMAND), outcome=self._hold.reason)
            except (DaemonError, StorageError) as error:
                _log.warning("the history does not tell of this night, in which nothing could be done: %s", error)
        self._worked, self._hold = False, None
        for call in self.night_over if not over.pressed else []:
            call(over)

    def _wait(self, held: Hold) -> None:
        if held != self._hold:
            _log.info("waiting: %s", held)
        self._hold = held
        now = self.clock.now()
        self.board.now = Doing(hold=held, night=self._night, next_night=self.settings.schedule.window.next_night(now, self.zone))

    def _stretch(self, night: Night, came: list[Arrival] | None = None) -> None:
        """Work until everything is done or something is in the way; `came`: only on these, if anything can be done there yet."""
        with self._open() as shop:
            arrived = None if came is None else arrivals(shop, came)
            if arrived is not None and not arrived:
                return
            self.board.now = Doing("working", night=night)
            self._at_work = shop
            try:
                pace = self._pace(shop, night)
                budget = budget_of(self.settings.schedule, shop.catalog, night)
                self._worked = True
                done = optimize(shop, [], self.board.show("working"), arrived=arrived, budget=budget, pace=pace, command=COMMAND)
            finally:
                self._at_work = None
        _tell(done)
        self._rest_after(done, night, came)
        self.board.now = Doing(hold=self._hold, night=night)
        _log.info("%d archived, %d purged%s", done.archived, done.purged, f"; {self._hold}" if self._hold else "")
        if done.held is None and came is None and self._scrubbed != night:
            self._scrub(night, pace)

    def _rest_after(self, done: Summary, night: Night, came: list[Arrival] | None) -> None:
        """What holds the work up from here on, and until when it rests."""
        self._hold = done.held
        if done.held is not None and done.held.reason in _CALLED_AWAY:
            if came is not None:
                self._hold = None
                self._gathering.put_back(came)
        elif done.held is not None:
            self._rest_until = self.clock.now() + _COOL
        elif done.postponed:
            self._hold, self._rest_until = Hold("budget"), night.ends_at
        elif came is None:
            self._hold = Hold("no-room") if done.full else None
            self._rest_until = self.clock.now() + _REST
        elif done.full:
            self._rest_until = None  # there may be something to purge

    def _scrub(self, night: Night, pace: Scheduled) -> None:
        """What is left of the night goes to reading archives again, once a night; in place of the rest, until something is in the way."""
        share = self.settings.safety.verify
        if not share:
            return

        def go_on() -> bool:
            try:
                pace.check()
            except Held:
                return False
            return True

        self._scrubbed = night
        try:
            found = scrub(lambda: self._reading(self.places, self.settings), self._open, self.board.show("verifying"), share, go_on)
        except Interrupted:  # the worker was told to leave an archive: the next night reads it
            return
        self.board.now = Doing(hold=self._hold, night=night)
        for damage in found.damages:
            _log.error("damaged: %s: %s; `verify` says more", damage.file, damage.what)
        for each in found.later:
            _log.warning("not decoded: %s: %s; nothing is known to be wrong with it", each.file, each.why)
        _log.info("archives read again: %d, mended: %d, damaged: %d", found.archives, found.mended, len(found.damages))

    def _pace(self, shop: Workshop, night: Night) -> Scheduled:
        return Scheduled(
            schedule=self.settings.schedule,
            clock=self.clock,
            machine=self.machine,
            settling=self.settling,
            galleries=shop.galleries,
            night=night,
            asked=self._interrupted,
            beat=self._beat,
            told=self.board.told,
            idle=Idleness(self.clock).choose,
            next_is=self.about_to_change,
            last_was=self.changed,
            room=self._room,
        )

    def _serve(self, asked: Asked[Any]) -> None:
        try:
            with self._open() as shop:
                self._at_work = shop
                try:
                    progress = Both(self.board.show("asked"), asked.progress or Silence())
                    asked.result = asked.do(shop, progress)
                finally:
                    self._at_work = None
        except (DaemonError, StorageError) as error:
            asked.error = error
        except Exception as error:
            asked.error = CommandFailed(f"an error that nobody foresaw ({error}); the service's log has the details")
            raise
        finally:
            asked.finish()
            self.board.now = Doing()

    def _pressed(self) -> bool:
        bound = self.settings.schedule.start_when_free_below
        if bound is None:
            return False
        rooms = [self._room(gallery.path) for gallery in self.settings.galleries]
        return any(room is not None and room.is_below(bound) for room in rooms)


def _tell(done: Summary) -> None:
    for trouble in (*done.gone, *done.full):
        _log.warning("%s", trouble)
    for name, why in done.failed:
        _log.warning("failed: %s: %s", name, why)
