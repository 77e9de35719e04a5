"""`restore`: photos back, in place or elsewhere."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.given import Given
from daemon.cli.output import emit, json_option, remark, say, watch
from daemon.places import Places

if TYPE_CHECKING:
    from daemon.messages import Format
    from daemon.restorer import Restoration
    from daemon.selection import Chosen


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=Given())
@click.option("--album", "albums", multiple=True, metavar="NAME", help="Photos in folders of that name, in any gallery. May be repeated.")
@click.option("--since", metavar="DATE", help='Only photos of that date or later: "2024-05-01", "2024", "30 days".')
@click.option("--to", "folder", type=Given(file_okay=False), metavar="DIR", help="Write there, not in place.")
@click.option("--in-place", is_flag=True, help="Put them in their stand-ins' place (the default).")
@click.option("--format", "format_", type=click.Choice(["jpeg", "png"]), help="Another format than its own; only with --to.")
@json_option
@click.pass_obj
def restore(
    places: Places,
    paths: tuple[Path, ...],
    albums: tuple[str, ...],
    since: str | None,
    folder: Path | None,
    in_place: bool,
    format_: "Format | None",
    as_json: bool,
) -> None:
    """Give photos back, in place or elsewhere.

    PATH is a photo, a folder of photos, an .nphoto file, or a quoted pattern such as "*/2019*/IMG_2*".

    While the original is in grace it is the original itself, bit for bit; later a copy rebuilt from the archive.

    With --to a gallery needs no configuration: its folder, with the vault in it, is enough.

    Nothing is ever overwritten: in place only an unchanged stand-in gives way, and with --to a name that is taken is an error.
    Photos restored in place are left alone for the gallery's `idle_for`. While the service works, it gives them back between two photos.
    """
    from daemon import restore_report, restorer
    from daemon.composition import Workshop
    from daemon.copies import without
    from daemon.errors import CommandFailed, DiskFull, NothingToDo, WrongPath
    from daemon.goals import check_goal, in_a_gallery
    from daemon.ports import SystemClock
    from daemon.report import photos
    from daemon.selection import Chosen
    from daemon.unconfigured import widened

    if folder is not None and in_place:
        raise click.UsageError("--to and --in-place exclude each other.")
    if not (paths or albums or since):
        raise click.UsageError("Say what to restore: a PATH, --album NAME or --since DATE.")
    if folder is None and format_ is not None:
        raise WrongPath("another format can't go in place of the stand-in; say --to DIR.")
    chosen = Chosen(list(paths), albums, _moment(since, SystemClock().now()))
    where = ""
    if folder is None:
        done = _in_place(places, chosen)
    else:
        check_goal(folder)
        with Workshop(places, widened(places.config_file, paths), reading=True) as shop:
            done = restorer.restore(shop, chosen, folder, format_, watch())
            where = in_a_gallery(shop.galleries, folder)
    failed = [each for each in done if each.trouble]
    unlabelled = [each for each in done if each.left_out]
    given = [each for each in done if each.came is not restorer.Came.NOT]
    if as_json:
        emit("restore", results=restore_report.as_json(done))
    else:
        for line in restore_report.as_lines(done):
            say(line)
    if where and given:
        remark(where)
    for each in failed:
        remark(f"Failed: {each.name}: {each.trouble}")
    for each in unlabelled:
        remark(f"{each.name}: {without(each.left_out)}")
    if any(each.full for each in failed):
        raise DiskFull(f"{photos(len(failed))} could not be restored; the disk is full. Make room there, and call it again.")
    if failed:
        raise CommandFailed(f"{photos(len(failed))} could not be restored.")
    if unlabelled:
        raise CommandFailed(f"{photos(len(unlabelled))} came back without all labels.")
    if not given:
        told = any(each.note for each in done)
        raise NothingToDo("nothing to restore; see above." if told else "nothing to restore: what you named is in its place.")


def _in_place(places: Places, chosen: "Chosen") -> "list[Restoration]":
    """By ourselves, or by the running service between two photos where it is at work."""
    from daemon import asking
    from daemon.back_in_place import by_ourselves

    done = by_ourselves(places, chosen, watch())
    if done is not None:
        return done
    try:
        return asking.restore(places, chosen, watch(), remark)
    except KeyboardInterrupt:
        remark("No longer watched; the service goes on with it.")
        raise


def _moment(text: str | None, now: datetime) -> datetime | None:
    from daemon.selection import moment_of
    from daemon.zone import local_zone

    try:
        return None if text is None else moment_of(text, now, local_zone())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--since'") from None
