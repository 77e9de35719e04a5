"""Files of a gallery and of its vault, opened for a stranger: no link is followed on the way, and nothing but a plain file is given."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from codec.leads import PNG_SIGNATURE

JPEG, PNG, OTHER = "image/jpeg", "image/png", "application/octet-stream"
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def opened_beneath(root: Path, path: bytes) -> int:
    """A descriptor of the plain file at `path`, relative to `root`: every folder on the way is one, and no link. Raises OSError."""
    *folders, name = path.split(b"/")
    if any(each in (b"", b".", b"..") for each in (*folders, name)):
        raise FileNotFoundError(2, os.strerror(2), path)
    here = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
        try:
            found = os.open(name, _FILE | os.O_NOATIME, dir_fd=here)
        except PermissionError:  # only the owner may ask for that
            found = os.open(name, _FILE, dir_fd=here)
    finally:
        os.close(here)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise FileNotFoundError(2, "it is no plain file", path)
    return found


def kind_of(head: bytes) -> str:
    """What a browser is told that a file is, by its first bytes alone: whatever is no JPEG or PNG is nothing to be shown."""
    if head[:3] == b"\xff\xd8\xff":
        return JPEG
    return PNG if head[:8] == PNG_SIGNATURE else OTHER


def begin_of(descriptor: int, size: int) -> bytes:
    """The first bytes; fewer where the file is shorter, or can't be read."""
    with suppress(OSError):
        return os.pread(descriptor, size, 0)
    return b""
