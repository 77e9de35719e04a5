"""Where a person's photos are likely to be: what `config init` proposes. Looks at names only, and only for a moment."""

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.eligibility import SUFFIXES
from daemon.places import is_folder

MOST = 8
LONGEST_S = 2.0
MOST_FOLDERS = 3000
DEPTH = 4
CAMERA_NAMES = frozenset({"dcim", "camera", "camera uploads", "camera roll", "instantupload"})
"""A folder of such a name is proposed as a whole, in lower case."""


@dataclass(frozen=True, slots=True)
class Likely:
    """A folder with photos in it, and how many were seen before the time was over."""

    folder: Path
    photos: int


def likely_folders(home: Path, media: tuple[Path, ...] | None = None, longest_s: float = LONGEST_S) -> list[Likely]:
    """The ones with the most photos first. `media`: folders in which disks and cards appear."""
    ends_at = time.monotonic() + longest_s
    found: dict[Path, int] = {}
    for base in _bases(home, _media() if media is None else media):
        for folder, photos in _search(base, ends_at):
            found[folder] = max(photos, found.get(folder, 0))
    apart = [folder for folder in found if not any(folder != other and folder.is_relative_to(other) for other in found)]
    return sorted((Likely(folder, found[folder]) for folder in apart), key=lambda each: (-each.photos, each.folder))[:MOST]


def _bases(home: Path, media: tuple[Path, ...]) -> Iterator[Path]:
    for name in ("Sync", "Syncthing", "Nextcloud", "Dropbox", "DCIM", "Photos"):
        yield home / name
    yield _pictures(home)
    for place in media:
        yield from _folders(place)


def _media() -> tuple[Path, ...]:
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = ""
    return tuple(Path(place, user) if user else Path(place) for place in ("/media", "/run/media"))


def _pictures(home: Path) -> Path:
    """The user's folder for pictures, whatever language it is named in (xdg-user-dirs)."""
    try:
        text = (home / ".config/user-dirs.dirs").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    said = re.search(r'^XDG_PICTURES_DIR="(?:\$HOME/)?([^"]+)"', text, re.MULTILINE)
    return home / said[1] if said else home / "Pictures"


def _search(base: Path, ends_at: float) -> Iterator[tuple[Path, int]]:
    """The camera folders below a base, each with all that is in it; where there are none, the base itself if it has photos."""
    if not is_folder(base):
        return
    if base.name.lower() in CAMERA_NAMES:
        yield base, _count(base, ends_at)
        return
    cameras = 0
    waiting = deque([(base, 0)])
    for _ in range(MOST_FOLDERS):
        if not waiting or time.monotonic() > ends_at:
            break
        folder, depth = waiting.popleft()
        for below in _folders(folder):
            if below.name.lower() in CAMERA_NAMES:
                photos = _count(below, ends_at)
                if photos:
                    cameras += 1
                    yield below, photos
            elif depth < DEPTH:
                waiting.append((below, depth + 1))
    photos = 0 if cameras else _count(base, ends_at)
    if photos:
        yield base, photos


def _count(base: Path, ends_at: float) -> int:
    photos, waiting = 0, [base]
    while waiting and time.monotonic() <= ends_at:
        folder = waiting.pop()
        waiting += _folders(folder)
        try:
            with os.scandir(os.fsencode(folder)) as listing:
                photos += sum(entry.name.lower().endswith(SUFFIXES) for entry in listing)
        except OSError:
            continue
    return photos


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as listing:
            return sorted(Path(entry) for entry in listing if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
