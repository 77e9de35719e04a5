"""One run over all galleries: recover, look, archive what is queued, purge what is out of grace."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemon.anchor import check_presence
from daemon.anew import begin_anew
from daemon.announcing import after_run
from daemon.backup_check import PurgeGate
from daemon.budget import Budget
from daemon.composition import Workshop
from daemon.copies import without
from daemon.discovery import Found, admit, look
from daemon.eligibility import is_arriving
from daemon.energy import EnergyMeter, processor_s
from daemon.errors import GalleryGone, Held, Interrupted, Stopped, WorkerError, WrongPath
from daemon.galleries import Gallery, holding, outside, place
from daemon.in_place import lay_beside
from daemon.moves import follow_moves
from daemon.optimizer import Kind, Optimizer, Outcome
from daemon.pace import Pace
from daemon.places import is_folder
from daemon.ports import Progress
from daemon.predictions import fitting
from daemon.purging import Purged, purge_due, purge_kept
from daemon.recovery import recover
from daemon.report import photos
from daemon.requests import serve_requests
from daemon.room import want_of_room
from daemon.strays import homeless
from daemon.summary import Summary
from daemon.surprise import Look, check_stop, look_around
from daemon.sync_guard import check_sync
from daemon.trash import empty
from daemon.waits import Hold
from storage.errors import Locked, NoSpace, StorageError, shown
from storage.records import PhotoRow
from storage.states import State


def optimize(
    shop: Workshop,
    paths: list[Path],
    progress: Progress,
    *,
    arrived: Mapping[Gallery, list[Path]] | None = None,
    as_it_is: bool = False,
    budget: Budget | None = None,
    pace: Pace | None = None,
    command: str = "optimize",
) -> Summary:
    """Work at once on everything that `paths` name (none: on every gallery). A photo that fails does not stop the next.

    `arrived`: in place of `paths`, what nobody named and what came since everything was looked at: only that is looked at, nothing is
    purged, and nothing is concluded about all the rest.

    `as_it_is`: the user knows that much of a gallery is missing or changed. `budget`: how many bytes may be changed; none: any number.
    `pace`: what else holds it back; none: nothing. `command`: its name in the history.

    Raises WrongPath for a path outside every gallery, Locked for a vault that somebody else works on.
    """
    chosen = chosen_galleries(shop.galleries, paths) if arrived is None else arrived
    total = Summary()
    shop.trusting = as_it_is
    prediction = fitting(shop.places, scope_of(chosen), shop.catalog.runs(limit=1000), int(shop.clock.now().timestamp()))
    number = shop.with_relief(lambda: shop.catalog.started_run(command, prediction))
    outcome = "stopped"
    work = _Work(shop, progress, total, EnergyMeter(), budget or Budget(), pace or Pace(), as_it_is, arrived is not None)
    first_cpu_s = processor_s(shop.started_codec)
    try:
        _every_gallery(work, chosen)
        outcome = total.held.reason if total.held else "no-room" if total.full else ""
    finally:
        progress.close()
        cpu_s = processor_s(shop.started_codec) - first_cpu_s
        energy = work.meter.energy(cpu_s)
        ended = partial(
            shop.catalog.ended_run,
            number,
            outcome=outcome,
            cpu_s=cpu_s,
            watt_hours=energy.watt_hours,
            energy_source=energy.source,
            **total.columns(),
        )
        shop.with_relief(ended)
        after_run(shop)
    return total


@dataclass(frozen=True, slots=True)
class _Work:
    """What all galleries of a run have in common."""

    shop: Workshop
    progress: Progress
    total: Summary
    meter: EnergyMeter
    budget: Budget
    pace: Pace
    as_it_is: bool
    came: bool
    """Only what came since everything was looked at is looked at."""


def _every_gallery(work: _Work, chosen: Mapping[Gallery, list[Path]]) -> None:
    """One after the other, until something holds the whole run up; what is wrong with one of them is noted, and the next one's turn comes.

    Raises Locked.
    """
    total = work.total
    for gallery, starts in chosen.items():
        try:
            _one_gallery(work, gallery, starts)
        except Locked:
            raise
        except Held as error:
            total.held = error.hold
            return
        except Interrupted:
            total.held = Hold("stopping")
            return
        except Stopped as error:
            total.gone.append(str(error))
            total.held = Hold("stop-file")
            return
        except GalleryGone as error:
            total.gone.append(str(error))
        except NoSpace as error:
            total.full.append(str(error))
        except StorageError as error:
            total.gone.append(f"the gallery {shown(gallery.root)} can't be worked on: {error}")


def _one_gallery(work: _Work, gallery: Gallery, starts: list[Path]) -> None:
    shop, total, pace, came = work.shop, work.total, work.pace, work.came
    pace.check()
    check_stop(shop.places, gallery)
    if work.as_it_is:
        begin_anew(gallery, shop.catalog)
    check_presence(gallery, shop.catalog)
    still = partial(shop.check_still, gallery)
    still()
    gate = PurgeGate(gallery, check_sync(gallery, starts if came else None))
    _serve_requests(shop, gallery, total)  # before a stand-in that was moved into that folder counts as at home there
    moves = follow_moves(gallery, shop.catalog, starts if came else None)
    total.followed += moves.followed
    around = Look() if work.as_it_is or came else look_around(gallery, shop.catalog, moves.elsewhere)
    if is_folder(gallery.vault.folder) and not came:
        shop.lock_vault(gallery)
        total.recovered += recover(gallery, shop.catalog, shop.clock, shop.with_relief)
        shop.catalog.regrace(gallery.key, gallery.grace_s)
    if pace.purges_first and not came:
        _give_space_back(shop, gallery, around, gate, pace, total, looked=False)
    found = look(gallery, shop.catalog, shop.clock, starts, still, ready=pace.ready, by_name=not came, as_it_is=work.as_it_is)
    if came and (found.edited or found.saved_over):
        _make_sure(shop, gallery, found, moves.elsewhere, total)
    _lay_beside(shop, gallery, found, total)
    for path, reason in found.left:
        total.add(gallery.shown(path), Outcome(Kind.LEFT, reason))
    for path, trouble in found.unreadable:
        total.add(gallery.shown(path), Outcome(Kind.FAILED, "disk-error", trouble))
    queue = pace.choose(gallery, [shop.catalog.get(photo_id) for photo_id in found.queue])
    work.progress.start(len(queue), shown(gallery.root))
    if queue:
        shop.lock_vault(gallery)
        by_itself = partial(_room, shop, gallery, around=around, gate=gate, pace=pace, total=total)
        _archive(work, gallery, queue, still, partial(_want, shop, gallery) if came else by_itself)
    still()
    if came:
        return
    if around.deleted_in_mass():
        total.gone.append(around.no_purge(gallery))
        return
    total.waiting += _give_space_back(shop, gallery, around, gate, pace, total)
    if not starts and is_folder(gallery.vault.folder):
        emptied = empty(shop, gallery)
        total.missed += emptied.missed
        total.lost += emptied.lost
        total.thrown_away += emptied.photos
        total.earlier += emptied.earlier
        total.freed_bytes += emptied.freed_bytes
        total.failed += emptied.kept


def _archive(work: _Work, gallery: Gallery, queue: list[PhotoRow], still: Callable[[], None], want_of: Callable[[PhotoRow], str]) -> None:
    """One photo after the other, until something is in the way. `want_of`: why there is no room for one, empty where there is."""
    shop, total, progress = work.shop, work.total, work.progress
    optimizer = Optimizer(gallery, shop.catalog, shop.codec, shop.clock, still)
    for number, row in enumerate(queue):
        if work.budget.is_spent:
            total.postponed += len(queue) - number
            break
        name = gallery.shown(row.location)
        check_stop(shop.places, gallery)
        work.pace.check()
        still()
        if want := want_of(row):
            total.full.append(f"{want}; {photos(len(queue) - number)} still to be archived.")
            break
        work.pace.before(gallery, row)
        progress.step(name)
        if is_arriving(row.location):
            total.again += 1
            progress.done(name, "a sync tool is writing it; next time")
            continue
        done = optimizer.step(row.id)
        work.meter.tick()
        if done is None:
            continue
        total.worked += 1
        total.worked_bytes += row.size_bytes
        work.budget.spend(done.archive_bytes + done.stand_in_bytes)
        if done.kind is Kind.ARCHIVED:
            total.by_lane[shop.catalog.get(row.id).lane or ""] += 1
        else:
            still()
        progress.done(name, total.add(name, done))
        work.pace.after(total)
        if done.reason == "no-space":
            total.full.append(f"{done.detail}; {photos(len(queue) - number - 1)} still to be archived.")
            break


def _make_sure(shop: Workshop, gallery: Gallery, found: Found, elsewhere: Collection[bytes], total: Summary) -> None:
    """What a whole look makes sure of before it puts photos beside edits: that not half of the gallery was edited at once, and that nothing
    is half done. Raises GalleryGone.
    """
    look_around(gallery, shop.catalog, elsewhere)
    shop.lock_vault(gallery)
    total.recovered += recover(gallery, shop.catalog, shop.clock, shop.with_relief)
    found.edited = [(sighting, by_name, shop.catalog.get(row.id)) for sighting, by_name, row in found.edited]


def _give_space_back(
    shop: Workshop,
    gallery: Gallery,
    around: Look,
    gate: PurgeGate,
    pace: Pace,
    total: Summary,
    enough: Callable[[], bool] | None = None,
    *,
    looked: bool = True,
) -> Counter[str]:
    """Purge what is out of grace, and where room is short, what soon would be; what else originals wait for.

    `enough`: whether there is room again, where it was short for a photo. `looked`: whether the look at the gallery is behind us.
    """
    if around.deleted_in_mass() or not is_folder(gallery.vault.folder):
        return Counter()
    check_stop(shop.places, gallery)
    purged, early = Purged(), Purged()
    due = partial(purge_due, looked=looked)

    def check() -> None:
        check_stop(shop.places, gallery)
        pace.check()

    try:
        due(shop, gallery, gate, purged, check)
        purge_kept(shop, gallery, gate, purged, check)
        if pace.early_s(gallery) and (enough is not None or pace.is_short(gallery)):
            enough = enough or (lambda: not pace.is_short(gallery))
            for purge in (due, purge_kept):
                purge(shop, gallery, gate, early, check, early_s=pace.early_s(gallery), enough=enough)
    finally:
        for each in (purged, early):
            total.beside += each.beside
            total.purged += each.photos
            total.freed_bytes += each.freed_bytes
            total.failed += each.kept
    return purged.waiting


def _want(shop: Workshop, gallery: Gallery, row: PhotoRow) -> str:
    return want_of_room(shop, gallery, row.size_bytes)


def _room(shop: Workshop, gallery: Gallery, row: PhotoRow, *, around: Look, gate: PurgeGate, pace: Pace, total: Summary) -> str:
    """Why there is no room for another photo, empty where there is. What is out of grace goes first where room is short."""
    want = _want(shop, gallery, row)
    if want:
        _give_space_back(shop, gallery, around, gate, pace, total, lambda: not _want(shop, gallery, row))
        shop.catalog.shorten_log()
        want = _want(shop, gallery, row)
    return want


def _serve_requests(shop: Workshop, gallery: Gallery, total: Summary) -> None:
    for each in serve_requests(shop, gallery):
        if each.trouble:
            total.failed.append((each.name, f"it was asked for and could not be restored: {each.trouble}"))
        else:
            total.requested.append(each.name)
        if each.left_out:
            total.failed.append((each.name, without(each.left_out)))


def _lay_beside(shop: Workshop, gallery: Gallery, found: Found, total: Summary) -> None:
    """Edits of stand-ins keep their names, and the full photos go beside them; then the edits are photos like any other.

    Where a stand-in was moved to another gallery and saved over there, the photo goes to where it was in its own.
    """
    edited = [(sighting, by_name, row.sha256 or "", row) for sighting, by_name, row in found.edited]
    for sighting, by_name, digest, row in [*edited, *((*each, None) for each in found.saved_over)]:
        shop.lock_vault(gallery)
        try:
            row = row or homeless(shop.catalog, digest)
            home = next((each for each in shop.galleries if row is not None and each.key == row.gallery), None)
            if row is not None and home is not None and row.state in (State.RETIRED, State.PURGED):
                shop.lock_vault(home)
                total.beside.append(lay_beside(shop, home, row, sighting.path if home is gallery else None))
            admit(gallery, shop.catalog, shop.clock, sighting, by_name, found)
        except Locked:
            raise
        except (StorageError, WorkerError) as error:
            name = gallery.shown(sighting.path)
            total.failed.append((name, f"its stand-in was edited, and the full photo could not be put beside it: {error}"))


def chosen_galleries(galleries: list[Gallery], paths: list[Path]) -> dict[Gallery, list[Path]]:
    """The galleries to work on, each with the places that the user named in it; none named: all of it."""
    if not paths:
        return {gallery: [] for gallery in galleries}
    chosen: dict[Gallery, list[Path]] = {}
    for path in paths:
        where = place(path)
        gallery = holding(galleries, where)
        if gallery is None:
            raise WrongPath(outside(galleries, path))
        check_path(where, path)
        chosen.setdefault(gallery, []).append(where)
    return {gallery: [] if gallery.root in starts else starts for gallery, starts in chosen.items()}


def scope_of(chosen: Mapping[Gallery, list[Path]]) -> list[str]:
    """What a run or an estimate is about, in one spelling."""
    return sorted(str(path) for gallery, starts in chosen.items() for path in starts or [gallery.root])


def check_path(where: Path, given: Path) -> None:
    """Raise WrongPath where a path that the user named is not there."""
    if not where.exists():
        raise WrongPath(f"{shown(given)} is not there.")
