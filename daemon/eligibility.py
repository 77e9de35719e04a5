"""Which files of a gallery may be touched at all: the walk over the tree and the rules that need no catalogue.

Never follows a symbolic link; never leaves the gallery's own file system; never looks into hidden folders (the vault is one).
"""

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.assets import companions
from daemon.errors import GalleryGone
from daemon.ignoring import Rules, Wishes
from storage.errors import shown
from storage.fingerprint import Fingerprint, within_a_word

SUFFIXES = (b".jpg", b".jpeg", b".jpe", b".jfif", b".mpo", b".png")
UNFINISHED = (
    b".part",
    b".partial",
    b".filepart",
    b".tmp",
    b".temp",
    b".crdownload",
    b".opdownload",
    b".download",
    b".aria2",
    b".!ut",
    b".!sync",
)
"""Ends of names under which browsers and transfer tools keep what has not arrived yet; beside a photo they say that it has not."""
FOREIGN_FOLDERS = frozenset({b"@eaDir", b"lost+found", b"#recycle", b"@Recycle", b"#snapshot", b"@Recently-Snapshot", b"$RECYCLE.BIN"})
"""Folders that tools and file systems keep for themselves, bins of network storage among them; hidden ones are passed by anyway."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A photo seen on the disk. `reason` says why it must be left alone, None that it may be handled."""

    path: Path
    fingerprint: Fingerprint
    reason: str | None = None
    companions: tuple[bytes, ...] = ()
    """Names of what belongs to it, in its folder."""


def walk(root: Path, exclude: Iterable[str] = (), start: Path | None = None, *, keep: Iterable[str] = ()) -> Iterator[Sighting]:
    """Every photo of the gallery `root` at or below `start` (default: all), folder by folder, in the order of their names.

    What matches `exclude` is not looked at; what matches `keep`, or an ignore file, is seen with that reason.
    Raises GalleryGone where the root is not a folder that can be listed; a folder below that can't be listed is passed by with a warning.
    Whoever concludes from not having seen something asks `everywhere`.
    """
    rules = Rules(exclude)
    try:
        device = os.stat(root).st_dev
        with os.scandir(root):
            pass
    except OSError as error:
        raise GalleryGone(f"the gallery {shown(root)} is not there or can't be read ({error.strerror}); is its disk mounted?") from error
    start = root if start is None else start
    hidden = any(part.startswith(".") for part in start.relative_to(root).parts)
    try:
        mode = os.lstat(start).st_mode
    except OSError as error:
        _log.info("%s is gone or can't be looked at (%s)", shown(start), error.strerror)
        return
    if hidden or stat.S_ISLNK(mode):
        _log.warning("%s is %s; passed by", shown(start), "hidden" if hidden else "a symbolic link")
        return
    folder, only = (start, None) if stat.S_ISDIR(mode) else (start.parent, os.fsencode(start.name))
    wishes = Wishes.of(root, keep, _relative(os.fsencode(root), os.fsencode(folder)))
    yield from _tree(os.fsencode(folder), device, rules, wishes, only)


def _relative(root: bytes, path: bytes) -> bytes:
    return path[len(root) :].lstrip(b"/")


@dataclass(frozen=True, slots=True)
class _Below:
    """A folder that the walk has still to go down into."""

    path: bytes
    wishes: Wishes


def _tree(folder: bytes, device: int, rules: Rules, wishes: Wishes, only: bytes | None) -> Iterator[Sighting]:
    """Everything below, by a stack of its own: folders may lie in one another more deeply than functions may call."""
    stack = [_folder(folder, device, rules, wishes, only)]
    while stack:
        seen = next(stack[-1], None)
        if seen is None:
            stack.pop()
        elif isinstance(seen, _Below):
            stack.append(_folder(seen.path, device, rules, seen.wishes, None))
        else:
            yield seen


