"""`status`: what there is and what it saves. Answers at once, also while another instance works, and never imports torch."""

import click

from daemon.cli.output import console, emit, json_option
from daemon.places import Places, is_folder


@click.command()
@json_option
@click.pass_obj
def status(places: Places, as_json: bool) -> None:
    """Show the photos by state, what is saved, and what can be reclaimed when."""
    import os

    from daemon import settings
    from daemon.reading import reading_room
    from daemon.report import GalleryStatus, Status
    from storage.errors import shown

    configured = settings.read(places.config_file).galleries
    roots = [gallery.path.resolve() for gallery in configured]
    graces_s = {os.fsencode(root): int(each.grace.total_seconds()) for root, each in zip(roots, configured, strict=True)}
    with reading_room(places) as catalog:
        if catalog is None:
            found = None
        else:
            each = tuple(GalleryStatus(shown(root), is_folder(root), catalog.totals(os.fsencode(root), graces_s)) for root in roots)
            found = Status(each[0].totals if len(each) == 1 else catalog.totals(None, graces_s), each)
    if found is None:
        if as_json:
            emit("status", photos=0, galleries=[{"path": shown(root), "present": is_folder(root), "photos": 0} for root in roots])
        else:
            click.echo("Nothing was archived yet. Start with: gallery-optimizer optimize")
    elif as_json:
        emit("status", **found.as_json())
    else:
        console().print(found.as_text(), soft_wrap=True)
