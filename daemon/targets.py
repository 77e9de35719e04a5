"""Which photos a person means who names photos, stand-ins, folders, archives, albums or a date, by catalogue, galleries and vaults."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from daemon.composition import Workshop
from daemon.eligibility import walk
from daemon.elsewhere import archive_at_hand, of_elsewhere
from daemon.errors import NothingToDo, WrongPath
from daemon.galleries import Gallery, holding, place
from daemon.ignoring import WISHES
from daemon.marking import original_of
from daemon.places import is_folder
from daemon.reasons import STAND_INS
from daemon.selection import Chosen, awaits, deleted_since, in_album, is_pattern, matching, since
from daemon.spelling import Spellings
from storage.digest import read_once
from storage.errors import StorageError, shown
from storage.records import PhotoRow
from storage.states import State

_GIVING = (State.RETIRED, State.COMMITTED, State.RESTORED, State.PURGED)
"""States of a photo that can be given back, the one that surely gives the original first."""
_WAITING = (State.QUEUED, State.FAILED)
UNREAD = WISHES | STAND_INS
"""Files that are left for these reasons may be stand-ins that were moved: the first two are never looked into."""


@dataclass(frozen=True, slots=True)
class Target:
    """One photo to restore: by its row, or by an archive alone. `below` is where it goes under a folder of the user."""

    name: str
    below: Path
    gallery: Gallery | None
    row: PhotoRow | None
    archive: Path | None = None
    place: Path | None = None
    """What the user named, where that is not the photo's own path: a stand-in that was renamed, or an edit with the photo beside it."""
    later: bool = False
    """Another photo was archived under this name before, and has another one now."""
    stand_in: Path | None = None
    """What says that it needs `archive`, of which the catalogue does not know."""
    nothing: str = ""
    """No photo: what was named is there, or was understood, and nothing of it is archived; a sentence that says so."""


def meant(shop: Workshop, chosen: Chosen) -> Iterator[Target]:
    """Every photo that is chosen, once, and something to say of each folder, pattern, album or date of which nothing is archived. Raises
    WrongPath for a path that names nothing that could be restored, StorageError."""
    plain = [path for path in chosen.paths if not is_pattern(path)]
    rows: list[PhotoRow] = []
    if chosen.albums or chosen.since or len(plain) < len(chosen.paths):
        rows = [row for gallery in shop.galleries for row in shop.catalog.rows(gallery=gallery.key)]
    nothing: list[Target] = []
    named = [row for path in chosen.paths if is_pattern(path) for row in _found(nothing, partial(matching, rows, path, chosen.here))]
    named += [row for album in chosen.albums for row in _found(nothing, partial(in_album, rows, album))]
    if not chosen.paths and not chosen.albums:
        named = rows
    found = {row.id: _of_row(shop, row) for row in named}
    targets = nothing + [target for path in plain for target in _targets(shop, path)]
    known = {target.row.id for target in targets if target.row is not None}
    targets += [target for row_id, target in found.items() if row_id not in known]
    if chosen.since is None:
        yield from targets
        return
    unsaid = [target for target in targets if target.nothing]
    known_rows = [target.row for target in targets if target.row is not None]
    late = {row.id for row in _found(unsaid, partial(since, known_rows, chosen.since))}
    yield from (target for target in targets if target.row is not None and target.row.id in late)
    yield from unsaid


def _found(nothing: list[Target], find: Callable[[], list[PhotoRow]]) -> list[PhotoRow]:
    """What it finds; where that is nothing, `nothing` has one more to say."""
    try:
        return find()
    except NothingToDo as error:
        nothing.append(_nothing("", str(error)))
        return []


def _nothing(name: str, why: str) -> Target:
    return Target(name, Path(), None, None, nothing=why)


def _of_row(shop: Workshop, row: PhotoRow) -> Target:
    gallery = next(each for each in shop.galleries if each.key == row.gallery)
    return Target(gallery.shown(row.location), Path(os.fsdecode(row.path)), gallery, row)


