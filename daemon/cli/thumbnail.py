"""`thumbnail`: a small PNG of an archive, for file managers."""

from pathlib import Path

import click

from daemon.cli.given import Given
from daemon.places import Places


@click.command()
@click.argument("source", metavar="IN.nphoto", type=Given())
@click.argument("goal", metavar="OUT.png", type=Given())
@click.argument("size", type=click.IntRange(16, 4096))
@click.pass_obj
def thumbnail(places: Places, source: Path, goal: Path, size: int) -> None:
    """Write a small PNG of an archive, for file managers. At most SIZE pixels a side.

    OUT is replaced where it is empty or such a thumbnail; else it stays as it is.

    It is the thumbnail out of the photo's own EXIF, or one of its stand-in; only where there is neither, the photo is decoded.
    """
    from daemon.errors import CommandFailed, WrongPath
    from daemon.thumbnail import may_be_replaced
    from daemon.thumbnail import thumbnail as draw
    from storage import durable
    from storage.errors import shown

    if not source.is_file():
        raise WrongPath(f"{shown(source)} " + ("is no plain file." if source.exists() else "is not there."))
    if not goal.absolute().parent.is_dir():
        raise WrongPath(f"{shown(goal)} can't be written: its folder is not there.")
    if not may_be_replaced(goal):
        raise CommandFailed(f"{shown(goal)} is there already, and is no thumbnail of this program; it stays as it is.")
    data = draw(places, source, size)
    durable.write_over(goal.absolute(), data)
