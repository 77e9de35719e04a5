"""The composition root: settings, catalogue, vaults, lock and worker processes put together, and taken apart again."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from daemon.anchor import Anchor, check_presence
from daemon.child import Bounds
from daemon.errors import GalleryGone
from daemon.galleries import Gallery, all_of
from daemon.places import Places, is_folder
from daemon.ports import Clock, Codec, SystemClock
from daemon.settings import Limits, Settings
from daemon.state_folder import check_state_folder, make_state_folder
from daemon.surprise import AS_IT_IS
from daemon.worker import DEFAULT_BACKEND, Workers, threads
from storage.catalog import Catalog
from storage.digest import sha256_of_bytes
from storage.errors import Damaged, Locked, Missing, NoSpace, StorageError, shown, translated
from storage.lock import InstanceLock
from storage.reserve import Reserve

_log = logging.getLogger(__name__)

STATE_RESERVE_BYTES = 4_000_000
"""Of the state folder's reserve: so long the log of the catalogue grows before SQLite begins it anew."""

Result = TypeVar("Result")

PATIENCE_S = 10.0
BACKEND_VARIABLE = "GALLERY_OPTIMIZER_BACKEND"
"""Import path of another codec for the worker processes; for tests."""


def start_workers(bounds: Settings | Limits | None = None, *, polite: bool = True) -> Workers:
    """The codec behind its processes, bounded as configured; None: without a bound of their memory. Not `polite`: somebody waits."""
    limits = bounds.limits if isinstance(bounds, Settings) else bounds
    memory = limits.memory_bytes if limits else None
    backend = os.environ.get(BACKEND_VARIABLE) or DEFAULT_BACKEND
    used = Bounds(threads=threads(), memory_bytes=memory)
    return Workers(backend, used if polite else replace(used, niceness=0))


