"""The watched folders of one gallery, and which of its folders are to be watched."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from watchdog.observers.inotify_c import CallbackId, InotifyEvent, WatchDescriptor

from daemon.eligibility import FOREIGN_FOLDERS
from daemon.ignoring import Rules
from daemon.mounts import Mount


class Listener(Protocol):
    """Who is told, from the thread that reads inotify."""

    def changed(self, tree: "Tree", event: InotifyEvent) -> None: ...
    def gone(self, tree: "Tree", descriptor: WatchDescriptor) -> None: ...
    def overflowed(self, tree: "Tree") -> None: ...


@dataclass(eq=False, slots=True)
class Tree:
    """The watched folders of one gallery; what watchdog calls back."""

    listener: Listener
    root: Path
    exclude: tuple[str, ...]
    mount: Mount | None = None
    """What it lay on when it was last looked at."""
    short: bool = False
    """Whether some of its folders could not be watched."""
    told: bool = False
    """Whether that was said before."""
    folders: dict[WatchDescriptor, bytes] = field(default_factory=dict)
    _rules: Rules = field(init=False)

    def __post_init__(self) -> None:
        self._rules = Rules(self.exclude)

    @property
    def id(self) -> CallbackId:
        return CallbackId(id(self))

    @property
    def top(self) -> bytes:
        return os.fsencode(self.root)

    @property
    def remote(self) -> bool:
        return self.mount is not None and self.mount.is_remote

    @property
    def watched(self) -> bool:
        return bool(self.folders)

    def forget(self) -> None:
        self.folders.clear()
        self.short = False

    def add(self, folder: bytes, descriptor: WatchDescriptor) -> None:
        self.folders[descriptor] = folder

    def excludes(self, folder: bytes) -> bool:
        """As the walk does: hidden folders, bins, and what the configuration excludes."""
        name = os.path.basename(folder)
        return name.startswith(b".") or name in FOREIGN_FOLDERS or self._rules.excludes(folder[len(self.top) + 1 :], folder=True)

    def below(self, start: bytes | None) -> Iterator[bytes]:
        """A folder and every folder below it that is not excluded, on the same file system."""
        known = set(self.folders.values())
        try:
            device = os.stat(self.top).st_dev
        except OSError:
            return
        waiting = [self.top if start is None else start]
        while waiting:
            folder = waiting.pop()
            try:
                found = os.lstat(folder)
                if not stat.S_ISDIR(found.st_mode) or found.st_dev != device:
                    continue
                if folder not in known:
                    yield folder
                with os.scandir(folder) as listing:
                    waiting += [each.path for each in listing if each.is_dir(follow_symlinks=False) and not self.excludes(each.path)]
            except OSError:
                continue

    # watchdog's WatchCallback.

    def on_event(self, event: InotifyEvent) -> None:
        self.listener.changed(self, event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        self.listener.gone(self, wd)

    def on_queue_overflow(self) -> None:
        self.listener.overflowed(self)
