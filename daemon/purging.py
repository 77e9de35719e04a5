"""Giving the space back: set-aside originals whose grace is over are removed, each with its proof in hand."""

import logging
from dataclasses import dataclass, field
from functools import partial

from daemon.composition import Workshop
from daemon.galleries import Gallery
from daemon.in_place import Beside, is_edited, lay_beside
from daemon.recovery import settle
from storage.errors import Changed, Locked, Missing, StorageError
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


def purge_due(shop: Workshop, gallery: Gallery) -> Purged:
    """Purge what is out of grace. An archive that is damaged, or an original that somebody wrote to, stays, and is told.

    Where somebody edited a stand-in, the original goes beside the edit; a run over a part of a gallery may not have looked there.
    """
    done = Purged()
    catalog, clock = shop.catalog, shop.clock
    for row in catalog.due_for_purge(clock.now().timestamp()):
        if row.gallery != gallery.key:
            continue
        try:
            if is_edited(row):
                done.beside.append(lay_beside(shop, gallery, row))
                continue
            freed = shop.with_relief(partial(gallery.vault.purge, row.location, row.proof(), replaced=row.replaced))
        except Locked:
            raise
        except Missing as error:
            settle(row, gallery, catalog, clock)
            if catalog.get(row.id).state is State.RETIRED:
                done.kept.append((gallery.shown(row.location), str(error)))
            continue
        except Changed as error:
            done.kept.append((gallery.shown(row.location), f"a new version of the photo was found in the vault and is kept there: {error}"))
            continue
        except StorageError as error:
            done.kept.append((gallery.shown(row.location), f"the original is kept: {error}"))
            continue
        shop.with_relief(partial(catalog.purged, row.id))
        done.photos += 1
        done.freed_bytes += freed
        _log.info("%s: original purged, %d bytes freed", gallery.shown(row.location), freed)
    return done
