"""`verify`: every archive read again from the disk, and decoded by a worker; every set-aside original compared with its digest."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from daemon.anchor import check_presence
from daemon.composition import Workshop
from daemon.errors import GalleryGone, WorkerError
from daemon.galleries import Gallery
from daemon.kept import kept_originals
from daemon.messages import Refused, RestoreJob
from daemon.places import is_folder
from daemon.ports import Progress
from daemon.reasons import UNREADABLE_HERE, sentence
from storage.catalog import Catalog
from storage.digest import sha256_of
from storage.errors import Missing, StorageError, shown
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was written. `original_safe`: the original itself is still there."""

    gallery: str
    file: str
    photos: tuple[str, ...]
    what: str
    original_safe: bool
    sha256: str = ""
    """Of the original whose archive is damaged; empty for a set-aside original."""


@dataclass(frozen=True, slots=True)
class Later:
    """An archive that this version of the program can't read, and that nothing is wrong with, as far as it can tell."""

    gallery: str
    file: str
    photos: tuple[str, ...]
    why: str


@dataclass(slots=True)
class Inspection:
    """What `verify` came to."""

    archives: int = 0
    originals: int = 0
    damages: list[Damage] = field(default_factory=list)
    passed_by: list[str] = field(default_factory=list)
    """What is wrong with galleries that are not there."""
    mendable: list[tuple[Gallery, PhotoRow]] = field(default_factory=list)
    """Photos with a damaged archive whose original is still set aside."""
    repairable: list[tuple[Gallery, str]] = field(default_factory=list)
    """Damaged archives that have parity, by the digest of their original."""
    unguarded: list[tuple[Gallery, PhotoRow]] = field(default_factory=list)
    """Whole archives without the parity that the configuration asks for, one photo of each."""
    later: list[Later] = field(default_factory=list)
    """No damage, and not decoded either."""

    @property
    def needs_hands(self) -> bool:
        """Whether there is something that could be mended."""
        return bool(self.mendable or self.repairable or self.unguarded)


def verify(shop: Workshop, progress: Progress, subset: float = 1.0, go_on: Callable[[], bool] = lambda: True) -> Inspection:
    """Read archives again, `subset` (a share) of each vault, those first that were not read for longest; with it all set-aside originals.

    `go_on` is asked before each file; False ends it there, and the next call begins with what was left.

    Changes nothing, and needs no lock: what a run at work has just changed is looked at again before it is called damaged. A worker that
    dies on an archive counts as damage of that archive.
    """
    found = Inspection()
    for gallery in shop.galleries:
        try:
            check_presence(gallery, shop.catalog)
        except GalleryGone as error:
            found.passed_by.append(str(error))
            continue
        every = list(shop.catalog.rows(gallery=gallery.key))
        mine: dict[str, list[PhotoRow]] = {}
        for row in [*every, *shop.catalog.earlier(gallery.key)]:
            if row.has_archive:
                mine.setdefault(row.sha256 or "", []).append(row)
        chosen = _chosen(shop, gallery, mine, subset)
        progress.start(len(chosen), shown(gallery.root))
        for digest, path in chosen:
            if not go_on():
                break
            _read_archive(shop, gallery, path, digest, mine.get(digest, []), progress, found)
        _compare_originals(shop, gallery, every, go_on, found)
    progress.close()
    return found


def _read_archive(
    shop: Workshop, gallery: Gallery, path: Path, digest: str, mine: list[PhotoRow], progress: Progress, found: Inspection
) -> None:
    """`digest`: of the original; `mine`: the photos whose archive it is."""
    name = gallery.shown(mine[0].location) if mine else path.name
    progress.step(name)
    trouble, why = _archive_trouble(shop, path, {row.archive_sha256 for row in mine})
    if trouble and mine and not any(is_still(shop, row) for row in mine):
        trouble = ""  # a run that is at work has just changed it
    progress.done(name, trouble or why or "good")
    found.archives += 1
    _note(shop, Catalog.inspected, gallery, digest, trouble)
    if why:
        found.later.append(Later(shown(gallery.root), shown(path), _names(gallery, mine), why))
    elif trouble:
        safe = [row for row in mine if original_is_there(gallery, row)]
        found.damages.append(_damage(gallery, path, mine, trouble, bool(safe), digest))
        if gallery.vault.parity_path(digest).exists():
            found.repairable.append((gallery, digest))
        found.mendable += [(gallery, row) for row in safe if row.state is State.RETIRED][:1]
    elif mine and gallery.parity and gallery.vault.parity_trouble(digest, mine[0].archive_sha256 or ""):
        found.unguarded.append((gallery, mine[0]))


