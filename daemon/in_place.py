"""Photos back into their gallery: in place of their stand-ins, or, where somebody edited a stand-in, beside the edit.

The edit keeps its name: it is the user's work. The full photo gets a clear name of its own, and its row goes with it, so that nothing is
forgotten and the edit is a photo like any other from then on. Order rule: the catalogue knows the bytes and the name before anything is put
there; recovery finishes or forgets it.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from daemon.composition import Workshop
from daemon.copies import attributes, labelled, labels_given, rebuilt, without
from daemon.galleries import Gallery
from daemon.marking import relabelled
from daemon.recovery import settle
from storage.catalog import Catalog
from storage.digest import read_once, sha256_of_bytes
from storage.errors import Damaged, Missing, Refused, StorageError
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)
NAME_BYTES = 255
_LABEL = re.compile(r" \(original(?: \d+)?\)$")


@dataclass(frozen=True, slots=True)
class Beside:
    """The full photo of an edited stand-in, put beside it."""

    name: str
    """Of the edit, relative to the gallery."""
    place: Path
    original: bool
    """The very bytes of the original; else a copy from the archive."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A photo that is in its place again."""

    original: bool
    """It is the original itself, or its picture with other labels; else a copy from the archive."""
    whole: bool
    """It has the original's very bytes: the exact lane gives these, too."""
    left_out: tuple[str, ...] = ()
    """Kinds of labels of its stand-in that could not be given to it."""


def is_edited(row: PhotoRow) -> bool:
    """Whether somebody's file has the name of an archived photo: an edit of its stand-in, or another photo of that name. A stand-in that
    was given other labels is none, noted by `as_it_stands` or not.

    Reads the file only where it looks changed. Raises StorageError where it can't be read.
    """
    if row.state not in (State.RETIRED, State.PURGED) or (row.replaced and row.state is State.PURGED):
        return False  # a photo that was packed anew is nobody's stand-in
    try:
        if row.is_current(Fingerprint.of(row.location)):
            return False
        snapshot = read_once(row.location)
        known = snapshot.sha256 in (row.stand_in_sha256, row.copy_sha256, row.sha256)
        return not (known or (row.has_archive and relabelled(snapshot.data, row.sha256 or "")))
    except (Missing, Refused):  # nothing there, or a folder or a link: no picture that anybody edited
        return False


def as_it_stands(catalog: Catalog, row: PhotoRow, where: Path | None = None) -> PhotoRow:
    """The row, which knows from here on of labels that somebody gave its stand-in (at `where`, or in its place), and of another
    computer's stand-in of the same photo, which a sync tool brought. Raises StorageError."""
    where = where or row.location
    if row.state not in (State.RETIRED, State.PURGED) or not row.has_archive:
        return row
    try:
        if row.is_current(Fingerprint.of(where)):
            return row
        snapshot = read_once(where)
    except (Missing, Refused):
        return row
    known = (row.stand_in_sha256, row.copy_sha256, row.sha256)
    if snapshot.sha256 in known or not relabelled(snapshot.data, row.sha256 or ""):
        return row
    return catalog.relabelled(row.id, snapshot.sha256, snapshot.fingerprint)


def lay_beside(shop: Workshop, gallery: Gallery, row: PhotoRow, edit: Path | None = None) -> Beside:
    """Put the full photo of a RETIRED or PURGED row beside the `edit` of its stand-in (default: under the photo's own name).

    The set-aside original itself while there is one, else a copy. Raises StorageError, WorkerError: then all is as before.
    """
    edit = edit or row.location
    given = give_back(shop, gallery, row, _free_place(gallery, shop.catalog, edit))
    return Beside(gallery.shown(edit), shop.catalog.get(row.id).location, given.whole)


