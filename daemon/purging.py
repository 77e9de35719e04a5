"""Giving the space back: set-aside originals whose grace is over are removed, each with its proof in hand."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from daemon.backup_check import PurgeGate
from daemon.composition import Workshop
from daemon.galleries import Gallery
from daemon.in_place import Beside, as_it_stands, is_edited, lay_beside
from daemon.kept import due_at, kept_originals
from daemon.packed import whereabouts
from daemon.recovery import settle
from daemon.strays import is_gone
from storage.errors import Changed, Locked, Missing, StorageError
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Purged:
    """What a round of purging did."""

    photos: int = 0
    freed_bytes: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)
    """Originals that were not removed, with the reason."""
    beside: list[Beside] = field(default_factory=list)
    """Originals that were put beside an edit of their stand-in."""
    waiting: Counter[str] = field(default_factory=Counter)
    """Originals whose grace is over and that wait for something else, by what that is."""

    def keeps(self, name: str, error: StorageError) -> None:
        """Count an original that is not removed."""
        why = "the original is kept"
        if isinstance(error, Changed):
            why = "a new version of the photo was found in the vault and is kept there"
        self.kept.append((name, f"{why}: {error}"))


def purge_due(
    shop: Workshop,
    gallery: Gallery,
    gate: PurgeGate,
    done: Purged,
    check: Callable[[], None] = lambda: None,
    *,
    early_s: float = 0.0,
    enough: Callable[[], bool] = lambda: False,
    looked: bool = True,
) -> None:
    """Purge what is out of grace and may go, and for want of room what would be in `early_s`, the oldest first, until it is `enough`.

    What was done is counted in `done`; `check` is called before each, and may raise.

    An archive that is damaged, or an original that somebody wrote to, stays, and is told. Raises GalleryGone where the gallery goes away.

    Where somebody edited a stand-in, the original goes beside the edit; a run over a part of a gallery may not have looked there. Not
    `looked`: what is not in its place waits, since it may have been edited elsewhere. A photo that was packed anew may have been moved
    within its gallery since.
    """
    catalog, clock = shop.catalog, shop.clock
    rows = [row for row in catalog.due_for_purge(clock.now().timestamp() + early_s) if row.gallery == gallery.key]
    moved = _moved(gallery, rows)
    for row in rows:
        check()
        shop.check_still(gallery)
        if enough():
            break
        if not looked and row.stand_in_sha256 is not None and is_gone(row.location):
            continue
        try:
            row = as_it_stands(catalog, row)
            if is_edited(row):
                done.beside.append(lay_beside(shop, gallery, row))
                continue
            closed = gate.closed(row)
            if closed:
                done.waiting[closed] += 1
                continue
            packed_at = moved.get(row.stand_in_sha256 or "", row.location) if row.replaced else None
            if packed_at is not None and not os.path.lexists(packed_at):
                continue  # its user deleted it; the trash sees to that
            freed = shop.with_relief(partial(gallery.vault.purge, row.location, row.proof(), packed_at=packed_at))
        except Locked:
            raise
        except Missing as error:
            settle(row, gallery, catalog, clock)
            if catalog.get(row.id).state is State.RETIRED:
                done.kept.append((gallery.shown(row.location), str(error)))
            continue
        except StorageError as error:
            done.keeps(gallery.shown(row.location), error)
            continue
        shop.with_relief(partial(catalog.purged, row.id))
        if row.replaced and row.missed_at is not None:
            catalog.missed(row.id, there=True)  # found under another name, and nothing of it is left in the vault
        done.photos += 1
        done.freed_bytes += freed
        _log.info("%s: original purged, %d bytes freed", gallery.shown(row.location), freed)


def purge_kept(
    shop: Workshop,
    gallery: Gallery,
    gate: PurgeGate,
    done: Purged,
    check: Callable[[], None] = lambda: None,
    *,
    early_s: float = 0.0,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """As `purge_due`, of originals that stayed set aside when their photos came back with other labels, on the same conditions."""
    now = shop.clock.now().timestamp() + early_s
    for row, place in kept_originals(gallery, shop.catalog):
        check()
        shop.check_still(gallery)
        if enough():
            break
        if place is None:
            shop.catalog.kept_no_longer(row.id)
            continue
        if due_at(gallery, row) > now:
            continue
        closed = gate.closed(row)
        if closed:
            done.waiting[closed] += 1
            continue
        try:
            freed = gallery.vault.purge(row.location, row.proof(), aside=place)
        except Locked:
            raise
        except StorageError as error:
            done.keeps(gallery.shown(row.location), error)
            continue
        shop.with_relief(partial(shop.catalog.kept_no_longer, row.id))
        done.photos += 1
        done.freed_bytes += freed
        _log.info("%s: the original without its labels purged, %d bytes freed", gallery.shown(row.location), freed)


def _moved(gallery: Gallery, rows: Iterable[PhotoRow]) -> dict[str, Path]:
    """Where those re-packed photos are that have left their places, by their digests."""
    away = {row.stand_in_sha256 or "": row.stand_in_bytes or 0 for row in rows if row.replaced and not os.path.lexists(row.location)}
    try:
        return whereabouts(gallery, away)
    except StorageError as error:
        _log.warning("%d re-packed photos are looked for in the next run again: %s", len(away), error)
        return {}
