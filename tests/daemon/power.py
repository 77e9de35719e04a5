"""A disk that forgets: what was not fsynced when the power went is dropped or torn.

The model is what every journalling file system gives and no more: a rename, exchange or link happens in whole or not at all, also across
two folders; what was done to a name is durable once a folder that it touches was fsynced, together with all that was done before to the
same folders; a file's bytes are durable once the file was fsynced. SQLite's own promise (``synchronous = FULL``) is taken as kept:
the catalogue is as it was after the last COMMIT.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.daemon.faults import Counting

KINDS = ("all dropped", "names without bytes", "torn", "some of it")


Content = tuple[bytes, int, int] | None
"""Of a file: bytes, mode, time of the last change in ns; of a folder None."""


@dataclass(frozen=True)
class Disk:
    """What a power cut leaves: the gallery below its root, and the files of the state folder. Equal ones go on in the same way."""

    root: str
    tree: tuple[tuple[str, Content], ...]
    state_folder: str
    state: tuple[tuple[str, Content], ...]

    def put(self) -> None:
        """Make it so."""
        for folder, content in ((self.root, self.tree), (self.state_folder, self.state)):
            shutil.rmtree(folder, ignore_errors=True)
            for path, each in content:
                place = Path(path)
                if each is None:
                    place.mkdir(mode=0o700, parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(each[0])
                place.chmod(each[1])
                os.utime(place, ns=(each[2], each[2]))


@dataclass
class _Operation:
    """On names: `what` is create, mkdir, rename, exchange, link or unlink; the second path is empty where there is one."""

    what: str
    first: str
    second: str
    inode: int
    durable: bool = False

    @property
    def folders(self) -> set[str]:
        return {os.path.dirname(path) for path in (self.first, self.second) if path}


class Forgetful(Counting):
    """Runs as usual, and before each change of the disk imagines what a power cut would leave there, in every way.

    Nothing of the program runs on after a cut, so that one run shows them all. With `first` and `every`: before each of those changes.
    """

    def __init__(self, root: Path, catalogue: Path, kinds: Sequence[str] = KINDS, *, first: int = 1, every: int = 1) -> None:
        super().__init__(only_changes=True)
        self._root, self._catalogue, self._kinds = os.fspath(root), catalogue, kinds
        self._first, self._every = first, every
        self.disks: dict[Disk, list[tuple[int, str]]] = {}
        """What may be left -> the points, from 1, and the kinds of a cut that leave it."""
        self._names: dict[str, int | None] = {self._root: None}
        """Every path when the run began -> its inode; None for a folder."""
        self._bytes: dict[int, bytes] = {}
        """What is durable of each file."""
        self._status: dict[int, os.stat_result] = {}
        """Of each file, as it was last seen."""
        self._log: list[_Operation] = []
        for path in sorted(root.rglob("*")):
            status = path.lstat()
            self._names[str(path)] = None if path.is_dir() else status.st_ino
            if path.is_file():
                self._bytes[status.st_ino], self._status[status.st_ino] = path.read_bytes(), status
        self._rows = self._catalogue_now()

    def passing(self, name: str, changes: bool) -> None:
        super().passing(name, changes)
        nth = len(self.points)
        if not changes or nth < self._first or (nth - self._first) % self._every:
            return
        current = {}
        for path in Path(self._root).rglob("*"):
            if path.is_file():
                status = path.lstat()
                current[status.st_ino] = path.read_bytes()
                self._status[status.st_ino] = status
        state = tuple(sorted((self._rows | self._beside_the_catalogue()).items()))
        for kind in self._kinds:
            disk = Disk(self._root, tuple(sorted(self._left(kind, nth, current))), str(self._catalogue.parent), state)
            self.disks.setdefault(disk, []).append((nth, kind))

    def call(self, name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        inode = _inode(arguments[1]) if name == "renameat2" else _inode(arguments[0]) if name in ("rename", "replace", "link") else 0
        fresh = name == "open" and bool(arguments[1] & os.O_CREAT) and not os.path.lexists(arguments[0])
        result = super().call(name, real, *arguments, **options)
        match name:
            case "renameat2" if result == 0:
                first, second = os.fsdecode(arguments[1]), os.fsdecode(arguments[3])
                self._note("exchange" if arguments[4] == 2 else "rename", first, second, inode)
            case "rename" | "replace" | "link":
                self._note("link" if name == "link" else "rename", os.fsdecode(arguments[0]), os.fsdecode(arguments[1]), inode)
            case "unlink" | "mkdir":
                self._note(name, os.fsdecode(arguments[0]), "", 0)
            case "open" if fresh:
                status = os.fstat(result)
                self._status[status.st_ino] = status
                self._note("create", os.fsdecode(arguments[0]), "", status.st_ino)
            case "fsync":
                self._synced(arguments[0])
        return result

    def committed(self) -> None:
        """The catalogue has just committed."""
        self._rows = self._catalogue_now()

    def _left(self, kind: str, nth: int, current: dict[int, bytes]) -> Iterator[tuple[str, Content]]:
        """The paths that there are, and what is in them."""
        chance = random.Random(f"{nth} {kind}")
        applied = [each for each in self._log if each.durable or kind in ("names without bytes", "torn")]
        if kind == "some of it":
            pending = [each for each in self._log if not each.durable]
            survivors = set(map(id, pending[: chance.randint(0, len(pending))]))
            applied = [each for each in self._log if each.durable or id(each) in survivors]
        names = dict(self._names)
        for each in applied:
            _apply(names, each)
        for path, inode in sorted(names.items()):
            if inode is None:
                yield path, None
                continue
            data = self._bytes.get(inode, b"")
            if inode in current and data != current[inode] and kind in ("torn", "some of it"):
                data = current[inode][: chance.randint(0, len(current[inode]))]
            status = self._status[inode]
            yield path, (data, status.st_mode & 0o7777, status.st_mtime_ns)

    def _note(self, what: str, first: str, second: str, inode: int) -> None:
        self._log.append(_Operation(what, first, second, inode))

    def _synced(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isdir(path):
            folders = {path}
            for each in reversed(self._log):
                if each.folders & folders:
                    each.durable = True
                    folders |= each.folders
        else:
            self._bytes[status.st_ino] = Path(path).read_bytes()

    def _catalogue_now(self) -> dict[str, Content]:
        places = self._catalogue.parent.glob(self._catalogue.name + "*")
        return {str(place): _content(place) for place in places if not place.name.endswith("-shm")}

    def _beside_the_catalogue(self) -> dict[str, Content]:
        """What else is in the state folder; none of it matters so much that it would be waited for."""
        folder = self._catalogue.parent
        places = [folder, *folder.rglob("*")] if folder.exists() else []
        return {str(place): _content(place) for place in places if not place.name.startswith(self._catalogue.name)}


def _content(place: Path) -> Content:
    status = place.lstat()
    return None if place.is_dir() else (place.read_bytes(), status.st_mode & 0o7777, status.st_mtime_ns)


def _inode(path: Any) -> int:
    return os.lstat(path).st_ino if os.path.lexists(path) else 0


def _apply(names: dict[str, int | None], each: _Operation) -> None:
    match each.what:
        case "create":
            names[each.first] = each.inode
        case "mkdir":
            names.setdefault(each.first, None)
        case "unlink":
            names.pop(each.first, None)
        case "link":
            names[each.second] = each.inode
        case "rename":
            names.pop(each.first, None)
            names[each.second] = each.inode
        case "exchange":
            names[each.first], names[each.second] = names.get(each.second), names.get(each.first)
