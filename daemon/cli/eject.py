"""`eject` and `export`: everything back, or copies of what is in grace."""

from pathlib import Path

import click

from daemon.cli.given import Given
from daemon.cli.output import emit, json_option, remark, say, watch
from daemon.places import Places


@click.command()
@click.argument("paths", nargs=-1, metavar="[GALLERY]...", type=Given())
@json_option
@click.pass_obj
def eject(places: Places, paths: tuple[Path, ...], as_json: bool) -> None:
    """Give every photo of a gallery back as a plain file.

    It is proven: by count, and by the digest of each file.

    Without GALLERY all galleries. The room on the disk is looked at first. Stopped, it goes on where it was. The vault stays; delete it
    when you are content, and take the gallery out of the configuration.
    """
    from dataclasses import asdict

    from daemon import ejection, settings
    from daemon.composition import Workshop
    from daemon.errors import CommandFailed, DiskFull, GalleryGone, NothingToDo
    from daemon.galleries import Gallery
    from daemon.report import counted, photos
    from daemon.run import chosen_galleries
    from storage.errors import ReadOnly, shown

    done: dict[Gallery, ejection.Ejected] = {}
    full, gone = list[str](), list[str]()
    with Workshop(places, settings.read(places.config_file)) as shop:
        chosen = chosen_galleries(shop.galleries, list(paths))
        if any(starts for starts in chosen.values()):
            raise click.UsageError("eject works on whole galleries; restore gives single photos and folders back.")
        for gallery in chosen:
            try:
                done[gallery] = ejection.eject(shop, gallery, watch())
            except DiskFull as error:
                full.append(str(error))
            except GalleryGone as error:
                gone.append(str(error))
            except ReadOnly as error:  # the other galleries' photos come back all the same
                gone.append(f"{error}; `restore FOLDER --to DIR` gives the photos of {shown(gallery.root)} back on another disk.")
    if as_json:
        found = {shown(gallery.root): asdict(each) | {"complete": each.complete} for gallery, each in done.items()}
        emit("eject", galleries=found, galleries_passed_by=[*gone, *full])
    for gallery, each in done.items():
        for name, why in each.troubles:
            remark(f"Failed: {name}: {why}")
        if as_json or not (each.photos or each.found or each.packed):
            continue
        came = f"{counted(each.originals, 'original')} bit for bit, {counted(each.copies, 'copy', 'copies')} from archives"
        say(f"{shown(gallery.root)}: {photos(each.photos)}: {came}.")
        if each.lowest_score is not None:
            say(f"  The copy that lost most scores {each.lowest_score:.1f} (SSIMULACRA2).")
        if each.packed:
            say(f"  Packed anew without loss, and in place all the time: {photos(each.packed)}.")
        if each.found:
            say(f"  {photos(each.found)} of which nothing tells the place: {shown(gallery.root / ejection.FOUND_FOLDER)}")
        if each.complete:
            say("  Complete. Take the gallery out of the configuration, or it is archived again in a while; then its vault can go:")
            say(f"  {shown(gallery.vault.folder)}")
    if full:
        raise DiskFull("\n".join((*gone, *full)))
    if gone:
        raise GalleryGone("\n".join(gone))
    if not all(each.complete for each in done.values()):
        raise CommandFailed("not everything is back; call it again when the cause is mended.")
    if not any(each.photos or each.found or each.packed for each in done.values()):
        raise NothingToDo("there are no archived photos.")


@click.command()
@click.option("--originals", is_flag=True, required=True, help="The originals that are in grace, byte for byte.")
@click.option("--to", "folder", required=True, type=Given(file_okay=False), metavar="DIR", help="Where to.")
@json_option
@click.pass_obj
def export(places: Places, originals: bool, folder: Path, as_json: bool) -> None:
    """Copy the originals that are in grace to a folder. They keep their names and paths there. The gallery stays as it is,
    and no lock is needed.
    """
    from daemon import ejection, settings
    from daemon.composition import Workshop
    from daemon.errors import CommandFailed, DiskFull, GalleryGone, NothingToDo
    from daemon.goals import check_goal, in_a_gallery
    from daemon.report import photos

    check_goal(folder)

    with Workshop(places, settings.read(places.config_file), reading=True) as shop:
        done = ejection.export_originals(shop, folder, watch())
        where = in_a_gallery(shop.galleries, folder)
    failed = [each for each in done.photos if each[1]]
    if as_json:
        told = [{"photo": name, "trouble": trouble or None} for name, trouble in done.photos]
        emit("export", originals=told, galleries_passed_by=done.gone)
    elif done.photos:
        say(f"{photos(len(done.photos) - len(failed))} exported to {folder}.")
    if where and len(failed) < len(done.photos):
        remark(where)
    for name, trouble in failed:
        remark(f"Failed: {name}: {trouble}")
    if done.gone:
        raise GalleryGone("\n".join(done.gone))
    if done.full:
        raise DiskFull(f"{photos(len(failed))} could not be exported; the disk is full. Make room there, and call it again.")
    if failed:
        raise CommandFailed(f"{photos(len(failed))} could not be exported.")
    if not done.photos:
        raise NothingToDo("no original is in grace.")
