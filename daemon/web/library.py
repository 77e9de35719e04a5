"""The galleries as a visitor sees them: albums, the photos in them, one photo. By the catalogue alone: no address holds a path.

Each look opens the catalogue anew, as every command does, so that one that was made anew, or came back with its disk, is seen at once.
"""

import os
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.access.session import wanted_of
from daemon.access.view import Node, Source, View
from daemon.anchor import check_presence
from daemon.explanation import Explanation, explain
from daemon.galleries import Gallery
from daemon.places import Places
from daemon.reading import reading_room
from daemon.selection import awaits
from daemon.web.trouble import no_such_photo
from storage.catalog import Catalog
from storage.errors import Missing
from storage.records import PhotoRow
from storage.states import State


@dataclass(frozen=True, slots=True)
class Album:
    """A folder with photos."""

    folder: bytes
    """Relative to the gallery; empty: the gallery itself."""
    photos: int
    cover: int
    """The id of a photo in it: the first."""


@dataclass(frozen=True, slots=True)
class Found:
    """One photo of the catalogue."""

    gallery: Gallery
    number: int
    """Of the gallery, in the order of the configuration, from 0."""
    row: PhotoRow

    @property
    def folder(self) -> bytes:
        return self.row.path.rpartition(b"/")[0]

    @property
    def name(self) -> bytes:
        return self.row.path.rpartition(b"/")[2]

    @property
    def can_be_given_back(self) -> bool:
        """Whether a restore would put something else in its place."""
        return awaits(self.row) and (self.row.has_archive or self.row.state is State.RETIRED)


@dataclass(frozen=True, slots=True)
class Seen(Found):
    """The same with where its bytes come from."""

    node: Node

    @property
    def etag(self) -> str:
        """Changes with the bytes, and is known before anything is decoded."""
        row, status = self.node.row, self.node.status
        match self.node.source:
            case Source.ORIGINAL:
                return f'"o-{"" if row is None else row.sha256}"'
            case Source.COPY:
                return f'"{wanted_of(self.gallery, self.node).name}"'
            case Source.FILE:
                return f'"f-{status["st_mtime"]:x}-{status["st_ctime"]:x}-{status["st_size"]:x}"'


class Library:
    """For any number of threads."""

    def __init__(self, places: Places, galleries: list[Gallery]) -> None:
        self._places = places
        self.galleries = galleries

    def gallery(self, number: int) -> Gallery:
        if not 0 <= number < len(self.galleries):
            raise no_such_photo()
        return self.galleries[number]

    def albums(self, number: int) -> list[Album]:
        """In the order of their names. Raises GalleryGone, StorageError."""
        with self._catalog() as catalog:
            check_presence(self.gallery(number), catalog)
            listed = catalog.listed(self.gallery(number).key)
        found: dict[bytes, Album] = {}
        for row_id, path in listed:
            folder = path.rpartition(b"/")[0]
            known = found.get(folder)
            found[folder] = Album(folder, 1, row_id) if known is None else Album(folder, known.photos + 1, known.cover)
        return [found[folder] for folder in sorted(found, key=lambda each: each.split(b"/"))]

    def in_album(self, number: int, folder: bytes) -> list[int]:
        """Ids of its photos by their names; empty where there is no such album. Raises GalleryGone, StorageError."""
        with self._catalog() as catalog:
            check_presence(self.gallery(number), catalog)
            return [row_id for row_id, _ in catalog.listed(self.gallery(number).key, folder)]

    def rows(self, ids: list[int]) -> list[PhotoRow]:
        """Those that are still there."""
        with self._catalog() as catalog:
            return [row for row_id in ids if (row := _row(catalog, row_id)) is not None]

    def found(self, photo: int) -> Found:
        """Raises Trouble (no such photo), StorageError."""
        with self._catalog() as catalog:
            return self._found(catalog, photo)

    def seen(self, photo: int) -> Seen:
        """Raises Trouble (no such photo), GalleryGone, StorageError, OSError (FileNotFoundError: nothing is in its place)."""
        with self._catalog() as catalog:
            found = self._found(catalog, photo)
            check_presence(found.gallery, catalog)
            view = View(found.gallery, catalog, lambda node: 0)  # nothing is decoded for a size: whoever wants the copy learns it
            node = view.node(os.fsdecode(found.row.path))
        return Seen(found.gallery, found.number, found.row, node)

    def told(self, photo: int) -> tuple[Found, Explanation]:
        """With what `explain` says of it."""
        with self._catalog() as catalog:
            found = self._found(catalog, photo)
            check_presence(found.gallery, catalog)
            return found, explain(found.gallery, found.row, found.row.location, catalog)

    def beside(self, found: Found) -> tuple[int | None, int | None]:
        """Ids of the photos before and behind one in its album."""
        with self._catalog() as catalog:
            listed = catalog.listed(found.gallery.key, found.folder)
        at = bisect_left(listed, found.row.path, key=lambda each: each[1])
        after = at + 1 if at < len(listed) and listed[at][1] == found.row.path else at
        return (listed[at - 1][0] if at else None), (listed[after][0] if after < len(listed) else None)

    def _found(self, catalog: Catalog, photo: int) -> Found:
        row = _row(catalog, photo)
        if row is not None and row.superseded_at is None:
            for number, gallery in enumerate(self.galleries):
                if gallery.key == row.gallery:
                    return Found(gallery, number, row)
        raise no_such_photo()

    @contextmanager
    def _catalog(self) -> Iterator[Catalog]:
        with reading_room(self._places) as catalog:
            if catalog is None:
                raise Missing("there is no catalogue yet, or it was lost: nothing was archived, or `doctor --rebuild` makes it anew")
            yield catalog


def _row(catalog: Catalog, photo: int) -> PhotoRow | None:
    try:
        return catalog.get(photo)
    except (Missing, OverflowError):
        return None


def aside_of(found: Found) -> Path:
    """Where the original of a photo in grace lies, in the vault."""
    return found.gallery.vault.aside_path(found.row.location, found.row.sha256 or "")
