"""`status`: what there is and what it saves. Answers at once, also while another instance works, and never imports torch."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import console, emit, hanging, json_option, show, wrapped
from daemon.places import Places

if TYPE_CHECKING:
    from rich.console import Console

    from daemon.report import Status
    from daemon.situation import Situation

EVERY_S = 2.0


@click.command()
@click.option("--watch", is_flag=True, help="Stay, and show it anew every two seconds, until Ctrl-C.")
@click.option("--prometheus", is_flag=True, help="Print figures for Prometheus instead of text.")
@click.option("--trash", is_flag=True, help="List what waits to be thrown away: deleted photos, and earlier versions of edited ones.")
@json_option
@click.pass_obj
def status(places: Places, watch: bool, prometheus: bool, trash: bool, as_json: bool) -> None:
    """Show what there is, what is saved, and what needs attention.

    Photos by state, what can be reclaimed and when, what the service is at, the last night and the next one. Answers at once.
    """
    if watch + prometheus + (trash or as_json) > 1:
        raise click.UsageError("--watch, --prometheus and --json exclude one another; --trash goes with --json alone.")
    if trash:
        _trash(places, as_json)
        return
    if watch:
        _watch(places)
        return
    from daemon.glance import glance

    found, situation, runs = glance(places)
    if prometheus:
        from daemon import metrics

        click.echo(metrics.text([(each.path, each.totals) for each in found.galleries], runs), nl=False)
    elif as_json:
        emit("status", **found.as_json(), **situation.as_json())
    else:
        screen = console()
        _show(screen, found, situation)


def _trash(places: Places, as_json: bool) -> None:
    from daemon import settings
    from daemon.galleries import all_of
    from daemon.reading import reading_room
    from daemon.waste import as_parts, wasted

    galleries = all_of(settings.read(places.config_file))
    with reading_room(places) as catalog:
        found = [] if catalog is None else [each for gallery in galleries for each in wasted(gallery, catalog)]
    if as_json:
        emit("status", waste=[each.as_json() for each in found])
        return
    screen = console()
    for part in as_parts(found):
        show(screen, part)


def _show(screen: "Console", found: "Status", situation: "Situation") -> None:
    for part in found.parts() if found.totals.photos else [_nothing(situation)]:
        show(screen, part)
    screen.print()
    for label, text in situation.lines():
        screen.print(_entry(label, text, screen.width if screen.is_terminal else None), soft_wrap=True)


def _nothing(situation: "Situation") -> str:
    if situation.last_run is None:
        return "Nothing was archived yet. Start with: gallery-optimizer optimize"
    return 'No photo is known in the galleries; "gallery-optimizer optimize" says what it finds there.'


def _entry(label: str, text: str, columns: int | None) -> str:
    return hanging(f"{label + ':':<13}", text, columns)


def _watch(places: Places) -> None:
    screen = console()
    if not screen.is_terminal:
        raise click.UsageError("--watch is for a terminal; elsewhere call status again and again.")
    from contextlib import suppress

    from rich.live import Live

    with suppress(KeyboardInterrupt), Live(console=screen, auto_refresh=False) as live:
        for picture in _pictures(places, screen.width):
            live.update(picture, refresh=True)


def _pictures(places: Places, width: int) -> Iterator[Any]:
    from rich.console import Group
    from rich.text import Text

    from daemon.glance import glance

    while True:
        found, situation, _ = glance(places)
        parts = found.parts() if found.totals.photos else [_nothing(situation)]
        head = [wrapped(part, width) if isinstance(part, str) else part for part in parts]
        yield Group(*head, "", *(Text(_entry(label, text, width)) for label, text in situation.lines()))
        sys.stdout.flush()
        time.sleep(EVERY_S)
