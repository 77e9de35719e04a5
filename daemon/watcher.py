"""Hints of what changes in the galleries: one inotify watch for each folder that is not excluded, through watchdog's reader.

Events are hints, the walk is the truth: whatever is lost here (a queue that overflows, a limit that is reached, a reader that dies, a file
server that tells nothing) is found by walking. Only the tree of folders is held in memory, never the photos.
"""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from daemon.eligibility import SUFFIXES
from daemon.galleries import Gallery
from daemon.mounts import Mount, mount_of, mounts
from daemon.places import is_folder
from daemon.pulse import Pulse
from daemon.watched_tree import Tree
from storage.errors import shown

_MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
)
SHARE = 0.5
"""Of the watches that a user may have, those that we take at most: other programs need some, too."""
OURS_S = 30.0
"""So long after we worked on a photo, news of it are taken for our own doing."""
WORK_S = 900.0
"""So long at most while we work on it."""

RETRY_S = 15.0
"""A gallery that is not there is looked for so often: each look may wake an automounter."""

_log = logging.getLogger(__name__)


class Watcher:
    """Watches the folders of galleries. `news` is called with photos and folders to look at, from the reader's thread too."""

    def __init__(
        self,
        news: Callable[[Iterable[Path]], None],
        *,
        reader: Callable[[], InotifyFD] = InotifyFD,
        most: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        retry_s: float = RETRY_S,
        pulse: Path | None = None,
    ) -> None:
        """`pulse`: a folder that is opened now and then, and nothing more, for the reader to tell of."""
        self._pulse = None if pulse is None else Pulse(os.fsencode(pulse), monotonic)
        self._news = news
        self._new_reader = reader
        self._most = most or most_watches
        self._monotonic = monotonic
        self._retry_s = retry_s
        self._tried_s = monotonic()
        self._reader: InotifyFD | None = None
        self._trees: list[Tree] = []
        self._lock = threading.RLock()
        self._ours: dict[Path, float] = {}
        self.polled: frozenset[Path] = frozenset()
        """Roots of galleries of which no event, or not every one, can be expected."""
        self.restarts = 0
        self._told = False

    def follow(self, galleries: Sequence[Gallery]) -> None:
        """Watch these from now on. Everything in them is news."""
        self.stop()
        with self._lock:
            self._trees = [Tree(self, each.root, each.settings.exclude) for each in galleries]
            self._start()
        self._news(tree.root for tree in self._trees)

    def keep_up(self) -> None:
        """To be called now and then: a reader that died is replaced, and folders that were not there are watched once they are.

        A disk that is mounted over a folder hides what is watched there, and no event tells of it: the kernel's table of mounts does.
        """
        with self._lock:
            if self._reader is not None and not (self._reader.is_alive() and self._hears):
                what = "reads nothing any more" if self._reader.is_alive() else "died"
                _log.error("the thread that reads inotify's events %s; another one is started, and all galleries are walked", what)
                self.restarts += 1
                old = self._reader
                for tree in self._trees:
                    tree.forget()
                self._trees = [Tree(self, tree.root, tree.exclude) for tree in self._trees]  # what the old one still tells is nobody's
                self._start()
                threading.Thread(target=old.stop, daemon=True).start()  # which may wait for ever for one that hangs
                self._news(tree.root for tree in self._trees)
            if self._pulse is not None:
                self._pulse.beat()
            if self._monotonic() - self._tried_s < self._retry_s:
                return
            self._tried_s = self._monotonic()
            table = mounts() if self._reader is not None else []
            for tree in self._trees if self._reader is not None else ():
                if mount_of(table, tree.root) != tree.mount:
                    _log.info("another disk is mounted at %s", shown(tree.root))
                    self._unwatch(tree, tree.top)
                    tree.forget()
                    self._place(tree, table)
                    self._watch(tree)
                    self._note_polled()
                    self._news([tree.root])
                elif not tree.remote and not tree.watched and is_folder(tree.root):
                    _log.info("%s is there again", shown(tree.root))
                    self._watch(tree)
                    self._news([tree.root])

    def try_again(self) -> None:
        """Where there were no readers or watches left: others may have given theirs back, or an administrator allows more."""
        with self._lock:
            if self._reader is None and self._trees:
                self._start()
                return
            for tree in self._trees:
                if tree.short:
                    tree.short = False
                    self._watch(tree)

    def ours(self, path: Path, for_s: float = WORK_S) -> None:
        """We ourselves are about to change this photo, or have just done so."""
        now = self._monotonic()
        with self._lock:
            if len(self._ours) > 1000:
                self._ours = {each: until for each, until in self._ours.items() if until > now}
            self._ours[path] = now + for_s

    @property
    def alive(self) -> bool:
        """Whether events arrive, as far as any can be expected."""
        return self._reader is None or (self._reader.is_alive() and self._hears and not (self._pulse and self._pulse.deaf))

    @property
    def _hears(self) -> bool:
        return self._pulse is None or self._pulse.is_answered_in_time

    @property
    def watches(self) -> int:
        return sum(len(tree.folders) for tree in self._trees)

    def stop(self) -> None:
        with self._lock:
            reader, self._reader = self._reader, None
            for tree in self._trees:
                tree.forget()
        if reader is not None:  # without the lock: the reader may be waiting for it
            reader.stop()
            reader.join(5)

    # Below: with the lock held.

    def _start(self) -> None:
        self._reader = None
        for tree in self._trees:
            tree.forget()
        table = mounts()
        for tree in self._trees:
            self._place(tree, table)
        try:
            self._reader = self._new_reader()
            self._reader.start()
            if self._pulse is not None:
                self._pulse.follow(self._reader)
        except OSError as error:  # as many readers as this user may have
            self._reader = None
            if not self._told:
                _log.warning("changes can't be watched (%s); galleries are walked now and then instead", error.strerror)
            self._told = True
        for tree in self._trees:
            self._watch(tree)
        self._note_polled()

    def _place(self, tree: Tree, table: list[Mount]) -> None:
        tree.mount = mount_of(table, tree.root)
        if tree.remote and tree.mount is not None:
            _log.info("%s is on %s, which tells of no changes; it is walked now and then", shown(tree.root), tree.mount.kind)

    def _watch(self, tree: Tree, start: bytes | None = None) -> None:
        """Watch a tree, or the part of it from `start` on."""
        reader = self._reader
        if reader is None or tree.remote:
            return
        most = self._most()
        for folder in tree.below(start):
            if self.watches >= most:
                self._too_many(tree, "so many that other programs would get none")
                break
            try:
                tree.add(folder, reader.add_callback(folder, _MASK, tree, tree.id))
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM):
                    self._too_many(tree, "as many as this user may have")
                    break
                _log.debug("%s can't be watched: %s", shown(folder), error)  # gone, or not ours to read
        self._note_polled()

    def _too_many(self, tree: Tree, why: str) -> None:
        if not tree.told:
            _log.warning(
                "%d folders are watched, %s; all of %s is walked now and then instead. More: sysctl fs.inotify.max_user_watches",
                self.watches,
                why,
                shown(tree.root),
            )
        tree.short = tree.told = True

    def _note_polled(self) -> None:
        self.polled = frozenset(tree.root for tree in self._trees if self._reader is None or tree.remote or tree.short)

    # From the reader's thread, by way of a tree.

    def changed(self, tree: Tree, event: InotifyEvent) -> None:
        with self._lock:
            folder = tree.folders.get(event.wd)
            if folder is None or tree not in self._trees:
                return
            path = folder + b"/" + event.name if event.name else folder
            if not event.name:
                if folder == tree.top:
                    self._lost(tree)
                return
            if event.is_directory:
                if event.is_moved_from:
                    self._unwatch(tree, path)
                elif not tree.excludes(path):
                    self._watch(tree, path)
                    self._news([Path(os.fsdecode(path))])
                return
            if event.name.startswith(b".") or not event.name.lower().endswith(SUFFIXES) or event.is_moved_from:
                return
            place = Path(os.fsdecode(path))
            if self._ours.get(place, 0.0) > self._monotonic():
                return
        self._news([place])

    def gone(self, tree: Tree, descriptor: WatchDescriptor) -> None:
        with self._lock:
            if tree.folders.pop(descriptor, None) == tree.top and tree in self._trees:
                self._lost(tree)

    def overflowed(self, tree: Tree) -> None:
        """Events were lost: what was written, and folders that were made."""
        with self._lock:
            if tree not in self._trees:
                return
            _log.warning("more changed than inotify could tell of; %s is walked", shown(tree.root))
            self._unwatch(tree, tree.top)  # whose names may be out of date
            self._watch(tree)
        self._news([tree.root])

    def _lost(self, tree: Tree) -> None:
        if tree.watched:
            _log.warning("%s is no longer there; is its disk mounted?", shown(tree.root))
            self._unwatch(tree, tree.top)

    def _unwatch(self, tree: Tree, path: bytes) -> None:
        going = [each for each, folder in tree.folders.items() if folder == path or folder.startswith(path + b"/")]
        for descriptor in going:
            tree.folders.pop(descriptor)
        if self._reader is not None:
            self._reader.remove_callbacks([(each, tree.id) for each in going])


def most_watches() -> int:
    """Our share of what the kernel allows a user."""
    try:
        return int(int(Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii")) * SHARE)
    except (OSError, ValueError):
        return 4096
