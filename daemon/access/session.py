"""All that shows one gallery, put together and taken apart: catalogue, view, decoders, cache."""

import logging
import os
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from daemon.access.copying import Copies, Wanted
from daemon.access.view import Node, Source, View
from daemon.anchor import check_presence
from daemon.composition import start_workers
from daemon.errors import CommandFailed, WrongPath
from daemon.galleries import Gallery, all_of
from daemon.places import Places, real
from daemon.settings import Settings
from daemon.worker import threads
from storage.cache import Cache
from storage.catalog import Catalog
from storage.errors import Missing, StorageError, shown
from storage.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.ports import Codec

_log = logging.getLogger(__name__)


class Session:
    """Use it as a context manager. It changes nothing in the gallery, needs no lock, and sees what other instances do meanwhile."""

    def __init__(self, places: Places, gallery: Gallery, cache: Cache, codec: "Callable[[], Codec]", processes: int) -> None:
        """Raises CommandFailed where the catalogue is missing, GalleryGone where the gallery or its vault is; then it closes `cache`."""
        self._places = places
        self._cache = cache
        with ExitStack() as stack:
            stack.callback(cache.close)
            try:
                self._catalog = stack.enter_context(Catalog(places.catalog_file, read_only=True, any_thread=True))
            except Missing as error:
                raise CommandFailed(
                    f"{error}: nothing was archived yet, or it was lost; gallery-optimizer doctor --rebuild makes it anew."
                ) from error
            check_presence(gallery, self._catalog)
            self.copies = Copies(codec, processes, cache)
            stack.callback(self.copies.close)
            self.view = View(gallery, self._catalog, self._measured)
            self._stack = stack.pop_all()

    @classmethod
    def of(cls, places: Places, settings: Settings, folder: Path, cache_folder: Path, cache_bytes: int) -> Self:
        """For the gallery whose root is `folder`. Raises WrongPath, CommandFailed, GalleryGone, StorageError."""
        galleries = all_of(settings)
        gallery = next((each for each in galleries if each.root == real(folder)), None)
        if gallery is None:
            known = ", ".join(shown(each.root) for each in galleries)
            raise WrongPath(f"{shown(folder)} is no configured gallery; there is {known}.")
        if real(cache_folder).is_relative_to(gallery.root):
            raise WrongPath(f"the cache {shown(cache_folder)} lies in the gallery itself; choose a folder outside.")
        return cls(places, gallery, Cache(cache_folder, cache_bytes), *decoders(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def warm_up(self) -> None:
        """Let the decoders load what they need, by the smallest archive there is, so that the first reader need not wait for it."""
        rows = (row for row in self._catalog.rows(State.PURGED, self.view.gallery.key) if row.has_archive)
        smallest = min(rows, key=lambda row: row.archive_bytes or 0, default=None)
        if smallest is not None:
            with suppress(OSError, StorageError):
                self._cache.forget(smallest.archive_sha256 or "")
                gallery = self.view.gallery
                archive = gallery.vault.archive_path(smallest.sha256 or "")
                self.copies.ahead(Wanted(archive, smallest.archive_sha256 or "", gallery.shown(smallest.location)))

    def ahead(self, count: int) -> "Callable[[Node, str], None] | None":
        """For the file system: decodes up to `count` photos behind the one that was read, one at a time, while nobody waits."""
        if not count:
            return None

        def begin(node: Node, path: str) -> None:
            folder, _, name = path.strip("/").rpartition("/")
            try:
                names = self.view.names(folder)
                for following in names[names.index(name) + 1 :][:count]:
                    near = self.view.node(f"{folder}/{following}".lstrip("/"))
                    if near.source is Source.COPY:
                        self.copies.ahead(wanted_of(self.view.gallery, near))
            except (OSError, StorageError, ValueError):
                return

        return begin

    def _measured(self, node: Node) -> int:
        """The size of a copy that nobody has measured yet, noted for ever."""
        size_bytes = self.copies.size(wanted_of(self.view.gallery, node))
        self.note_size(node, size_bytes)
        return size_bytes

    def note_size(self, node: Node, size_bytes: int) -> None:
        """For the next one who asks, also of another program: of a copy that nobody measured, or that was measured on another computer."""
        row = node.row
        if row is not None and node.relabelled in ("", row.stand_in_sha256):
            try:
                with Catalog(self._places.catalog_file) as catalog:
                    catalog.measured_copy(row.id, size_bytes)
            except StorageError as error:
                _log.info("the size of a copy can't be noted: %s", error)


def decoders(settings: Settings) -> "tuple[Callable[[], Codec], int]":
    """What makes a decoder, and how many there may be at a time."""
    # As many threads as `restore` has: with another number a decoder may round a pixel the other way.
    processes = 2 if len(os.sched_getaffinity(0)) >= 2 * threads() else 1
    return partial(start_workers, settings, polite=False), processes


def wanted_of(gallery: Gallery, node: Node) -> Wanted:
    """The copy that a node shows, in messages under the name that it has in the view."""
    assert node.row is not None
    archive = gallery.vault.archive_path(node.row.sha256 or "")
    worn_by = node.worn_by if node.relabelled else None
    return Wanted(archive, node.row.archive_sha256 or "", gallery.shown(node.path), worn_by, node.relabelled)
