"""Whether a photo may be taken out of its place, asked before the work of archiving it and not only by the rename at the end."""

import fcntl
import os
import struct
from pathlib import Path

from storage.digest import opened
from storage.errors import ReadOnly, Refused, shown, translated

_GETFLAGS = 0x80006601 | struct.calcsize("l") << 16
"""FS_IOC_GETFLAGS of linux/fs.h."""
_IMMUTABLE, _APPEND = 0x10, 0x20


def check_movable(path: Path) -> None:
    """Raise ReadOnly where its folder may not be changed by this user, or a flag (`chattr +i`, `+a`) holds the photo or the folder fast."""
    folder = path.parent
    with opened(path) as descriptor:
        _check_flags(descriptor, path)
    with translated(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check_flags(descriptor, folder)
    finally:
        os.close(descriptor)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise ReadOnly(f"{shown(folder)} may not be changed by this user, or is on a read-only disk")


def check_givable(path: Path, staging: Path) -> None:
    """Raise Refused where a file that this user makes in `staging` could not be given the photo's group: all others of that group would no
    longer see what takes its place. Some file systems and folders give each file the same group."""
    with translated(path):
        group = path.lstat().st_gid
        if os.geteuid() != 0 and group not in {os.getegid(), *os.getgroups(), staging.stat().st_gid}:
            raise Refused(f"{shown(path)} belongs to a group ({group}) that this user is not in, so nothing in its place could")


def _check_flags(descriptor: int, path: Path) -> None:
    try:
        answer = fcntl.ioctl(descriptor, _GETFLAGS, bytes(struct.calcsize("l")))
    except OSError:
        return  # a file system without flags
    flags = int.from_bytes(answer[:4], "little")
    for flag, name in ((_IMMUTABLE, "immutable (chattr +i)"), (_APPEND, "append-only (chattr +a)")):
        if flags & flag:
            raise ReadOnly(f"{shown(path)} is marked {name}")
