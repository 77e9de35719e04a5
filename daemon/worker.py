"""The worker processes, seen from the daemon: one that encodes, one that verifies, both long-lived because importing torch takes seconds.

A worker that dies, or takes far too long, costs the photo it had and nothing more: the next job starts a fresh one.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TypeVar, cast

from daemon import child, wire
from daemon.child import Bounds
from daemon.errors import Interrupted, WorkerBroke, WorkerDied, WorkerTimedOut
from daemon.messages import (
    Answer,
    Begun,
    Broke,
    Encoded,
    EncodeJob,
    Examined,
    ExamineJob,
    Job,
    LabelJob,
    Rated,
    RatingJob,
    Refused,
    Restored,
    RestoreJob,
    StandInJob,
    StoodIn,
)

_PULSE_S = 5.0
MOST_MEGAPIXELS = 300.0
"""Larger pictures are refused by their headers."""

_STARVED = 0.002
"""A worker that had more of a processor than this share is at work, and only others have most of it. Beside one process of the usual
priority, the lowest one gets 0.015 of a core, and less beside more; what hangs gets nothing."""
DEFAULT_BACKEND = "daemon.backend"
_log = logging.getLogger(__name__)
_A = TypeVar("_A", Encoded, StoodIn, Rated, Examined, Restored)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds. Wide: it is there for what hangs, not for what is slow.

    A worker that others leave little of the processor, as its low priority asks for, may take that long in processor time.
    """

    start: float = 300.0
    """Importing torch and, on the first run on a machine, compiling the entropy coder."""
    base: float = 120.0
    per_megapixel: float = 90.0

    def work(self, megapixels: float) -> float:
        """`megapixels` as the worker says; whatever it says, there is an end."""
        return self.base + self.per_megapixel * (megapixels if 0 <= megapixels <= MOST_MEGAPIXELS else MOST_MEGAPIXELS)


