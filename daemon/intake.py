"""New arrivals: put into the queue once they have settled, so that `status` knows of them; the others wait for the next look."""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from daemon.composition import Workshop
from daemon.discovery import check_presence, look
from daemon.eligibility import Sighting
from daemon.errors import DaemonError
from daemon.galleries import Gallery
from daemon.requests import folder_of, serve_requests
from daemon.settling import Settling
from storage.errors import Locked, StorageError

_log = logging.getLogger(__name__)


class Intake:
    """Names that somebody wrote under; filled from any thread, emptied by the one that works."""

    def __init__(self, settling: Settling, beat: Callable[[], None]) -> None:
        self._settling = settling
        self._beat = beat
        self._arrivals: set[Path] = set()
        self._lock = threading.Lock()

    def add(self, paths: Iterable[Path]) -> None:
        """Photos, or folders below which anything may have changed."""
        with self._lock:
            self._arrivals.update(paths)

    @property
    def waiting(self) -> int:
        return len(self._arrivals)

    def take_in(self, open_shop: Callable[[], Workshop]) -> int:
        """How many photos joined the queue. Raises Locked; then nothing is forgotten."""
        with self._lock:
            arrivals, self._arrivals = self._arrivals, set()
        if not arrivals:
            return 0
        later: set[Path] = set(arrivals)
        try:
            with open_shop() as shop:
                later, queued = self._admit(shop, arrivals)
        finally:
            self.add(later)
        return queued

    def _admit(self, shop: Workshop, arrivals: set[Path]) -> tuple[set[Path], int]:
        later: set[Path] = set()
        queued = 0
        for gallery in shop.galleries:
            mine = sorted(path for path in arrivals if path.is_relative_to(gallery.root) and os.path.lexists(path))
            if not mine:
                continue
            try:
                check_presence(gallery, shop.catalog)
                self._serve_requests(shop, gallery, mine)
                found = look(gallery, shop.catalog, shop.clock, mine, ready=self._ready(gallery, later), by_name=False)
            except Locked:
                raise
            except (DaemonError, StorageError) as error:
                _log.warning("%s", error)
                continue
            queued += len(found.queue)
        return later, queued

    def _serve_requests(self, shop: Workshop, gallery: Gallery, arrivals: Iterable[Path]) -> None:
        """Whoever asks for a photo waits for it: at any hour, and before the night's work."""
        folder = folder_of(gallery)
        if folder is None or not any(path.is_relative_to(folder) or folder.is_relative_to(path) for path in arrivals):
            return
        for each in serve_requests(shop, gallery):
            if each.trouble:
                _log.warning("%s was asked for and could not be restored: %s", each.name, each.trouble)

    def _ready(self, gallery: Gallery, later: set[Path]) -> Callable[[Sighting], bool]:
        quiet_s = gallery.settings.quiet.total_seconds()

        def ready(sighting: Sighting) -> bool:
            self._beat()
            if self._settling.has_settled(os.fsencode(sighting.path), sighting.fingerprint, quiet_s):
                return True
            later.add(sighting.path)
            return False

        return ready
