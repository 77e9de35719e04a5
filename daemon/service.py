"""The service: settings, watcher, clockwork and the thread that works, put together, kept alive and taken apart again.

Three threads besides the main one: inotify's reader and the scheduler only leave notes, one works. The main thread takes signals and looks
after the others; the manager's watchdog is fed only while all of them live.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable
from datetime import tzinfo
from pathlib import Path
from types import FrameType

from daemon import settings as configuration
from daemon.clockwork import Clockwork
from daemon.errors import CommandFailed, DaemonError
from daemon.galleries import all_of
from daemon.machine import Machine, our_own_s
from daemon.nightwork import Nightwork
from daemon.notify import Notifier
from daemon.places import Places
from daemon.ports import Clock, SystemClock
from daemon.report import counted
from daemon.settings import Settings, changes
from daemon.state_folder import make_state_folder
from daemon.watcher import OURS_S, Watcher
from daemon.zone import local_zone
from storage.lock import InstanceLock

_log = logging.getLogger(__name__)

SILENCE_S = 1800.0
"""So long the working thread may give no sign of life: one photo's worker does so every few seconds, a stuck file server never."""
TROUBLES = 5
"""So many unforeseen errors in a row, and the service ends, for its manager to start it anew."""
_LOOK_S = 1.0
"""Between two looks at threads, signals and status."""
_JOIN_S = 30.0


class Service:
    """`run` blocks until `stop`, or a signal."""

    def __init__(
        self,
        places: Places,
        *,
        clock: Clock | None = None,
        zone: tzinfo | None = None,
        notifier: Notifier | None = None,
        work: Callable[[Places, Settings], Nightwork] | None = None,
    ) -> None:
        """Raises Misconfigured, NoGallery."""
        self.places = places
        self.settings = configuration.read(places.config_file)
        self.zone = zone or local_zone()
        self.notifier = notifier or Notifier()
        self._beat_at = time.monotonic()
        if work is None:
            machine = Machine(own_s=our_own_s)
            self.work = Nightwork(places, self.settings, clock or SystemClock(), self.zone, machine=machine, beat=self._beat)
        else:
            self.work = work(places, self.settings)
        self.watcher = Watcher(self._news, pulse=places.state_folder)
        self.work.about_to_change = self.watcher.ours
        self.work.changed = lambda path: self.watcher.ours(path, OURS_S)
        self.clockwork = Clockwork(self.zone, tick=self.wake, walk=self._walk_all, poll=self._walk_polled)
        self.started: list[Callable[[Service], Callable[[], None]]] = []
        """Called once everything stands; what each gives back is called at the end."""
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._reload = threading.Event()
        self._trouble: BaseException | None = None
        self._hands = threading.Thread(target=self._works, name="works", daemon=True)

    # From any thread.

    def stop(self) -> None:
        self._stop.set()
        self.work.stop()
        self._wake.set()

    def reload(self) -> None:
        """Read the configuration again, soon."""
        self._reload.set()

    def wake(self) -> None:
        """Look at the clock now."""
        self._wake.set()

    # The main thread.

    def run(self) -> None:
        """Raises Locked where another service runs on the same state, CommandFailed where it can't go on."""
        make_state_folder(self.places)
        ends: list[Callable[[], None]] = []
        with InstanceLock(self.places.service_lock_file):
            before = {each: signal.signal(each, self._on_signal) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
            try:
                self.watcher.follow(all_of(self.settings))
                self.clockwork.follow(self.settings.schedule.window)
                self.clockwork.start()
                self._hands.start()
                ends += [call(self) for call in self.started]
                self.notifier.ready(self.work.progress().line(self.zone))
                _log.info("watching %s", counted(self.watcher.watches, "folder"))
                while not self._stop.wait(_LOOK_S):
                    self._look_after()
            finally:
                self._end(ends)
                for number, handler in before.items():
                    signal.signal(number, handler)
        if self._trouble is not None:
            raise CommandFailed(f"the service can't go on: {self._trouble}") from self._trouble

    def _look_after(self) -> None:
        if self._reload.is_set():
            self._reload.clear()
            self._read_again()
        self.watcher.keep_up()
        self.notifier.status(self.work.progress().line(self.zone))
        if self.notifier.watchdog_s is not None and self.healthy:
            self.notifier.alive()

    @property
    def healthy(self) -> bool:
        """Whether everything that has to live lives."""
        silent_s = time.monotonic() - self._beat_at
        return self.watcher.alive and self.clockwork.alive and self._hands.is_alive() and silent_s < SILENCE_S

    def _read_again(self) -> None:
        self.notifier.reloading()
        try:
            found = configuration.read(self.places.config_file)
        except DaemonError as error:
            _log.error("%s\nThe configuration stays as it was.", error)
        else:
            told = changes(self.settings, found)
            for line in told:
                _log.warning("configuration: %s", line)
            if not told:
                _log.warning("configuration: nothing changed")
            galleries_differ = self.settings.galleries != found.galleries
            self.settings = found
            self.work.reload(found)
            self.clockwork.follow(found.schedule.window)
            if galleries_differ:
                self.watcher.follow(all_of(found))
        self.notifier.ready()
        self.wake()

    def _end(self, ends: list[Callable[[], None]]) -> None:
        self.notifier.stopping("stopping")
        self.stop()
        for call in reversed(ends):
            call()
        self.clockwork.stop()
        self.watcher.stop()
        if self._hands.is_alive():
            self._hands.join(_JOIN_S)
        if self._hands.is_alive():
            _log.error("the work at hand does not end; what was begun is finished or undone at the next start")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload()
        else:
            self._stop.set()  # the rest in the main loop: a handler must not wait for anything

    # The thread that works.

    def _works(self) -> None:
        troubles = 0
        while not self._stop.is_set():
            self._beat()
            self._wake.clear()
            try:
                self.work.step()
                troubles = 0
            except Exception as error:  # noqa: BLE001  # whatever it was, the next night may be better
                _log.exception("unforeseen")
                troubles += 1
                if troubles >= TROUBLES:
                    self._trouble = error
                    self._stop.set()
                    return
            self._wake.wait(self.work.wait_s)

    def _beat(self) -> None:
        self._beat_at = time.monotonic()

    # Bells.

    def _news(self, paths: Iterable[Path]) -> None:
        self.work.arrived(paths)
        self.wake()  # to wait anew, for as long as these take to settle

    def _walk_all(self) -> None:
        self.work.arrived(gallery.root for gallery in all_of(self.settings))
        self.wake()

    def _walk_polled(self) -> None:
        polled = self.watcher.polled
        self.watcher.try_again()
        self.work.arrived(polled)
        self.wake()
