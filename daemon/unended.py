"""What became of a run without an end: one instance works at a time, so the lock tells whether it is at work or was killed.

Look at the lock first and read the runs afterwards: a run that ends in between has its end by then, and is not called killed.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from storage.lock import holder
from storage.records import RunRow


@dataclass(frozen=True, slots=True)
class Lock:
    """The instance's lock at one moment."""

    looked_at: float
    """Seconds since 1970, as `taken_at`."""
    readable: bool
    """False: who holds it can't be known here."""
    pid: int | None = None
    """Of its holder; None: nobody."""
    taken_at: float = 0.0

    @classmethod
    def of(cls, path: Path) -> "Lock":
        """Now. Whoever takes the lock writes his number into it, which dates it."""
        at = time.time()
        try:
            pid = holder(path)
            return cls(at, readable=True) if pid is None else cls(at, True, pid, path.stat().st_mtime)
        except OSError:
            return cls(at, readable=False)


def is_at_work(run: RunRow, newest: RunRow, lock: Lock) -> bool | None:
    """Whether a run without an end is at work; False: it was killed. None where that can't be known. `newest`: the latest run of all."""
    if run.id != newest.id:
        return False  # a later one had the lock
    if not lock.readable:
        return None
    if lock.pid is None:
        return None if run.started_at >= int(lock.looked_at) else False
    return run.started_at >= int(lock.taken_at)  # else it is held by a command that is no run, such as a restore


def in_words(run: RunRow, newest: RunRow, lock: Lock) -> str:
    """The same for people, without a capital and a full stop."""
    working = is_at_work(run, newest, lock)
    if working is None:
        return "it is at work, or it was killed"
    if working:
        return f"process {lock.pid} is at work on it"
    killed = "it was killed, or the computer went down"
    return f"{killed}; the next run brings everything in order" if run.id == newest.id else killed
