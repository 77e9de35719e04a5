"""Photos and stand-ins that their user renamed or moved within a gallery: their rows follow them, so that nothing is missed or coded again.

A plain photo is known by inode, size and mtime, which a rename leaves alone; a stand-in, and a restored photo, by its bytes too, so also
where a sync tool wrote it anew. A stand-in whose original is still in grace keeps its row where it is until that is purged, since the
set-aside original is found by that name; till then it is known to be elsewhere, and what is there is known to stand for it (`strays`).
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.eligibility import Sighting, walk
from daemon.galleries import Gallery
from daemon.strays import note
from storage.catalog import Catalog
from storage.digest import sha256_of
from storage.errors import Missing, Refused, StorageError
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)
_ARCHIVED = frozenset({State.RETIRED, State.PURGED})


@dataclass(slots=True)
class Moves:
    """What was found."""

    followed: int = 0
    """Rows that have the new path now."""
    elsewhere: set[bytes] = field(default_factory=set)
    """Absolute old paths of stand-ins that are known to be elsewhere, and that keep their rows for now."""


def follow_moves(gallery: Gallery, catalog: Catalog, arrived: Sequence[Path] | None = None) -> Moves:
    """Look for what is not in its place, and have the catalogue follow what is found elsewhere in the gallery.

    Costs one lstat for each photo, and a walk where something is missing. `arrived`: photos and folders in which alone it is looked for;
    then that costs an lstat for each photo of their sizes.
    """
    came = None if arrived is None else [each for start in arrived for each in walk(gallery.root, gallery.settings.exclude, start)]
    sizes = None if came is None else {each.fingerprint.size_bytes for each in came}
    missing = [
        row
        for path, size_bytes, _ in catalog.expected(gallery.key)
        if (sizes is None or size_bytes in sizes) and not os.path.lexists(path) and (row := _row(gallery, catalog, path))
    ]
    if not missing:
        return Moves()
    done = Moves()
    by_inode = {key: row for row in missing if (key := _inode_key(_known(row)))}
    by_size: dict[int, list[PhotoRow]] = {}
    for row in missing:
        if _digest(row) is not None:
            by_size.setdefault(_size_bytes(row), []).append(row)
    for sighting in walk(gallery.root, gallery.settings.exclude) if came is None else came:
        found = sighting.fingerprint
        row = by_inode.get(_inode_key(found) or (0, 0, 0))
        candidates = by_size.get(found.size_bytes, [])
        if (row is None and not candidates) or not _is_free(gallery, catalog, sighting):
            continue
        match = _match(row, candidates, sighting)
        if match is None:
            continue
        _forget(match, by_inode, by_size)
        if match.state is State.RETIRED:
            done.elsewhere.add(os.fsencode(match.location))
            if not match.replaced:
                note(gallery, catalog, sighting, match.sha256 or "")
        else:
            _follow(gallery, catalog, match, sighting, done)
    return done


def _row(gallery: Gallery, catalog: Catalog, path: bytes) -> PhotoRow | None:
    return catalog.find(gallery.key, os.path.relpath(path, os.fsencode(gallery.root)))


def _known(row: PhotoRow) -> Fingerprint | None:
    return row.stand_in_fingerprint if row.state in _ARCHIVED else row.fingerprint


def _size_bytes(row: PhotoRow) -> int:
    return (_known(row) or row.fingerprint).size_bytes


def _inode_key(fingerprint: Fingerprint | None) -> tuple[int, int, int] | None:
    return None if fingerprint is None else (fingerprint.inode, fingerprint.size_bytes, fingerprint.mtime_ns)


def _digest(row: PhotoRow) -> str | None:
    """Of what stands, or stood, in the photo's place, where only that tells it; None for plain photos."""
    if row.state in _ARCHIVED:
        return row.stand_in_sha256
    return row.copy_sha256 or row.sha256 if row.state is State.RESTORED else None


def _is_free(gallery: Gallery, catalog: Catalog, sighting: Sighting) -> bool:
    """Whether nothing but a fresh sighting is known of a path."""
    row = catalog.find(gallery.key, gallery.relative(sighting.path))
    return row is None or (row.state in (State.QUEUED, State.LEFT, State.FAILED) and not row.has_archive)


def _match(by_inode: PhotoRow | None, candidates: list[PhotoRow], sighting: Sighting) -> PhotoRow | None:
    if by_inode is not None and _digest(by_inode) is None:
        return by_inode
    try:
        sha256 = sha256_of(sighting.path)
    except StorageError:
        return None
    return next((row for row in candidates if _digest(row) == sha256), None)


def _forget(row: PhotoRow, by_inode: dict[tuple[int, int, int], PhotoRow], by_size: dict[int, list[PhotoRow]]) -> None:
    key = _inode_key(_known(row))
    if key is not None and by_inode.get(key) is row:
        del by_inode[key]
    rows = by_size.get(_size_bytes(row), [])
    rows[:] = [each for each in rows if each.id != row.id]


def _follow(gallery: Gallery, catalog: Catalog, row: PhotoRow, sighting: Sighting, done: Moves) -> None:
    try:
        catalog.moved(row.id, gallery.relative(sighting.path), sighting.fingerprint)
    except (Refused, Missing) as error:
        _log.info("%s is now %s, but its row stays: %s", gallery.shown(row.location), gallery.shown(sighting.path), error)
        return
    done.followed += 1
    _log.info("%s is now %s", gallery.shown(row.location), gallery.shown(sighting.path))
