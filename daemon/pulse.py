"""Whether inotify's reader reads: a folder is opened now and then, and the reader has to tell of that. Nothing is written for it."""

import logging
import os
from collections.abc import Callable

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

PULSE_S = 15.0
"""So often the folder is opened: that the reader's thread lives does not say that it does its work."""
DEAF_S = 60.0
"""So long the reader may take to tell of it: the events of a whole disk full of photos may come first."""
_MASK = Mask(InotifyConstants.IN_CLOSE_NOWRITE | InotifyConstants.IN_ONLYDIR)

_log = logging.getLogger(__name__)


class Pulse:
    """Of one watcher, whatever reader it has."""

    def __init__(self, folder: bytes, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._ear: _Ear | None = None
        """Of the reader that has to tell; None where it can't be asked to."""
        self._asked_s: float | None = None
        """When the folder was opened, if nothing was heard since."""
        self._heard_s = monotonic()
        self.deaf = False
        """Whether a reader was found that told of nothing, and none has told of anything since."""

    def follow(self, reader: InotifyFD) -> None:
        """From now on it is this one that has to tell."""
        ear = _Ear(self)
        self._ear, self._asked_s = ear, None
        try:
            reader.add_callback(self._folder, _MASK, ear, CallbackId(id(ear)))
        except OSError as error:
            _log.debug("whether events are read can't be checked: %s", error)
            self._ear, self.deaf = None, False

    def beat(self) -> None:
        """To be called about every second."""
        now_s = self._monotonic()
        if self._ear is None or self._asked_s is not None or (not self.deaf and now_s - self._heard_s < PULSE_S):
            return
        self._asked_s = now_s  # before: the answer may be here at once
        try:
            os.close(os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:
            self._asked_s = None

    @property
    def is_answered_in_time(self) -> bool:
        """False where the reader has said nothing for DEAF_S since it was asked."""
        asked_s = self._asked_s
        late = asked_s is not None and self._monotonic() - asked_s >= DEAF_S
        self.deaf = self.deaf or late
        return not late

    def heard(self, ear: "_Ear") -> None:
        if ear is self._ear:
            self._heard_s, self._asked_s, self.deaf = self._monotonic(), None, False

    def lost(self, ear: "_Ear") -> None:
        """The folder is no longer watched."""
        if ear is self._ear:
            self._ear, self._asked_s, self.deaf = None, None, False


class _Ear:
    """What watchdog calls back for one reader; an earlier one may still have something to tell."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def on_event(self, event: InotifyEvent) -> None:
        self._pulse.heard(self)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        self._pulse.lost(self)

    def on_queue_overflow(self) -> None:
        """The galleries are told of it."""
