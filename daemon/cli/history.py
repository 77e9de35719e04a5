"""`history`: what every run did, and what had been predicted of it."""

import click

from daemon.cli.output import console, emit, json_option, show
from daemon.places import Places


@click.command()
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Only the N latest runs.")
@json_option
@click.pass_obj
def history(places: Places, last: int, as_json: bool) -> None:
    """Show what was saved in the last weeks, and by which runs.

    What each run did and cost, and whether it came out as "optimize --dry-run" had predicted. The latest run is first.
    "saved" counts the space once the originals are purged.
    """
    from datetime import UTC, datetime

    from daemon import history as past
    from daemon.errors import NothingToDo
    from daemon.reading import reading_room
    from daemon.unended import Lock
    from daemon.weeks import as_lines, weeks
    from daemon.zone import local_zone

    lock = Lock.of(places.lock_file)
    with reading_room(places) as catalog:
        runs = [] if catalog is None else catalog.runs(limit=1000)
    chart = weeks(runs, datetime.now(UTC), local_zone())
    if as_json:
        emit("history", runs=past.as_json(runs, lock)[:last], weeks=[week.as_json() for week in chart])
    if not runs:
        raise NothingToDo("there was no run yet.")
    if as_json:
        return
    screen = console()
    bars = as_lines(chart, screen.width if screen.is_terminal else None, plain=screen.options.ascii_only)
    for text in ("Saved, week by week from Monday on:", *bars, ""):
        screen.print(text, soft_wrap=True)
    for line in past.as_lines(runs, last, lock):
        show(screen, line)
