"""`config init`, `config check`, `config show`."""

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codec.levels import EXACT, LEVELS
from daemon.cli.given import Given
from daemon.cli.output import WholeSentences, emit, entry, json_option, remark, say
from daemon.places import Places, is_folder, real

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.settings import GallerySettings, Settings

QUALITIES = (EXACT.name, *LEVELS)


@click.group(cls=WholeSentences)
def config() -> None:
    """Write, check and show the configuration."""


@config.command()
@click.argument("folder", required=False, type=Given())
@click.option("--quality", type=click.Choice(QUALITIES), help="How good a restored photo has to be.")
@click.option("--window", metavar="HOURS", help='When the service works, such as "01:00-06:00", or "always".')
@click.option("--two-way-sync", is_flag=True, help="A sync tool carries the folder to other devices, and stand-ins may travel there.")
@click.pass_obj
def init(places: Places, folder: Path | None, quality: str | None, window: str | None, two_way_sync: bool) -> None:
    """Write a commented configuration for the photos in FOLDER. An existing file is never overwritten.

    At a terminal, what is not said is asked: which folder, which quality, and when. Folders with photos are looked for in ~/Sync,
    ~/Nextcloud, the folder for pictures, and on disks and cards.
    """
    from daemon.cli import asking_user
    from daemon.config_template import template
    from daemon.errors import CommandFailed
    from daemon.keys import TWO_WAY
    from storage import durable
    from storage.errors import AlreadyThere

    there = CommandFailed(f"{places.config_file} is already there; it stays as it is. Edit it, or move it away first.")
    if places.config_file.exists():
        raise there
    asked = folder is None and _at_a_terminal()
    if asked:
        folder = asking_user.which_folder()
        quality = quality or asking_user.which_quality()
        window = window or asking_user.which_window()
    folder = _at_home(folder).absolute() if folder else None
    travel = TWO_WAY if two_way_sync else asking_user.may_travel(folder) if asked and folder else ""
    said = {("gallery", "quality"): quality, ("schedule", "window"): _window(window), ("gallery", "two_way_sync"): travel}
    text = template(folder, {key: value for key, value in said.items() if value})
    try:
        durable.make_folders(places.config_file.parent)
        durable.write_new(places.config_file, text.encode())
    except AlreadyThere as error:
        raise there from error
    say(f"Written: {places.config_file}")
    if folder is None:
        remark("Set `path` in it to where your photos are.")
        return
    if not is_folder(folder):
        _warn_of_missing(folder)
    remark('Look it over. "gallery-optimizer config check" says what it means, "optimize --dry-run" what it would save, "optimize" begins.')
    if travel:
        remark('Before anything is archived there, "gallery-optimizer sync-guard --write-ignore" has to keep the archives from travelling.')


def _at_home(folder: Path) -> Path:
    """The folder that is meant, if a configuration can name it."""
    try:
        os.fsencode(folder).decode()
        return folder.expanduser()
    except UnicodeDecodeError:
        text = "has a name that is no UTF-8, which a TOML file can't hold; rename it, or name a symbolic link to it"
        raise click.BadParameter(text, param_hint="'FOLDER'") from None
    except RuntimeError:
        raise click.BadParameter("there is no such home folder", param_hint="'FOLDER'") from None


@config.command()
@json_option
@click.pass_obj
def check(places: Places, as_json: bool) -> None:
    """Check the configuration, and say what it means.

    Where it can't be understood: each mistake with its line, and what may be meant.
    """
    from daemon import settings
    from daemon.errors import Misconfigured
    from daemon.sync_guard import guard
    from daemon.sync_roots import QUICK
    from storage.errors import shown

    try:
        found = settings.read(places.config_file)
    except Misconfigured as error:
        if as_json:
            emit("config check", file=str(places.config_file), understood=None, mistakes=str(error).splitlines())
        raise
    missing = [str(gallery.path) for gallery in found.galleries if not is_folder(gallery.path)]
    if as_json:
        emit("config check", file=str(places.config_file), understood=_as_json(found), missing_folders=missing)
        return
    say(f"{shown(places.config_file)} is fine.")
    for gallery in found.galleries:
        say(f"{shown(gallery.path)}:")
        for text in _meaning(gallery):
            entry("  ", text)
    say("All galleries:")
    for text in _meaning_for_all(found):
        entry("  ", text)
    for _, name, text, where in settings.said_outside():
        say(f"  {name} is {text}, by {where}")
    for gallery in found.galleries:
        seen = guard(real(gallery.path), gallery, QUICK)
        for text in seen.refusals:
            entry("  ! ", f"nothing is archived there yet: {text}", err=True)
        for text in seen.notes:
            entry("  - ", text, err=True)
        if real(places.state_folder).is_relative_to(real(gallery.path)):
            inside = f"{shown(places.state_folder)} lies inside {shown(gallery.path)}"
            remark(f"Warning: the catalogue in {inside}: a sync tool would carry it while it is open.")
        if gallery.backup_check and not os.access(gallery.backup_check[0], os.X_OK):
            remark(f"Warning: backup_check: {shown(gallery.backup_check[0])} can't be run (not there, or not executable).")
    for folder in missing:
        _warn_of_missing(folder)


def _warn_of_missing(folder: Path | str) -> None:
    from storage.errors import shown

    wrong = "is a file and not a folder" if os.access(folder, os.F_OK) else "is not there (yet); is its disk mounted?"
    remark(f"Warning: {shown(folder)} {wrong}")


