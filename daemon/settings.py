"""The configuration, read once into frozen values; the environment wins over the file.

`read(path)` -> Settings, or Misconfigured, or NoGallery where there is no file.
"""

import os
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import cast

from daemon.config_reader import Override, Reader, not_toml
from daemon.errors import DaemonError, Misconfigured, NoGallery, WrongPath
from daemon.keys import KEYS, TABLES, Key
from daemon.mounts import inner_path, mounts
from daemon.places import Places, real
from daemon.window import Window
from storage.errors import shown

BOM = "\ufeff".encode()
"""What some editors write before a text."""


@dataclass(frozen=True, slots=True)
class GallerySettings:
    """One watched folder tree and what the user wants for its photos."""

    path: Path
    quality: str
    stand_in: str
    idle_for: timedelta
    quiet: timedelta
    exclude: tuple[str, ...]
    keep: tuple[str, ...]
    grace: timedelta
    trash: timedelta
    requests: str
    """Name of the folder for requests; empty: none."""
    prefetch: int
    restore_ahead: int
    two_way_sync: bool
    """The user knows that stand-ins travel."""
    one_copy: bool
    """The user knows that archives become the only full copies."""
    backup_check: tuple[str, ...]
    """Words of a command; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Savings are shares of the original, minus infinity where switched off; `memory_bytes` holds for each worker process."""

    min_saving: float
    min_saving_lossless: float
    workers: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the service may work; None where a rule is off. `min_battery` and `max_load` are shares."""

    window: Window
    only_on_ac_power: bool
    min_battery: float
    max_load: float
    only_when_idle_session: bool
    nightly_budget: int | None
    nightly_files: int | None
    start_when_free_below: int | float | None
    """Bytes, or a share of the disk."""
    grace_minimum: timedelta


@dataclass(frozen=True, slots=True)
class Safety:
    """`reserve_bytes` of each vault's reserve, 0: none is kept. `verify`: the share of all archives that a night may read again. `parity`:
    a share of each archive; 0: none."""

    reserve_bytes: int
    verify: float
    parity: float


@dataclass(frozen=True, slots=True)
class Reporting:
    """Who is told of a run, beside the log."""

    notify: bool
    textfile: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the file and the environment say; keys that neither names have their defaults."""

    galleries: tuple[GallerySettings, ...]
    limits: Limits
    schedule: Schedule
    safety: Safety
    report: Reporting


def read(path: Path) -> Settings:
    """Read and check the whole file; the environment wins over it.

    Raises NoGallery where there is no file or no gallery in it, Misconfigured with file, line and reason for everything else.
    """
    return parse(text_of(path), str(path), said_outside())


def limits_of(path: Path) -> Limits:
    """For commands that need no gallery: what the file allows, or the defaults where there is none that can be understood.

    Raises Misconfigured for what the environment says.
    """
    try:
        return read(path).limits
    except DaemonError:
        reader = Reader("", "", said_outside())
        values = reader.table("limits", 0, {})
        reader.settle()
        return _limits(values)


def _said(path: Path) -> str:
    """How a command says that it means this configuration; empty where it does so unsaid."""
    with suppress(WrongPath):
        if Places.find(None, None).config_file == path:
            return ""
    return f" --config {shlex.quote(shown(path))}"


def text_of(path: Path) -> str:
    """What stands in a configuration file. Raises NoGallery where there is none, Misconfigured where it can't be read."""
    try:
        data = path.read_bytes().removeprefix(BOM)
    except FileNotFoundError:
        raise NoGallery(
            f"no gallery is configured: there is no {path}.\n"
            f'Write one with "gallery-optimizer{_said(path)} config init FOLDER", FOLDER being where your photos are.'
        ) from None
    except OSError as error:
        raise Misconfigured(f"{path} can't be read: {error.strerror or error}.") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"{path}, line {line}: not valid TOML: a byte 0x{data[error.start]:02x} that is no UTF-8") from error


