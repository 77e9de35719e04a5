"""`doctor`: what is not as it should be, in words, and what of it could be mended without a risk for any photo.

It mends what every run mends (work that was interrupted, temp files) and what is missing beside the archives (weight files, the format's
description). Everything else it tells, with the command that helps.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from daemon.anchor import check_presence
from daemon.composition import Workshop
from daemon.eligibility import walk
from daemon.errors import GalleryGone
from daemon.everywhere import hidden_stand_ins
from daemon.galleries import Gallery
from daemon.inspection import original_is_there
from daemon.marking import original_of
from daemon.mending import repair
from daemon.models import keep_model
from daemon.places import is_folder
from daemon.ports import Progress
from daemon.reasons import STAND_INS
from daemon.recovery import recover
from daemon.report import amount, counted, photos
from daemon.situation import LOW_SPACE
from daemon.strays import is_gone
from daemon.sync_guard import guard
from storage import durable
from storage.digest import read_once
from storage.errors import Locked, StorageError, shown
from storage.records import PhotoRow
from storage.states import State


class Grade(StrEnum):
    FINE = "fine"
    MENDED = "mended"
    NOTE = "note"
    """Not as it should be, and no photo is in danger."""
    DAMAGE = "damage"
    """Bytes that should be there are not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing."""

    grade: Grade
    text: str


def examine(shop: Workshop, progress: Progress) -> list[Finding]:
    """Look at the catalogue and at every gallery; mend what can be mended. Raises Locked where another instance is at work."""
    found = [Finding(Grade.DAMAGE, f"the catalogue: {text}; make it anew: doctor --rebuild") for text in shop.catalog.complaints()]
    if not found:
        wrong = shop.catalog.miscounts()
        if wrong:  # somebody changed rows without the triggers; the rows are what counts
            shop.catalog.recount()
        text = f"wrong in {counted(len(wrong), 'sum')} that `status` shows, which were made anew" if wrong else "it is sound"
        found.append(Finding(Grade.MENDED if wrong else Grade.FINE, f"the catalogue {shown(shop.places.catalog_file)}: {text}"))
    for gallery in shop.galleries:
        progress.step(shown(gallery.root))
        try:
            check_presence(gallery, shop.catalog)
            found += _gallery(shop, gallery)
        except Locked:
            raise
        except (GalleryGone, StorageError) as error:
            found.append(Finding(Grade.NOTE, str(error)))
    return found


def _gallery(shop: Workshop, gallery: Gallery) -> list[Finding]:
    where = shown(gallery.root)
    found = _synced(gallery)
    if not is_folder(gallery.vault.folder):
        return [*found, Finding(Grade.FINE, f"{where}: nothing was archived yet")]
    shop.lock_vault(gallery)
    recovered = recover(gallery, shop.catalog, shop.clock, shop.with_relief)
    if recovered:
        found.append(Finding(Grade.MENDED, f"{where}: {photos(recovered)} that an interrupted run left half done"))
    archived = restored = reclaimable = bare = 0
    models, missing, struck = {""}, [], []
    noted = {digest: damage for digest, (_, damage) in shop.catalog.inspections(gallery.key).items() if damage}
    for row in shop.catalog.rows(gallery=gallery.key):
        if row.has_archive:
            archived += 1
            restored += row.state is State.RESTORED
            reclaimable += row.size_bytes if row.state is State.RETIRED else 0
            models.add(row.model or "")
            missing += _missing(gallery, row)
            struck += [row] if row.sha256 in noted else []
            bare += bool(gallery.parity) and not gallery.vault.parity_path(row.sha256 or "").exists()
    found += [*_beside_the_archives(gallery, models), *missing, *_damaged(shop, gallery, struck, noted)]
    if bare:
        found.append(Finding(Grade.NOTE, f"{where}: {counted(bare, 'archive')} without parity yet: verify makes it"))
    found += _unknown(shop, gallery)
    if not durable.can_exchange(gallery.vault.folder):
        found.append(Finding(Grade.FINE, f"{where}: this file system can't exchange two names; retiring copies instead, and is slower"))
    reserve = gallery.vault.reserve(shop.settings.safety.reserve_bytes)
    if not reserve.make() and reserve.size_bytes:
        text = f"{where}: the disk has no room for the reserve ({amount(reserve.size_bytes)}) that helps when it is full"
        found.append(Finding(Grade.NOTE, text))
    usage = shutil.disk_usage(gallery.root)
    if reclaimable and usage.free < usage.total * LOW_SPACE:
        text = f"{where}: the disk is nearly full; originals in grace take {amount(reclaimable)} (a shorter `grace` helps)"
        found.append(Finding(Grade.NOTE, text))
    if all(each.grade is Grade.FINE for each in found):
        back = f", {restored} of them restored" if restored else ""
        found.append(Finding(Grade.FINE, f"{where}: {counted(archived, 'archived photo')}{back}, everything is in its place"))
    return found


def _synced(gallery: Gallery) -> list[Finding]:
    """What sync tools and photo managers around it mean for a gallery."""
    seen = guard(gallery.root, gallery.settings)
    found = [Finding(Grade.NOTE, text) for text in seen.refusals] + [Finding(Grade.FINE, text) for text in seen.notes]
    return found + [Finding(Grade.FINE, f"the vault does not travel: {line.proposal}") for line in seen.lines if line.in_effect]


def _beside_the_archives(gallery: Gallery, models: set[str]) -> list[Finding]:
    """Weight files, and the description of the format."""
    before = _held(gallery)
    for name in models:
        keep_model(gallery.vault, name)
    added = sorted(_held(gallery) - before)
    return [Finding(Grade.MENDED, f"{shown(gallery.root)}: {name} was missing in the vault") for name in added]


def _held(gallery: Gallery) -> set[str]:
    return {path.name for path in gallery.vault.folder.iterdir()} | set(gallery.vault.models())


def _missing(gallery: Gallery, row: PhotoRow) -> list[Finding]:
    """Of one archived photo, by the names alone; `verify` reads."""
    archive = gallery.vault.archive_path(row.sha256 or "")
    aside = gallery.vault.aside_path(row.location, row.sha256 or "")
    name = gallery.shown(row.location)
    if not archive.exists():
        return [Finding(Grade.DAMAGE, f"{name}: its archive is missing{_left_of(gallery, row)}")]
    if row.state is State.RETIRED and not aside.exists():
        return [Finding(Grade.DAMAGE, f"{name}: its set-aside original is missing; its archive is there")]
    return []


def _left_of(gallery: Gallery, row: PhotoRow) -> str:
    """What there is of a photo whose archive is missing."""
    if gallery.vault.aside_path(row.location, row.sha256 or "").exists() or row.state in (State.COMMITTED, State.ENCODING):
        return "; its original is still there"
    if is_gone(row.location):
        return ", and so is the photo: look for both in a backup. To go on without what went with a disk: doctor --rebuild"
    if row.state in (State.RETIRED, State.PURGED):
        return ", and in its place is only its stand-in: look for the archive in a backup"
    return "; the photo is in its place"


def _damaged(shop: Workshop, gallery: Gallery, rows: list[PhotoRow], noted: dict[str, str]) -> list[Finding]:
    """What the last `verify` noted; what parity can mend is mended here and now."""
    found = []
    for row in rows:
        damage = noted.pop(row.sha256 or "", "")
        if not damage or not gallery.vault.archive_path(row.sha256 or "").exists():
            continue
        name = gallery.shown(row.location)
        try:
            blocks = repair(shop, gallery, row.sha256 or "")
            found.append(Finding(Grade.MENDED, f"{name}: its archive, out of its parity: {counted(blocks, 'damaged block')} of 4 KiB"))
        except StorageError as error:
            if original_is_there(gallery, row):
                helps = "its original is still there: verify archives it anew"
            else:
                helps = f"no parity helps ({error}): take that one file out of your backup"
            found.append(Finding(Grade.DAMAGE, f"{name}: its archive is damaged, by the last verify ({damage}); {helps}"))
    return found


def _unknown(shop: Workshop, gallery: Gallery) -> list[Finding]:
    """What lies there without a row: after the catalogue was lost, or an old copy of it came back."""
    catalog, where = shop.catalog, shown(gallery.root)
    lost = {digest: archive for digest, archive in gallery.vault.archives() if not catalog.by_digest(digest, gallery.key)}
    named: list[str] = []
    if lost:  # or no file has to be asked what it stands for
        for sighting in walk(gallery.root, ()):
            row = catalog.find(gallery.key, gallery.relative(sighting.path))
            if row is None or row.reason in STAND_INS:
                with suppress(StorageError):  # what can't be read is no reason to say nothing of the rest
                    named.append(original_of(read_once(sighting.path).data) or "")
        named += [digest for _, _, digest in hidden_stand_ins(gallery.root)]
    known = [digest for digest in named if digest in lost]
    orphans = sum(not catalog.by_digest(digest, gallery.key) for digest, _ in gallery.vault.all_asides())
    told = ((len(known), "stand-in"), (orphans, "set-aside original"))
    why = "that the catalogue does not know, since it is lost or old: doctor --rebuild"
    found = [Finding(Grade.NOTE, f"{where}: {counted(count, what)} {why}") for count, what in told if count]
    purged = [aside for digest, aside in gallery.vault.all_asides() if _is_purged(catalog.by_digest(digest, gallery.key))]
    if purged:
        what = f"{counted(len(purged), 'original')} ({amount(sum(aside.stat().st_size for aside in purged))})"
        text = f"{what} set aside that the catalogue knows to be purged or given back, since an older copy of the vault came back"
        found.append(Finding(Grade.NOTE, f"{where}: {text}: doctor --rebuild gives them a whole new grace, after which they go"))
    alone = [archive for digest, archive in lost.items() if digest not in known]
    if alone:
        size = amount(sum(archive.stat().st_size for archive in alone))
        what = f"{counted(len(alone), 'archive')} ({size}) that no photo in the catalogue has and no stand-in names"
        helps = "they stay, and `restore` with --to, or eject, gives their photos"
        found.append(Finding(Grade.NOTE, f"{where}: {what}, such as {shown(alone[0])}; {helps}"))
    return found


def _is_purged(rows: list[PhotoRow]) -> bool:
    """Whether the catalogue knows an original, and that nothing of it is set aside."""
    return bool(rows) and all(row.state in (State.PURGED, State.RESTORED) and row.kept_since_at is None for row in rows)