def give_back(shop: Workshop, gallery: Gallery, row: PhotoRow, goal: Path) -> GivenBack:
    """A RETIRED or PURGED photo goes to `goal`: over its own stand-in, or where nothing is.

    It gets the labels that somebody gave its stand-in, as `as_it_stands` noted them; its picture is untouched by that. The original
    without them then stays set aside until its grace is over.
    Where the set-aside original is missing or was written to, a copy goes there; what is left of it stays in the vault.
    Where that is another path than the photo's own, it is its own from then on. Raises Changed (somebody's file is at `goal`), Damaged,
    Missing, AlreadyThere, WorkerError.
    """
    if (before := _finished(shop, gallery, shop.catalog.get(row.id))) is not None:
        return before
    vault, sha256 = gallery.vault, row.sha256 or ""
    vault.make_way(goal)
    worn_by = goal if os.path.lexists(goal) else row.location
    labels = labels_given(row, worn_by)
    data = _original_elsewhere(shop.catalog, gallery, sha256) if row.state is State.PURGED or labels else None
    original, left_out = data is not None, tuple[str, ...]()
    if data is not None and labels:
        given = labelled(shop.codec, data, labels)
        data, labels, left_out = given.data, b"" if given.data == data else labels, given.left_out
    pinned_until_at = gallery.pinned_until_at(shop.clock.now())
    if row.state is State.RETIRED and not labels:
        try:
            with _intending(shop, gallery, row, sha256, goal):
                fingerprint = vault.put_back(goal, sha256, row.stand_in_sha256, taken_from=row.location)
        except (Missing, Damaged) as error:
            if row.replaced:
                raise  # what is in place has every pixel and chunk of it
            _log.warning("%s; a copy from the archive takes its place", error)
        else:
            shop.catalog.restored(row.id, pinned_until_at=pinned_until_at, fingerprint=fingerprint)
            return _back(gallery, goal, GivenBack(True, True, left_out))
    archive = vault.archive_path(sha256)
    if data is None:
        made = rebuilt(shop.codec, archive, row.archive_sha256, stand_in=labels)
        data, left_out = made.data, made.left_out
    digest = sha256_of_bytes(data)
    with _intending(shop, gallery, row, digest, goal):
        fingerprint = vault.replace_stand_in(goal, data, row.stand_in_sha256, attributes(row, worn_by, archive))
    copy_sha256 = None if digest == sha256 else digest
    kept = row.state is State.RETIRED and original and vault.aside_path(row.location, sha256).exists()
    shop.catalog.restored(row.id, pinned_until_at=pinned_until_at, fingerprint=fingerprint, copy_sha256=copy_sha256, kept=kept)
    return _back(gallery, goal, GivenBack(original, copy_sha256 is None, left_out))


def give_again(shop: Workshop, gallery: Gallery, row: PhotoRow) -> GivenBack:
    """A RESTORED photo with an archive that its user deleted since goes to where it was, once more.

    The catalogue knows its bytes before they are there. Raises as `give_back`.
    """
    vault, sha256 = gallery.vault, row.sha256 or ""
    vault.make_way(row.location)
    archive = vault.archive_path(sha256)
    data = _original_elsewhere(shop.catalog, gallery, sha256)
    original = data is not None
    if data is None:
        data = rebuilt(shop.codec, archive, row.archive_sha256).data
    shop.note_copy(data, sha256)
    digest = sha256_of_bytes(data)
    copy_sha256 = None if digest == sha256 else digest
    pinned_until_at = gallery.pinned_until_at(shop.clock.now())
    noted = partial(shop.catalog.brought_back, row.id, pinned_until_at=pinned_until_at, copy_sha256=copy_sha256)
    noted(fingerprint=row.fingerprint)
    noted(fingerprint=vault.replace_stand_in(row.location, data, None, attributes(row, row.location, archive)))
    return GivenBack(original, digest == sha256)


