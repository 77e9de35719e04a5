"""The trash: who deletes a stand-in deletes the photo, but its archive waits some time before it goes, too. The same holds for a photo that
was packed anew, as long as its original is in the vault.

Nothing moves: the archive stays where it is, `restore` gives the photo back, and the catalogue says since when it is missed. A stand-in
that was only renamed or moved says itself which archive it needs. Where the same bytes had several paths, their archive goes with the
last. A stand-in in a bin was deleted, but as long as it lies there, and may be taken out again, its time in the trash begins anew.

Likewise with what is superseded: who edits a photo that came back in full, in its place, replaces it, and the archive of what it was before
waits as long, and goes on the same conditions.
"""

import logging
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from daemon.anchor import check_presence
from daemon.composition import Workshop
from daemon.eligibility import SUFFIXES
from daemon.everywhere import binned, everything, told_original
from daemon.galleries import Gallery
from daemon.packed import whereabouts
from daemon.strays import hidden_edits, is_gone, is_held_back, note_hidden
from daemon.surprise import check_stop
from storage.attributes import marked
from storage.catalog import Catalog
from storage.errors import Locked, StorageError
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)
_NOTICE_S = 20 * 3600
_PAUSE_S = 60 * 86400
"""Nothing is thrown away where no run was begun between so long and so long ago: a night's notice, for a clock that leapt ahead."""
MISSING = "it is missing"
"""Noted as damage of an archive, or of a set-aside original."""
_ROUNDS = 10
"""Through all files at most, until no new one is seen."""


@dataclass(slots=True)
class Emptied:
    """What became of the photos that are missed in one gallery."""

    missed: int = 0
    """Not found for the first time."""
    photos: int = 0
    """Thrown away."""
    earlier: int = 0
    """Archives of earlier versions, likewise."""
    freed_bytes: int = 0
    lost: list[str] = field(default_factory=list)
    """Photos of which nothing is left, neither in the gallery nor in the vault, found out now."""
    kept: list[tuple[str, str]] = field(default_factory=list)
    """Photos that could not be thrown away, and why."""


def empty(shop: Workshop, gallery: Gallery) -> Emptied:
    """Note what is missed, and throw away what has been missed for as long as the configuration says. The vault is locked by us.

    Raises Stopped, and GalleryGone where the gallery went away meanwhile, or where another one, to which stand-ins may have been moved, is
    not there.
    """
    catalog, done, now = shop.catalog, Emptied(), int(shop.clock.now().timestamp())
    looked = _look(gallery, catalog, now)
    shop.check_still(gallery)  # or everything would have been missed that lies on a disk that was just unmounted
    for photo_id in looked.back:
        catalog.missed(photo_id, there=True)
    old = _long_missed(catalog, looked.due, now)
    rows = [row for row in old if row.state in (State.PURGED, State.RESTORED, State.LEFT) and row.kept_since_at is None]
    rows += _long_superseded(gallery, catalog, now)
    originals = [row for row in old if row.state is State.RETIRED and row.replaced and (row.purge_after_at or 0) <= now]
    try:
        missed = _note_missed(shop, gallery, looked)
        elsewhere, may_return = _elsewhere(shop, gallery, rows), _may_return(shop, rows)
        moved = whereabouts(gallery, {row.stand_in_sha256 or "": row.stand_in_bytes or 0 for row in originals})
    except StorageError as error:
        first = next(iter([*rows, *originals])) if rows or originals else catalog.get((looked.fresh + looked.packed)[0][0])
        done.kept.append((gallery.shown(first.location), f"nothing is thrown away, since not every file can be looked at: {error}"))
        return done
    nowhere = _note_lost(gallery, catalog, done)
    done.missed = len([photo_id for photo_id in missed if photo_id not in nowhere])
    for row in rows + originals:
        if row.sha256 in elsewhere or row.stand_in_sha256 in moved:
            _still_needed(catalog, row)
    rows = [row for row in rows if row.sha256 not in elsewhere]
    for row in rows:
        if row.sha256 in may_return:
            _begin_anew(catalog, row, may_return[row.sha256])
    _throw_away(shop, gallery, [row for row in rows if row.sha256 not in may_return], done)
    _throw_away_originals(shop, gallery, [row for row in originals if row.stand_in_sha256 not in moved], done)
    return done


