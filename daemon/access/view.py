"""The gallery as it was: what stands under each name, and where its bytes come from. It decodes nothing and knows no FUSE.

A photo in grace is its set-aside original; an archived one the copy that `restore` would give, with a size that is known before anything is
decoded; everything else is what it is. The vault is not shown.
"""

import errno
import logging
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path
from threading import Lock

from codec.errors import CodecError
from daemon.copies import facts_of
from daemon.eligibility import SUFFIXES
from daemon.galleries import Gallery
from daemon.marking import MOST_STAND_IN_BYTES, has_own_labels, original_of, relabelled
from storage import layout
from storage.attributes import Attributes
from storage.catalog import Catalog
from storage.digest import read_once, sha256_of
from storage.errors import StorageError, shown
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)

_REMEMBERED = 65_536
_AGE_S = 2.0
"""How long the list of photos without stand-ins may be out of date."""

Measure = Callable[["Node"], int]
"""Size of a copy where the catalogue does not know it: a matter of decoding. Raises OSError."""


class Source(Enum):
    """Where a name's bytes come from."""

    FILE = auto()
    """`path`, as it is: no photo of ours, or one that is not archived."""
    ORIGINAL = auto()
    """`path`, a set-aside original."""
    COPY = auto()
    """The archive of `row`."""


@dataclass(frozen=True, slots=True)
class Node:
    """What stands under a name. `worn_by` is the file whose owner, mode and attributes it has; None: the archive tells them."""

    source: Source
    path: Path
    status: Mapping[str, int]
    """Fields of stat, times in nanoseconds under the names without `_ns`."""
    row: PhotoRow | None = None
    worn_by: Path | None = None
    relabelled: str = ""
    """Digest of a stand-in, `worn_by`, whose labels are not those that it was made with: the copy has them, too."""

    @property
    def size_bytes(self) -> int:
        return self.status["st_size"]


