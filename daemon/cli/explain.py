"""`explain`: why is this photo as it is?"""

import os
from pathlib import Path

import click

from daemon.cli.given import Given
from daemon.cli.output import emit, json_option, prose
from daemon.exits import ExitCode
from daemon.places import Places, is_folder


@click.command()
@click.argument("path", type=Given())
@json_option
@click.pass_obj
def explain(places: Places, path: Path, as_json: bool) -> None:
    """Say what became of a photo and why. With sizes, scores and dates."""
    from daemon import settings
    from daemon.errors import WrongPath
    from daemon.explanation import explain as why
    from daemon.galleries import all_of, holding, place
    from daemon.reading import reading_room
    from daemon.spelling import Spellings
    from storage.errors import shown

    where = place(path)
    gallery = holding(all_of(settings.read(places.config_file)), where)
    if gallery is None:
        raise WrongPath(f"{shown(path)} is no photo in a configured gallery.")
    if is_folder(where):
        raise WrongPath(f'{shown(path)} is a folder; name one photo in it. "status" counts all of them by reason.')
    with reading_room(places) as catalog:
        row = Spellings(gallery, catalog).row_of(where) if catalog is not None else None
        found = why(gallery, row, where, catalog)
    if as_json:
        emit("explain", **found.facts)
    else:
        for line in found.lines:
            prose(line)
    if row is None and not os.path.lexists(where):
        raise click.exceptions.Exit(int(ExitCode.USAGE))
