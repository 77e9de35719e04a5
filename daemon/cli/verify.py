"""`verify`: are all archives whole?"""

import click

from daemon.cli.output import emit, json_option, remark, say, watch
from daemon.places import Places


@click.command()
@json_option
@click.pass_obj
def verify(places: Places, as_json: bool) -> None:
    """Read every archive again from the disk and decode it. Says which ones are damaged, and changes nothing."""
    from daemon import inspection, settings
    from daemon.composition import Workshop
    from daemon.errors import DamageFound, GalleryGone, NothingToDo

    with Workshop(places, settings.read(places.config_file)) as shop:
        found = inspection.verify(shop, watch())
    if as_json:
        from dataclasses import asdict

        damages = [asdict(each) for each in found.damages]
        emit("verify", archives=found.archives, originals=found.originals, damages=damages, galleries_passed_by=found.passed_by)
    else:
        if found.archives:
            state = "All good" if not found.damages else f"{len(found.damages)} damaged"
            say(f"{state}: {found.archives} archives read and decoded, {found.originals} set-aside originals compared.")
        for each in found.damages:
            remark(f"Damaged: {each.file}: {each.what}; photo: {', '.join(each.photos) or 'none that is known'}.")
            if each.original_safe:
                remark("  Its original is still there: restore it now, or leave it in place.")
    if found.damages:
        for trouble in found.passed_by:
            remark(trouble)
        raise DamageFound(f"{len(found.damages)} damaged.")
    if found.passed_by:
        raise GalleryGone("\n".join(found.passed_by))
    if not found.archives:
        raise NothingToDo("there are no archives yet.")
