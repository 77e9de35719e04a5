"""Which sync tools and photo managers a gallery belongs to, told by the markers that they leave in folders.

A tool's root may be the gallery, a folder above it, or a folder in it. Only names are looked at. What follows is decided in `sync_guard`.
"""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from daemon.places import is_folder

MOST_FOLDERS = 20_000
"""How many folders of a gallery are searched for roots that lie in it."""
QUICK = 500
"""The same for commands that have to answer at once."""


class Tool(StrEnum):
    """By the names that people know them by."""

    SYNCTHING = "Syncthing"
    NEXTCLOUD = "Nextcloud"
    DROPBOX = "Dropbox"
    NEXTCLOUD_SERVER = "a Nextcloud server"
    IMMICH = "Immich"
    DIGIKAM = "digiKam"


CARRIERS = frozenset({Tool.SYNCTHING, Tool.NEXTCLOUD, Tool.DROPBOX})
"""Those that carry changes to other devices, and changes from there to here."""
OWNERS = frozenset({Tool.NEXTCLOUD_SERVER, Tool.IMMICH})
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


def sync_roots(root: Path, most_folders: int = MOST_FOLDERS) -> tuple[SyncRoot, ...]:
    """All roots that a gallery (its links resolved) lies in, the nearest first, and then those that lie in it."""
    found = [each for folder in (root, *root.parents) for each in _of_folder(folder)]
    return (*found, *_below(root, most_folders))


def _below(root: Path, most_folders: int) -> Iterator[SyncRoot]:
    """Folder by folder, the upper ones first; hidden folders, links and what can't be listed are passed by."""
    waiting = deque(_folders(root))
    for _ in range(most_folders):
        if not waiting:
            return
        folder = waiting.popleft()
        yield from _of_folder(folder)
        waiting += _folders(folder)


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as listing:
            return sorted(Path(entry) for entry in listing if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _of_folder(folder: Path) -> Iterator[SyncRoot]:
    """The markers that lie directly in a folder; one for each tool."""
    seen: set[Tool] = set()
    try:
        with os.scandir(folder) as listing:
            names = [entry.name for entry in listing if entry.name.startswith(".") or entry.name in _PLAIN]
    except OSError:  # not ours to list: the names that never change can still be asked for
        names = [name for name in _FIXED if _is_there(folder / name)]
    for name in sorted(names):
        tool = _tool(folder, name)
        if tool is not None and tool not in seen:
            seen.add(tool)
            yield SyncRoot(tool, folder, name)


_PLAIN = frozenset({"digikam4.db"})
_FIXED = (".stfolder", ".nextcloudsync.log", ".dropbox", ".dropbox.cache", ".ncdata", ".ocdata", ".immich", *_PLAIN)


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
        case ".ncdata" | ".ocdata":
            return Tool.NEXTCLOUD_SERVER
        case ".immich":
            return Tool.IMMICH
        case "digikam4.db":
            return Tool.DIGIKAM
        case _:
            return Tool.NEXTCLOUD if name.startswith((".sync_", "._sync_")) and name.endswith(".db") else None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