def _compare_originals(shop: Workshop, gallery: Gallery, rows: list[PhotoRow], go_on: Callable[[], bool], found: Inspection) -> None:
    """Every set-aside original with its digest, and the photos that were packed anew with theirs."""
    compared = dict[str, str]()
    asides = [(row, gallery.vault.aside_path(row.location, row.sha256 or "")) for row in rows if row.state is State.RETIRED]
    asides += [(row, place) for row, place in kept_originals(gallery, shop.catalog) if place is not None]
    for row, aside in asides:
        if not go_on():
            break
        found.originals += 1
        trouble = _original_trouble(aside, row.sha256)
        if trouble and not is_still(shop, row):
            continue  # a run that is at work has just moved it
        compared[row.sha256 or ""] = trouble or compared.get(row.sha256 or "", "")
        if trouble:
            found.damages.append(_damage(gallery, aside, [row], trouble, False))
        elif row.replaced and _has_decayed(row):
            found.damages.append(_damage(gallery, row.location, [row], "its bytes are not the ones that were proven", True))
    known = shop.catalog.inspections(gallery.key)
    for digest, trouble in compared.items():
        if trouble or digest in known:
            _note(shop, Catalog.compared, gallery, digest, trouble)


def _chosen(shop: Workshop, gallery: Gallery, known: Iterable[str], subset: float) -> list[tuple[str, Path]]:
    """Archives that are there or should be, by the digest of their original; of a subset, the longest unread."""
    found = dict(gallery.vault.archives()) if is_folder(gallery.vault.folder) else {}
    every = found | {digest: gallery.vault.archive_path(digest) for digest in known}
    read = shop.catalog.inspections(gallery.key)
    by_age = sorted(every, key=lambda digest: (read.get(digest, (0, ""))[0], digest))
    return [(digest, every[digest]) for digest in by_age[: math.ceil(len(every) * subset)]]


def is_still(shop: Workshop, row: PhotoRow) -> bool:
    """Whether nobody has worked on the photo since its row was read."""
    try:
        now = shop.catalog.get(row.id)
    except Missing:
        return False
    return (now.state, now.archive_sha256, now.superseded_at) == (row.state, row.archive_sha256, row.superseded_at)


def original_is_there(gallery: Gallery, row: PhotoRow) -> bool:
    """By the disk, not by the state: somebody may act on the answer."""
    aside = row.state is State.RETIRED or row.kept_since_at is not None
    place = gallery.vault.aside_path(row.location, row.sha256 or "") if aside else row.location
    try:
        return sha256_of(place) == row.sha256
    except StorageError:
        return False


def _note(shop: Workshop, method: Callable[[Catalog, bytes, str, str], None], gallery: Gallery, digest: str, trouble: str) -> None:
    """In the catalogue, where that can be written; what is damaged is called so there until it was mended."""
    if not shop.places.catalog_file.exists():
        return
    try:
        with Catalog(shop.places.catalog_file, lambda: shop.clock.now().timestamp()) as catalog:
            method(catalog, gallery.key, digest, trouble)
    except StorageError as error:
        _log.warning("not noted: %s", error)


def _archive_trouble(shop: Workshop, path: Path, known: set[str | None]) -> tuple[str, str]:
    """(what is wrong with an archive, why it can't be told whether it decodes); one of them at most."""
    try:
        digest = sha256_of(path, from_disk=True)
    except StorageError as error:
        return str(error), ""
    if known and digest not in known:
        return "its bytes are not the ones that were proven", ""
    try:
        answer = shop.codec.restore(RestoreJob(path))
    except WorkerError as error:
        return str(error), ""
    if not isinstance(answer, Refused):
        return "", ""
    if answer.reason in UNREADABLE_HERE:
        return "", answer.detail or sentence(answer.reason)
    return f"it can't be decoded: {sentence(answer.reason)} ({answer.detail})", ""


def _original_trouble(aside: Path, sha256: str | None) -> str:
    try:
        return "" if sha256_of(aside, from_disk=True) == sha256 else "the set-aside original was written to"
    except StorageError as error:
        return str(error)


def _has_decayed(row: PhotoRow) -> bool:
    """Whether a re-packed photo that nobody wrote to has other bytes; one that its user changed or moved is the user's."""
    try:
        return row.is_current(Fingerprint.of(row.location)) and sha256_of(row.location, from_disk=True) != row.stand_in_sha256
    except StorageError:
        return False


def _damage(gallery: Gallery, file: Path, rows: list[PhotoRow], what: str, safe: bool, digest: str = "") -> Damage:
    return Damage(shown(gallery.root), shown(file), _names(gallery, rows), what, safe, digest)


def _names(gallery: Gallery, rows: list[PhotoRow]) -> tuple[str, ...]:
    return tuple(gallery.shown(row.location) for row in rows)
