"""`optimize`: archive now."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.given import Given, Number
from daemon.cli.output import console, emit, json_option, prose, remark, show, watch
from daemon.places import Places

if TYPE_CHECKING:
    from daemon.budget import Budget
    from daemon.composition import Workshop
    from daemon.pace import Pace
    from daemon.summary import Summary


MOST_NAMES = 20
"""Of photos that are lost; `doctor` tells all."""


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=Given())
@click.option("--dry-run", is_flag=True, help="Only say what would be done and saved: encode a sample, change nothing.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="With --dry-run: encode at most N photos (50).")
@click.option("--seconds", type=Number(min=0), metavar="S", help="With --dry-run: begin no photo after S seconds (120).")
@click.option("--now", is_flag=True, help="Have the running service do it at once, and watch; without a service as usual.")
@click.option("--scheduled", is_flag=True, help="Keep to the schedule as the service does: hours, power, load, idle photos, budget.")
@click.option("--as-it-is", is_flag=True, help="Also where much of a gallery is suddenly missing or changed: it is meant to be so.")
@json_option
@click.pass_obj
def optimize(
    places: Places,
    paths: tuple[Path, ...],
    dry_run: bool,
    sample: int | None,
    seconds: float | None,
    now: bool,
    scheduled: bool,
    as_it_is: bool,
    as_json: bool,
) -> None:
    """Archive photos now; purge originals whose grace is over.

    Without PATH all galleries are worked on. A photo named by PATH is worked on even if it was restored or left alone before.

    While the service works on something else, the lock is its own; with --now it does this before anything else, whatever the hour.

    With --scheduled it keeps to the hours, power, load, idle photos and budgets of the configuration, as the service does, and ends when
    one of them says no.

    With --dry-run nothing is changed: some photos are really encoded, and what all would save and cost is worked out from them.
    """
    if dry_run + now + scheduled > 1:
        raise click.UsageError("--dry-run, --now and --scheduled exclude one another.")
    if dry_run:
        _dry_run(places, paths, sample, seconds, as_it_is, as_json)
        return
    if sample is not None or seconds is not None:
        raise click.UsageError("--sample and --seconds are for --dry-run.")
    from daemon import run_report, settings
    from daemon.errors import CommandFailed, DiskFull, GalleryGone, NothingToDo
    from daemon.report import photos
    from daemon.room import FULL_ADVICE
    from storage.layout import VAULT_NAME

    done = (_by_the_service(places, paths, as_it_is) if now else None) or _by_ourselves(places, paths, as_it_is, scheduled)
    if as_json:
        emit("optimize", **run_report.as_json(done))
    else:
        for line in run_report.as_lines(done):
            prose(line)
        if done.left:
            prose('Which these are: "explain" with the name of their folder.')
        if done.archived and any(each.grace for each in settings.read(places.config_file).galleries):
            prose(
                f"The originals wait in the vault, the hidden folder {VAULT_NAME} of the gallery, until their grace is over; "
                '"status" says from when on their space is free.'
            )
    for name, why in done.failed:
        remark(f"Failed: {name}: {why}")
    for name in done.lost[:MOST_NAMES]:
        remark(f"Gone, and there is nothing of it in the vault: {name}")
    if done.full:
        for trouble in done.gone:
            remark(trouble)
        raise DiskFull("\n".join((*done.full, FULL_ADVICE)))
    if done.gone:
        raise GalleryGone("\n".join(done.gone))
    if done.failed:
        raise CommandFailed(f"{photos(len(done.failed))} failed; the originals are untouched.")
    if done.lost:
        raise CommandFailed(f"{photos(len(done.lost))} can't be given back by anything here; a backup may. doctor names them.")
    if done.nothing_done:
        from daemon.galleries import all_of
        from daemon.run import chosen_galleries
        from daemon.unseen import why_nothing

        galleries = all_of(settings.read(places.config_file))
        raise NothingToDo("\n".join(("nothing to do.", *why_nothing(chosen_galleries(galleries, list(paths))))))


def _by_ourselves(places: Places, paths: tuple[Path, ...], as_it_is: bool, scheduled: bool) -> "Summary":
    from daemon import asking, settings
    from daemon.composition import Workshop
    from daemon.errors import AlreadyRunning
    from daemon.run import optimize as work
    from storage.errors import Locked

    try:
        with Workshop(places, settings.read(places.config_file)) as shop:
            pace, budget = _kept_to(shop) if scheduled else (None, None)
            return work(shop, list(paths), watch(), as_it_is=as_it_is, pace=pace, budget=budget)
    except Locked as error:
        if asking.doing(places) is None:
            raise
        raise AlreadyRunning(f'{error}. It is the service; "optimize --now" has it do this first.') from error


def _kept_to(shop: "Workshop") -> "tuple[Pace, Budget]":
    """The schedule; raises Held, which says why nothing may be begun now."""
    from daemon.machine import Machine, our_own_s
    from daemon.scheduled import for_one_run
    from daemon.zone import local_zone

    return for_one_run(shop, local_zone(), Machine(own_s=our_own_s))


def _by_the_service(places: Places, paths: tuple[Path, ...], as_it_is: bool) -> "Summary | None":
    """None where none runs."""
    from daemon import asking
    from daemon.run_report import unpacked

    try:
        return unpacked(asking.optimize(places, list(paths), watch(), remark, as_it_is=as_it_is))
    except asking.NoService:
        return None
    except KeyboardInterrupt:
        remark("No longer watched; the service goes on with it.")
        raise


def _dry_run(places: Places, paths: tuple[Path, ...], sample: int | None, seconds: float | None, as_it_is: bool, as_json: bool) -> None:
    from daemon import predictions, settings
    from daemon.composition import Workshop
    from daemon.dry_run import SAMPLE, SECONDS
    from daemon.dry_run import dry_run as rehearse
    from daemon.errors import CommandFailed, GalleryGone, NothingToDo
    from daemon.forecast_report import as_json as for_programs
    from daemon.forecast_report import as_lines
    from daemon.reasons import sentence
    from daemon.report import photos
    from daemon.run import chosen_galleries, scope_of
    from daemon.sync_guard import guard
    from daemon.unseen import why_nothing

    with Workshop(places, settings.read(places.config_file), rehearsal=True) as shop:
        budget = SECONDS if seconds is None else seconds
        most = SAMPLE if sample is None else sample
        found = rehearse(shop, list(paths), watch(), sample=most, seconds=budget, as_it_is=as_it_is)
        chosen = chosen_galleries(shop.galleries, list(paths))
        refused = [text for gallery in chosen for text in guard(gallery.root, gallery.settings).refusals]
        scope, now = scope_of(chosen), int(shop.clock.now().timestamp())
    if len(found.failed) < len(found.trials):
        predictions.note(places, found.prediction(scope, now))
    if as_json:
        emit("optimize", **for_programs(found))
    else:
        screen = console()
        for line in as_lines(found):
            show(screen, line)
    for text in refused:
        remark(f"A real run would change nothing: {text}")
    for name, why in found.unreadable:
        remark(f"Would fail: {name}: {why}")
    if found.gone:
        raise GalleryGone("\n".join(found.gone))
    if found.failed:
        raise CommandFailed(f"{photos(len(found.failed))} of the sample could not be encoded: {sentence(found.failed[0].reason)}.")
    if found.unreadable:
        raise CommandFailed("some photos can't be read, or not be taken out of their place.")
    if found.nothing_to_do:
        raise NothingToDo("\n".join(("there is nothing to archive.", *why_nothing(chosen))))