class View:
    """One gallery, for any number of threads. Paths are relative to its root, without a slash in front."""

    def __init__(self, gallery: Gallery, catalog: Catalog, measure: Measure) -> None:
        """`catalog`: opened with `any_thread`."""
        self.gallery = gallery
        self._catalog = catalog
        self._measure = measure
        self._guard = Lock()
        self._bare: tuple[float, dict[bytes, list[bytes]]] = (float("-inf"), {})
        self._digest_of = lru_cache(_REMEMBERED)(_digest)
        self._mark_of = lru_cache(_REMEMBERED)(_mark)
        self._label_of = lru_cache(_REMEMBERED)(_labels)

    def names(self, folder: str) -> list[str]:
        """Names in a folder, '.' and '..' not among them. Raises OSError."""
        where = self._where(folder)
        here = {entry.name for entry in where.iterdir() if entry.name != layout.VAULT_NAME}
        return sorted(here | {os.fsdecode(name) for name in self._without_stand_in().get(os.fsencode(folder), ())})

    def node(self, name: str) -> Node:
        """Raises FileNotFoundError, or whatever OSError looking at it gives; for an archive that can't be used, an input/output error."""
        where = self._where(name)
        try:
            status = os.lstat(where)
        except FileNotFoundError:
            row = self._row(name)
            if row is None or not _is_archived(row) or row.stand_in_sha256 is not None:  # deleted: it is not there for the user either
                raise
            return self._archived(row, where, None)
        if not stat.S_ISREG(status.st_mode) or not os.fsencode(where.name).lower().endswith(SUFFIXES):
            return Node(Source.FILE, where, _fields(status), worn_by=where)
        row = self._row_of(name, where, status)
        return Node(Source.FILE, where, _fields(status), worn_by=where) if row is None else self._archived(row, where, status)

    def xattrs(self, node: Node) -> Mapping[str, bytes]:
        """Extended attributes of a photo. Raises OSError."""
        try:
            if node.worn_by is not None:
                return Attributes.of(node.worn_by).xattrs
            worn = facts_of(self.archive(node)).worn
        except (StorageError, CodecError):
            return {}
        return {} if worn is None else {os.fsdecode(name): value for name, value in worn.xattrs}

    def archive(self, node: Node) -> Path:
        assert node.row is not None
        return self.gallery.vault.archive_path(node.row.sha256 or "")

    def _where(self, name: str) -> Path:
        if layout.VAULT_NAME in name.split("/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self.gallery.root / name

    def _row(self, name: str) -> PhotoRow | None:
        with self._guard:
            return self._catalog.find(self.gallery.key, os.fsencode(name))

    def _row_of(self, name: str, where: Path, status: os.stat_result) -> PhotoRow | None:
        """The archived photo that a file stands for; None where it stands for itself."""
        fingerprint = Fingerprint.from_stat(status)
        row = self._row(name)
        if row is not None and _is_archived(row):
            ours = row.is_current(fingerprint) or self._digest_of(where, fingerprint) == row.stand_in_sha256
            ours = ours or (row.has_archive and self._label_of(where, fingerprint, row.sha256 or "") is not None)
            return row if ours and not (row.replaced and row.state is State.PURGED) else None
        if (row is not None and row.reason != "stand-in") or status.st_size > MOST_STAND_IN_BYTES:
            return None
        digest = self._mark_of(where, fingerprint)
        if digest is None:
            return None
        with self._guard:
            rows = self._catalog.by_digest(digest, self.gallery.key)
        found = self._digest_of(where, fingerprint)
        return next((each for each in rows if _is_archived(each) and each.stand_in_sha256 == found), None)

    def _archived(self, row: PhotoRow, where: Path, status: os.stat_result | None) -> Node:
        if row.state is State.RETIRED or row.kept_since_at is not None:
            aside = self.gallery.vault.aside_path(row.location, row.sha256 or "")
            try:
                held = os.lstat(aside)
            except OSError:
                held = None
            if held is not None and stat.S_ISREG(held.st_mode) and held.st_size == row.size_bytes:
                return Node(Source.ORIGINAL, aside, _fields(held), row, aside)
            if not row.has_archive:  # packed anew without loss: what is in place is the photo
                assert status is not None
                return Node(Source.FILE, where, _fields(status), worn_by=where)
        worn = self._told(row) if status is None else _fields(status)
        fingerprint = None if status is None else Fingerprint.from_stat(status)
        label, known = "", row.copy_bytes
        if fingerprint is not None and not (row.relabelled_at is None and row.is_current(fingerprint)):
            label = self._label_of(where, fingerprint, row.sha256 or "") or ""
            if label and label != row.stand_in_sha256:
                known = None  # of the labels before
        node = Node(Source.COPY, where, worn, row, None if status is None else where, label)
        size_bytes = known or self._measure(node)
        size = {"st_size": size_bytes, "st_blocks": -(-size_bytes // 512)}
        return replace(node, status={**worn, **size, "st_mtime": row.fingerprint.mtime_ns})

    def _told(self, row: PhotoRow) -> dict[str, int]:
        """What an archive knows of its original, where nothing else is left of it."""
        mode, own = row.fingerprint.mode & 0o7777, row.fingerprint.mtime_ns
        try:
            worn = facts_of(self.gallery.vault.archive_path(row.sha256 or "")).worn
        except (StorageError, CodecError) as error:
            _log.warning("%s: its archive tells nothing of it: %s", shown(row.path), error)
            raise OSError(errno.EIO, str(error)) from error
        uid, gid, atime = (os.getuid(), os.getgid(), own) if worn is None else (worn.uid, worn.gid, worn.atime_ns)
        fields = {"st_mode": stat.S_IFREG | mode, "st_uid": uid, "st_gid": gid, "st_nlink": 1}
        return fields | {"st_atime": atime, "st_ctime": (row.retired_at or 0) * 10**9}

    def _without_stand_in(self) -> dict[bytes, list[bytes]]:
        """Names by folder of photos of which nothing is left in their place."""
        with self._guard:
            at, found = self._bare
            if time.monotonic() - at > _AGE_S:
                found = {}
                for row in self._catalog.without_stand_in(self.gallery.key):
                    folder, _, name = row.path.rpartition(b"/")
                    found.setdefault(folder, []).append(name)
                self._bare = time.monotonic(), found
            return found


def _is_archived(row: PhotoRow) -> bool:
    return row.state in (State.RETIRED, State.PURGED)


def _fields(status: os.stat_result) -> dict[str, int]:
    plain = ("st_mode", "st_size", "st_uid", "st_gid", "st_blocks")
    times = {f"st_{kind}time": getattr(status, f"st_{kind}time_ns") for kind in ("a", "m", "c")}
    return {**{name: getattr(status, name) for name in plain}, **times, "st_nlink": status.st_nlink if stat.S_ISDIR(status.st_mode) else 1}


def _digest(path: Path, fingerprint: Fingerprint) -> str | None:
    """Of a file that `fingerprint` was seen of: whoever asks again with the same one gets the answer of the first time."""
    try:
        return sha256_of(path)
    except StorageError:
        return None


def _labels(path: Path, fingerprint: Fingerprint, original: str) -> str | None:
    """Digest of a stand-in of this original to which somebody gave other labels; empty where it has its own, None where it is none."""
    try:
        snapshot = read_once(path)
    except StorageError:
        return None
    if not relabelled(snapshot.data, original):
        return None
    return snapshot.sha256 if has_own_labels(snapshot.data) else ""


def _mark(path: Path, fingerprint: Fingerprint) -> str | None:
    try:
        return original_of(read_once(path).data)
    except StorageError:
        return None
