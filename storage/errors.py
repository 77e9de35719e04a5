"""What can go wrong with bytes, digests and rows.

StorageError
├── Missing        the file or row is not there
├── AlreadyThere   something has that name already; it was not touched
├── Changed        somebody wrote to the file in the meantime, or has it open for writing
├── Damaged        bytes on disk are not the ones that were written
├── NoSpace        the disk (or the quota) is full
├── ReadOnly       permission, immutable flag or read-only mount
├── Locked         another instance is at work
└── Refused        the request itself is wrong: an illegal move, a proof that does not fit, a newer catalogue
"""

import errno
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager


class StorageError(Exception):
    """Base of all; raised itself for an input/output error that has no better name."""


class Missing(StorageError):
    pass


class AlreadyThere(StorageError):
    pass


class Changed(StorageError):
    pass


class Damaged(StorageError):
    pass


class NoSpace(StorageError):
    pass


class ReadOnly(StorageError):
    pass


class Locked(StorageError):
    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid
        """Process that holds the lock, if it said so."""


class Refused(StorageError):
    pass


_KINDS: dict[int, tuple[type[StorageError], str]] = {
    errno.ENOENT: (Missing, "is not there"),
    errno.ENOTDIR: (Missing, "is not there: a part of its path is not a folder"),
    errno.EEXIST: (AlreadyThere, "is already there"),
    errno.ENOTEMPTY: (AlreadyThere, "is not empty"),
    errno.ENOSPC: (NoSpace, "could not be written: the disk is full"),
    errno.EDQUOT: (NoSpace, "could not be written: the quota is used up"),
    errno.EFBIG: (NoSpace, "could not be written: too large for this file system"),
    errno.EROFS: (ReadOnly, "is on a read-only file system"),
    errno.EACCES: (ReadOnly, "may not be read or changed by this user"),
    errno.EPERM: (ReadOnly, "may not be changed (owner or immutable flag)"),
    errno.ELOOP: (Refused, "is a symbolic link"),
    errno.EXDEV: (Refused, "is on another disk, or mount, than its vault, so nothing can change places there (`restore` has --to DIR)"),
    errno.ENAMETOOLONG: (Refused, "has too long a name"),
    errno.EISDIR: (Refused, "is a folder"),
}


def shown(path: os.PathLike[str] | str | bytes) -> str:
    """A path for a message; bytes that are no text, and what commands a terminal, breaks lines or turns their direction, are escaped."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:  # a text, and a locale (PYTHONUTF8=0) that has not all its letters
        raw = str(path).encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(_escaped(each) if unicodedata.category(each) in _COMMANDS or each in _TURNS else each for each in text)


_COMMANDS = frozenset({"Cc", "Zl", "Zp"})
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Explicit marks of direction (Unicode annex 9), by which a name shows another ending than it has."""


def _escaped(character: str) -> str:
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


@contextmanager
def translated(path: os.PathLike[str] | str | bytes) -> Iterator[None]:
    """Turn every OSError inside the block into a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        kind, what = _KINDS.get(error.errno or 0, (StorageError, f"could not be read or written ({error.strerror or error})"))
        raise kind(f"{shown(path)} {what}") from error
