"""Files that can be made again at any time, in a folder that is kept below a size: the longest unused go first.

What is in it survives a restart, and so does the order, since each use renews a file's date. Everything of it may be deleted at any time.
Whatever else lies in that folder is somebody's: it is neither counted nor touched.
"""

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock

from storage import durable
from storage.errors import AlreadyThere, Locked, Missing, NoSpace, StorageError, translated
from storage.lock import InstanceLock

_LOCK_NAME = ".gallery-optimizer-lock"
_SUFFIX = ".gallery-optimizer-copy"
"""By which the files of a cache are told from others: a person may name a folder in which there are photos."""


class Cache:
    """One folder, for one program with any number of threads; another one may use it at the same time."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """The folder is made with its parents, for its owner only: it holds somebody's photos. Raises StorageError."""
        self.folder = folder
        self._most = most_bytes
        self._guard = Lock()
        with translated(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = InstanceLock(folder / _LOCK_NAME)
        with suppress(Locked):  # held to the end, so that nobody clears away what another one is writing
            self._lock.acquire()
            durable.remove_staged(folder)

    def close(self) -> None:
        """Idempotent."""
        self._lock.release()

    def open(self, name: str) -> int | None:
        """A descriptor for reading, which stays good when the file is thrown out; None where it is not there."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with suppress(OSError):
            os.utime(descriptor)
        return descriptor

    def put(self, name: str, data: bytes) -> bool:
        """Keep it; False where it is larger than the whole cache may be. Raises NoSpace where the disk is full even without the others."""
        with self._guard:
            if len(data) > self._most:
                return False
            self._make_room(self._most - len(data))
            try:
                self._write(name, data)
            except NoSpace:
                self._make_room(0)
                self._write(name, data)
        return True

    def forget(self, name: str) -> None:
        """Throw one out; nothing where it is not there."""
        with suppress(Missing):
            durable.remove(self._path(name))

    def _write(self, name: str, data: bytes) -> None:
        with suppress(AlreadyThere):
            durable.write_new(self._path(name), data)

    def _path(self, name: str) -> Path:
        return self.folder / (name + _SUFFIX)

    def _make_room(self, most: int) -> None:
        entries = sorted(self._entries())
        used = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if used <= most:
                return
            with suppress(StorageError):  # another program threw it out
                durable.remove(path)
            used -= size

    def _entries(self) -> list[tuple[int, int, Path]]:
        """(last use, size, path) of every file that is kept."""
        found = []
        with translated(self.folder), os.scandir(self.folder) as listing:
            for entry in listing:
                if not entry.name.endswith(_SUFFIX):
                    continue
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        return found
