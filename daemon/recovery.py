"""What a crash left half done is finished or undone, before anything else is done. docs/design.md has the table of the cases.

`decide` is pure: from a row and what the disk says now to one act. Every act can be repeated, since recovery itself may be stopped.
"""

import logging
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from pathlib import Path

from daemon.galleries import Gallery
from daemon.places import is_folder
from daemon.ports import Clock
from storage.admission import MAX_ATTEMPTS
from storage.catalog import Catalog
from storage.digest import sha256_or_none
from storage.errors import Missing, Refused, StorageError
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
    FORGET_RESTORING = auto()
    """Nothing of ours is in place but the stand-in: a copy that was made for it is removed."""
    FINISH_PUTTING_AWAY = auto()
    """A restored copy's stand-in is in place already."""


def decide(row: PhotoRow, survey: Survey) -> Act:
    """The act for a row of any state."""
    match row.state:
        case State.ENCODING:
            put_away = row.copy_sha256 is not None and survey.at_path is AtPath.STAND_IN
            return Act.FINISH_PUTTING_AWAY if put_away else Act.REQUEUE
        case State.COMMITTED:
            return _committed(row, survey)
        case State.RETIRED:
            if survey.at_path is AtPath.COPY:  # the set-aside original was no use
                return Act.FINISH_RESTORING
            # With the original in its place and in the vault, only the intent tells our own unfinished restoring from a sender's new copy.
            if survey.at_path is AtPath.ORIGINAL and (row.copy_sha256 is not None or survey.aside is not Holding.INTACT):
                return Act.FINISH_RESTORING
            # Of a re-packed photo only the vault had another version: gone, it was purged, whatever became of the photo since.
            if survey.aside is Holding.MISSING and (survey.archive is Holding.INTACT or row.replaced):
                return Act.FINISH_PURGING
            return Act.NOTHING if row.copy_sha256 is None else Act.FORGET_RESTORING
        case State.PURGED:
            if survey.at_path is AtPath.COPY:
                return Act.FINISH_RESTORING
            return Act.NOTHING if row.copy_sha256 is None else Act.FORGET_RESTORING
        case _:
            return Act.NOTHING


def _committed(row: PhotoRow, survey: Survey) -> Act:
    in_place, aside = survey.at_path, survey.aside
    if in_place is AtPath.ORIGINAL:
        return Act.DROP_AND_REQUEUE if aside is Holding.STAND_IN else Act.PUT_BACK if aside is Holding.INTACT else Act.REQUEUE
    exchanged = in_place is AtPath.STAND_IN or (in_place is AtPath.MISSING and row.stand_in_sha256 is None)
    if aside is Holding.INTACT:
        if survey.archive is not Holding.INTACT and not row.replaced:
            return Act.NOTHING if in_place is AtPath.OTHER else Act.PUT_BACK
        # Over somebody's new file nothing is put back: the photo is retired all the same, and the file is seen as a new photo.
        return Act.FINISH_RETIRING if exchanged or in_place is AtPath.OTHER else Act.PUT_BACK
    if aside is Holding.CHANGED:
        return Act.NOTHING if in_place is AtPath.OTHER else Act.PUT_BACK
    if in_place is AtPath.STAND_IN and (survey.archive is Holding.INTACT or row.replaced):
        return Act.FINISH_RETIRING
    return Act.REQUEUE


def recover(gallery: Gallery, catalog: Catalog, clock: Clock, relief: Callable[[Callable[[], bool]], bool] = lambda act: act()) -> int:
    """Finish or undo everything that was begun in a gallery; how many photos that were. Only while its vault is locked by us.

    `relief` does what it is given, and once more where the disk was full and something could be done about that.
    """
    gallery.vault.clear_staging()
    touched = 0
    for row in _suspects(gallery, catalog):
        try:
            touched += relief(partial(_settle_as_it_is, row.id, gallery, catalog, clock))
        except StorageError as error:
            _log.warning("%s could not be brought in order: %s", gallery.shown(row.location), error)
    return touched


def _settle_as_it_is(photo_id: int, gallery: Gallery, catalog: Catalog, clock: Clock) -> bool:
    return settle(catalog.get(photo_id), gallery, catalog, clock)


