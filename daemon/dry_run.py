"""`optimize --dry-run`: what a run would do. Decides on a copy of the catalogue in memory, with the code of a real run, and really encodes
and proves a sample of the photos, in memory too. Nothing in a gallery, a vault or the catalogue changes.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from daemon.anchor import check_presence
from daemon.backup_check import PurgeGate
from daemon.composition import Workshop
from daemon.discovery import look
from daemon.energy import EnergyMeter, processor_s
from daemon.errors import GalleryGone, WorkerError
from daemon.estimate import Plan, Unit
from daemon.forecast import Forecast, Trial
from daemon.galleries import Gallery
from daemon.importance import wanted
from daemon.marking import original_of, vault_of
from daemon.messages import ExamineJob, RatingJob, Refused
from daemon.moves import follow_moves
from daemon.optimizer import Kind, encode_job, verdict
from daemon.ports import Progress
from daemon.run import chosen_galleries
from daemon.surprise import Look, look_around
from daemon.sync_guard import guard
from daemon.verification import objection
from storage.digest import read_once
from storage.errors import StorageError
from storage.permission import check_movable
from storage.records import PhotoRow
from storage.states import State

SAMPLE = 50
"""Photos at most; with these the interval is about a twentieth of the saving to each side."""
SECONDS = 120.0
"""After these no further photo is begun."""


@dataclass(slots=True)
class _Queue:
    """What a run would find, over all galleries."""

    work: dict[int, tuple[Gallery, PhotoRow]] = field(default_factory=dict)
    forecast: Forecast = field(default_factory=Forecast)


def dry_run(
    shop: Workshop, paths: list[Path], progress: Progress, *, sample: int = SAMPLE, seconds: float = SECONDS, as_it_is: bool = False
) -> Forecast:
    """What `optimize` with the same `paths` would do. `shop` is a rehearsal. At least one photo is encoded, then up to `sample`, and none
    is begun after `seconds`. `as_it_is` as for a run. Raises WrongPath for a path outside every gallery.
    """
    queue = _Queue()
    for gallery, starts in chosen_galleries(shop.galleries, paths).items():
        try:
            _find(shop, gallery, starts, queue, as_it_is)
        except (GalleryGone, StorageError) as error:
            queue.forecast.gone.append(str(error))
    forecast = queue.forecast
    units = [Unit(number, row.size_bytes, -row.fingerprint.mtime_ns) for number, (_, row) in queue.work.items()]
    forecast.plan = Plan.of(units, seed=len(units))
    forecast.photos, forecast.original_bytes = len(units), sum(unit.size_bytes for unit in units)
    if not units:
        return forecast
    meter = EnergyMeter()
    began = time.monotonic()
    first_cpu_s = processor_s(shop.codec)
    shop.codec.rating(RatingJob(b"", ()))  # both processes have loaded what they need before any photo is timed
    shop.codec.examine(ExamineJob(b"", b""))
    forecast.start_s, forecast.start_cpu_s = time.monotonic() - began, processor_s(shop.codec) - first_cpu_s
    number = min(sample, len(units))
    progress.start(number, "to be encoded")
    try:
        for index in range(number):
            if index and time.monotonic() - began > seconds:
                break
            unit = forecast.plan.draw(index)
            gallery, row = queue.work[unit.id]
            progress.step(gallery.shown(row.location))
            trial, trouble = _try(shop, gallery, row)
            meter.tick()
            forecast.trials[unit.id] = trial
            forecast.unreadable += [(gallery.shown(row.location), trouble)] if trouble else []
            progress.done(gallery.shown(row.location), f"would fail: {trouble}" if trouble else trial.words)
    finally:
        progress.close()
    forecast.sample_cpu_s = processor_s(shop.codec) - first_cpu_s
    forecast.energy = meter.energy(forecast.sample_cpu_s)
    return forecast


def _find(shop: Workshop, gallery: Gallery, starts: list[Path], queue: _Queue, as_it_is: bool) -> None:
    """Everything that a run would decide before it encodes the first photo."""
    catalog, forecast = shop.catalog, queue.forecast
    check_presence(gallery, catalog)
    around = Look() if as_it_is else look_around(gallery, catalog, follow_moves(gallery, catalog).elsewhere)
    catalog.regrace(gallery.key, gallery.grace_s)
    gate = PurgeGate(gallery, guard(gallery.root, gallery.settings))
    found = look(gallery, catalog, shop.clock, starts, as_it_is=as_it_is)
    forecast.edited += len(found.edited) + len(found.saved_over)
    forecast.unreadable += [(gallery.shown(path), trouble) for path, trouble in found.unreadable]
    for photo_id in found.queue:
        row = catalog.get(photo_id)
        if row.has_archive and gallery.vault.archive_path(row.sha256 or "").exists():
            forecast.at_hand += 1  # it came back over its stand-in, or was restored: nothing is encoded
        elif row.size_bytes:
            queue.work[len(queue.work)] = gallery, row
            forecast.graces_s.add(gallery.grace_s)
            forecast.conditions |= {condition} if (condition := gate.condition(row)) else set()
    within = [gallery.relative(start) for start in starts]
    for row in catalog.rows(gallery=gallery.key):
        if starts and not any(row.path == start or row.path.startswith(start + b"/") for start in within):
            continue
        if row.state is State.LEFT and row.reason != "gone":
            forecast.skipped[row.reason or ""].update(photos=1, bytes=row.size_bytes)
        elif row.state in (State.RETIRED, State.PURGED):
            forecast.archived += 1
        elif row.state is State.RESTORED:
            forecast.restored += 1
    if around.deleted_in_mass():
        forecast.gone.append(around.no_purge(gallery))
        return
    for row in catalog.due_for_purge(shop.clock.now().timestamp()):
        if row.gallery == gallery.key:
            forecast.due += 1
            forecast.due_bytes += row.size_bytes


def _try(shop: Workshop, gallery: Gallery, row: PhotoRow) -> tuple[Trial, str]:
    """Encode and prove one photo, and forget the archive. Beside it, why a run would fail at the file itself, if it would."""
    began, cpu_s = time.monotonic(), processor_s(shop.codec)
    lane, reason, after_bytes, failed, trouble = "", "", row.size_bytes, False, ""
    try:
        lane, reason, after_bytes = _encoded(shop, gallery, row)
    except WorkerError as error:
        reason, failed = error.reason, True
    except StorageError as error:
        kind, reason = verdict(error)
        trouble = str(error) if kind is Kind.FAILED else ""
    spent_s = max(0.0, processor_s(shop.codec) - cpu_s)
    return Trial(lane, reason, row.size_bytes, after_bytes, time.monotonic() - began, spent_s, failed), trouble


def _encoded(shop: Workshop, gallery: Gallery, row: PhotoRow) -> tuple[str, str, int]:
    """(lane, why it would be left alone, bytes afterwards); the lane is empty where it would. Raises StorageError, WorkerError."""
    snapshot = read_once(row.location)
    if original_of(snapshot.data) is not None:
        return "", "stand-in" if vault_of(snapshot.data) in ("", gallery.vault.id) else "stand-in-elsewhere", row.size_bytes
    check_movable(row.location)
    level = wanted(shop.codec, row.location, snapshot, gallery.level).level
    made = shop.codec.encode(encode_job(gallery, row.location, snapshot, level))
    if isinstance(made, Refused):
        return "", made.reason, row.size_bytes
    data = made.repacked or made.archive
    refused = objection(shop.codec, shop.clock, data, snapshot, level)
    if refused is not None:
        return "", refused.reason, row.size_bytes
    return made.lane, "", len(data) + (0 if made.repacked else len(made.stand_in))
