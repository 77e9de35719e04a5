"""A look at the catalogue, while another instance may be at work: no lock, nothing changes, and hardly anything is imported."""

from collections.abc import Iterator
from contextlib import contextmanager

from daemon.places import Places
from storage.catalog import Catalog
from storage.errors import Missing


@contextmanager
def reading_room(places: Places) -> Iterator[Catalog | None]:
    """The catalogue for reading; None where there is none yet."""
    try:
        catalog = Catalog(places.catalog_file, read_only=True)
    except Missing:
        yield None
        return
    with catalog:
        yield catalog
