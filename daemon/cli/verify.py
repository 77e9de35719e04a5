"""`verify`: are all archives whole?"""

import click

from daemon.cli.output import emit, json_option, remark, say, watch
from daemon.places import Places


@click.command()
@click.option("--subset", metavar="SHARE", default="100%", help="Only so many, such as 5%: those that were not read for longest.")
@click.option("--no-repair", is_flag=True, help="Only look, also where the original is at hand.")
@json_option
@click.pass_obj
def verify(places: Places, subset: str, no_repair: bool, as_json: bool) -> None:
    """Read every archive again from the disk and decode it. Says which ones are damaged.

    A damaged archive that has parity is computed anew out of it; else, while its original is still in grace, the photo is archived anew.
    Works beside another instance, but does not repair then.
    """
    from daemon import inspection, mending, settings
    from daemon.composition import Workshop
    from daemon.errors import DamageFound, GalleryGone, NothingToDo, WorkerError
    from daemon.keys import share
    from daemon.report import photos
    from storage.errors import Damaged, Missing, StorageError, shown

    try:
        part = share(subset) if subset != "100%" else 1.0
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--subset") from error
    wanted = settings.read(places.config_file)
    with Workshop(places, wanted, reading=True) as shop:
        found = inspection.verify(shop, watch(), part)
    repaired: dict[str, int] = {}
    mended: set[str] = set()
    guarded = 0
    if (found.mendable or found.repairable or found.unguarded) and not no_repair:
        try:
            with Workshop(places, wanted) as shop:
                for gallery, digest in found.repairable:
                    try:
                        repaired[shown(gallery.vault.archive_path(digest))] = mending.repair(shop, gallery, digest)
                    except (Damaged, Missing) as error:
                        remark(f"Its parity is no help: {error}")
                for gallery, row in found.mendable:
                    name = shown(gallery.vault.archive_path(row.sha256 or ""))
                    if name not in repaired and mending.mend(shop, gallery, row):
                        mended.add(name)
                for gallery, row in found.unguarded:
                    guarded += mending.guard(shop, gallery, row)
        except (StorageError, WorkerError, GalleryGone) as error:
            remark(f"Not repaired: {error}")
    whole_again = mended | repaired.keys()
    if as_json:
        from dataclasses import asdict

        damages = [
            asdict(each) | {"mended": each.file in whole_again, "blocks_repaired": repaired.get(each.file)} for each in found.damages
        ]
        emit(
            "verify",
            archives=found.archives,
            originals=found.originals,
            damages=damages,
            parity_made=guarded,
            galleries_passed_by=found.passed_by,
        )
    else:
        if found.archives or found.originals:
            state = "All good" if not found.damages else f"{len(found.damages)} damaged"
            say(f"{state}: {found.archives} archives read and decoded, {found.originals} set-aside originals compared.")
        for each in found.damages:
            remark(f"Damaged: {each.file}: {each.what}; photo: {', '.join(each.photos) or 'none that is known'}.")
            if each.file in repaired:
                remark(f"  Repaired out of its parity: {repaired[each.file]} damaged blocks of 4 KiB; its digest is the proven one again.")
            elif each.file in mended:
                remark("  Mended: its original was still in grace, and was archived anew.")
            elif each.original_safe:
                remark("  Its original is still there: restore it now, or leave it in place.")
        if guarded:
            say(f"Parity made for {guarded} archive{'s' * (guarded > 1)} that had none.")
    left = [each for each in found.damages if each.file not in whole_again]
    if left:
        for trouble in found.passed_by:
            remark(trouble)
        raise DamageFound(f"{len(left)} damaged.")
    if whole_again:
        remark(f"{photos(len(whole_again))} mended; ask the disk how it is (smartctl).")
    if found.passed_by:
        raise GalleryGone("\n".join(found.passed_by))
    if not (found.archives or found.originals):
        raise NothingToDo("there are no archives yet.")
