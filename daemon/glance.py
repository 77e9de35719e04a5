"""Everything that `status` shows, gathered at one moment: quick, without the lock, and without torch."""

from datetime import UTC, datetime

from daemon import settings
from daemon.galleries import all_of
from daemon.nightly import RUNS
from daemon.places import Places, is_folder
from daemon.reading import reading_room
from daemon.report import NOTHING, GalleryStatus, Status
from daemon.situation import Situation, look
from daemon.unended import Lock
from daemon.zone import local_zone
from storage.errors import shown
from storage.records import RunRow


def glance(places: Places) -> tuple[Status, Situation, list[RunRow]]:
    """Sums, situation and the latest runs. Where there is no catalogue yet, all sums are 0. Raises DaemonError, StorageError."""
    wanted = settings.read(places.config_file)
    galleries = all_of(wanted)
    graces_s = {each.key: each.grace_s for each in galleries}
    lock = Lock.of(places.lock_file)
    with reading_room(places) as catalog:
        sums = [NOTHING if catalog is None else catalog.totals(each.key, graces_s) for each in galleries]
        together = sums[0] if len(sums) == 1 else NOTHING if catalog is None else catalog.totals(list(graces_s), graces_s)
        archived = {} if catalog is None else catalog.archived_by_gallery()
        known = frozenset(each.key for each in galleries if catalog is not None and catalog.needs_vault(each.key))
        runs = [] if catalog is None else catalog.runs(limit=RUNS)
    with_sums = list(zip(galleries, sums, strict=True))
    each = tuple(
        GalleryStatus(shown(one.root), is_folder(one.root), totals, int(one.settings.trash.total_seconds())) for one, totals in with_sums
    )
    situation = look(places, wanted.schedule, with_sums, runs, lock, datetime.now(UTC), local_zone(), archived, known)
    return Status(together, each), situation, runs