class Worker:
    """One child process that answers one job at a time; started at its first job, and again after it died."""

    def __init__(self, name: str, backend_module: str, bounds: Bounds, patience: Patience) -> None:
        self._name = name
        self._backend_module = backend_module
        self._bounds = bounds
        self._patience = patience
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._answered = 0  # jobs that this very process has done
        self._spent_s = 0.0  # processor time of those before it
        self._interrupted = False
        self.pulse: Callable[[], None] = lambda: None
        """Called every few seconds while we wait for an answer."""

    @property
    def pid(self) -> int | None:
        """Process id, None while there is none."""
        return self._process.pid if self._process else None

    def cpu_s(self) -> float:
        """Seconds of processor time since the first job, over all processes that this worker has had."""
        return self._spent_s + (0.0 if self.pid is None else cpu_s_of(self.pid))

    def start(self) -> tuple[SpawnProcess, Connection]:
        """Start the process if there is none; it imports while the daemon goes on."""
        if self._process is not None and self._connection is not None and self._process.is_alive():
            return self._process, self._connection
        self.close()
        context = multiprocessing.get_context("spawn")  # fork would copy threads' locks and the catalogue's connection
        ours, theirs = context.Pipe()
        arguments = (theirs, self._backend_module, self._bounds, os.getpid())
        process = context.Process(target=child.serve, args=arguments, name=self._name, daemon=True)
        process.start()
        # Ours only from here on: an interrupt in the midst of starting leaves nothing that `close` could join. That child ends by itself.
        self._process, self._connection, self._answered = process, ours, 0
        theirs.close()
        return process, ours

    def ask(self, job: Job) -> Answer:
        """Send a job and wait for its answer. Raises WorkerDied, WorkerTimedOut, or WorkerBroke after an error that nobody foresaw;
        Interrupted after `interrupt`.

        Where the memory did not do, a process that has worked before is started anew and asked once more: what earlier photos left in
        its heap must not decide about this one.
        """
        used = self._process is not None and self._answered > 0
        answer = self._ask_once(job)
        if used and isinstance(answer, Refused) and answer.reason == "out-of-memory":
            return self._ask_once(job)
        return answer

    def _ask_once(self, job: Job) -> Answer:
        if self._interrupted:
            raise Interrupted(f"the {self._name} process is not to work any more")
        process, connection = self.start()
        patience = self._patience.start
        try:
            connection.send_bytes(wire.dump(job))
            while True:
                answer = self._receive(process, connection, patience)
                if not isinstance(answer, Begun):
                    break
                patience = self._patience.work(answer.megapixels)
        except wire.Garbled as error:
            self.close()
            raise WorkerBroke(f"the {self._name} process does not answer as it should: {error}") from error
        except (EOFError, OSError) as error:
            process.join(10)
            code = process.exitcode
            self.close()
            if self._interrupted:
                raise Interrupted(f"the {self._name} process was stopped") from error
            raise WorkerDied(f"the {self._name} process ended unexpectedly ({_describe(code)})") from error
        except BaseException:
            self.close()  # whoever interrupted us: an answer to this job must never be taken for the next one's
            raise
        if isinstance(answer, Broke):
            _log.error("the %s process met an unforeseen error: %s\n%s", self._name, answer.summary, answer.trace)
            raise WorkerBroke(f"the {self._name} process met an unforeseen error: {answer.summary}")
        if isinstance(answer, Refused) and answer.reason == "out-of-memory":
            self.close()  # what it still holds would be missing at the next photo
        self._answered += 1
        return answer

    def _receive(self, process: SpawnProcess, connection: Connection, patience: float) -> Answer | Begun:
        until, worked_s = time.monotonic() + patience, cpu_s_of(process.pid)
        began_s = worked_s
        while not connection.poll(0):
            left = until - time.monotonic()
            if left <= 0:
                now_s = cpu_s_of(process.pid)
                if now_s - worked_s > _STARVED * patience and now_s - began_s < patience:
                    until, worked_s = time.monotonic() + patience, now_s
                    continue
                self.close()
                raise WorkerTimedOut(f"the {self._name} process gave no answer within {patience:.0f} seconds and was stopped")
            ready = wait([connection, process.sentinel], min(left, _PULSE_S))
            self.pulse()
            if process.sentinel in ready and not connection.poll(0):
                raise EOFError
        return cast(Answer | Begun, wire.load(connection.recv_bytes(wire.MOST_BYTES)))

    def interrupt(self) -> None:
        """Kill the process in the midst of its job, for good; from any thread. `close` clears away what is left."""
        self._interrupted = True
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError, ValueError):  # it ended, or was cleared away, in this very moment
                process.kill()

    def close(self) -> None:
        """Kill the process: it holds nothing that would have to be finished."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._spent_s += cpu_s_of(self._process.pid)
            if self._process.is_alive():
                self._process.kill()
            self._process.join(10)
            self._process = None


class Workers:
    """The codec behind two processes, so that no proof is made by the process that encoded."""

    def __init__(
        self,
        backend_module: str = DEFAULT_BACKEND,
        bounds: Bounds | None = None,
        patience: Patience | None = None,
    ) -> None:
        bounds, patience = bounds or Bounds(threads=threads()), patience or Patience()
        self.encoder = Worker("encoding", backend_module, bounds, patience)
        self.verifier = Worker("verifying", backend_module, bounds, patience)

    def encode(self, job: EncodeJob) -> Encoded | Refused:
        self.encoder.start()
        self.verifier.start()  # it imports while the encoder works
        return _only(Encoded, self.encoder.ask, job)

    def stand_in(self, job: StandInJob) -> StoodIn | Refused:
        return _only(StoodIn, self.encoder.ask, job)

    def rating(self, job: RatingJob) -> Rated | Refused:
        return _only(Rated, self.encoder.ask, job)

    def examine(self, job: ExamineJob) -> Examined | Refused:
        return _only(Examined, self.verifier.ask, job)

    def restore(self, job: RestoreJob) -> Restored | Refused:
        return _only(Restored, self.verifier.ask, job)

    def label(self, job: LabelJob) -> Restored | Refused:
        return _only(Restored, self.verifier.ask, job)

    def cpu_s(self) -> float:
        """Seconds of processor time of both processes, and of those that ended before them."""
        return self.encoder.cpu_s() + self.verifier.cpu_s()

    def interrupt(self) -> None:
        self.encoder.interrupt()
        self.verifier.interrupt()

    def pulse_with(self, pulse: Callable[[], None]) -> None:
        """Have `pulse` called every few seconds while somebody waits for an answer."""
        self.encoder.pulse = self.verifier.pulse = pulse

    def close(self) -> None:
        self.encoder.close()
        self.verifier.close()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def threads() -> int:
    """Threads for each worker: what OMP_NUM_THREADS says, else a core each, up to 4. The two workers never compute at the same moment."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else min(4, len(os.sched_getaffinity(0)))


def cpu_s_of(pid: int | None) -> float:
    """User and system time of a process that was not yet waited for; 0 where the kernel does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc(5), counted behind the name
    except (OSError, ValueError, IndexError):
        return 0.0


def _only(kind: type[_A], ask: Callable[[Job], Answer], job: Job) -> _A | Refused:
    answer = ask(job)
    if isinstance(answer, (kind, Refused)):
        return answer
    raise WorkerBroke(f"the worker answered {type(job).__name__} with {type(answer).__name__}")


def _describe(code: int | None) -> str:
    if code is None:
        return "no exit code"
    if code < 0:
        return f"by signal {signal.Signals(-code).name}" if -code in signal.valid_signals() else f"by signal {-code}"
    return f"exit code {code}"
