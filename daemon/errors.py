"""What the daemon raises on purpose. The text of each is a sentence for the person at the terminal.

DaemonError
├── Misconfigured      the configuration can't be understood; names the file, the key and the line
├── NoGallery          nothing is configured that the command could work on
├── GalleryGone        a gallery's folder is missing or suddenly empty: nothing is touched, nothing forgotten
│   └── SyncRefused    a sync tool carries it, or it belongs to another program, and nobody has said that this is meant so
├── Stopped            a person asked for a stop, by a file
├── Held               the hour or the machine says that no further photo is begun now
├── Interrupted        the codec was told to drop what it has in hand, since we have to end
├── WrongPath          a path given by the user that the command can't use
├── NothingToDo        there is nothing that the command would change
├── AlreadyRunning     another instance works on the same state
├── DiskFull           the disk is full, or too full for what was asked
├── DamageFound        at least one archive is damaged
├── CommandFailed      the command went to its end, but some photos failed
└── WorkerError        a worker process did not give an answer
    ├── WorkerDied     it ended by itself, by a signal or for want of memory
    ├── WorkerTimedOut it was killed after too long a time
    └── WorkerBroke    it met an error that nobody foresaw; the photo counts as failed, and the next run tries again
"""

from typing import ClassVar

from daemon.exits import ExitCode
from daemon.waits import Hold


class DaemonError(Exception):
    """Base of all; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class Misconfigured(DaemonError):
    exit_code = ExitCode.USAGE


class NoGallery(DaemonError):
    exit_code = ExitCode.NO_GALLERY


class GalleryGone(DaemonError):
    exit_code = ExitCode.FAILED


class SyncRefused(GalleryGone):
    pass


class Stopped(DaemonError):
    exit_code = ExitCode.FAILED


class Held(DaemonError):
    """`hold` says why."""

    exit_code = ExitCode.NOTHING_TO_DO

    def __init__(self, hold: Hold) -> None:
        super().__init__(str(hold))
        self.hold = hold


class Interrupted(DaemonError):
    pass


class WrongPath(DaemonError):
    exit_code = ExitCode.USAGE


class NothingToDo(DaemonError):
    exit_code = ExitCode.NOTHING_TO_DO


class AlreadyRunning(DaemonError):
    exit_code = ExitCode.LOCKED


class DiskFull(DaemonError):
    exit_code = ExitCode.NO_SPACE


class DamageFound(DaemonError):
    exit_code = ExitCode.DAMAGE


class CommandFailed(DaemonError):
    exit_code = ExitCode.FAILED


class WorkerError(DaemonError):
    """`reason` is the slug under which the photo is left alone."""

    reason: ClassVar[str] = "worker-died"


class WorkerDied(WorkerError):
    reason = "worker-died"


class WorkerTimedOut(WorkerError):
    reason = "timed-out"


class WorkerBroke(WorkerError):
    reason = "unforeseen"