def _finished(shop: Workshop, gallery: Gallery, row: PhotoRow) -> GivenBack | None:
    """What an earlier try brought that failed when the photo was in its place, since the catalogue's disk was full: who tries again would
    take the photo for somebody's file, and lay another beside it."""
    if row.state not in (State.RETIRED, State.PURGED) or row.copy_sha256 is None:
        return None
    settle(row, gallery, shop.catalog, shop.clock)
    row = shop.catalog.get(row.id)
    if row.state is not State.RESTORED:
        return None
    return GivenBack(row.copy_sha256 is None or row.kept_since_at is not None, row.copy_sha256 is None)


def _back(gallery: Gallery, goal: Path, given: GivenBack) -> GivenBack:
    if given.left_out:
        _log.warning("%s: %s", gallery.shown(goal), without(given.left_out))
    return given


def adopt_copy(shop: Workshop, gallery: Gallery, source: PhotoRow, where: Path, digest: str, *, asked: bool = False) -> PhotoRow:
    """The row of a copy of `source`'s stand-in that lies at `where` and has this digest: an archived photo of its own, on the same archive.
    Where it is not the stand-in's digest, the copy has labels of its own.

    `asked`: as `Catalog.adopt` has it. Raises Refused where that path has a photo already, Missing.
    """
    own = source.fingerprint
    archive = ("archive_name", "archive_sha256", "archive_bytes", "copy_bytes", "lane")
    measured = ("quality", "model", "score_whole", "score_worst_tile", "score_copy")
    copied = (*archive, *measured, "choice", "choice_why", "importance", "relabelled_at")
    columns = {name: getattr(source, name) for name in copied}
    if digest != source.stand_in_sha256:
        columns |= {"relabelled_at": int(shop.clock.now().timestamp()), "copy_bytes": None}
    return shop.catalog.adopt(
        gallery.key,
        gallery.relative(where),
        sha256=source.sha256 or "",
        size_bytes=source.size_bytes,
        fingerprint=Fingerprint(0, 0, source.size_bytes, own.mtime_ns, 0, 1, own.mode),
        archive=columns,
        stand_in_sha256=digest,
        stand_in_fingerprint=Fingerprint.of(where),
        proof=None if source.checked_at is None else source.proof(),  # a row that was made anew has none
        purge_after_at=None,
        asked=asked,
    )


def _original_elsewhere(catalog: Catalog, gallery: Gallery, sha256: str) -> bytes | None:
    """The original's bytes, where another path that held them has them set aside, or has them back."""
    back = (row.location for row in catalog.by_digest(sha256, gallery.key) if row.state is State.RESTORED and row.copy_sha256 is None)
    for place in (*gallery.vault.asides(sha256), *back):
        with suppress(StorageError):
            snapshot = read_once(place)
            if snapshot.sha256 == sha256:
                return snapshot.data
    return None


@contextmanager
def _intending(shop: Workshop, gallery: Gallery, row: PhotoRow, sha256: str, goal: Path) -> Iterator[None]:
    """The catalogue knows what is about to be put where. After an error the disk is asked how far it came, as after a crash.

    Where that fails too, the intent stays, and the next run's recovery looks again.
    """
    bound_for = gallery.relative(goal)
    shop.catalog.restoring(row.id, sha256, None if bound_for == row.path else bound_for)
    try:
        yield
    except StorageError:
        with suppress(StorageError):
            settle(shop.catalog.get(row.id), gallery, shop.catalog, shop.clock)
        raise


def _free_place(gallery: Gallery, catalog: Catalog, edit: Path) -> Path:
    """`IMG_1.jpg` -> `IMG_1 (original).jpg`, or with a number where that name is taken, on the disk or in the catalogue."""
    stem, suffix = _LABEL.sub("", edit.stem), edit.suffix
    for number in count(1):
        label = " (original)" if number == 1 else f" (original {number})"
        while len(os.fsencode(stem + label + suffix)) > NAME_BYTES:
            stem = stem[:-1]
        place = edit.parent / (stem + label + suffix)
        if not os.path.lexists(place) and catalog.find(gallery.key, gallery.relative(place)) is None:
            return place
    raise AssertionError("numbers do not end")