def _targets(shop: Workshop, given: Path) -> Iterator[Target]:
    where = place(given)
    if where.suffix == ".nphoto" and where.is_file():
        yield Target(shown(given), Path(where.stem), None, None, where)
        return
    gallery = holding(shop.galleries, where)
    gone = not os.path.lexists(where)
    if gallery is not None and (gone or where.is_dir()):
        found = 0
        for row in list(shop.catalog.rows(gallery=gallery.key)):
            if where in row.location.parents and (awaits(row) or (gone and deleted_since(row))):
                found += 1
                yield Target(gallery.shown(row.location), row.location.relative_to(where), gallery, row)
        for sighting in walk(gallery.root, gallery.settings.exclude, where):
            known = shop.catalog.find(gallery.key, gallery.relative(sighting.path))
            moved = _by_mark(shop, gallery, sighting.path) if known is None or known.reason in UNREAD else None
            if moved is not None and not (moved.row is not None and moved.row.location.is_relative_to(where)):
                found += 1
                yield replace(moved, below=sighting.path.relative_to(where))
        if not found and not gone:
            yield _nothing(shown(given), f"{shown(given)}: no archived photo is in there.")
        if found or not gone:
            return
    named = [] if gallery is None else list(_by_name(shop, gallery, where))
    marked = None if named else _by_mark(shop, gallery, where)
    if not named and marked is None and (elsewhere := of_elsewhere(shop, where)):
        raise WrongPath(f"{shown(given)} {elsewhere}")
    if not named and marked is None and gallery is None:
        raise WrongPath(f"{shown(given)} is in no configured gallery, and no .nphoto file.")
    if not named and marked is None and not where.exists():
        raise WrongPath(f"{shown(given)} is not there, and no archive is known for it.")
    if not named and marked is None:
        yield _nothing(shown(given), f"{shown(given)} has no archive.")
    yield from named
    if marked is not None:
        yield marked


def _by_name(shop: Workshop, gallery: Gallery, where: Path) -> Iterator[Target]:
    """The photo of that name, and those that were archived under it before it was edited."""
    known = Spellings(gallery, shop.catalog).row_of(where)
    moved = shop.catalog.moved_from(gallery.key, gallery.relative(where))
    gone = moved and known is not None and not known.has_archive and not os.path.lexists(where)
    if known is not None and known.reason not in STAND_INS and not gone and (known.state not in _WAITING or not _is_stand_in(where)):
        yield Target(gallery.shown(where), Path(where.name), gallery, known, later=bool(moved))
    for row in moved:
        yield Target(gallery.shown(row.location), Path(row.location.name), gallery, row, place=where)


def _is_stand_in(where: Path) -> bool:
    """Asked of a photo that waits: the run that would find it out is still to come."""
    with suppress(StorageError):
        return original_of(read_once(where).data) is not None
    return False


def _by_mark(shop: Workshop, own: Gallery | None, where: Path) -> Target | None:
    """A stand-in that was renamed, moved or copied, or whose catalogue was lost: it says itself what it stands for."""
    if not where.is_file():
        return None
    digest = original_of(read_once(where).data)
    if digest is None:
        return None
    name = shown(where.name) if own is None else own.shown(where)
    alone: Target | None = None
    for gallery in sorted(shop.galleries, key=lambda each: each is not own):
        rows = [row for row in shop.catalog.by_digest(digest, gallery.key) if row.state in _GIVING]
        if rows and (alone is None or is_folder(gallery.vault.folder)):  # best the one whose original is still there
            return Target(name, Path(where.name), gallery, min(rows, key=lambda row: _GIVING.index(row.state)), place=where)
        archive = gallery.vault.archive_path(digest)
        if alone is None and archive.exists():
            alone = Target(name, Path(where.name), gallery, None, archive, stand_in=where)
    unnamed = archive_at_hand(where, digest) if alone is None else None
    return alone if unnamed is None else Target(name, Path(where.name), None, None, unnamed, where, stand_in=where)
