"""What a crash left half done is finished or undone, before anything else is done. docs/design.md has the table of the cases.

`decide` is pure: from a row and what the disk says now to one act. Every act can be repeated, since recovery itself may be stopped.
"""

import logging
from enum import Enum, auto

from daemon.galleries import Gallery
from daemon.ports import Clock
from storage.catalog import Catalog
from storage.errors import Missing, StorageError
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State
from storage.survey import AtPath, Holding, Survey

_log = logging.getLogger(__name__)


class Act(Enum):
    """What recovery does with one photo."""

    NOTHING = auto()
    REQUEUE = auto()
    """The original is in place: from the start; an archive that is there already is proven again and used."""
    DROP_AND_REQUEUE = auto()
    """The same, after our own stand-in was removed from where the original would have been set aside."""
    FINISH_RETIRING = auto()
    PUT_BACK = auto()
    """The set-aside file goes back in place, whatever was written to it; then from the start."""
    FINISH_PURGING = auto()
    FINISH_RESTORING = auto()
    """The original or a copy is in place already."""
    DROP_SWAP = auto()
    """A copy that was never put in place is removed."""


def decide(row: PhotoRow, survey: Survey) -> Act:
    """The act for a row of any state."""
    match row.state:
        case State.ENCODING:
            return Act.REQUEUE
        case State.COMMITTED:
            return _committed(row, survey)
        case State.RETIRED:
            if survey.at_path is AtPath.ORIGINAL and survey.aside is not Holding.INTACT:
                return Act.FINISH_RESTORING
            if survey.aside is Holding.MISSING and survey.archive is Holding.INTACT:
                return Act.FINISH_PURGING
            return Act.NOTHING
        case State.PURGED:
            if survey.swap is Holding.STAND_IN or survey.at_path is AtPath.COPY:
                return Act.FINISH_RESTORING
            return Act.DROP_SWAP if survey.swap is Holding.CHANGED and survey.at_path is AtPath.STAND_IN else Act.NOTHING
        case _:
            return Act.NOTHING


def _committed(row: PhotoRow, survey: Survey) -> Act:
    in_place, aside = survey.at_path, survey.aside
    if in_place is AtPath.ORIGINAL:
        return Act.DROP_AND_REQUEUE if aside is Holding.STAND_IN else Act.PUT_BACK if aside is Holding.INTACT else Act.REQUEUE
    exchanged = in_place is AtPath.STAND_IN or (in_place is AtPath.MISSING and row.stand_in_sha256 is None)
    if aside is Holding.INTACT:
        if survey.archive is not Holding.INTACT:
            return Act.NOTHING if in_place is AtPath.OTHER else Act.PUT_BACK
        # Over somebody's new file nothing is put back: the photo is retired all the same, and the file is seen as a new photo.
        return Act.FINISH_RETIRING if exchanged or in_place is AtPath.OTHER else Act.PUT_BACK
    if aside is Holding.CHANGED:
        return Act.NOTHING if in_place is AtPath.OTHER else Act.PUT_BACK
    if in_place is AtPath.STAND_IN and survey.archive is Holding.INTACT:
        return Act.FINISH_RETIRING
    return Act.REQUEUE


def recover(gallery: Gallery, catalog: Catalog, clock: Clock) -> int:
    """Finish or undo everything that was begun in a gallery; how many photos that were. Only while its vault is locked by us."""
    gallery.vault.clear_staging()
    touched = 0
    for row in _suspects(gallery, catalog):
        try:
            touched += settle(row, gallery, catalog, clock)
        except StorageError as error:
            _log.warning("%s could not be brought in order: %s", gallery.shown(row.location), error)
    return touched


def settle(row: PhotoRow, gallery: Gallery, catalog: Catalog, clock: Clock) -> bool:
    """Look at one photo and do what `decide` says; whether that was anything."""
    vault = gallery.vault
    survey = vault.survey(
        row.location,
        sha256=row.sha256,
        archive_sha256=row.archive_sha256,
        stand_in_sha256=row.stand_in_sha256,
        copy_sha256=row.copy_sha256,
    )
    act = decide(row, survey)
    _log.info("%s: %s after a stop, %s", gallery.shown(row.location), row.state, act.name.lower().replace("_", " "))
    match act:
        case Act.REQUEUE:
            catalog.requeue(row.id)
        case Act.DROP_AND_REQUEUE:
            vault.drop_aside_stand_in(row.location, row.sha256 or "", row.stand_in_sha256 or "")
            catalog.requeue(row.id)
        case Act.PUT_BACK:
            vault.put_back(row.location, row.sha256 or "", row.stand_in_sha256, as_it_is=True)
            catalog.requeue(row.id)
        case Act.FINISH_RETIRING:
            until = int((clock.now() + gallery.settings.grace).timestamp())
            ours = survey.at_path_fingerprint if survey.at_path is AtPath.STAND_IN else None
            catalog.retired(row.id, purge_after_at=until, stand_in_fingerprint=ours)
        case Act.FINISH_PURGING:
            catalog.purged(row.id)
        case Act.FINISH_RESTORING:
            if survey.aside is Holding.STAND_IN and survey.at_path is AtPath.ORIGINAL:
                vault.drop_aside_stand_in(row.location, row.sha256 or "", row.stand_in_sha256 or "")
            if survey.swap is Holding.STAND_IN:
                vault.drop_swap(row.location, row.stand_in_sha256)
            assert survey.at_path_fingerprint is not None
            catalog.restored(
                row.id,
                pinned_until_at=int((clock.now() + gallery.settings.idle_for).timestamp()),
                fingerprint=survey.at_path_fingerprint,
                copy_sha256=None if survey.at_path is AtPath.ORIGINAL else survey.at_path_sha256,
            )
        case Act.DROP_SWAP:
            vault.drop_swap(row.location, row.stand_in_sha256)
        case Act.NOTHING:
            return False
    return True


def _suspects(gallery: Gallery, catalog: Catalog) -> list[PhotoRow]:
    """Rows that may not agree with the disk, found without reading a photo: by their state, or by a name that should (not) be there."""
    found = [row for row in catalog.unfinished() if row.gallery == gallery.key]
    for row in catalog.rows(State.RETIRED, gallery.key):
        if not _aside_is_there(gallery, row):
            found.append(row)
    swaps = any((gallery.vault.folder / "originals").glob("*.swap"))
    found += [row for row in catalog.rows(State.PURGED, gallery.key) if swaps or row.copy_sha256 is not None]
    return found


def _aside_is_there(gallery: Gallery, row: PhotoRow) -> bool:
    try:
        held = Fingerprint.of(gallery.vault.aside_path(row.location, row.sha256 or ""))
    except Missing:
        return False
    return held.size_bytes == row.size_bytes
