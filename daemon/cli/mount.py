"""`mount`: a gallery as it was, every photo in full, as a read-only folder."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import click

from daemon.cli.given import Given
from daemon.cli.output import remark
from daemon.places import Places


def _size(_: click.Context, option: click.Parameter, text: str) -> int:
    from daemon.keys import size

    try:
        return size(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param=option) from None


def cache_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where decoded photos are kept, for every command that shows them."""
    size = click.option(
        "--cache-size", metavar="SIZE", default="2 GB", show_default=True, callback=_size, help="How much they may take there."
    )
    folder = click.option("--cache", type=Given(file_okay=False), metavar="DIR", help="Where decoded photos are kept.")
    return folder(size(command))


@click.command()
@click.argument("gallery", type=Given())
@click.argument("mountpoint", type=Given())
@cache_options
@click.option("--prefetch", type=click.IntRange(0, 20), metavar="N", help="Decode N photos ahead (default: the gallery's `prefetch`).")
@click.option("--allow-other", is_flag=True, help="Other users of this computer may look, too, as far as modes allow.")
@click.pass_obj
def mount(
    places: Places, gallery: Path, mountpoint: Path, cache: Path | None, cache_size: int, prefetch: int | None, allow_other: bool
) -> None:
    """Show a gallery as it was: every photo in full, read-only.

    GALLERY is a configured gallery, MOUNTPOINT an empty folder. It stays mounted until this command ends (Ctrl-C), or until somebody
    unmounts it (fusermount3 -u MOUNTPOINT). Photos are decoded when somebody reads them, and kept for the next time.
    """
    from daemon import settings
    from daemon.errors import CommandFailed, WrongPath
    from daemon.extras import how_to_install

    try:
        from daemon.access import mount as fuse
    except ImportError as error:
        raise CommandFailed(f"the package mfusepy is missing ({error}); {how_to_install('mount')}") from error
    except OSError as error:
        raise CommandFailed(f"libfuse is missing ({error}); install your system's package fuse3.") from error
    from daemon.access.session import Session
    from storage.errors import shown

    mountpoint = mountpoint.absolute()
    cache = (cache or places.cache_folder).absolute()  # FUSE goes to the root folder, where a relative path leads elsewhere
    fuse.prepare(mountpoint)
    with Session.of(places, settings.read(places.config_file), gallery, cache, cache_size) as session:
        if mountpoint.is_relative_to(session.view.gallery.root):
            raise WrongPath(f"{shown(mountpoint)} lies in the gallery itself; choose a folder outside.")
        session.warm_up()
        ahead = session.view.gallery.settings.prefetch if prefetch is None else prefetch
        remark(f"{shown(session.view.gallery.root)} is shown at {shown(mountpoint)}; Ctrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            fuse.serve(
                fuse.FileSystem(session.view, session.copies, session.ahead(ahead), session.note_size),
                mountpoint,
                fuse.options(session.view.gallery.root, allow_other=allow_other),
            )
