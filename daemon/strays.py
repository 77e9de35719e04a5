"""Stand-ins in other places than their photos' rows say: what a file stands for is remembered, for whoever saves another picture over it
has deleted nothing. The full photo then goes beside that picture, as where a stand-in is edited in its own place.

A stand-in tells it by its extended attribute, which costs no reading, or, where a run has read the file, by its mark.
"""

import os
from pathlib import Path

from daemon.eligibility import Sighting
from daemon.everywhere import is_bin
from daemon.galleries import Gallery
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


def hidden_edit(gallery: Gallery, catalog: Catalog, photo: Path, sha256: str) -> bool:
    """Whether a file that says nothing of itself lies where a missing stand-in would, had its user hidden it by a dot in front of its name
    or of a folder's: then he did, and saved another picture over it before anything of ours saw it there. It is noted.

    Raises StorageError.
    """
    parts = gallery.relative(photo).split(b"/")
    for depth in range(len(parts)):
        name = b"/".join((*parts[:depth], b"." + parts[depth], *parts[depth + 1 :]))
        place = gallery.root / os.fsdecode(name)
        if any(is_bin(os.fsencode(each)) for each in (place, *place.parents) if gallery.root in each.parents):
            continue
        if os.path.realpath(place.parent) != os.fspath(place.parent):
            continue
        row = catalog.find(gallery.key, name)
        try:
            fingerprint = Fingerprint.of(place)
            if row is None and original_of(read_once(place).data) is None:
                note_hidden(gallery, catalog, place, fingerprint, sha256)
                return True
        except (Missing, Refused):
            continue
        if row is not None and row.stands_for == sha256:
            return True
    return False


def _stand_ins(catalog: Catalog, sha256: str) -> set[str | None]:
    return {row.stand_in_sha256 for row in catalog.by_digest(sha256)}
