"""`history`: what every run did, and what had been predicted of it."""

import click

from daemon.cli.output import console, emit, json_option
from daemon.places import Places


@click.command()
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Only the N latest runs.")
@json_option
@click.pass_obj
def history(places: Places, last: int, as_json: bool) -> None:
    """Show what each run did, what it cost, and whether it came out as "optimize --dry-run" had predicted.

    The latest run is first. "saved" counts the space once the originals are purged.
    """
    from daemon import history as past
    from daemon.errors import NothingToDo
    from daemon.reading import reading_room

    with reading_room(places) as catalog:
        runs = [] if catalog is None else catalog.runs(limit=1000)
    if as_json:
        emit("history", runs=past.as_json(runs)[:last])
        return
    if not runs:
        raise NothingToDo("there was no run yet.")
    for line in past.as_lines(runs, last):
        console().print(line, soft_wrap=True)
