"""Originals that stay set aside although their photos are back in place: those came back with labels that the originals don't have."""

from collections.abc import Iterator
from pathlib import Path

from daemon.galleries import Gallery
from storage.catalog import Catalog
from storage.records import PhotoRow
from storage.states import State

_AT_WORK = (State.ENCODING, State.COMMITTED)


def kept_originals(gallery: Gallery, catalog: Catalog) -> Iterator[tuple[PhotoRow, Path | None]]:
    """Each of a gallery with the place of its set-aside original; None where there is none any more.

    Its name says which path the photo had when it was retired. A photo that was moved since has another one; then any original of the same
    bytes is taken that is not set aside for another photo. Photos that a run has in work are left out.
    """
    for row in catalog.kept(gallery.key):
        if row.state not in _AT_WORK:
            yield row, _place(gallery, catalog, row)


def due_at(gallery: Gallery, row: PhotoRow) -> int:
    """When it may be purged, by the grace in force; seconds since the epoch."""
    return (row.retired_at or 0) + gallery.grace_s


def _place(gallery: Gallery, catalog: Catalog, row: PhotoRow) -> Path | None:
    sha256 = row.sha256 or ""
    places = gallery.vault.asides(sha256)
    own = gallery.vault.aside_path(row.location, sha256)
    if own in places:
        return own
    others = [other for other in catalog.by_digest(sha256, gallery.key) if other.id != row.id]
    taken = {gallery.vault.aside_path(other.location, sha256) for other in others}
    return next((place for place in places if place not in taken), None)
