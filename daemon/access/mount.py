"""The view as a read-only file system (FUSE): `gallery-optimizer mount`. Needs libfuse 3 (or 2) and the package `mfusepy`.

Nothing is decoded before somebody reads. A reader gets the right bytes or an error, never others: a copy whose size is not the one that was
told is an input/output error, and the next look tells the right size. The one exception are thumbnailers, known by the names of their
programs: they are given the stand-in, past the kernel's cache, so that a folder of ten thousand photos can be looked at undecoded.
"""

import errno
import itertools
import logging
import os
import resource
import signal
import stat
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import mfusepy

from daemon.access.copying import Copies, Wanted
from daemon.access.session import wanted_of
from daemon.access.view import Node, Source, View
from daemon.errors import CommandFailed, WrongPath
from daemon.mounts import mount_of, mounts
from storage.errors import StorageError, shown

_log = logging.getLogger(__name__)

_KIND = "gallery-optimizer"
"""How the kernel's table of mounts tells our views from others: as the part of the file system's type behind "fuse."."""
READERS = 64
"""Threads that may wait for a decoder at the same time, while others still list folders."""
_LOOP_ENDED = 8
"""What libfuse's main function gives for a mount that worked and was ended by a signal."""
SECONDS = 1.0
"""How long the kernel believes what it was told of a name."""


@dataclass(slots=True)
class _Open:
    """One open file. `descriptor` None: nobody has read yet, or only the memory has the copy."""

    node: Node
    told_bytes: int
    """Its size when it was opened: whoever holds it open is given a copy of that size or none."""
    descriptor: int | None = None
    in_memory: bool = False
    small: bool = False
    """It is the stand-in that is read."""
    guard: Lock = field(default_factory=Lock)


class FileSystem(mfusepy.Operations):  # type: ignore[misc]  # the package has no types
    """What FUSE asks, answered from a view. Paths come with a slash in front."""

    use_ns = True

    def __init__(
        self,
        view: View,
        copies: Copies,
        ahead: Callable[[Node, str], None] | None = None,
        note_size: Callable[[Node, int], None] = lambda node, size_bytes: None,
    ) -> None:
        """`ahead` is told of every photo of which a copy was just read, by its node and path; `note_size` of every copy whose size was told
        wrong, and is right now."""
        self._view = view
        self._copies = copies
        self._ahead = ahead
        self._note_size = note_size
        self._files: dict[int, _Open] = {}
        self._numbers = itertools.count(1)
        self._guard = Lock()
        self._small: Counter[str] = Counter()  # paths of which somebody reads the stand-in, and of which somebody reads the photo
        self._full: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}  # of copies that turned out to have another size than was told, by archive

    def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
        known = None if fh is None else self._files.get(fh.fh)
        node = self._node(path) if known is None else known.node
        return {**node.status, "st_size": self._size(node)}

    def readdir(self, path: str, fh: int) -> Iterator[str]:
        yield from (".", "..")
        yield from self._view.names(path.strip("/"))

    def readlink(self, path: str) -> str:
        return os.readlink(self._node(path).path)  # noqa: PTH115  # a Path would tidy up what the link says

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._view.gallery.root)
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_") and name != "f_fsid"}

    def listxattr(self, path: str) -> list[str]:
        return list(self._view.xattrs(self._node(path)))

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        try:
            return self._view.xattrs(self._node(path))[name]
        except KeyError:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA)) from None

    def open(self, path: str, fi: Any) -> int:
        """Here and below, `fi` is FUSE's own structure, for its `direct_io`."""
        if fi.flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        node = self._node(path)
        opened = _Open(node, self._size(node))
        with self._guard:
            if node.source is Source.COPY and not self._full[path] and node.worn_by is not None and is_thumbnailer(_caller()):
                opened.small = True
                fi.direct_io = 1
            elif self._small[path]:
                fi.direct_io = 1
            (self._small if opened.small else self._full)[path] += 1
        source = node.worn_by if opened.small else None if node.source is Source.COPY else node.path
        if source is not None:
            try:
                opened.descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                self._forget(path, opened)
                raise
        number = next(self._numbers)
        self._files[number] = opened
        fi.fh = number
        return 0

    def read(self, path: str, size: int, offset: int, fi: Any) -> bytes:
        opened = self._files[fi.fh]
        if opened.node.source is Source.COPY and opened.descriptor is None:
            with opened.guard:  # the kernel asks for several parts of one file at a time
                self._fetch(opened, path)
        if opened.descriptor is not None:
            return os.pread(opened.descriptor, size, offset)
        return self._copies.from_memory(_wanted(self._view, opened.node), size, offset)

    def release(self, path: str, fi: Any) -> int:
        opened = self._files.pop(fi.fh, None)
        if opened is None:
            return 0
        self._forget(path, opened)
        if opened.descriptor is not None:
            os.close(opened.descriptor)
        return 0

    def _forget(self, path: str, opened: _Open) -> None:
        with self._guard:
            readers = self._small if opened.small else self._full
            readers[path] -= 1
            if not readers[path]:
                del readers[path]

    def _size(self, node: Node) -> int:
        known = self._sizes.get(_wanted(self._view, node).name) if node.source is Source.COPY else None
        return node.size_bytes if known is None else known

    def _node(self, path: str) -> Node:
        try:
            return self._view.node(path.strip("/"))
        except StorageError as error:
            _log.warning("%s: %s", shown(path.strip("/")), error)
            raise OSError(errno.EIO, str(error)) from error

    def _fetch(self, opened: _Open, path: str) -> None:
        if opened.descriptor is not None or opened.in_memory:
            return
        wanted = _wanted(self._view, opened.node)
        descriptor = self._copies.descriptor(wanted)
        size = self._copies.size(wanted) if descriptor is None else os.fstat(descriptor).st_size
        if size != opened.told_bytes:
            self._sizes[wanted.name] = size
            self._note_size(opened.node, size)
            if descriptor is not None:
                os.close(descriptor)
            _log.warning("%s has %d bytes, not %d; whoever opens it again gets it", shown(path.strip("/")), size, opened.told_bytes)
            raise OSError(errno.EIO, "the copy has another size than was told")
        opened.descriptor, opened.in_memory = descriptor, descriptor is None
        if self._ahead is not None:
            self._ahead(opened.node, path)