class Workshop:
    """Everything that a command needs which changes something; one at a time for each state folder and each vault."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        clock: Clock | None = None,
        codec: Callable[[Settings], Codec] = start_workers,
        *,
        reading: bool = False,
        rehearsal: bool = False,
        patient: bool = True,
    ) -> None:
        """`reading`: nothing will be changed, so no lock is needed, and another instance may be at work. `rehearsal`: likewise, and
        what is recorded is forgotten. `patient`: where the lock is held while a service runs, which takes new photos in now and then, wait
        for PATIENCE_S."""
        self._patient = patient
        self._reading = reading
        self._rehearsal = rehearsal
        self.places = places
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.galleries = all_of(settings)
        self._start_codec = codec
        self._codec: Codec | None = None
        self._stack = ExitStack()
        self._locked: set[bytes] = set()
        self._reserves: list[Reserve] = []
        self._anchors: dict[bytes, Anchor] = {}
        self.trusting = False
        """The user has said that a gallery may be another one than the catalogue knows."""

    def __enter__(self) -> Self:
        """Raises Locked where another instance is at work, CommandFailed where the state folder can't be used."""
        with ExitStack() as stack:
            check_state_folder(self.places)
            if self._reading or self._rehearsal:
                self.catalog = stack.enter_context(self._rehearsed() if self._rehearsal else self._catalog_as_it_is())
                stack.callback(self._close_codec)
                self._stack = stack.pop_all()
                return self
            make_state_folder(self.places)
            self._take_lock(stack)
            self.catalog = stack.enter_context(self._catalog_to_write())
            stack.callback(self._close_codec)
            self._stack = stack.pop_all()
        return self

    def _take_lock(self, stack: ExitStack) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                stack.enter_context(InstanceLock(self.places.lock_file))
            except Locked:
                if not self._patient or time.monotonic() >= until or service_pid(self.places) is None:
                    raise
                time.sleep(0.1)
            else:
                return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _catalog_to_write(self) -> Catalog:
        """With its reserve in hand; given up at once where the disk is so full that SQLite could not even open its log."""
        size_bytes = min(STATE_RESERVE_BYTES, self.settings.safety.reserve_bytes)
        reserve = Reserve(self.places.reserve_file, size_bytes)
        if reserve.is_short:
            reserve.give_up()
        catalog = Catalog(self.places.catalog_file, lambda: self.clock.now().timestamp(), reserve=reserve)
        self._reserves.append(reserve)
        reserve.make()
        return catalog

    def _rehearsed(self) -> Catalog:
        return Catalog(self.places.catalog_file, lambda: self.clock.now().timestamp(), rehearsal=True)

    @property
    def started_codec(self) -> Codec | None:
        """The codec, if it was needed."""
        return self._codec

    def _catalog_as_it_is(self) -> Catalog:
        """For reading; an empty one where there is none or it is damaged: stand-ins and archives can be restored without."""
        try:
            return Catalog(self.places.catalog_file, read_only=True)
        except (Missing, Damaged) as error:
            _log.warning("%s; going on without it", error)
            return Catalog(":memory:")

    @property
    def codec(self) -> Codec:
        """Started at its first use."""
        if self._codec is None:
            self._codec = self._start_codec(self.settings)
        return self._codec

    def note_copy(self, data: bytes, original_sha256: str) -> None:
        """The catalogue is to know a copy that leaves the gallery: it may come back. Without it the copy is given all the same."""
        digest = sha256_of_bytes(data)
        try:
            if self.catalog.original_of_copy(digest) is not None:
                return
            if not self._reading:
                self.catalog.noted_copy(digest, original_sha256)
            elif self.places.catalog_file.exists():  # one row more, which disturbs nobody who is at work
                with Catalog(self.places.catalog_file, lambda: self.clock.now().timestamp()) as catalog:
                    catalog.noted_copy(digest, original_sha256)
        except StorageError as error:
            _log.warning("the copy can't be noted in the catalogue: %s", error)

    def check_still(self, gallery: Gallery) -> None:
        """Raise GalleryGone where the gallery's folder is not the one that it was when this was first asked, or the vault went away that
        we have locked."""
        if gallery.key in self._anchors:
            self._anchors[gallery.key].check()
        else:
            self._anchors[gallery.key] = Anchor(gallery.root)
        if gallery.key in self._locked and not gallery.vault.is_there:
            raise GalleryGone(f"the vault of {shown(gallery.root)} went away meanwhile; nothing was changed since, or forgotten.")

    def lock_vault(self, gallery: Gallery) -> None:
        """Make the vault where it is missing, and lock it until the end: two set-ups may name the same gallery.

        Raises Locked, and GalleryGone where the vault that the catalogue knows is missing, or it is another one (see `trusting`).
        """
        if gallery.key not in self._locked:
            self.check_still(gallery)
            if not is_folder(gallery.vault.folder):
                check_presence(gallery, self.catalog)  # or an empty vault would be made where a full one is missing
            known = "" if self.trusting else self._recognise(gallery)
            reserve = gallery.vault.reserve(self.settings.safety.reserve_bytes)
            self._reserves.append(reserve)
            self.with_relief(lambda: gallery.vault.prepare(known))
            self._stack.enter_context(gallery.vault.lock())
            self._locked.add(gallery.key)
            found = gallery.vault.id, self._anchors[gallery.key].device
            if found != self.catalog.vault_of(gallery.key):
                self.with_relief(lambda: self.catalog.noted_vault(gallery.key, *found))
            reserve.make()
            self._stack.callback(reserve.make)  # again, if it had to be given up and there is room now

    def _recognise(self, gallery: Gallery) -> str:
        """The id of the gallery's vault; empty where it has none yet. The number of its device may change with every boot."""
        known, found = self.catalog.vault_of(gallery.key), gallery.vault.id
        if known is None or found == known[0]:
            return found
        if not found and self._anchors[gallery.key].device == known[1]:
            return known[0]
        strange = "has another vault than" if found else "is on another device, without the vault"
        raise GalleryGone(f"the gallery {shown(gallery.root)} {strange} that the catalogue knows; is it the right disk? {AS_IT_IS}")

    def give_up_reserves(self) -> None:
        """The disk is full: give up what was kept for that."""
        for reserve in self._reserves:
            with suppress(StorageError):
                if reserve.give_up():
                    _log.warning("the disk is full: %s, kept for that, is given up", shown(reserve.path))

    def missing_reserve_bytes(self, gallery: Gallery) -> int:
        """What the reserves on a gallery's disk lack: given up for something else than another photo. Raises StorageError."""
        with translated(gallery.root):
            device = gallery.root.stat().st_dev
            away = [reserve for reserve in self._reserves if reserve.path.parent.exists() and not reserve.path.exists()]
            return sum(reserve.size_bytes for reserve in away if reserve.path.parent.stat().st_dev == device)

    def with_relief(self, act: Callable[[], Result]) -> Result:
        """Do `act`, and once more with the reserves given up where it met a full disk. `act` must be one that can be repeated."""
        try:
            return act()
        except NoSpace:
            self.give_up_reserves()  # or the catalogue has given its own up already
            return act()

    def _close_codec(self) -> None:
        if self._codec is not None:
            self._codec.close()


def service_pid(places: Places) -> int | None:
    """Process id of a service that runs on this state, whoever started it (0 where it does not say); None where none does."""
    if not places.service_lock_file.exists():
        return None
    try:
        with InstanceLock(places.service_lock_file):
            return None
    except Locked as error:
        return error.pid or 0
    except StorageError:
        return None
