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
    """Write a small PNG of an archive, for file managers. At most SIZE pixels a side; OUT is replaced.

    It is the thumbnail out of the photo's own EXIF, or one of its stand-in; only where there is neither, the photo is decoded.
    """
    from daemon.thumbnail import thumbnail as draw
    from storage import durable

    data = draw(places, source, size)
    durable.replace(durable.stage(goal.absolute().parent, data), goal.absolute())
