"""Which sync tools and photo managers a gallery belongs to, told by the markers that they leave in folders.

A tool's root may be the gallery, a folder above it, or a folder in it. Only names are looked at. What follows is decided in `sync_guard`.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from daemon import mega
from daemon.places import is_folder, is_there

MOST_FOLDERS = 20_000
"""How many folders of a gallery are searched for roots that lie in it."""
QUICK = 100
"""The same for commands that have to answer at once."""
ENTRIES = 200
"""So many names for each of these folders, on average: a search ends too where there are more."""


class Tool(StrEnum):
    """By the names that people know them by."""

    SYNCTHING = "Syncthing"
    NEXTCLOUD = "Nextcloud"
    DROPBOX = "Dropbox"
    RESILIO = "Resilio Sync"
    MEGA = "MEGA"
    NEXTCLOUD_SERVER = "a Nextcloud server"
    IMMICH = "Immich"
    GIT_ANNEX = "git-annex"
    DIGIKAM = "digiKam"


CARRIERS = frozenset({Tool.SYNCTHING, Tool.NEXTCLOUD, Tool.DROPBOX, Tool.RESILIO, Tool.MEGA})
"""Those that carry changes to other devices, and changes from there to here."""
OWNERS = frozenset({Tool.NEXTCLOUD_SERVER, Tool.IMMICH, Tool.GIT_ANNEX})
"""Those whose database knows every file's size and checksum, so that nobody else may change one."""


@dataclass(frozen=True, slots=True)
class SyncRoot:
    """A folder that belongs to a tool, with all that is below it."""

    tool: Tool
    folder: Path
    marker: str
    """Name of what gave it away."""

    def carries(self, path: Path) -> bool:
        """Whether a path lies in it. Neither tool follows symbolic links, so `path` must have none."""
        return path.is_relative_to(self.folder)


def sync_roots(root: Path, most_folders: int = MOST_FOLDERS, places: Iterable[Path] | None = None) -> tuple[SyncRoot, ...]:
    """All roots that a gallery (its links resolved) lies in, the nearest first, and then those that lie in it.

    `places`: photos and folders in it; then only those roots in it that they lie in.
    """
    here = _look(root)
    found = [*_marked(root, here.markers), *(each for folder in root.parents for each in _marked(folder, _look(folder).markers))]
    return (*found, *(_below(here, most_folders) if places is None else _around(root, places)))


@dataclass(frozen=True, slots=True)
class _Listing:
    """What of a folder's content matters here."""

    markers: list[str]
    """Names that may be some tool's."""
    folders: list[Path]
    entries: int


def _around(root: Path, places: Iterable[Path]) -> Iterator[SyncRoot]:
    """Only folders between the gallery and what lies there."""
    folders = {folder for place in places for folder in (place, *place.parents) if folder != root and folder.is_relative_to(root)}
    for folder in sorted(folders):
        if is_folder(folder):
            yield from _marked(folder, _look(folder).markers)


def _below(here: _Listing, most_folders: int) -> Iterator[SyncRoot]:
    """Folder by folder, the upper ones first; hidden folders, links and what can't be listed are passed by."""
    waiting, entries = deque(here.folders), here.entries
    for _ in range(most_folders):
        if not waiting or entries > most_folders * ENTRIES:
            return
        folder = waiting.popleft()
        found = _look(folder)
        yield from _marked(folder, found.markers)
        waiting += found.folders
        entries += found.entries


def _look(folder: Path) -> _Listing:
    markers, folders, entries = [], [], 0
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                entries += 1
                if entry.name.startswith(".") or entry.name in _PLAIN:
                    markers.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry))
    except OSError:  # not ours to list: the names that never change can still be asked for
        markers = [name for name in _FIXED if is_there(folder / name)]
    return _Listing(markers, sorted(folders), entries)


def _marked(folder: Path, names: list[str]) -> Iterator[SyncRoot]:
    """One root for each tool that left its markers in a folder."""
    seen: set[Tool] = set()
    for name in sorted(names):
        tool = _tool(folder, name)
        if tool is not None and tool not in seen:
            seen.add(tool)
            yield SyncRoot(tool, folder, name)


_PLAIN = frozenset({"digikam4.db"})
_FIXED = (
    *(".stfolder", ".nextcloudsync.log", ".dropbox", ".dropbox.cache", ".sync", mega.IGNORE_FILE, mega.DEBRIS),
    *(".ncdata", ".ocdata", ".immich", ".git"),
    *_PLAIN,
)


def _tool(folder: Path, name: str) -> Tool | None:
    """Whose marker a name is. Dropbox's own settings are a folder `.dropbox` in the home folder: only a file marks a synced one."""
    match name:
        case ".stfolder":
            return Tool.SYNCTHING
        case ".nextcloudsync.log" | ".owncloudsync.log":
            return Tool.NEXTCLOUD
        case ".dropbox":
            return Tool.DROPBOX if (folder / name).is_file() else None
        case ".dropbox.cache":
            return Tool.DROPBOX if is_folder(folder / name) else None
        case ".sync":
            return Tool.RESILIO if any(is_there(folder / name / each) for each in ("ID", "IgnoreList")) else None
        case mega.IGNORE_FILE:
            return Tool.MEGA if (folder / name).is_file() else None
        case mega.DEBRIS:
            return Tool.MEGA if is_folder(folder / name) else None
        case ".ncdata" | ".ocdata":
            return Tool.NEXTCLOUD_SERVER
        case ".immich":
            return Tool.IMMICH
        case ".git":
            return Tool.GIT_ANNEX if is_folder(folder / name / "annex") else None
        case "digikam4.db":
            return Tool.DIGIKAM
        case _:
            return Tool.NEXTCLOUD if name.startswith((".sync_", "._sync_")) and name.endswith(".db") else None
