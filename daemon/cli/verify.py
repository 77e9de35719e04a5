"""`verify`: are all archives whole?"""

from typing import TYPE_CHECKING

import click

from daemon.cli.output import emit, json_option, remark, say, watch
from daemon.places import Places

if TYPE_CHECKING:
    from daemon.inspection import Inspection
    from daemon.mending import Mended

_A_SHARE = 'must be a share, such as "5%", up to "100%".'


@click.command()
@click.option("--subset", metavar="SHARE", default="100%", help="Only so many, such as 5%: those that were not read for longest.")
@click.option("--no-repair", is_flag=True, help="Only look, also where the original is at hand.")
@json_option
@click.pass_obj
def verify(places: Places, subset: str, no_repair: bool, as_json: bool) -> None:
    """Read every archive again from the disk and decode it. Says which ones are damaged.

    An archive that a later version of this program made is no damage, but can't be checked: that is said, with exit code 1.
    A damaged archive that has parity is computed anew out of it; else, while its original is still in grace, the photo is archived anew.
    Works beside another instance, but does not repair then.
    """
    from daemon import inspection, mending, settings
    from daemon.composition import Workshop
    from daemon.errors import CommandFailed, DamageFound, GalleryGone, NothingToDo
    from daemon.keys import share
    from daemon.report import counted

    try:
        part = share(subset) if subset != "100%" else 1.0
    except ValueError as error:
        raise click.BadParameter(_A_SHARE, param_hint="'--subset'") from error
    if not 0 < part <= 1:
        raise click.BadParameter(_A_SHARE, param_hint="'--subset'")
    wanted = settings.read(places.config_file)
    with Workshop(places, wanted, reading=True) as shop:
        found = inspection.verify(shop, watch(), part)
    done = mending.Mended()
    if found.needs_hands and not no_repair:
        done = mending.mend_found(lambda: Workshop(places, wanted), found)
        for trouble in done.troubles:
            remark(f"Not repaired: {trouble}")
    if as_json:
        _emit(found, done)
    else:
        _say(found, done)
    left = [each for each in found.damages if each.file not in done.files]
    if left:
        for trouble in found.passed_by:
            remark(trouble)
        raise DamageFound(f"{counted(len(left), 'file')} damaged.")
    if done.files:
        remark(f"{counted(len(done.files), 'archive')} mended; ask the disk how it is (smartctl).")
    if found.passed_by:
        raise GalleryGone("\n".join(found.passed_by))
    if found.later:
        raise CommandFailed(f"{counted(len(found.later), 'archive')} could not be checked by this version; a later one can.")
    if not (found.archives or found.originals):
        raise NothingToDo("there are no archives yet.")


def _emit(found: "Inspection", done: "Mended") -> None:
    from dataclasses import asdict

    emit(
        "verify",
        archives=found.archives,
        originals=found.originals,
        damages=[
            asdict(each) | {"mended": each.file in done.files, "blocks_repaired": done.repaired.get(each.file)} for each in found.damages
        ],
        later=[asdict(each) for each in found.later],
        parity_made=done.guarded,
        galleries_passed_by=found.passed_by,
    )


def _say(found: "Inspection", done: "Mended") -> None:
    from daemon.report import counted

    if found.archives or found.originals:
        state = f"{len(found.damages)} damaged" if found.damages else f"{len(found.later)} not checked" if found.later else "All good"
        originals = counted(found.originals, "set-aside original")
        say(f"{state}: {counted(found.archives - len(found.later), 'archive')} read and decoded, {originals} compared.")
    for each in found.damages:
        what = each.what.removeprefix(f"{each.file} ")  # a sentence about a file begins with its name
        remark(f"Damaged: {each.file}: {what}; photo: {', '.join(each.photos) or 'none that is known'}.")
        if each.file in done.repaired:
            count = done.repaired[each.file]
            remark(f"  Repaired out of its parity: {counted(count, 'damaged block')} of 4 KiB; its digest is the proven one again.")
        elif each.file in done.renewed:
            remark("  Mended: its original was still in grace, and was archived anew.")
        elif each.original_safe:
            remark("  Its original is still there: restore it now, or leave it in place.")
    for later in found.later:
        name = ", ".join(later.photos) or "none that is known"
        remark(f"Not checked: {later.file}: made by a newer version; this program can't check it: {later.why}; photo: {name}.")
    if done.guarded:
        say(f"Parity made for {counted(done.guarded, 'archive')} that had none.")
