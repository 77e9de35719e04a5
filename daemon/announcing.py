"""Telling of it: what is written and said after a run and after a night. Nothing here may ever stop the work."""

import logging
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from daemon import metrics, outlook
from daemon.anchor import lacks_vault
from daemon.composition import Workshop
from daemon.galleries import all_of
from daemon.nightly import RUNS, of_night
from daemon.places import is_folder
from daemon.reading import reading_room
from daemon.settings import Settings
from daemon.sync_guard import guard
from daemon.sync_roots import QUICK
from storage.catalog import Catalog
from storage.errors import StorageError, shown

if TYPE_CHECKING:
    from daemon.service import Service
    from daemon.window import Night

_NOTIFY_S = 10

_log = logging.getLogger(__name__)


def after_run(shop: Workshop) -> None:
    """The forecast's figures, and the file for Prometheus."""
    try:
        outlook.note(shop.places, shop.galleries, shop.catalog, int(shop.clock.now().timestamp()))
        path = shop.settings.report.textfile
        if path is not None:
            sums = [(shown(gallery.root), shop.catalog.totals(gallery.key, {gallery.key: gallery.grace_s})) for gallery in shop.galleries]
            metrics.write(path, metrics.text(sums, shop.catalog.runs(limit=10)))
    except (StorageError, OSError) as error:
        _log.warning("the figures of this run can't be written: %s", error)


def after_nights(service: "Service") -> Callable[[], None]:
    """Have the service tell of every night; for `Service.started`."""

    def tell(night: "Night") -> None:
        with reading_room(service.places) as catalog:
            runs = [] if catalog is None else catalog.runs(limit=RUNS)
            missing = passed_by(service.settings, catalog)
        found = of_night(night, runs)
        following = service.settings.schedule.window.next_night(service.work.clock.now(), service.zone)
        text = found.paragraph(service.zone, following.starts_at, missing)
        _log.info("%s", text)
        if service.settings.report.notify and found.anything:
            notify(text)

    service.work.night_over.append(tell)
    return lambda: service.work.night_over.remove(tell)


def passed_by(settings: Settings, catalog: Catalog | None) -> list[str]:
    """Galleries that a run passes by, each with the reason in a few words."""
    found = []
    for gallery in all_of(settings):
        if not is_folder(gallery.root):
            found.append(f"{shown(gallery.root)} is not there")
        elif catalog is not None and lacks_vault(gallery, catalog):
            found.append(f"the vault of {shown(gallery.root)} is not there")
        elif guard(gallery.root, gallery.settings, QUICK).refusals:
            found.append(f'{shown(gallery.root)}, and "gallery-optimizer sync-guard" says why')
    return found


def notify(text: str) -> bool:
    """To the desktop, where there is one; whether it could be said."""
    program = shutil.which("notify-send")
    if program is None:
        _log.info("no notification: notify-send is not installed")
        return False
    words = [program, "--app-name=gallery-optimizer", "--icon=image-x-generic", "gallery-optimizer", text]
    with suppress(subprocess.TimeoutExpired, OSError):
        done = subprocess.run(words, capture_output=True, timeout=_NOTIFY_S, check=False)
        if done.returncode == 0:
            return True
        _log.info("no notification: %s", done.stderr.decode(errors="backslashreplace").strip())
    return False
