"""Giving the space back: set-aside originals whose grace is over are removed, each with its proof in hand."""

import logging
from dataclasses import dataclass, field

from daemon.galleries import Gallery
from daemon.ports import Clock
from daemon.recovery import settle
from storage.catalog import Catalog
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


def purge_due(gallery: Gallery, catalog: Catalog, clock: Clock) -> Purged:
    """Purge what is out of grace. An archive that is damaged, or an original that somebody wrote to, stays, and is told."""
    done = Purged()
    for row in catalog.due_for_purge(clock.now().timestamp()):
        if row.gallery != gallery.key:
            continue
        try:
            freed = gallery.vault.purge(row.location, row.proof())
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
        catalog.purged(row.id)
        done.photos += 1
        done.freed_bytes += freed
        _log.info("%s: original purged, %d bytes freed", gallery.shown(row.location), freed)
    return done
