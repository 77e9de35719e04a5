"""New arrivals: put into the queue once they have settled, so that `status` knows of them; the others wait for the next look."""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from daemon.anchor import check_presence
from daemon.composition import Workshop
from daemon.discovery import look
from daemon.eligibility import Sighting
from daemon.errors import DaemonError, Held
from daemon.galleries import Gallery
from daemon.idleness import Idleness
from daemon.requests import folder_of, serve_requests
from daemon.settling import Settling
from storage.errors import Locked, Missing, StorageError
from storage.records import PhotoRow
from storage.states import State

BATCH_S = 2.0
"""Events are gathered for so long: a folder of photos arrives one by one."""
AGAIN_S = 30.0
"""After another instance held the lock."""
MANY = 10
"""So many photos of one folder, and the folder is walked."""
LONGEST_S = 30 * 86400.0
"""A wait that is longer comes from a clock that was put back; then it is over."""
Arrival = int | Path
"""A photo in the queue, by its id in the catalogue; or somebody's file in a stand-in's place, by its path."""

_log = logging.getLogger(__name__)


class Intake:
    """Names that somebody wrote under; filled from any thread, emptied by the one that works."""

    def __init__(self, settling: Settling, beat: Callable[[], None]) -> None:
        """`beat` is called for each file that is looked at; it may raise Held, and then what is left waits."""
        self._settling = settling
        self._beat = beat
        self._due: dict[Path, float] = {}
        """When each is to be looked at."""
        self._lock = threading.Lock()

    def add(self, paths: Iterable[Path], wait_s: float = 0.0) -> None:
        """Photos, or folders below which anything may have changed; they are looked at in `wait_s`."""
        due_s = self._settling.now_s() + wait_s
        with self._lock:
            self._due.update(dict.fromkeys(paths, due_s))

    def wait_s(self) -> float | None:
        """Seconds until there is something to look at; None while nothing waits."""
        with self._lock:
            return min(self._due.values()) - self._settling.now_s() if self._due else None

    def take_in(self, open_shop: Callable[[], Workshop]) -> list[Arrival]:
        """What of them there is to be worked on. Raises Locked, Held; then nothing is forgotten."""
        now_s = self._settling.now_s()
        with self._lock:
            arrivals = {path for path, due_s in self._due.items() if due_s <= now_s or due_s - now_s > LONGEST_S}
            for path in arrivals:
                del self._due[path]
        if not arrivals:
            return []
        later: dict[Path, float] = dict.fromkeys(arrivals, AGAIN_S)
        try:
            with open_shop() as shop:
                later, admitted = self._admit(shop, arrivals)
        finally:
            for path, wait_s in later.items():
                self.add([path], wait_s)
        return admitted

    def _admit(self, shop: Workshop, arrivals: set[Path]) -> tuple[dict[Path, float], list[Arrival]]:
        later: dict[Path, float] = {}
        admitted: list[Arrival] = []
        for gallery in shop.galleries:
            mine = by_folder(path for path in arrivals if path.is_relative_to(gallery.root) and os.path.lexists(path))
            if not mine:
                continue
            try:
                check_presence(gallery, shop.catalog)
                self._serve_requests(shop, gallery, mine)
                found = look(gallery, shop.catalog, shop.clock, mine, ready=self._ready(gallery, later), by_name=False)
            except (Held, Locked):
                raise
            except (DaemonError, StorageError) as error:
                _log.warning("%s", error)
                continue
            admitted += [*found.queue, *(each[0].path for each in (*found.edited, *found.saved_over))]
        return later, admitted

    def _serve_requests(self, shop: Workshop, gallery: Gallery, arrivals: Iterable[Path]) -> None:
        """Whoever asks for a photo waits for it: at any hour, and before the night's work."""
        folder = folder_of(gallery)
        if folder is None or not any(path.is_relative_to(folder) or folder.is_relative_to(path) for path in arrivals):
            return
        for each in serve_requests(shop, gallery):
            if each.trouble:
                _log.warning("%s was asked for and could not be restored: %s", each.name, each.trouble)

    def _ready(self, gallery: Gallery, later: dict[Path, float]) -> Callable[[Sighting], bool]:
        quiet_s = gallery.settings.quiet.total_seconds()

        def ready(sighting: Sighting) -> bool:
            self._beat()
            if self._settling.has_settled(os.fsencode(sighting.path), sighting.fingerprint, quiet_s):
                return True
            later[sighting.path] = max(1.0, quiet_s)
            return False

        return ready


def arrivals(shop: Workshop, came: Iterable[Arrival]) -> dict[Gallery, list[Path]]:
    """Where to look for those of them that may be worked on at once: photos still in the queue, and idle; and edits of stand-ins, whose
    full photos nobody should have to wait for."""
    queued: dict[bytes, list[PhotoRow]] = {}
    edits: list[Path] = []
    for each in dict.fromkeys(came):
        if isinstance(each, Path):
            edits.append(each)
            continue
        with suppress(Missing):
            row = shop.catalog.get(each)
            if row.state is State.QUEUED:
                queued.setdefault(row.gallery, []).append(row)
    idle = Idleness(shop.clock)
    chosen: dict[Gallery, list[Path]] = {}
    for gallery in shop.galleries:
        rows = idle.choose(gallery, queued[gallery.key]) if gallery.key in queued else []
        chosen[gallery] = by_folder([*(row.location for row in rows), *(path for path in edits if path.is_relative_to(gallery.root))])
    return {gallery: paths for gallery, paths in chosen.items() if paths}


def by_folder(paths: Iterable[Path]) -> list[Path]:
    """The same, but where many lie in one folder, that folder: a look at one photo lists its whole folder, for what belongs to it."""
    together: dict[Path, list[Path]] = {}
    for path in paths:
        together.setdefault(path.parent, []).append(path)
    return sorted({each for folder, those in together.items() for each in ([folder] if len(those) >= MANY else those)})
