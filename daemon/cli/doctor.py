"""`doctor`: is everything in its place, and what can be done about it?"""

import click

from daemon.cli.output import emit, json_option, prose, remark, say, watch
from daemon.places import Places


@click.command()
@click.option("--rebuild", "anew", is_flag=True, help="Make the catalogue anew from archives and stand-ins; the old one is kept beside it.")
@click.option("--as-it-is", is_flag=True, help="With --rebuild: also where a gallery's vault is gone for good.")
@json_option
@click.pass_obj
def doctor(places: Places, anew: bool, as_it_is: bool, as_json: bool) -> None:
    """Say what is not in its place, and mend what is safe to mend.

    Looks at catalogue, vaults and galleries. It reads no archives: "verify" does.
    """
    from dataclasses import asdict

    from daemon import settings
    from daemon.composition import Workshop
    from daemon.doctor import Grade, examine
    from daemon.errors import CommandFailed, DamageFound

    if as_it_is and not anew:
        raise click.UsageError("--as-it-is goes with --rebuild alone.")
    if anew:
        _rebuild(places, as_it_is, as_json)
        return
    with Workshop(places, settings.read(places.config_file)) as shop:
        found = examine(shop, watch())
    if as_json:
        emit("doctor", findings=[asdict(each) for each in found])
    else:
        for finding in found:
            prose(f"{finding.grade.value:7} {finding.text}")
    grades = {finding.grade for finding in found}
    if Grade.DAMAGE in grades:
        raise DamageFound("something is damaged.")
    if Grade.NOTE in grades:
        raise CommandFailed("not everything is as it should be.")


def _rebuild(places: Places, as_it_is: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from daemon import settings
    from daemon.composition import Workshop
    from daemon.errors import CommandFailed
    from daemon.galleries import all_of
    from daemon.rebuilding import check_all_there, rebuild, set_catalogue_aside
    from daemon.report import counted, photos
    from storage.errors import shown

    wanted = settings.read(places.config_file)
    check_all_there(places, all_of(wanted), as_it_is=as_it_is)
    kept = set_catalogue_aside(places)
    with Workshop(places, wanted) as shop:
        done = {shown(gallery.root): rebuild(shop, gallery, watch()) for gallery in shop.galleries}
    if as_json:
        emit("doctor", rebuilt={name: asdict(each) for name, each in done.items()}, old_catalogue=shown(kept) if kept else None)
    else:
        if kept is not None:
            say(f"The catalogue that was there is kept: {shown(kept)}")
        for name, each in done.items():
            say(f"{name}: {photos(each.photos)} found again, {each.in_grace} with the original still in grace.")
            if each.without_place:
                bare = counted(each.without_place, "archive")
                prose(f"  {bare} without a stand-in: restore ARCHIVE.nphoto --to DIR gives the photos back.")
            if each.originals_without_place:
                nameless = counted(each.originals_without_place, "set-aside original")
                prose(f"  {nameless} without a file of that name: eject gives what is there back.")
    troubles = [(name, why) for each in done.values() for name, why in each.troubles]
    for name, why in troubles:
        remark(f"Failed: {name}: {why}")
    if troubles:
        raise CommandFailed(f"{counted(len(troubles), 'file')} could not be taken in.")