def _meaning(gallery: "GallerySettings") -> "Iterator[str]":
    """What the keys of one gallery mean, a line for each."""
    from daemon.cli import asking_user
    from daemon.report import days
    from storage.errors import shown

    yield f"quality {gallery.quality}: {dict(asking_user.QUALITIES)[gallery.quality]}"
    yield f"the service takes photos that nobody wrote, opened or restored for {days(gallery.idle_for)}"
    yield "a stand-in takes each photo's place" if gallery.stand_in == "preview" else "no stand-ins: archived photos leave the folder"
    waits = f"originals wait {days(gallery.grace)} before their space is given back"
    yield waits if gallery.grace else "originals go in the run that archived them, as soon as their archives are proven"
    if gallery.backup_check:
        yield f"before that, {shown(gallery.backup_check[0])} has to say that the archive is in a backup"
    elif gallery.two_way_sync and not gallery.one_copy:
        yield "stand-ins travel, so originals wait for a backup_check, or for one_copy = true, whatever the time"
    elif gallery.two_way_sync:
        yield "stand-ins travel, and the archives may become the only full copies (one_copy)"
    yield f"who deletes a stand-in can have the photo back for {days(gallery.trash)}"
    if gallery.exclude:
        yield f"never looked at: {', '.join(map(shown, gallery.exclude))}"
    if gallery.keep:
        yield f"left as they are: {', '.join(map(shown, gallery.keep))}"


def _meaning_for_all(found: "Settings") -> "Iterator[str]":
    from daemon.report import amount
    from daemon.window import ALWAYS

    saving, lossless = found.limits.min_saving, found.limits.min_saving_lossless
    unlost = "whatever that saves" if math.isinf(lossless) else f"where that saves at least {lossless:.0%} of it"
    if math.isinf(saving):
        yield f"a photo is archived whatever it saves, also where archive and stand-in are larger than it; without any loss, {unlost}"
    else:
        yield f"a photo is archived where that saves at least {saving:.0%} of it; without any loss, {unlost}"
    window, budget = found.schedule.window, found.schedule.nightly_budget
    hours = "at any hour" if str(window) == ALWAYS else f"from {str(window).replace('-', ' to ')}"
    yield f"the service works {hours}" + ("" if budget is None else f", and writes at most {amount(budget)} a night")


@config.command()
@json_option
@click.pass_obj
def show(places: Places, as_json: bool) -> None:
    """Show every key with the value in force, defaults included."""
    from daemon import settings

    found = settings.read(places.config_file)
    if as_json:
        emit("config show", file=str(places.config_file), **_as_json(found), keys=_for_programs(places))
        return
    say(f"# {places.config_file}")
    for table, found_keys in _in_force(places):
        say(f"\n[[{table}]]" if table == "gallery" else f"\n[{table}]")
        for name, value, origin in found_keys:
            say((f"{name} = {value}".ljust(44) + (f"  # {origin}" if origin else "")).rstrip())


def _in_force(places: Places) -> "list[tuple[str, list[tuple[str, str, str]]]]":
    """Each table with its keys: name, value as TOML, and where that comes from (empty: the file)."""
    import json
    import tomllib

    from daemon import keys, settings
    from daemon.config_reader import as_toml

    document = tomllib.loads(settings.text_of(places.config_file))
    outside = {
        (table, name): (json.dumps(as_toml(text), ensure_ascii=False), f"by {where}")
        for table, name, text, where in settings.said_outside()
    }

    def of(table: str, given: "dict[str, object]") -> "list[tuple[str, str, str]]":
        found = []
        for key in keys.of_table(table).values():
            there = key.name in given
            value = (json.dumps(given[key.name], ensure_ascii=False), "") if there else (key.default, "default")
            found.append((key.name, *outside.get((table, key.name), value)))
        return found

    tables = [("gallery", of("gallery", given)) for given in document["gallery"]]
    return [*tables, *((table, of(table, document.get(table, {}))) for table in keys.TABLES[1:])]


def _for_programs(places: Places) -> "dict[str, object]":
    """Every key, as it would stand in the file."""
    from daemon.config_reader import as_toml

    galleries: list[dict[str, object]] = []
    found: dict[str, object] = {"gallery": galleries}
    for table, rows in _in_force(places):
        values = {name: as_toml(value) for name, value, _ in rows}
        if table == "gallery":
            galleries.append(values)
        else:
            found[table] = values
    return found


def _as_json(found: "Settings") -> dict[str, object]:
    return {
        "galleries": [
            {
                "path": str(gallery.path),
                "quality": gallery.quality,
                "stand_in": gallery.stand_in,
                "idle_for_seconds": gallery.idle_for.total_seconds(),
                "exclude": list(gallery.exclude),
                "grace_seconds": gallery.grace.total_seconds(),
            }
            for gallery in found.galleries
        ],
        "limits": {
            "min_saving": None if math.isinf(found.limits.min_saving) else found.limits.min_saving,
            "workers": found.limits.workers,
            "memory_bytes": found.limits.memory_bytes,
        },
        "safety": {"reserve_bytes": found.safety.reserve_bytes, "verify": found.safety.verify, "parity": found.safety.parity},
    }


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _window(text: str | None) -> str | None:
    from daemon.window import Window

    try:
        return None if text is None else str(Window.parse(text))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--window'") from error
