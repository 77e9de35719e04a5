"""Is it still the same file? Answered without reading it."""

import os
import stat
from dataclasses import dataclass

from storage.errors import translated

_FIRST_NS, _LAST_NS = -(2**63), 2**63 - 1


def within_a_word(time_ns: int) -> int:
    """The nearest time that a signed word holds, of the years 1677 to 2262: some file systems know others, the catalogue does not."""
    return min(max(time_ns, _FIRST_NS), _LAST_NS)


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
            mtime_ns=within_a_word(result.st_mtime_ns),
            ctime_ns=within_a_word(result.st_ctime_ns),
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
