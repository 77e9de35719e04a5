"""The inside of a worker process: bounded, polite, and gone when its parent is.

Nothing heavy is imported before the limits stand: torch reads its thread count when it is imported.
"""

import contextlib
import ctypes
import hashlib
import importlib
import math
import os
import platform
import resource
import signal
import traceback
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from codec.errors import CodecError, Corrupt, ModelMissing, NotAPicture, UnknownVersion, Unsupported
from codec.labels import Merged, merged
from daemon import wire
from daemon.messages import (
    STAND_IN_SHARE,
    Answer,
    Begun,
    Broke,
    EncodeJob,
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
from daemon.ports import Backend

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
_PR_SET_PDEATHSIG = 1
_ADDRESSES = 16 << 30
"""Bytes of addresses, beyond its memory, that a worker may map."""
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30}
_IOPRIO_WHO_PROCESS, _IOPRIO_CLASS_IDLE = 1, 3

_ALLOCATOR = ((-3, 16 << 20), (-1, 256 << 20), (-8, 2))
"""mallopt's M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_ARENA_MAX. glibc would raise the first to 32 MB by itself, and then the latents of a
photo, 20 MB for each unit, fill its heap with holes: a fifth less memory this way, at the same speed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one worker process may use. `memory_bytes` None: no limit."""

    threads: int = 1
    memory_bytes: int | None = None
    niceness: int = 10


def serve(connection: Connection, backend_module: str, bounds: Bounds, parent: int) -> None:
    """Answer jobs until the connection closes. `backend_module` has a function `load() -> Backend`."""
    settle_in(bounds, parent)
    backend: Backend | None = None
    while True:
        try:
            job = cast(Job, wire.load(connection.recv_bytes()))
        except (EOFError, OSError):
            return
        try:
            if backend is None:
                backend = cast(Backend, importlib.import_module(backend_module).load())
            answer = wire.dump(work(backend, job, connection))
        except Exception as error:  # noqa: BLE001  # whatever it was, this photo is the only one that pays for it
            answer = wire.dump(as_answer(error))
        connection.send_bytes(answer)
        del job, answer  # what the next photo needs


def _begin(connection: Connection, megapixels: float) -> None:
    connection.send_bytes(wire.dump(Begun(megapixels)))


def settle_in(bounds: Bounds, parent: int) -> None:
    """Take the limits upon this process, once, before anything heavy is imported."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(bounds.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # idle threads sleep: those that spin slow the other worker, and everybody else, tenfold
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the daemon ends us when it is ready
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):  # no prctl: we then end when the connection closes
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # the daemon died before the line above
    os.nice(bounds.niceness)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    _rest_at_the_disk()
    with contextlib.suppress(OSError):  # if memory runs out all the same, the kernel takes us first
        Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt
        for parameter, value in _ALLOCATOR:
            ctypes.CDLL(None).mallopt(parameter, value)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold somebody's photo
    if bounds.memory_bytes is not None:
        # RLIMIT_DATA counts private writable memory, which is what a photo costs, and the allocation that goes too far fails here, at
        # once, not wherever the kernel's killer looks. Not by RLIMIT_AS: torch maps libraries and reserves more addresses than it uses.
        resource.setrlimit(resource.RLIMIT_DATA, (bounds.memory_bytes, bounds.memory_bytes))
        # Against what no photo needs: endless maps of files and of reserved addresses.
        resource.setrlimit(resource.RLIMIT_AS, (bounds.memory_bytes + _ADDRESSES, bounds.memory_bytes + _ADDRESSES))


def _rest_at_the_disk() -> None:
    """Idle I/O class: the disk serves us when nobody else wants it. No library has this system call; its number is the architecture's."""
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).syscall(number, _IOPRIO_WHO_PROCESS, 0, _IOPRIO_CLASS_IDLE << 13)


def work(backend: Backend, job: Job, connection: Connection) -> Answer:
    """One job -> its answer; raises whatever the codec raises."""
    match job:
        case EncodeJob():
            _begin(connection, backend.megapixels(job.original))
            return _encode(backend, job)
        case StandInJob():
            _begin(connection, backend.megapixels(job.original))
            return StoodIn(backend.stand_in(job))
        case RatingJob():
            _begin(connection, 0.0)
            return Rated(backend.rating(job.original, job.sidecars))
        case ExamineJob():
            _begin(connection, backend.megapixels(job.original))
            archive = job.archive if isinstance(job.archive, bytes) else read_back(job.archive)
            return backend.examine(archive, job.original)
        case RestoreJob():
            archive = read_back(job.archive)
            _begin(connection, backend.megapixels(archive))
            data = backend.by_reference(archive) if job.reference else backend.restore(archive, job.format)
            given = merged(data, job.stand_in) if job.stand_in else Merged(data)
            return Restored(given.data, hashlib.sha256(archive).hexdigest(), given.left_out)
        case LabelJob():
            _begin(connection, 0.0)
            given = merged(job.original, job.stand_in)
            return Restored(given.data, "", given.left_out)


def _encode(backend: Backend, job: EncodeJob) -> Answer:
    stand_in: bytes | None = b""
    trouble: CodecError | None = None
    if job.stand_in:
        share = math.inf if math.isinf(job.min_saving) else STAND_IN_SHARE  # where no saving is asked for, size is no reason
        try:
            stand_in = backend.stand_in(StandInJob(job.original, job.sha256, share, job.vault))
        except CodecError as error:
            stand_in, trouble = None, error  # the codec looks closer, so where it refuses too, its reason is the better one
    encoded = backend.archive(job, None if stand_in is None else len(stand_in))
    if encoded.repacked:
        return encoded
    if stand_in is None:
        raise trouble or AssertionError("no stand-in and no reason")
    return replace(encoded, stand_in=stand_in)


def read_back(path: Path) -> bytes:
    """The bytes of a file from the disk itself, as far as the kernel lets go of the copy it keeps in memory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def as_answer(error: Exception) -> Refused | Broke:
    """What became of a job that ended in an error."""
    match error:
        case Unsupported():
            return Refused(error.reason, error.detail)
        case NotAPicture():
            return Refused("not-a-picture", str(error))
        case Corrupt():
            return Refused("corrupt", str(error))
        case ModelMissing():
            return Refused("model-missing", str(error))
        case UnknownVersion():
            return Refused("unknown-version", str(error))
        case MemoryError():
            return Refused("out-of-memory", str(error))
        case RuntimeError() if "allocate memory" in str(error):  # torch has no MemoryError of its own
            return Refused("out-of-memory", str(error).splitlines()[0])
        case _:
            return Broke(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))
