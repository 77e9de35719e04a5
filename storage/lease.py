"""A lease: the kernel's word that nobody has a file open for writing, and its call when somebody wants to.

A writer who opened the photo before we took it away is the hardest case: his bytes go into the set-aside original, whatever its
name is. A read lease is refused while such a writer exists, and makes a new one wait until we are done.

On network mounts it is let go as soon as it was granted. There a lease stands on what the server has promised (NFS: a delegation), which
has to be given back before the file may be renamed or removed: our own rename would wait for our own lease until the kernel breaks it,
after 45 seconds.
"""

import ctypes
import errno
import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from storage.errors import Changed

_UNSUPPORTED = frozenset({errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
"""No leases on this file system, or not for a user who does not own the file."""


_REMOTE = frozenset({0x6969, 0x517B, 0xFF534D42, 0xFE534D42, 0x00C36400, 0x01021997, 0x5346414F})
"""Linux's magic numbers (statfs(2)) of NFS, SMB in its three versions, Ceph, 9P and AFS."""

_libc = ctypes.CDLL(None, use_errno=True)


def _file_system(descriptor: int) -> int:
    """The magic number of the file system that a file lies on; 0 where it can't be known."""
    found = (ctypes.c_long * 64)()  # longer than any struct statfs, which begins with it
    return int(found[0]) & 0xFFFFFFFF if _libc.fstatfs(descriptor, found) == 0 else 0


class Lease:
    """What was granted for one descriptor."""

    def __init__(self, descriptor: int, granted: bool) -> None:
        self._descriptor = descriptor
        self.granted = granted

    def broken(self) -> bool:
        """Whether somebody waits to write. Always False where the kernel gave no lease."""
        return self.granted and fcntl.fcntl(self._descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK


@contextmanager
def lease_on(descriptor: int, name: str) -> Iterator[Lease]:
    """Hold a lease on a descriptor opened for reading. Raises Changed if somebody has the file open for writing now."""
    granted = False
    try:
        # The default signal of a broken lease ends the process; this one is ignored by default, and we ask `broken` instead.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        granted = True
        if _file_system(descriptor) in _REMOTE:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            granted = False
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise Changed(f"{name} is open for writing") from error
        if error.errno not in _UNSUPPORTED:
            raise
    try:
        yield Lease(descriptor, granted)
    finally:
        if granted:
            with suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
