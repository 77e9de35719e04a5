"""A disk that forgets: what was not fsynced when the power went is dropped or torn.

The model is what every journalling file system gives and no more: a rename, exchange or link happens in whole or not at all, also across
two folders; what was done to a name is durable once a folder that it touches was fsynced, together with all that was done before to the
same folders; a file's bytes are durable once the file was fsynced. SQLite's own promise (``synchronous = FULL``) is taken as kept:
the catalogue is as it was after the last COMMIT.
"""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.daemon.faults import Counting

KINDS = ("all dropped", "names without bytes", "torn", "some of it")


class PowerCut(BaseException):
    """Nothing runs on it, as nothing runs without power."""


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
    """Runs as usual until the n-th change, then puts the tree below `root` and the catalogue as a power cut would leave them."""

    def __init__(self, root: Path, catalogue: Path, nth: int, kind: str) -> None:
        super().__init__(only_changes=True)
        self._root, self._catalogue, self._nth, self._kind = os.fspath(root), catalogue, nth, kind
        self._cut = False
        self._names: dict[str, int | None] = {self._root: None}
        """Every path when the run began -> its inode; None for a folder."""
        self._bytes: dict[int, bytes] = {}
        """What is durable of each file."""
        self._log: list[_Operation] = []
        for path in sorted(root.rglob("*")):
            status = path.lstat()
            self._names[str(path)] = None if path.is_dir() else status.st_ino
            if path.is_file():
                self._bytes[status.st_ino] = path.read_bytes()
        self._rows = self._catalogue_now()

    def passing(self, name: str, changes: bool) -> None:
        if self._cut:
            raise PowerCut
        super().passing(name, changes)
        if changes and len(self.points) == self._nth:
            self._cut = True
            raise PowerCut

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
                self._note("create", os.fsdecode(arguments[0]), "", os.fstat(result).st_ino)
            case "fsync":
                self._synced(arguments[0])
        return result

    def committed(self) -> None:
        """The catalogue has just committed."""
        self._rows = self._catalogue_now()

    def forget(self) -> None:
        """Leave on the disk what a power cut leaves."""
        chance = random.Random(f"{self._nth} {self._kind}")
        files = [path for path in Path(self._root).rglob("*") if path.is_file()]
        current = {path.lstat().st_ino: (path.read_bytes(), path.lstat()) for path in files}
        applied = [each for each in self._log if each.durable or self._kind in ("names without bytes", "torn")]
        if self._kind == "some of it":
            pending = [each for each in self._log if not each.durable]
            survivors = set(map(id, pending[: chance.randint(0, len(pending))]))
            applied = [each for each in self._log if each.durable or id(each) in survivors]
        names = dict(self._names)
        for each in applied:
            _apply(names, each)
        shutil.rmtree(self._root)
        for path, inode in sorted(names.items()):
            if inode is None:
                Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            data = self._bytes.get(inode, b"")
            if inode in current and data != current[inode][0] and self._kind in ("torn", "some of it"):
                data = current[inode][0][: chance.randint(0, len(current[inode][0]))]
            Path(path).write_bytes(data)
            if inode in current:
                Path(path).chmod(current[inode][1].st_mode & 0o7777)
                os.utime(path, ns=(current[inode][1].st_mtime_ns, current[inode][1].st_mtime_ns))
        for file in self._catalogue.parent.glob(self._catalogue.name + "*"):
            file.unlink()
        for place, data in self._rows.items():
            place.write_bytes(data)

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

    def _catalogue_now(self) -> dict[Path, bytes]:
        places = self._catalogue.parent.glob(self._catalogue.name + "*")
        return {place: place.read_bytes() for place in places if not place.name.endswith("-shm")}


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