def _folder(folder: bytes, device: int, rules: Rules, wishes: Wishes, only: bytes | None) -> Iterator[Sighting | _Below]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        _log.warning("%s can't be listed (%s); passed by", shown(folder), error.strerror)
        return
    together = companions(entry.name for entry in entries)
    passing = [entry.name for entry in entries if entry.name.startswith(b".") or entry.name.lower().endswith(UNFINISHED)]
    for entry in entries:
        if entry.name.startswith(b".") or (only is not None and entry.name != only):
            continue
        relative = _relative(wishes.root, entry.path)
        try:
            result = entry.stat(follow_symlinks=False)
        except OSError as error:
            _log.info("%s is gone or can't be looked at (%s)", shown(entry.path), error.strerror)
            continue
        if stat.S_ISDIR(result.st_mode):
            if only is not None or entry.name in FOREIGN_FOLDERS or rules.excludes(relative, folder=True):
                continue
            if result.st_dev != device:
                _log.warning(
                    "%s is another disk, or subvolume, where nothing is archived; mount it outside, and make it a gallery of its own there",
                    shown(entry.path),
                )
                continue
            yield _Below(entry.path, wishes.below(relative))
        elif entry.name.lower().endswith(SUFFIXES) and not rules.excludes(relative):
            reason = obstacle(result, device)
            if reason == "not-a-file":
                _log.info("%s is not an ordinary file; passed by", shown(entry.path))
            elif arriving(entry.name, passing):
                _log.info("%s: a sync tool is writing it; passed by for now", shown(entry.path))
            else:
                path, beside = Path(os.fsdecode(entry.path)), together.get(entry.name, ())
                yield Sighting(path, Fingerprint.from_stat(result), wishes.reason(relative) or reason, beside)


def obstacle(result: os.stat_result, device: int) -> str | None:
    """Why the file system alone says no (a slug of `reasons`), or None."""
    if not stat.S_ISREG(result.st_mode):
        return "not-a-file"
    if result.st_dev != device:
        return "other-device"
    if os.geteuid() not in (0, result.st_uid):
        return "other-owner"
    if result.st_nlink > 1:
        return "hard-linked"
    if result.st_size == 0:
        return "empty"
    if within_a_word(result.st_mtime_ns) != result.st_mtime_ns:
        return "strange-date"
    return None


def arriving(name: bytes, beside: Iterable[bytes]) -> bool:
    """Whether a tool's temporary file for `name` stands beside it: Syncthing's, rsync's, Nextcloud's, rclone's or a browser's."""
    return any(
        other in (b".syncthing." + name + b".tmp", b"~syncthing~" + name + b".tmp")
        or other.startswith((b"." + name + b".", b"." + name + b"~"))
        or (other.startswith(name + b".") and other.lower().endswith(UNFINISHED))
        for other in beside
    )


def is_arriving(path: Path) -> bool:
    """The same for one photo, asked of the disk just before it is worked on: the walk may have been hours ago."""
    try:
        return arriving(os.fsencode(path.name), os.listdir(os.fsencode(path.parent)))
    except OSError:
        return False


def passed_by(relative: bytes, rules: Rules) -> str | None:
    """Why the walk does not even look at a name (relative to the gallery's root; a slug of `reasons`), or None."""
    *folders, name = relative.split(b"/")
    if name.lower().endswith(UNFINISHED) or name.startswith((b".pending-", b".syncthing.", b"~syncthing~")):
        return "unfinished"
    if name.startswith(b".trashed-") or any(folder in FOREIGN_FOLDERS for folder in folders):
        return "in-the-bin"
    if any(part.startswith(b".") for part in (*folders, name)):
        return "hidden"
    if not name.lower().endswith(SUFFIXES):
        return "other-name"
    above = (b"/".join(folders[: depth + 1]) for depth in range(len(folders)))
    if rules.excludes(relative) or any(rules.excludes(folder, folder=True) for folder in above):
        return "excluded"
    return None
