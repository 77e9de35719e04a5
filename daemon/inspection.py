"""`verify`: every archive read again from the disk, and decoded by a worker; every set-aside original compared with its digest."""

from dataclasses import dataclass
from pathlib import Path

from daemon.composition import Workshop
from daemon.discovery import check_presence
from daemon.errors import GalleryGone, WorkerError
from daemon.galleries import Gallery
from daemon.messages import Refused, RestoreJob
from daemon.places import is_folder
from daemon.ports import Progress
from daemon.reasons import sentence
from storage.digest import sha256_of
from storage.errors import StorageError, shown
from storage.records import PhotoRow
from storage.states import State


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was written. `original_safe`: the original itself is still there."""

    gallery: str
    file: str
    photos: tuple[str, ...]
    what: str
    original_safe: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    archives: int
    originals: int
    damages: tuple[Damage, ...]
    passed_by: tuple[str, ...]
    """What is wrong with galleries that are not there."""


def verify(shop: Workshop, progress: Progress) -> Inspection:
    """Look at everything in every vault. Changes nothing. A worker that dies on an archive counts as damage of that archive."""
    damages: list[Damage] = []
    archives = originals = 0
    passed_by: list[str] = []
    for gallery in shop.galleries:
        try:
            check_presence(gallery, shop.catalog)
        except GalleryGone as error:
            passed_by.append(str(error))
            continue
        rows = [row for row in shop.catalog.rows(gallery=gallery.key) if row.has_archive]
        found = dict(gallery.vault.archives()) if is_folder(gallery.vault.folder) else {}
        expected = {row.sha256 or "": gallery.vault.archive_path(row.sha256 or "") for row in rows}
        progress.start(len(found | expected), shown(gallery.root))
        for digest, path in sorted((found | expected).items()):
            mine = [row for row in rows if row.sha256 == digest]
            progress.step(path.name)
            trouble = _archive_trouble(shop, path, {row.archive_sha256 for row in mine})
            progress.done(path.name, trouble or "good")
            archives += 1
            if trouble:
                damages.append(_damage(gallery, path, mine, trouble, any(_original_is_there(gallery, row) for row in mine)))
        for row in rows:
            if row.state is State.RETIRED:
                originals += 1
                aside = gallery.vault.aside_path(row.location, row.sha256 or "")
                trouble = _original_trouble(aside, row.sha256)
                if trouble:
                    damages.append(_damage(gallery, aside, [row], trouble, False))
    progress.close()
    return Inspection(archives, originals, tuple(damages), tuple(passed_by))


def _archive_trouble(shop: Workshop, path: Path, known: set[str | None]) -> str:
    try:
        digest = sha256_of(path)
    except StorageError as error:
        return str(error)
    if known and digest not in known:
        return "its bytes are not the ones that were proven"
    try:
        answer = shop.codec.restore(RestoreJob(path))
    except WorkerError as error:
        return str(error)
    if isinstance(answer, Refused):
        return f"it can't be decoded: {sentence(answer.reason)} ({answer.detail})"
    return ""


def _original_trouble(aside: Path, sha256: str | None) -> str:
    try:
        return "" if sha256_of(aside) == sha256 else "the set-aside original was written to"
    except StorageError as error:
        return str(error)


def _original_is_there(gallery: Gallery, row: PhotoRow) -> bool:
    """By the disk, not by the state: somebody may act on the answer."""
    place = gallery.vault.aside_path(row.location, row.sha256 or "") if row.state is State.RETIRED else row.location
    try:
        return sha256_of(place) == row.sha256
    except StorageError:
        return False


def _damage(gallery: Gallery, file: Path, rows: list[PhotoRow], what: str, safe: bool) -> Damage:
    return Damage(shown(gallery.root), shown(file), tuple(gallery.shown(row.location) for row in rows), what, safe)
