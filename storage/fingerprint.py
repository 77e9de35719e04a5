"""Is it still the same file? Answered without reading it."""

import os
import stat
from dataclasses import dataclass

from storage.errors import translated


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What stat says of one file. A write changes at least one of size, mtime and ctime; a replacement also the inode."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    links: int
    mode: int
    """st_mode: type and permission bits."""

    @classmethod
    def of(cls, path: os.PathLike[str] | str | bytes) -> "Fingerprint":
        """Of the name itself (a symbolic link is not followed). Raises Missing, ReadOnly."""
        with translated(path):
            return cls.from_stat(os.lstat(path))

    @classmethod
    def of_open(cls, descriptor: int) -> "Fingerprint":
        """Of the file behind a descriptor. Raises OSError."""
        return cls.from_stat(os.fstat(descriptor))

    @classmethod
    def from_stat(cls, result: os.stat_result) -> "Fingerprint":
        return cls(
            device=result.st_dev,
            inode=result.st_ino,
            size_bytes=result.st_size,
            mtime_ns=result.st_mtime_ns,
            ctime_ns=result.st_ctime_ns,
            links=result.st_nlink,
            mode=result.st_mode,
        )

    @property
    def is_regular(self) -> bool:
        """A plain file: no folder, link, socket, pipe or device."""
        return stat.S_ISREG(self.mode)

    def unchanged_since(self, earlier: "Fingerprint | None") -> bool:
        """Same inode, size, mtime and ctime.

        The device is not compared: its number changes with every mount of some file systems, and a whole gallery that looks
        new after a restart would be encoded again. Mode and links need no comparison, since changing them moves ctime.
        """
        return earlier is not None and (self.inode, self.size_bytes, self.mtime_ns, self.ctime_ns) == (
            earlier.inode,
            earlier.size_bytes,
            earlier.mtime_ns,
            earlier.ctime_ns,
        )
