"""One instance at a time. The lock belongs to the open file, so the kernel frees it with the process, however that ended."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.errors import Locked, Refused, shown, translated

_WORDS, _OWNER, _PLACE = 8, 4, 5
"""Of a line of /proc/locks: number, kind, advisory or not, reading or writing, pid, device and inode, from, to (proc(5))."""

_MOST_BYTES = 32
"""Of the file: a pid takes up to 20 digits."""


class InstanceLock:
    """Lock on one file, which holds the pid of who has it; use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """`path`: a file in a folder that exists, e.g. ``state/lock`` or ``.gallery-optimizer/lock``."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises Locked with the holder's pid, ReadOnly, Missing (no folder), Refused (somebody's file that is no lock of ours)."""
        with translated(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                _take(descriptor, self._path)
            except BaseException:
                os.close(descriptor)  # or it would be held by nobody, as long as this process lives
                raise
        with suppress(OSError):  # the pid is a courtesy: on a full disk the lock must still be had
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Idempotent. The file stays, empty: removing it would let two newcomers lock two different files of that name."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        pid = _pid(descriptor)
        who = f"process {pid}" if pid else "another process"
        raise Locked(f"another instance is at work: {who} holds {shown(path)}", pid) from error
    if not is_lock(os.pread(descriptor, _MOST_BYTES + 1, 0)):
        raise Refused(f"{shown(path)} is another program's file, no lock of this one")


def is_lock(data: bytes) -> bool:
    """Whether these are the bytes of such a file: nothing, or a pid; zeros, after a power cut."""
    text = data.strip(b"\n\0")
    return len(data) <= _MOST_BYTES and (not text or text.isdigit())


def holder(path: Path, table: Path = Path("/proc/locks")) -> int | None:
    """Pid of the process that holds this lock now; None where nobody does. Only looks: whoever takes the lock meanwhile gets it.

    Raises OSError where the kernel's table of locks can't be read.
    """
    locks = [line.split() for line in table.read_text(encoding="ascii", errors="replace").splitlines()]
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        pid, status = _pid(descriptor), os.fstat(descriptor)
    finally:
        os.close(descriptor)
    for words in locks:
        if len(words) == _WORDS and words[1] == "FLOCK" and words[_PLACE].endswith(f":{status.st_ino}"):
            # Some file systems (btrfs, overlays) tell of another device here than stat does; a holder in a container knows another number.
            here = words[_PLACE] == f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
            if here or words[_OWNER] == str(pid):
                return int(words[_OWNER])
    return None


def _pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, _MOST_BYTES, 0).strip()
    return int(text) if text.isdigit() else None