def is_thumbnailer(pid: int) -> bool:
    """Whether a process draws thumbnails, by its program's name. Only such that read, and never map a file into their memory."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    names = [word.rpartition(b"/")[2] for word in words[:2]]
    if names[0].startswith((b"kioworker", b"kioslave")):
        return len(names) > 1 and names[1] == b"thumbnail.so"
    return names[0].endswith(b"thumbnailer")


def _caller() -> int:
    pid: int = mfusepy.fuse_get_context()[2]
    return pid


def _wanted(view: View, node: Node) -> Wanted:
    return wanted_of(view.gallery, node)


def prepare(mountpoint: Path) -> None:
    """Raise CommandFailed where nothing can be mounted; what a killed mount left there is taken away first."""
    try:
        status = mountpoint.stat()
    except FileNotFoundError:
        raise WrongPath(f"{shown(mountpoint)} is not there; make that folder first.") from None
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise CommandFailed(f"{shown(mountpoint)} can't be used: {error.strerror}.") from error
        _check_ours(mountpoint)
        _unmount(mountpoint)
        _log.warning("%s was still mounted by a program that is gone; taken away", shown(mountpoint))
        status = mountpoint.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise WrongPath(f"{shown(mountpoint)} is not a folder.")
    if os.path.ismount(mountpoint):
        raise CommandFailed(f"something is mounted on {shown(mountpoint)} already; unmount it (fusermount3 -u), or choose another folder.")
    with os.scandir(mountpoint) as listing:
        if next(listing, None) is not None:
            raise WrongPath(f"{shown(mountpoint)} is not empty; choose an empty folder: what is in it would be hidden.")
    if not Path("/dev/fuse").exists():
        raise CommandFailed("this computer has no FUSE: /dev/fuse is not there.")


def _check_ours(mountpoint: Path) -> None:
    """Raise CommandFailed where what is mounted there, or above, and has lost its program, is not such a view."""
    place = Path(os.path.realpath(mountpoint))
    found = mount_of(mounts(), place)
    if found is None or found.kind != f"fuse.{_KIND}" or found.place != place:
        kind = "no view of ours" if found is None else f"{shown(found.place)}, a mount of another kind ({found.kind})"
        raise CommandFailed(f"{shown(mountpoint)} has lost its program, and is {kind}; unmount it, or choose another folder.")


def _unmount(mountpoint: Path) -> None:
    for command in (["fusermount3", "-u", "-z"], ["fusermount", "-u", "-z"], ["umount", "-l"]):
        try:
            subprocess.run([*command, mountpoint], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return
    raise CommandFailed(f"{shown(mountpoint)} is still mounted by a program that is gone; unmount it with: fusermount3 -u -z MOUNTPOINT")


def options(root: Path, *, allow_other: bool = False) -> Mapping[str, Any]:
    """For libfuse."""
    chosen: dict[str, Any] = {"foreground": True, "ro": True, "default_permissions": True, "auto_unmount": True, "auto_cache": True}
    chosen |= {"fsname": f"gallery-optimizer:{root}".replace(",", "_"), "subtype": _KIND}
    chosen |= {"attr_timeout": SECONDS, "entry_timeout": SECONDS, "allow_other": allow_other}
    if mfusepy.fuse_version_major == 3 and mfusepy.fuse_version_minor >= 12:
        chosen |= {"max_threads": READERS, "max_idle_threads": 8}  # the second, since 3.14 complains of its own default
    return chosen


def serve(system: FileSystem, mountpoint: Path, chosen: Mapping[str, Any]) -> None:
    """Until somebody unmounts it or the process is told to end (SIGINT, SIGTERM, SIGHUP). Raises CommandFailed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each file that somebody holds open takes one; 1024 are soon used up
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # libfuse ends its loop and unmounts, unless somebody else has a handler
    try:
        mfusepy.FUSE(system, os.fspath(mountpoint), raw_fi=True, **chosen)
    except RuntimeError as error:
        if error.args == (_LOOP_ENDED,):
            return
        raise CommandFailed(f"{shown(mountpoint)} can't be mounted; libfuse says why above.") from error
