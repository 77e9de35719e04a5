"""Stand-ins in other places than their photos' rows say: what a file stands for is remembered, for whoever saves another picture over it
has deleted nothing. The full photo then goes beside that picture, as where a stand-in is edited in its own place.

A stand-in tells it by its extended attribute, which costs no reading, or, where a run has read the file, by its mark.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from daemon.eligibility import Sighting, passed_by
from daemon.everywhere import everything
from daemon.galleries import Gallery
from daemon.ignoring import Rules
from daemon.marking import original_of, relabelled
from storage.attributes import marked
from storage.catalog import Catalog
from storage.digest import read_once
from storage.errors import Missing, Refused
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

_AT_WORK = (State.ENCODING, State.COMMITTED)


def whose(catalog: Catalog, row: PhotoRow | None, sighting: Sighting) -> tuple[str | None, str | None]:
    """Digest of the original that a file stands for, and of the one whose last stand-in somebody saved other bytes over, there; None each.

    `row`: of its path. Reads only files of which row or extended attribute say that they are, or were, stand-ins, and that look changed.
    Raises StorageError.
    """
    if row is not None and (row.has_archive or row.state in _AT_WORK or row.is_current(sighting.fingerprint)):
        return row.stands_for, None
    before, told = None if row is None else row.stands_for, marked(sighting.path)
    if before is None and told is None:
        return None, None
    snapshot = read_once(sighting.path)
    said = original_of(snapshot.data)
    whole = said is not None and (relabelled(snapshot.data, said) or snapshot.sha256 in _stand_ins(catalog, said))
    lost = [each for each in (before, told) if each is not None and not (whole and each == said)]
    return said, next((each for each in lost if homeless(catalog, each) is not None), None)


def homeless(catalog: Catalog, sha256: str) -> PhotoRow | None:
    """An archived photo of this digest of which nothing is in its place: its stand-in was renamed, moved or deleted."""
    for row in catalog.by_digest(sha256):
        waits = row.state in (State.RETIRED, State.PURGED) and row.superseded_at is None and row.stand_in_sha256 is not None
        if waits and row.has_archive and is_gone(row.location):
            return row
    return None


def is_gone(path: os.PathLike[str] | bytes) -> bool:
    """Whether nothing lies there; what can't be looked at is not called gone."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def glimpse(gallery: Gallery, catalog: Catalog, sighting: Sighting) -> None:
    """Of a file that is not to be looked at yet: a stand-in under a new name is noted all the same, for it may be saved over before that.

    Raises StorageError.
    """
    if catalog.find(gallery.key, gallery.relative(sighting.path)) is not None or marked(sighting.path) is None:
        return
    said, over = whose(catalog, None, sighting)
    if said is not None and over is None:
        note(gallery, catalog, sighting, said)


def note(gallery: Gallery, catalog: Catalog, sighting: Sighting, sha256: str) -> None:
    """A file was found to be the stand-in of this original, whose row has another path."""
    row = catalog.find(gallery.key, gallery.relative(sighting.path))
    if row is None:
        catalog.enqueue(gallery.key, gallery.relative(sighting.path), sighting.fingerprint, rules=gallery.rules, stands_for=sha256)
    elif row.stands_for != sha256 and row.is_current(sighting.fingerprint):
        catalog.standing_for(row.id, sha256)


def note_hidden(gallery: Gallery, catalog: Catalog, path: Path, fingerprint: Fingerprint, sha256: str) -> None:
    """A stand-in of this original was found where no look at the gallery comes: hidden, excluded, or under a name that is no photo's."""
    if any(row.has_archive for row in catalog.by_digest(sha256)):
        row = catalog.enqueue(gallery.key, gallery.relative(path), fingerprint, rules=gallery.rules, stands_for=sha256).row
        catalog.left(row.id, "stand-in", stands_for=sha256)


def hidden_edits(gallery: Gallery, catalog: Catalog, missing: Iterable[PhotoRow]) -> set[int]:
    """Ids of those `missing` photos whose name, with or without a dot, a file has that says nothing of itself and lies where no look at the
    gallery comes: their user hid the stand-in, and saved another picture over it before anything of ours saw it there. A file that has not
    changed since the photo was retired is none. It is noted.

    Raises StorageError.
    """
    by_name: dict[bytes, list[PhotoRow]] = {}
    for row in missing:
        by_name.setdefault(row.path.rpartition(b"/")[2], []).append(row)
    found: set[int] = set()
    rules = Rules(gallery.settings.exclude)
    for path, fingerprint in everything(gallery.root) if by_name else ():
        name = gallery.relative(path)
        own = name.rpartition(b"/")[2]
        alike = [*by_name.get(own, ()), *(by_name.get(own[1:], ()) if own.startswith(b".") else ())]
        if not alike or passed_by(name, rules) not in ("hidden", "excluded"):
            continue
        known = catalog.find(gallery.key, name)
        with suppress(Missing, Refused):
            if known is None and original_of(read_once(path).data) is not None:
                continue
            for row in alike:
                if known is None and fingerprint.ctime_ns >= (row.retired_at or 0) * 10**9:
                    note_hidden(gallery, catalog, path, fingerprint, row.sha256 or "")
                    found.add(row.id)
                elif known is not None and known.stands_for == row.sha256:
                    found.add(row.id)
    return found


def is_held_back(path: bytes) -> bool:
    """Whether a sync tool keeps what lay there on its server, and only a placeholder here (Nextcloud's and ownCloud's virtual files)."""
    return any(os.path.lexists(path + suffix) for suffix in (b".nextcloud", b".owncloud"))


def _stand_ins(catalog: Catalog, sha256: str) -> set[str | None]:
    return {row.stand_in_sha256 for row in catalog.by_digest(sha256)}
