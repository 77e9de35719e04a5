"""Leaving is easy: `eject` gives a whole gallery back as plain files and proves it; `export --originals` gives copies of what is in grace.

Both can be stopped and called again. The vault stays: whoever has read the result may delete it.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from codec.leads import PNG_SIGNATURE
from daemon.anchor import check_presence
from daemon.composition import Workshop
from daemon.copies import without
from daemon.errors import DiskFull, GalleryGone, WorkerError, WrongPath
from daemon.everywhere import everything
from daemon.galleries import Gallery
from daemon.in_place import adopt_copy, as_it_stands, give_back
from daemon.kept import kept_originals
from daemon.marking import original_of, relabelled
from daemon.places import is_folder
from daemon.ports import Progress
from daemon.recovery import recover
from daemon.report import amount
from daemon.restorer import Came, Restoration, from_aside, restore
from daemon.selection import awaits
from daemon.strays import is_gone
from daemon.targets import UNREAD
from storage.attributes import marked
from storage.digest import read_once, sha256_of
from storage.errors import NoSpace, StorageError, shown
from storage.records import PhotoRow
from storage.states import State

FOUND_FOLDER = "found in the vault"
"""Where photos go of which nothing tells the place: earlier photos of a name, archives without a stand-in."""
_HEADROOM = 1.1
"""A copy may be larger than its original; the file system needs some room too."""


@dataclass(slots=True)
class Ejected:
    """What is there after an `eject` of one gallery, read again from the disk."""

    photos: int = 0
    """That were ever archived and whose place is known; each is an original, a copy, or among the troubles."""
    originals: int = 0
    """By digest."""
    copies: int = 0
    """By the digest of what the archive gives, whose score was measured when it was proven."""
    lowest_score: float | None = None
    """Of the copies."""
    packed: int = 0
    """Photos that were packed anew without loss and whose originals are gone: in their places, by digest."""
    found: int = 0
    """In the folder FOUND_FOLDER."""
    troubles: list[tuple[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.troubles and self.originals + self.copies == self.photos


def eject(shop: Workshop, gallery: Gallery, progress: Progress) -> Ejected:
    """Every archived photo back in its place. Raises GalleryGone, Locked, and DiskFull where the disk has too little room."""
    check_presence(gallery, shop.catalog)
    done = Ejected()
    if not is_folder(gallery.vault.folder):
        return done
    shop.lock_vault(gallery)
    recover(gallery, shop.catalog, shop.clock, shop.with_relief)
    away = [row for row in shop.catalog.rows(gallery=gallery.key) if awaits(row)]
    elsewhere = list(_stand_ins_elsewhere(shop, gallery, done))
    _check_room(gallery, away, sum(rows[0].size_bytes for _, _, rows in elsewhere))
    results = _copied_or_renamed(shop, gallery, elsewhere, progress)
    if away:
        results += restore(shop, [gallery.root], None, None, progress)
    results += _without_place(shop, gallery, progress, done)
    done.troubles += [(each.name, each.trouble or without(each.left_out)) for each in results if each.trouble or each.left_out]
    for row in shop.catalog.rows(gallery=gallery.key):
        if row.has_archive or row.state is State.RETIRED:
            _prove(gallery, row, done)
        elif row.state is State.RESTORED and _holds(row, row.sha256):  # it had been packed anew: there is no archive
            done.photos += 1
            done.originals += 1
        elif row.replaced:
            done.packed += _holds(row, row.stand_in_sha256)
    return done


def _holds(row: PhotoRow, sha256: str | None) -> bool:
    try:
        return sha256_of(row.location) == sha256
    except StorageError:
        return False  # moved or edited since: its user's file


def _check_room(gallery: Gallery, away: list[PhotoRow], further: int) -> None:
    """Originals in grace take no room: they are only renamed. `further`: bytes of photos that come back under further names."""
    copied = [row for row in away if row.state is not State.RETIRED and not row.replaced]
    needed = sum((row.copy_bytes or row.size_bytes) - (row.stand_in_bytes or 0) for row in copied) + further
    largest = max((row.size_bytes for row in away), default=0)  # beside its stand-in for a moment
    needed, free = int((needed + largest) * _HEADROOM), shutil.disk_usage(gallery.root).free
    if needed > free:
        raise DiskFull(
            f"{shown(gallery.root)}: about {amount(needed)} are needed and {amount(free)} are free; nothing was begun. "
            "`restore FOLDER --to DIR` gives the photos back on another disk."
        )


def _stand_ins_elsewhere(shop: Workshop, gallery: Gallery, done: Ejected) -> Iterator[tuple[Path, str, list[PhotoRow]]]:
    """(path, digest, rows of the photos that it stands for) of each unchanged stand-in that is no archived photo's by its name. A file is
    read where nobody has said yet that it is something else."""
    try:
        for path, _ in everything(gallery.root):
            known = shop.catalog.find(gallery.key, gallery.relative(path))
            if known is not None and (known.has_archive or (known.reason not in UNREAD and marked(path) is None)):
                continue
            with suppress(StorageError):
                snapshot = read_once(path)
                sha256 = original_of(snapshot.data) or ""
                rows = [row for row in shop.catalog.by_digest(sha256, gallery.key) if row.has_archive and row.superseded_at is None]
                rows = [row for row in rows if row.state in (State.RETIRED, State.PURGED, State.RESTORED)]
                whole = snapshot.sha256 in {row.stand_in_sha256 for row in rows}
                if rows and (whole or relabelled(snapshot.data, sha256)):
                    yield path, snapshot.sha256, rows
    except StorageError as error:
        done.troubles.append((shown(gallery.root), f"it can't be looked through for further stand-ins: {error}"))


def _copied_or_renamed(
    shop: Workshop, gallery: Gallery, found: list[tuple[Path, str, list[PhotoRow]]], progress: Progress
) -> list[Restoration]:
    """Stand-ins under other names than their photos': in another album, renamed, or hidden. Without the vault nobody could fill them any
    more. They come before the photos themselves, while an original in grace is still set aside for all. Edits stay what they are."""
    results = []
    progress.start(len(found), "restoring copies")
    for path, digest, rows in found:
        name = gallery.shown(path)
        progress.step(name)
        rows = [shop.catalog.get(row.id) for row in rows]
        homeless = [row for row in rows if row.state is not State.RESTORED and is_gone(row.location)]
        try:
            row = as_it_stands(shop.catalog, homeless[0], path) if homeless else adopt_copy(shop, gallery, rows[0], path, digest)
            given = shop.with_relief(partial(give_back, shop, gallery, row, path))
            results.append(Restoration(name, Came.of(given), path, left_out=given.left_out))
        except (StorageError, WorkerError) as error:
            results.append(Restoration(name, Came.NOT, None, str(error)))
        progress.done(name, "failed" if results[-1].trouble else f"{results[-1].came} restored")
    progress.close()
    return results


def _without_place(shop: Workshop, gallery: Gallery, progress: Progress, done: Ejected) -> list[Restoration]:
    """Archives that no current photo has, and originals of which nothing else is known, each into a folder of its digest; those that are
    there already stay."""
    results: list[Restoration] = []
    for digest, aside in gallery.vault.all_asides():
        if shop.catalog.by_digest(digest, gallery.key) or gallery.vault.archive_path(digest).exists():
            continue
        folder = gallery.root / FOUND_FOLDER / digest[:12]
        if not _is_filled(folder):
            results.append(_found_original(aside, digest, folder))
        done.found += _is_filled(folder)
    for digest, archive in gallery.vault.archives():
        if any(row.superseded_at is None for row in shop.catalog.by_digest(digest, gallery.key)):
            continue
        folder = gallery.root / FOUND_FOLDER / digest[:12]
        if not _is_filled(folder):
            results += restore(shop, [archive], folder, None, progress)
        done.found += _is_filled(folder)
    return results


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _found_original(aside: Path, digest: str, folder: Path) -> Restoration:
    """Its name is lost; its bytes tell what it is."""
    try:
        data = read_once(aside)
        goal = folder / (digest[:12] + (".png" if data.data.startswith(PNG_SIGNATURE) else ".jpg"))
        if from_aside(aside, digest, goal) is None:
            return Restoration(aside.name, Came.NOT, None, "it was written to since it was set aside; it stays in the vault")
    except (StorageError, WrongPath) as error:
        return Restoration(aside.name, Came.NOT, None, str(error))
    return Restoration(aside.name, Came.ORIGINAL, goal)


def _prove(gallery: Gallery, row: PhotoRow, done: Ejected) -> None:
    done.photos += 1
    try:
        digest = sha256_of(row.location)
    except StorageError as error:
        done.troubles.append((gallery.shown(row.location), str(error)))
        return
    if digest == row.sha256:
        done.originals += 1
    elif digest == row.copy_sha256:
        done.copies += 1
        scores = [score for score in (done.lowest_score, row.score_copy) if score is not None]
        done.lowest_score = min(scores, default=None)
    elif not any(trouble[0] == gallery.shown(row.location) for trouble in done.troubles):
        done.troubles.append((gallery.shown(row.location), "it is neither its original nor the copy that was restored: edited since?"))


@dataclass(slots=True)
class Exported:
    """What `export_originals` did."""

    photos: list[tuple[str, str]] = field(default_factory=list)
    """(photo, trouble or '') of each."""
    gone: list[str] = field(default_factory=list)
    """Why galleries were passed by."""
    full: bool = False
    """Whether some of the troubles are a full disk."""


def export_originals(shop: Workshop, folder: Path, progress: Progress) -> Exported:
    """Copies of every original in grace, under its own name and path below `folder`, byte for byte.

    Among them those whose photos came back with other labels. Needs no lock. Where the catalogue is lost, what it would call them stays
    unknown: `doctor --rebuild` first.
    """
    if folder.exists() and not folder.is_dir():
        raise WrongPath(f"{shown(folder)} is no folder.")
    done = Exported()
    for gallery in shop.galleries:
        try:
            check_presence(gallery, shop.catalog)
        except GalleryGone as error:
            done.gone.append(str(error))
            continue
        found = [(row, gallery.vault.aside_path(row.location, row.sha256 or "")) for row in shop.catalog.rows(State.RETIRED, gallery.key)]
        found += [(row, place) for row, place in kept_originals(gallery, shop.catalog) if place is not None]
        progress.start(len(found), shown(gallery.root))
        for row, place in found:
            name = gallery.shown(row.location)
            progress.step(name)
            goal = folder / gallery.root.name / row.location.relative_to(gallery.root)
            try:
                trouble = _export(place, row.sha256, goal)
            except (StorageError, WrongPath) as error:
                trouble = str(error)
                done.full = done.full or isinstance(error, NoSpace)
            done.photos.append((name, trouble))
            progress.done(name, "failed" if trouble else "exported")
    progress.close()
    return done


def _export(place: Path, sha256: str | None, goal: Path) -> str:
    """What is wrong, or ''. Raises StorageError, WrongPath."""
    if goal.exists() and sha256_of(goal) == sha256:
        return ""  # of an earlier call
    if from_aside(place, sha256, goal) is None:
        return "its set-aside original is missing or was written to"
    return "" if sha256_of(goal) == sha256 else "it was not written as it was read"
