"""A file that only takes space, and is given up when the disk is full: photos can still be given back then, and space too."""

import os
from contextlib import suppress
from pathlib import Path

from storage import durable
from storage.errors import AlreadyThere, Missing, NoSpace, StorageError, translated

ROOMY = 4
"""A reserve is made only where so many times its size is free: it must never be what fills a disk."""


class Reserve:
    """One such file. `size_bytes` 0: there shall be none."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes

    def make(self) -> bool:
        """Make it where it is missing or has another size, and there is plenty of room; whether it is there now. Raises no StorageError."""
        with suppress(StorageError, OSError):
            if self.path.stat().st_size == self.size_bytes:
                return True
            self.give_up()
        try:
            if self.size_bytes == 0 or free_bytes(self.path.parent) < ROOMY * self.size_bytes:
                return False
            # Not zeros: some file systems keep those, and whatever else can be squeezed, in next to no space.
            chunk = os.urandom(min(self.size_bytes, 1 << 20))
            durable.write_new(self.path, (chunk * (self.size_bytes // len(chunk) + 1))[: self.size_bytes])
        except AlreadyThere:
            return True
        except StorageError:
            return False
        return True

    def give_up(self) -> bool:
        """Remove it; whether there was one."""
        try:
            durable.remove(self.path)
        except Missing:
            return False
        except NoSpace:
            durable.empty(self.path)
        return True

    @property
    def is_short(self) -> bool:
        """Whether less than its size is free beside it."""
        return self.size_bytes > 0 and free_bytes(self.path.parent) < self.size_bytes


def free_bytes(folder: Path) -> int:
    """What this user may still write on the disk of a folder. A file system that tells no size counts as endless. Raises StorageError."""
    with translated(folder):
        found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize if found.f_blocks else 1 << 62