_Place = tuple[int, str, int]
"""A photo's id, and digest and size of the file that was in its place, as `Ledger.trashable` has them."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """Photos by what is in their places."""

    back: list[int] = field(default_factory=list)
    """Missed, and there again."""
    fresh: list[_Place] = field(default_factory=list)
    """Missed for the first time."""
    packed: list[_Place] = field(default_factory=list)
    """The same, of photos that were packed anew."""
    due: list[int] = field(default_factory=list)
    """Missed for as long as the configuration says."""


def _look(gallery: Gallery, catalog: Catalog, now: int) -> _Looked:
    found = _Looked()
    for photo_id, path, sha256, size_bytes, missed_at, was_packed in catalog.trashable(gallery.key):
        if not _is_deleted(gallery, path):
            found.back.extend([photo_id] if missed_at is not None else [])
        elif missed_at is None:
            (found.packed if was_packed else found.fresh).append((photo_id, sha256, size_bytes))
        elif missed_at + gallery.settings.trash.total_seconds() <= now:
            found.due.append(photo_id)
    return found


def _long_missed(catalog: Catalog, due: list[int], now: int) -> list[PhotoRow]:
    """Of those that are due; what was missed by a clock that was behind begins anew."""
    if not catalog.ran_between(now - _PAUSE_S, now - _NOTICE_S):
        return []
    old = [catalog.get(photo_id) for photo_id in due]
    for row in old:
        if _by_a_clock_behind(row):
            _begin_anew(catalog, row)
    return [row for row in old if not _by_a_clock_behind(row)]


def _long_superseded(gallery: Gallery, catalog: Catalog, now: int) -> list[PhotoRow]:
    """Earlier versions of photos that their users wrote over so long ago; where that was by a clock that was behind, they begin anew."""
    before = now - int(gallery.settings.trash.total_seconds())
    old = [row for row in catalog.earlier(gallery.key) if row.may_go and (row.superseded_at or 0) <= before]
    if not old or not catalog.ran_between(now - _PAUSE_S, now - _NOTICE_S):
        return []
    for row in old:
        if _by_a_clock_behind(row):
            catalog.superseded_anew(row.id)
    return [row for row in old if not _by_a_clock_behind(row)]


def _by_a_clock_behind(row: PhotoRow) -> bool:
    since_at = row.missed_at if row.superseded_at is None else row.superseded_at
    return (since_at or 0) < (row.retired_at or 0)


def _still_needed(catalog: Catalog, row: PhotoRow) -> None:
    """Some file stands for it."""
    if row.superseded_at is None:
        catalog.missed(row.id, there=True)
    else:
        catalog.superseded_anew(row.id)


def _begin_anew(catalog: Catalog, row: PhotoRow, binned_as: bytes | None = None) -> None:
    """Its time in the trash; `binned_as`: where its stand-in lies, in a bin."""
    if row.superseded_at is not None:
        catalog.superseded_anew(row.id)
        return
    catalog.missed(row.id, there=True)
    catalog.missed(row.id)
    catalog.binned(row.id, binned_as)


def _note_missed(shop: Workshop, gallery: Gallery, looked: _Looked) -> list[int]:
    """Those that were not found for the first time and are nowhere else either; these are missed from now on."""
    # A stand-in that only has another name now is as large as it was.
    named = _named_by_stand_ins(shop, {size_bytes for *_, size_bytes in looked.fresh}) if looked.fresh else set()
    at = whereabouts(gallery, {sha256: size_bytes for _, sha256, size_bytes in looked.packed})
    unseen = [photo_id for photo_id, sha256, _ in looked.fresh + looked.packed if sha256 not in named and sha256 not in at]
    hidden = hidden_edits(gallery, shop.catalog, map(shop.catalog.get, unseen))
    missed = [photo_id for photo_id in unseen if photo_id not in hidden]
    for photo_id in missed:
        shop.catalog.missed(photo_id)
    _note_binned(shop, gallery, missed)
    return missed


def _note_binned(shop: Workshop, gallery: Gallery, missed: list[int]) -> None:
    """Where those that are missed from now on lie in a bin, and which of the others lie there no longer: for `status`, which tells what
    waits for a bin to be emptied. What is thrown away is decided by another look."""
    for row in shop.catalog.in_bins(gallery.key):
        if is_gone(row.binned_as or b""):
            shop.catalog.binned(row.id, None)
    rows = [shop.catalog.get(photo_id) for photo_id in missed]
    try:
        lying = _in_bins(shop, rows) if rows else {}
    except StorageError:
        return
    for row in rows:
        if row.has_archive and row.sha256 in lying:
            shop.catalog.binned(row.id, lying[row.sha256])


def _note_lost(gallery: Gallery, catalog: Catalog, done: Emptied) -> set[int]:
    """Ids of photos in the trash whose archives are not in the vault, nor their originals, perhaps since all went with a disk: nobody shall
    be told that `restore` gives them back. Noted as damage; where an archive is there again, nothing is known of it."""
    noted, found = catalog.inspections(gallery.key), set[int]()
    for row in catalog.in_trash(gallery.key):
        sha256 = row.sha256 or ""
        known = noted.get(sha256, (0, ""))[1]
        if not row.has_archive or gallery.vault.archive_path(sha256).exists():
            if known == MISSING:
                catalog.not_inspected(gallery.key, sha256)
            continue
        if not known:
            catalog.inspected(gallery.key, sha256, MISSING)
        if row.state is State.RETIRED and gallery.vault.aside_path(row.location, sha256).exists():
            continue
        if row.state is State.RETIRED:
            catalog.compared(gallery.key, sha256, MISSING)
        found.add(row.id)
        done.lost += [] if known else [gallery.shown(row.location)]
    return found


def _elsewhere(shop: Workshop, gallery: Gallery, rows: list[PhotoRow]) -> set[str]:
    """Digests of those originals that some file stands for, under whatever name."""
    if not rows:
        return set()
    found = _named_by_stand_ins(shop, {row.stand_in_bytes or 0 for row in rows}, of_any_size=True)
    hidden = hidden_edits(gallery, shop.catalog, rows)
    return found | {row.sha256 or "" for row in rows if row.id in hidden}


def _may_return(shop: Workshop, rows: list[PhotoRow]) -> dict[str, bytes | None]:
    """Digests of those originals whose stand-ins lie in a bin, with the path there, or (None) in a gallery of before."""
    if not rows:
        return {}
    return {**dict.fromkeys(_in_galleries_of_before(shop)), **_in_bins(shop, rows)}


def _in_bins(shop: Workshop, rows: list[PhotoRow]) -> dict[str, bytes]:
    """Paths in bins by the digests of the originals that files there stand for. Raises as `everything`."""
    sizes = {row.stand_in_bytes or 0 for row in rows}
    found: dict[str, bytes] = {}
    for each in shop.galleries:
        found |= binned(each.root, sizes)
    return found


def _is_deleted(gallery: Gallery, path: bytes) -> bool:
    """Whether nothing lies there, no placeholder of a sync tool either, and nothing hides it: a disk that is mounted over its folder, or a
    link in the place of one, to where its user moved it, perhaps."""
    if not is_gone(path) or is_held_back(path):
        return False
    with suppress(OSError):
        device = gallery.root.stat().st_dev
        for folder in Path(os.fsdecode(path)).parents:
            with suppress(FileNotFoundError):
                found = folder.lstat()
                return stat.S_ISDIR(found.st_mode) and found.st_dev == device
    return False


def _in_galleries_of_before(shop: Workshop) -> set[str]:
    """Digests of originals whose stand-ins were moved to a gallery that the configuration names no more: of those that lie there still, or
    that nobody can look for now."""
    noted = shop.catalog.standing_in({gallery.key for gallery in shop.galleries})
    return {sha256 for sha256, root, path in noted if not is_gone(path) or is_gone(root)}


def _throw_away(shop: Workshop, gallery: Gallery, rows: list[PhotoRow], done: Emptied) -> None:
    going = {row.id for row in rows}
    digests = {row.sha256 for row in rows if row.sha256 is not None}
    for sha256 in sorted(digests):
        sharing = [row for row in shop.catalog.by_digest(sha256, gallery.key) if row.has_archive]
        mine = [row for row in sharing if row.id in going]
        check_stop(shop.places, gallery)
        shop.check_still(gallery)
        try:
            if len(mine) == len(sharing) and _has_come_back(mine):
                continue
            if len(mine) == len(sharing):
                # A stop between the two leaves rows that are due without an archive, which the next run finishes.
                places = [row.location for row in mine if row.superseded_at is None]
                done.freed_bytes += gallery.vault.throw_away_archive(sha256, places)
        except Locked:
            raise
        except StorageError as error:
            done.kept.append((gallery.shown(mine[0].location), str(error)))
            continue
        if len(mine) == len(sharing):
            shop.catalog.noted_parity(gallery.key, sha256, 0)
        for row in mine:
            if row.superseded_at is not None:
                shop.catalog.let_go(row.id)
                done.earlier += len(mine) == len(sharing)
                _log.info("%s: an earlier version thrown away", gallery.shown(row.location))
                continue
            shop.catalog.thrown_away(row.id, "it was deleted, and so was its archive after its time in the trash")
            done.photos += 1
            _log.info("%s: thrown away", gallery.shown(row.location))


def _has_come_back(rows: list[PhotoRow]) -> bool:
    """Whether somebody put the stand-in of an earlier version over the later one a moment ago."""
    superseded = (row for row in rows if row.superseded_at is not None)
    return any(told_original(row.location, must_read=True) == row.sha256 for row in superseded)


def _throw_away_originals(shop: Workshop, gallery: Gallery, rows: list[PhotoRow], done: Emptied) -> None:
    for row in rows:
        check_stop(shop.places, gallery)
        try:
            done.freed_bytes += gallery.vault.throw_away_original(row.location, row.sha256 or "")
        except Locked:
            raise
        except StorageError as error:
            done.kept.append((gallery.shown(row.location), str(error)))
            continue
        shop.catalog.thrown_away(row.id, "it was deleted, and so was its original after its time in the trash")
        done.photos += 1
        _log.info("%s: thrown away", gallery.shown(row.location))


def _named_by_stand_ins(shop: Workshop, sizes: Collection[int], *, of_any_size: bool = False) -> set[str]:
    """Digests of the originals that files without an archive of their own stand for, in every gallery: by files of these `sizes`, whatever
    their names, and `of_any_size` where the name is a photo's.

    Goes through them until nothing new is seen: what is moved meanwhile, into a folder that is behind us, would be seen in neither.
    Raises StorageError where a file can't be read, or a folder can't be listed: it may be, or hold, a stand-in. Raises GalleryGone where
    one of the galleries is not there, or only the empty folder that its disk is mounted on: what it holds can't be told.
    """
    found: set[str] = set()
    seen: set[int] = set()
    asked: set[int] = set()
    for _ in range(_ROUNDS):
        before = len(seen)
        for gallery in shop.galleries:
            found |= _named_in(shop, gallery, sizes, of_any_size, seen, asked)
        if len(seen) == before:
            return found
    raise StorageError("files are being moved all the time")


def _named_in(shop: Workshop, gallery: Gallery, sizes: Collection[int], of_any_size: bool, seen: set[int], asked: set[int]) -> set[str]:
    """Of one gallery; `seen`: what needs no second look, by path, inode and ctime; `asked`: likewise, of logs and caches, which change all
    the time and so must not count as new."""
    found: set[str] = set()
    check_presence(gallery, shop.catalog)
    for path, fingerprint in everything(gallery.root):
        name = gallery.relative(path)
        row = shop.catalog.find(gallery.key, name)
        told = marked(path) if row is None else None
        looks_so = name.lower().endswith(SUFFIXES)
        known = row is not None or told is not None or fingerprint.size_bytes in sizes or (looks_so and b"/." not in b"/" + name)
        if not known and not (of_any_size and looks_so):
            continue
        key = hash((path, fingerprint.inode, fingerprint.ctime_ns))
        if key in seen or key in asked:
            continue
        (seen if known else asked).add(key)
        if row is not None and row.has_archive and row.is_current(fingerprint):
            continue  # in its own place
        if row is not None and row.stands_for is not None:
            found.add(row.stands_for)  # whatever it is by now: who saved over it has deleted nothing
        if told is not None:
            found.add(told)
        if told is None and fingerprint.size_bytes not in sizes and not (of_any_size and looks_so):
            continue
        digest = told_original(path, must_read=known)
        if digest is not None:
            seen.add(key)
            found.add(digest)
            if row is None:
                note_hidden(gallery, shop.catalog, path, fingerprint, digest)
    return found
