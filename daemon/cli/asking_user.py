"""The questions that `config init` asks at a terminal: which folder, which quality, when; and one more where a sync tool is there."""

from pathlib import Path

import click

from daemon.keys import TWO_WAY, folder

QUALITIES = (
    ("high", "side by side no difference; about a third of the size"),
    ("visually-lossless", "flickering between the two you see no difference"),
    ("exact", "every JPEG comes back bit for bit; about a fifth smaller"),
    ("compact", "the smallest; for when the phone is full"),
)
WINDOWS = (
    ("01:00-06:00", "by night"),
    ("always", "at any hour, when the computer has nothing else to do"),
)


def which_folder() -> Path:
    """One of those that were found, or any other."""
    from daemon.likely import likely_folders
    from daemon.report import photos

    found = likely_folders(Path.home())
    if not found:
        return Path(click.prompt("Which folder holds your photos?", value_proc=_folder))
    click.echo("Which folder holds your photos?")
    for number, each in enumerate(found, 1):
        click.echo(f"  {number}  {_at_home(each.folder)}  ({photos(each.photos)})")
    return Path(
        click.prompt("A number, or another folder", default="1", value_proc=lambda text: _numbered(text, [each.folder for each in found]))
    )


def which_quality() -> str:
    return _choice("How good should a restored photo be?", QUALITIES)


def which_window() -> str:
    return _choice("When may the service work?", WINDOWS, other="hours, such as 22:00-07:00")


def may_travel(root: Path) -> str:
    """Where a sync tool carries the folder both ways, whether that is known and meant so: the key's text, or ""."""
    from daemon.config_template import template
    from daemon.places import real
    from daemon.settings import parse
    from daemon.sync_guard import guard
    from daemon.sync_roots import QUICK

    (gallery,) = parse(template(root), "").galleries
    both_ways = guard(real(root), gallery, QUICK).both_ways
    if not both_ways:
        return ""
    said = (
        f"{both_ways[0].tool.value} carries this folder to your other devices. There too a small preview will take each archived photo's "
        "place, and the archive on this computer will be the only full copy. Originals are kept here until a backup has it (backup_check)."
    )
    click.echo(click.wrap_text(said, 78))
    return TWO_WAY if click.confirm("Is that what you want?", default=False) else ""


def _choice(question: str, choices: tuple[tuple[str, str], ...], other: str = "") -> str:
    click.echo(question)
    for number, (name, meaning) in enumerate(choices, 1):
        click.echo(f"  {number}  {name:<18} {meaning}")
    names = [name for name, _ in choices]

    def read(text: str) -> str:
        text = text.strip()
        if text.isdigit() and 1 <= int(text) <= len(names):
            return names[int(text) - 1]
        if text in names:
            return text
        if other:
            from daemon.window import Window

            try:
                return str(Window.parse(text))
            except ValueError as error:
                raise click.BadParameter(str(error)) from error
        raise click.BadParameter(f"a number from 1 to {len(names)}")

    return str(click.prompt("A number" + (f", or {other}" if other else ""), default="1", value_proc=read))


def _numbered(text: str, folders: list[Path]) -> Path:
    if text.strip().isdigit() and 1 <= int(text) <= len(folders):
        return folders[int(text) - 1]
    return _folder(text)


def _folder(text: str) -> Path:
    from daemon.places import is_folder

    try:
        found = folder(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if not is_folder(found):
        raise click.BadParameter(f"{found} is no folder")
    return found


def _at_home(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
