"""`restore`: photos back, in place or elsewhere."""

from datetime import datetime
from pathlib import Path

import click

from daemon.cli.given import Given
from daemon.cli.output import emit, json_option, remark, say, watch
from daemon.places import Places


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
    format_: str | None,
    as_json: bool,
) -> None:
    """Give photos back, in place or elsewhere.

    PATH is a photo, a folder of photos, an .nphoto file, or a quoted pattern such as "*/2019*/IMG_2*".

    While the original is in grace it is the original itself, bit for bit; later a copy rebuilt from the archive.

    Nothing is ever overwritten: in place only an unchanged stand-in gives way, and with --to a name that is taken is an error.
    Photos restored in place are left alone for the gallery's `idle_for`.
    """
    from daemon import restorer, settings
    from daemon.composition import Workshop
    from daemon.copies import without
    from daemon.errors import CommandFailed, NothingToDo
    from daemon.neighbours import restored_behind_all
    from daemon.report import photos
    from daemon.selection import Chosen
    from storage.errors import shown

    if folder is not None and in_place:
        raise click.UsageError("--to and --in-place exclude each other.")
    if not (paths or albums or since):
        raise click.UsageError("Say what to restore: a PATH, --album NAME or --since DATE.")
    wanted = {"jpeg": "jpeg", "png": "png"}.get(format_ or "")
    with Workshop(places, settings.read(places.config_file), reading=folder is not None) as shop:
        moment = _moment(since, shop.clock.now())
        chosen = Chosen(list(paths), albums, moment)
        done = restorer.restore(shop, chosen, folder, wanted, watch())  # type: ignore[arg-type]  # click has checked the choice
        if folder is None and not (albums or since):
            done += restored_behind_all(shop, done, watch())
    failed = [each for each in done if each.trouble]
    unlabelled = [each for each in done if each.left_out]
    given = [each for each in done if each.came is not restorer.Came.NOT]
    if as_json:
        results = [
            {
                "photo": each.name,
                "from": each.came.value,
                "written": shown(each.written) if each.written else None,
                "trouble": each.trouble or None,
                "note": each.note or None,
                "left_out": list(each.left_out),
            }
            for each in done
        ]
        emit("restore", results=results)
    else:
        words = {
            restorer.Came.ORIGINAL: "the original, bit for bit",
            restorer.Came.LABELLED: "the original with the labels of its stand-in, its picture bit for bit",
            restorer.Came.COPY: "a copy from the archive",
            restorer.Came.AS_IT_IS: "the file that has this name now, as it is",
        }
        for each in done:
            if each.written is not None:
                say(f"{shown(each.written)}: {words[each.came]}")
            if each.note:
                say(f"  {each.note}")
    for each in failed:
        remark(f"Failed: {each.name}: {each.trouble}")
    for each in unlabelled:
        remark(f"{each.name}: {without(each.left_out)}")
    if failed:
        raise CommandFailed(f"{photos(len(failed))} could not be restored.")
    if unlabelled:
        raise CommandFailed(f"{photos(len(unlabelled))} came back without all labels.")
    if not given:
        raise NothingToDo("nothing to restore: what you named is in its place.")


def _moment(text: str | None, now: datetime) -> datetime | None:
    from daemon.selection import moment_of

    try:
        return None if text is None else moment_of(text, now, now.astimezone().tzinfo)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--since'") from None
