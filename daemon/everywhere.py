"""Every file of a gallery, whatever its name and wherever it lies: for one who concludes from not having found something.

The walk of `eligibility` passes by what its user hides, excludes or renames to something that is no photo. Who does that to a stand-in has
deleted nothing. Bins are left out, since what lies in one was deleted; but whoever is about to throw an archive away asks them, too: a
stand-in may be taken out of there again.
"""

import errno
import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from daemon.eligibility import FOREIGN_FOLDERS, SUFFIXES, passed_by
from daemon.errors import GalleryGone
from daemon.ignoring import Rules
from daemon.marking import MOST_STAND_IN_BYTES, original_of
from daemon.mounts import mount_of, mounts
from daemon.places import home_folder, is_folder
from storage.attributes import marked
from storage.digest import read_once
from storage.errors import Missing, StorageError, shown, translated
from storage.fingerprint import Fingerprint
from storage.layout import VAULT_NAME

_BIN = re.compile(
    rb"\.(?:d?trash|trash-.*|trashes|trashed-.*|stversions|debris)|\.sync/archive|\.local/share/trash|#recycle|@recycle|\$recycle\.bin",
    re.I,
)
"""What file managers, phones, sync tools and network storage call what was deleted, behind the folder that it is in."""
_NOBODYS = FOREIGN_FOLDERS - {b"lost+found", b"#recycle", b"@Recycle", b"$RECYCLE.BIN"} | {os.fsencode(VAULT_NAME)}
"""Folders in which no user keeps anything: thumbnails and snapshots of a file server, and our own."""
_CLOSED = frozenset({errno.EACCES, errno.EPERM})


def everything(root: Path, *, bins: bool = False) -> Iterator[tuple[Path, Fingerprint]]:
    """Every ordinary file below `root`, folder by folder in the order of their names; no link is followed. With `bins` also what lies in
    one. Disks of this computer that are mounted below are looked into, unless they are hidden: snapshots are.

    Raises GalleryGone where the root can't be listed, and StorageError where anything below it can't be looked at: it may be what is looked
    for. Hidden folders that this user may not enter are passed by, since nobody hides a photo of his there; so are bins, and `lost+found`.
    """
    try:
        stack = [(_listed(os.fsencode(root)), root.stat().st_dev)]
    except OSError as error:
        raise GalleryGone(f"the gallery {shown(root)} is not there or can't be read ({error.strerror}); is its disk mounted?") from error
    while stack:
        listing, device = stack[-1]
        entry = next(listing, None)
        if entry is None:
            stack.pop()
            continue
        if entry.name in _NOBODYS or (is_bin(entry.path) and not bins):
            continue
        with suppress(Missing), translated(entry.path):  # deleted meanwhile: that is no obstacle
            found = entry.stat(follow_symlinks=False)
            if found.st_dev != device and (entry.name.startswith(b".") or not _is_local_disk(entry)):
                continue
            if stat.S_ISREG(found.st_mode):
                yield Path(os.fsdecode(entry.path)), Fingerprint.from_stat(found)
            elif stat.S_ISDIR(found.st_mode):
                try:
                    stack.append((_listed(entry.path), found.st_dev))
                except OSError as error:
                    if error.errno not in _CLOSED or not (bins or _may_be_closed(entry.path[len(os.fsencode(root)) :])):
                        raise


def _is_local_disk(entry: os.DirEntry[bytes]) -> bool:
    mount = mount_of(mounts(), Path(os.fsdecode(entry.path)))
    return entry.is_dir(follow_symlinks=False) and mount is not None and not mount.is_remote


def hidden_stand_ins(root: Path) -> Iterator[tuple[Path, Fingerprint, str]]:
    """(path, what it looks like, digest of its original) of stand-ins that a walk without exclusions passes by: those that their user hid,
    or gave a name that is no photo's. Raises as `everything`, and StorageError for a file with a photo's name that can't be read.
    """
    for path, fingerprint in everything(root):
        name = os.fsencode(path.relative_to(root))
        if passed_by(name, Rules(())) not in ("hidden", "other-name"):
            continue
        likely = name.lower().endswith(SUFFIXES) or marked(path) is not None
        if not likely and fingerprint.size_bytes > MOST_STAND_IN_BYTES:
            continue
        digest = told_original(path, must_read=likely)
        if digest is not None:
            yield path, fingerprint, digest


def told_original(path: Path, *, must_read: bool) -> str | None:
    """Digest of the original that a file says it is a stand-in of; None where it says nothing, or is gone. Raises StorageError where it
    can't be read though it `must_read`: others are logs and caches, and whatever else lies about."""
    try:
        return original_of(read_once(path).data)
    except Missing:
        return None
    except StorageError:
        if must_read:
            raise
        return None


def _listed(folder: bytes) -> Iterator[os.DirEntry[bytes]]:
    with os.scandir(folder) as listing:
        return iter(sorted(listing, key=lambda entry: entry.name))


def _may_be_closed(below: bytes) -> bool:
    return b"/." in below or below == b"/lost+found" or is_bin(below)


def binned(root: Path, sizes: Collection[int]) -> dict[str, bytes]:
    """Digests of the originals that files in the bins of a gallery stand for, and in those of its user's desktop, each with the path of one
    of those: files of these `sizes`, or with a photo's name. Raises as `everything`."""
    found: dict[str, bytes] = {}
    inside = os.fsencode(root)
    files = ((path, fingerprint) for path, fingerprint in everything(root, bins=True) if _in_bin(os.fsencode(path), inside))
    for path, fingerprint in chain(files, *(everything(each, bins=True) for each in desktop_bins(root))):
        told = marked(path)
        looks_so = os.fsencode(path).lower().endswith(SUFFIXES) and fingerprint.size_bytes <= MOST_STAND_IN_BYTES
        if told is None and (looks_so or fingerprint.size_bytes in sizes):
            told = told_original(path, must_read=False)
        if told is not None:
            found[told] = os.fsencode(path)
    return found


def _in_bin(path: bytes, root: bytes) -> bool:
    return any(is_bin(path[: end.start()]) for end in re.finditer(rb"/", path) if end.start() > len(root)) or is_bin(path)


def desktop_bins(root: Path) -> Iterator[Path]:
    """Where file managers put what is deleted below `root`, outside of it: in the home folder, or at the top of the disk (the trash
    specification of freedesktop.org)."""
    home = Path(os.environ.get("XDG_DATA_HOME") or home_folder() / ".local/share")
    top = next((each for each in (root, *root.parents) if os.path.ismount(each)), root)
    user = str(os.getuid())
    for place in (home / "Trash", top / f".Trash-{user}", top / ".Trash" / user):
        if is_folder(place / "files") and os.access(place / "files", os.R_OK | os.X_OK) and not place.is_relative_to(root):
            yield place / "files"


def is_bin(path: bytes) -> bool:
    """Whether a folder, or a file, is what somebody has thrown away, by its path's last parts."""
    parts = path.rsplit(b"/", 3)
    return any(_BIN.fullmatch(b"/".join(parts[-depth:])) for depth in (1, 2, 3))
