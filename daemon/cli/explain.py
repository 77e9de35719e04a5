"""`explain`: why is this photo as it is, or are these?"""

import os
from pathlib import Path

import click

from daemon.cli.given import Given
from daemon.cli.output import emit, json_option, prose, say
from daemon.exits import ExitCode
from daemon.places import Places, is_folder


@click.command()
@click.argument("path", type=Given())
@click.option("--all", "every", is_flag=True, help="Of a folder: name every photo that was left alone, not ten for each reason.")
@json_option
@click.pass_obj
def explain(places: Places, path: Path, every: bool, as_json: bool) -> None:
    """Say what became of a photo, or of those in a folder, and why.

    Of a photo with sizes, scores and dates. Of a folder, and all below it: how much was saved there, and which photos were left alone,
    by name, with the reason. Of a vault: how many photos are in full only there.
    """
    from daemon import settings
    from daemon.errors import WrongPath
    from daemon.explanation import explain as why
    from daemon.folder_explanation import explain_folder, explain_vault, in_vault, was_folder
    from daemon.galleries import all_of, holding, outside, place
    from daemon.reading import reading_room
    from daemon.report import Name
    from daemon.spelling import Spellings

    where = place(path)
    galleries = all_of(settings.read(places.config_file))
    gallery = holding(galleries, where)
    if gallery is None:
        raise WrongPath(outside(galleries, path))
    with reading_room(places) as catalog:
        folder = is_folder(where) or where == gallery.root or (catalog is not None and was_folder(gallery, where, catalog))
        row = Spellings(gallery, catalog).row_of(where) if catalog is not None and not folder else None
        if in_vault(gallery, where):
            found = explain_vault(gallery, where, catalog)
        else:
            found = explain_folder(gallery, where, catalog, every=every) if folder else why(gallery, row, where, catalog)
    if as_json:
        emit("explain", **found.facts)
    else:
        for line in found.lines:
            (say if isinstance(line, Name) else prose)(line)
    if row is None and not folder and not os.path.lexists(where):
        raise click.exceptions.Exit(int(ExitCode.USAGE))