def parse(text: str, source: str, overrides: Iterable[Override] = ()) -> Settings:
    """The text of a configuration -> Settings; `source` names it in messages, `overrides` win over what stands there.

    Raises Misconfigured with every mistake, NoGallery.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise not_toml(text, source, error) from error
    reader = Reader(text, source, overrides)
    reader.tables(document)
    galleries = document.get("gallery", [])
    if not isinstance(galleries, list) or not all(isinstance(item, dict) for item in galleries):
        reader.refuse("gallery", 0, "gallery", "write [[gallery]], with two brackets")
    if not galleries and reader.content:
        raise NoGallery(f"{source}: no [[gallery]] in it; each folder with photos needs one.")
    single: dict[str, dict[str, object]] = {}
    for name in TABLES[1:]:
        given = document.get(name, {})
        if not isinstance(given, dict):
            reader.complain(name, 0, name, f"write [{name}] as a table")
            given = {}
        single[name] = reader.table(name, 0, given)
    found = tuple(_gallery(reader.table("gallery", index, item)) for index, item in enumerate(galleries))
    reader.settle()
    _refuse_overlap(reader, found)
    safety = single["safety"]
    return Settings(
        found,
        _limits(single["limits"]),
        Schedule(**single["schedule"]),  # type: ignore[arg-type]  # as in _gallery
        Safety(cast(int, safety["reserve"]), cast(float, safety["verify"]), cast(float, safety["parity"])),
        Reporting(**single["report"]),  # type: ignore[arg-type]  # as in _gallery
    )


def said_outside(environment: Mapping[str, str] = os.environ) -> list[Override]:
    """Keys that the environment sets: `GALLERY_OPTIMIZER_SCHEDULE_WINDOW` for `window` in [schedule]; for [[gallery]], in all of them."""
    return [
        (key.table, key.name, environment[name], name)
        for key in KEYS
        if (key.table, key.name) != ("gallery", "path") and (name := variable_of(key)) in environment
    ]


def variable_of(key: Key) -> str:
    """The environment variable that wins over a key of the file."""
    return f"GALLERY_OPTIMIZER_{key.table}_{key.name}".upper()


def changes(before: Settings, after: Settings) -> list[str]:
    """What differs, a line for each key: "schedule.window: 01:00-06:00 -> always"; keys and values as they stand in the file."""
    told: list[str] = []
    old, new = ({each.path: each for each in settings.galleries} for settings in (before, after))
    told += [f"no longer a gallery: {path}" for path in old if path not in new]
    told += [f"a new gallery: {path}" for path in new if path not in old]
    pairs: list[tuple[str, object, object]] = [(f"gallery {path}", old[path], new[path]) for path in new if path in old]
    pairs += [(table, getattr(before, table), getattr(after, table)) for table in TABLES[1:]]
    for name, one, other in pairs:
        for key in (each.name for each in fields(one)):  # type: ignore[arg-type]  # all of them are dataclasses
            if getattr(one, key) != getattr(other, key):
                known = key.removesuffix("_bytes")
                told.append(f"{name}.{known}: {_as_written(known, getattr(one, key))} -> {_as_written(known, getattr(other, key))}")
    return told


def _as_written(name: str, value: object) -> str:
    """A value in force as a person would write it."""
    from daemon.report import amount, days

    key = next(each for each in KEYS if each.name == name)
    if _is_off(key, value):
        return "off"
    match value:
        case bool():
            return "true" if value else "false"
        case timedelta():
            return days(value)
        case float() if key.default.startswith('"'):
            return f"{value:.0%}"
        case int() if key.unit == "size":
            return amount(value)
        case tuple():
            return " ".join(value) or '""' if key.unit == "command" else str(list(value))
    return str("" if value is None else value) or '""'


def _is_off(key: Key, value: object) -> bool:
    try:
        return key.parse("off") == value
    except ValueError:
        return False


def _limits(values: Mapping[str, object]) -> Limits:
    return Limits(
        cast(float, values["min_saving"]),
        cast(float, values["min_saving_lossless"]),
        cast(int, values["workers"]),
        cast(int, values["memory"]),
    )


def _gallery(values: dict[str, object]) -> GallerySettings:
    return GallerySettings(**values)  # type: ignore[arg-type]  # the table of keys has exactly these names and types


def _refuse_overlap(reader: Reader, galleries: tuple[GallerySettings, ...]) -> None:
    """Also by a bind mount: two names of one folder, or of one in the other."""
    roots = [real(gallery.path) for gallery in galleries]
    table = mounts() if len(roots) > 1 else []
    inner = [inner_path(table, root) for root in roots]
    for index, path in enumerate(roots):
        for before, other in enumerate(roots[:index]):
            (disk, mine), (other_disk, theirs) = inner[index], inner[before]
            one_name = path.is_relative_to(other) or other.is_relative_to(path)
            if one_name or (disk == other_disk and (mine.is_relative_to(theirs) or theirs.is_relative_to(mine))):
                reader.refuse("gallery", index, "path", f"{path} and {other} overlap; a photo can belong to one gallery only")