def settle(row: PhotoRow, gallery: Gallery, catalog: Catalog, clock: Clock) -> bool:
    """Look at one photo and do what `decide` says; whether that was anything."""
    vault = gallery.vault
    if not is_folder(vault.folder):
        return False  # its disk went away: nothing that is not found now is gone
    survey = vault.survey(
        row.goal,
        sha256=row.sha256,
        archive_sha256=row.archive_sha256,
        stand_in_sha256=row.stand_in_sha256,
        copy_sha256=row.copy_sha256,
        taken_from=row.location,
    )
    if row.bound_for is not None:
        _settle_bound(row, survey, gallery, catalog, clock)
        return True
    act = decide(row, survey)
    _log.info("%s: %s after a stop, %s", gallery.shown(row.location), row.state, act.name.lower().replace("_", " "))
    match act:
        case Act.REQUEUE:
            catalog.requeue(row.id)
            if row.state is State.ENCODING and row.attempts >= MAX_ATTEMPTS:
                catalog.left(row.id, "ends-the-program", f"{row.attempts} times")
        case Act.DROP_AND_REQUEUE:
            vault.drop_aside_stand_in(row.location, row.sha256 or "", row.stand_in_sha256 or "")
            catalog.requeue(row.id)
        case Act.PUT_BACK:
            vault.put_back(row.location, row.sha256 or "", row.stand_in_sha256, as_it_is=True)
            catalog.requeue(row.id)
        case Act.FINISH_RETIRING:
            until = int(clock.now().timestamp()) + gallery.grace_s
            ours = survey.at_path_fingerprint if survey.at_path is AtPath.STAND_IN else None
            catalog.retired(row.id, purge_after_at=until, stand_in_fingerprint=ours)
        case Act.FINISH_PURGING:
            catalog.purged(row.id)
        case Act.FINISH_RESTORING:
            _finish_restoring(row, survey, gallery, catalog, clock)
        case Act.FORGET_RESTORING:
            _drop_swap(row, survey, gallery)
            catalog.restoring(row.id, None)
        case Act.FINISH_PUTTING_AWAY:
            _drop_swap(row, survey, gallery)
            assert survey.at_path_fingerprint is not None
            catalog.put_away(row.id, stand_in_fingerprint=survey.at_path_fingerprint)
        case Act.NOTHING:
            return False
    return True


def _settle_bound(row: PhotoRow, survey: Survey, gallery: Gallery, catalog: Catalog, clock: Clock) -> None:
    """The photo was on its way to another path than its own: it is there, or the intent is forgotten, and the row looked at again."""
    if survey.at_path in (AtPath.ORIGINAL, AtPath.COPY):
        _finish_restoring(row, survey, gallery, catalog, clock)
    else:
        _drop_swap(row, survey, gallery)
        catalog.restoring(row.id, None)
        settle(catalog.get(row.id), gallery, catalog, clock)


def _finish_restoring(row: PhotoRow, survey: Survey, gallery: Gallery, catalog: Catalog, clock: Clock) -> None:
    if gallery.vault.exchange_works and (slot := _edit_taken(row, survey, gallery)) is not None:
        gallery.vault.return_edit(slot, row.goal, survey.at_path_sha256 or "")
        gallery.vault.drop_swap(row.goal, survey.at_path_sha256)
        catalog.restoring(row.id, None)
        return
    pinned_until_at = gallery.pinned_until_at(clock.now())
    if survey.at_path is AtPath.ORIGINAL:
        # Removes what is left in the vault: our stand-in after the exchange, or a second copy where names can't be exchanged.
        fingerprint = gallery.vault.put_back(row.goal, row.sha256 or "", row.stand_in_sha256, taken_from=row.location)
        catalog.restored(row.id, pinned_until_at=pinned_until_at, fingerprint=fingerprint)
        return
    _drop_swap(row, survey, gallery)
    assert survey.at_path_fingerprint is not None
    catalog.restored(
        row.id,
        pinned_until_at=pinned_until_at,
        fingerprint=survey.at_path_fingerprint,
        copy_sha256=survey.at_path_sha256,
        kept=row.state is State.RETIRED and survey.aside is Holding.INTACT,  # it came back with other labels
    )


def _edit_taken(row: PhotoRow, survey: Survey, gallery: Gallery) -> Path | None:
    """Where an edit of the stand-in lies that somebody saved in the very moment of the exchange, if we were stopped before we saw that."""
    if survey.at_path is AtPath.COPY and survey.swap is Holding.CHANGED:
        return gallery.vault.swap_path(row.goal)
    if survey.at_path is AtPath.ORIGINAL and survey.aside is Holding.CHANGED:
        return gallery.vault.aside_path(row.location, row.sha256 or "")
    return None


def _drop_swap(row: PhotoRow, survey: Survey, gallery: Gallery) -> None:
    if survey.swap is Holding.MISSING:
        return
    copied = row.copy_sha256 is not None and sha256_or_none(gallery.vault.swap_path(row.goal)) == row.copy_sha256
    try:
        gallery.vault.drop_swap(row.goal, row.copy_sha256 if copied else row.stand_in_sha256)
    except Refused as error:
        _log.warning("%s", error)  # it may be the user's: kept, and told


def _suspects(gallery: Gallery, catalog: Catalog) -> list[PhotoRow]:
    """Rows that may not agree with the disk, found without reading a photo: by their state, or by a name that should (not) be there."""
    found = {row.id: row for row in catalog.unfinished() if row.gallery == gallery.key}
    for row in catalog.rows(State.RETIRED, gallery.key):
        if not _aside_is_there(gallery, row):
            found.setdefault(row.id, row)
    return list(found.values())


def _aside_is_there(gallery: Gallery, row: PhotoRow) -> bool:
    try:
        held = Fingerprint.of(gallery.vault.aside_path(row.location, row.sha256 or ""))
    except Missing:
        return False
    return held.size_bytes == row.size_bytes
