"""Every file of a gallery, whatever its name and wherever it lies: for one who concludes from not having found something.

The walk of `eligibility` passes by what its user hides, excludes or renames to something that is no photo. Who does that to a stand-in has
deleted nothing. Only bins are left out, since what lies in one was deleted.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from daemon.eligibility import FOREIGN_FOLDERS, SUFFIXES, passed_by
from daemon.errors import GalleryGone
from daemon.ignoring import Rules
from daemon.marking import MOST_STAND_IN_BYTES, original_of
from storage.attributes import marked
from storage.digest import read_once
from storage.errors import Missing, StorageError, shown, translated
from storage.fingerprint import Fingerprint
from storage.layout import VAULT_NAME

_BIN = re.compile(rb"\.(?:d?trash|trash-.*|trashes|trashed-.*|stversions)|\.local/share/trash|" + re.escape(os.fsencode(VAULT_NAME)), re.I)
"""What file managers, phones and sync tools call what was deleted, behind the folder that it is in; and our own folder."""
_CLOSED = frozenset({errno.EACCES, errno.EPERM})


def everything(root: Path) -> Iterator[tuple[Path, Fingerprint]]:
    """Every ordinary file below `root` on its file system, folder by folder in the order of their names; no link is followed.

    Raises GalleryGone where the root can't be listed, and StorageError where anything below it can't be looked at: it may be what is looked
    for. Hidden folders that this user may not enter are passed by, since nobody hides a photo of his there.
    """
    try:
        device = root.stat().st_dev
        stack = [_listed(os.fsencode(root))]
    except OSError as error:
        raise GalleryGone(f"the gallery {shown(root)} is not there or can't be read ({error.strerror}); is its disk mounted?") from error
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        if entry.name in FOREIGN_FOLDERS or is_bin(entry.path):
            continue
        with suppress(Missing), translated(entry.path):  # deleted meanwhile: that is no obstacle
            found = entry.stat(follow_symlinks=False)
            if found.st_dev != device:
                continue
            if stat.S_ISREG(found.st_mode):
                yield Path(os.fsdecode(entry.path)), Fingerprint.from_stat(found)
            elif stat.S_ISDIR(found.st_mode):
                try:
                    stack.append(_listed(entry.path))
                except OSError as error:
                    if error.errno not in _CLOSED or b"/." not in entry.path[len(os.fsencode(root)) :]:
                        raise


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


def is_bin(path: bytes) -> bool:
    """Whether a folder, or a file, is what somebody has thrown away, by its path's last parts."""
    parts = path.rsplit(b"/", 3)
    return any(_BIN.fullmatch(b"/".join(parts[-depth:])) for depth in (1, 3))
