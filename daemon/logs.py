"""Logging: to stderr, one line each, warnings by default, more with --verbose.

Where systemd reads stderr, each line begins with its priority, as the journal wants it, and says nothing that the journal knows by itself.
"""

import logging
import os
import sys
import time
from collections.abc import Callable

NAMES = ("daemon", "storage", "codec")
MOST = 30
"""So many lines of one kind are logged in a row of ..."""
WITHIN_S = 600.0
"""... so many seconds; the rest is counted. One bad folder with a hundred thousand files must not fill a journal."""

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def configure(verbosity: int) -> None:
    """0 shows warnings, 1 what is done, 2 every detail. Results never go through the log: they go to stdout."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    journal = _is_read_by_the_journal()
    plain = logging.Formatter("%(levelname)s %(name)s: %(message)s") if verbosity else PlainFormatter()
    handler.setFormatter(JournalFormatter() if journal else plain)
    if journal:
        handler.addFilter(Sparing())
    for name in NAMES:  # not the root: libraries' own chatter is not ours to show
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False


def at_least(level: int) -> None:
    """Say as much as `level` asks for, or more where the user asked for more: a service's log is all that anybody sees of it."""
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.setLevel(min(logger.level or level, level))


class PlainFormatter(logging.Formatter):
    """`Warning: text`, for whoever asked for no details: which module says it is one."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.capitalize()}: {super().format(record)}"


class JournalFormatter(logging.Formatter):
    """`<4>daemon.run: text`, and each line of a longer text with its own priority (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        text = f"{record.name}: {super().format(record)}"
        return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


class Sparing(logging.Filter):
    """Lets only so many lines of one kind through: of one place in the code, whatever they tell of. Errors always."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            return True
        place, now = (record.pathname, record.lineno), self._clock()
        since, count = self._seen.get(place, (now, 0))
        if now - since >= WITHIN_S:
            if count > MOST:
                record.msg, record.args = f"{record.getMessage()} ({count - MOST} more like this were not logged)", ()
            since, count = now, 0
        self._seen[place] = (since, count + 1)
        if count == MOST:
            record.msg, record.args = f"{record.getMessage()} (more like this are not logged for a while)", ()
        return count <= MOST


def _is_read_by_the_journal() -> bool:
    """Whether stderr is the very stream that systemd says it has connected to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        device, inode = map(int, os.environ.get("JOURNAL_STREAM", "").split(":"))
        status = os.fstat(sys.stderr.fileno())
    except (ValueError, OSError):
        return False
    return (status.st_dev, status.st_ino) == (device, inode)
