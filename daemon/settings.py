"""The configuration file, read once into frozen values. An unknown key is an error with its line.

`read(path)` -> Settings, or Misconfigured, or NoGallery where there is no file.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from daemon.errors import Misconfigured, NoGallery
from daemon.keys import KEYS, LATER, TABLES, of_table
from daemon.window import Window


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
    """`reserve_bytes` of each vault's reserve; 0: none is kept."""

    reserve_bytes: int


@dataclass(frozen=True, slots=True)
class Reporting:
    """Who is told of a run, beside the log."""

    notify: bool
    textfile: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    galleries: tuple[GallerySettings, ...]
    limits: Limits
    schedule: Schedule
    safety: Safety
    report: Reporting


def read(path: Path) -> Settings:
    """Read and check the whole file.

    Raises NoGallery where there is no file or no gallery in it, Misconfigured with file, line and reason for everything else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NoGallery(
            f"no gallery is configured: there is no {path}.\n"
            'Write one with "gallery-optimizer config init FOLDER", FOLDER being where your photos are.'
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} can't be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, source: str) -> Settings:
    """The text of a configuration -> Settings; `source` names it in messages."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{source}: not valid TOML: {error}") from error
    reader = _Reader(text, source)
    for name in document:
        if name not in TABLES:
            reader.complain(name, 0, name, reader.strangeness(name, None))
    galleries = document.get("gallery", [])
    if not isinstance(galleries, list) or not all(isinstance(item, dict) for item in galleries):
        reader.complain("gallery", 0, "gallery", "write [[gallery]], with two brackets")
    if not galleries:
        raise NoGallery(f"{source}: no [[gallery]] in it; each folder with photos needs one.")
    single: dict[str, dict[str, object]] = {}
    for name in TABLES[1:]:
        given = document.get(name, {})
        if not isinstance(given, dict):
            reader.complain(name, 0, name, f"write [{name}] as a table")
        single[name] = given
    found = tuple(_gallery(reader.table("gallery", index, item)) for index, item in enumerate(galleries))
    _refuse_overlap(reader, found)
    values = reader.table("limits", 0, single["limits"])
    limits_found = Limits(
        cast(float, values["min_saving"]),
        cast(float, values["min_saving_lossless"]),
        cast(int, values["workers"]),
        cast(int, values["memory"]),
    )
    schedule = Schedule(**reader.table("schedule", 0, single["schedule"]))  # type: ignore[arg-type]  # as in _gallery
    safety = reader.table("safety", 0, single["safety"])
    report = Reporting(**reader.table("report", 0, single["report"]))  # type: ignore[arg-type]  # as in _gallery
    return Settings(found, limits_found, schedule, Safety(cast(int, safety["reserve"])), report)


def changes(before: Settings, after: Settings) -> list[str]:
    """What differs, a line for each key: "schedule.window: 01:00-06:00 -> always"."""
    told: list[str] = []
    old, new = ({each.path: each for each in settings.galleries} for settings in (before, after))
    told += [f"no longer a gallery: {path}" for path in old if path not in new]
    told += [f"a new gallery: {path}" for path in new if path not in old]
    pairs: list[tuple[str, object, object]] = [(f"gallery {path}", old[path], new[path]) for path in new if path in old]
    pairs += [(table, getattr(before, table), getattr(after, table)) for table in TABLES[1:]]
    for name, one, other in pairs:
        for key in (each.name for each in fields(one)):  # type: ignore[arg-type]  # all of them are dataclasses
            if getattr(one, key) != getattr(other, key):
                told.append(f"{name}.{key}: {getattr(one, key)} -> {getattr(other, key)}")
    return told


def template(folder: Path | None = None) -> str:
    """What `config init` writes: every key with its meaning; those that have a default are commented out."""
    lines = ["# gallery-optimizer: what it may touch, and how. Each commented line shows a key's default."]
    for table in TABLES:
        lines += ["", "[[gallery]]" if table == "gallery" else f"[{table}]"]
        for key in of_table(table).values():
            value = key.example or key.default
            if key.name == "path" and folder is not None:
                value = _quote(str(folder))
            mark = "" if key.name == "path" else "# "
            lines.append(f"{mark}{key.name} = {value}".ljust(44) + f"  # {key.meaning}")
    return "\n".join(lines) + "\n"


def _gallery(values: dict[str, object]) -> GallerySettings:
    return GallerySettings(**values)  # type: ignore[arg-type]  # the table of keys has exactly these names and types


def _refuse_overlap(reader: "_Reader", galleries: tuple[GallerySettings, ...]) -> None:
    real = [gallery.path.resolve() for gallery in galleries]
    for index, path in enumerate(real):
        for other in real[:index]:
            if path == other or path.is_relative_to(other) or other.is_relative_to(path):
                reader.complain("gallery", index, "path", f"{path} and {other} overlap; a photo can belong to one gallery only")


class _Reader:
    """Checks tables against the keys and knows where in the text each of them stands."""

    def __init__(self, text: str, source: str) -> None:
        self._lines = text.splitlines()
        self._source = source

    def table(self, table: str, index: int, given: dict[str, Any]) -> dict[str, object]:
        keys = of_table(table)
        for name in given:
            if name not in keys:
                self.complain(table, index, name, self.strangeness(table, name))
        values: dict[str, object] = {}
        for key in keys.values():
            if key.name not in given and not key.default:
                self.complain(table, index, key.name, f"{key.name} is missing")
            raw = given[key.name] if key.name in given else tomllib.loads(f"it = {key.default}")["it"]
            try:
                values[key.name] = key.parse(raw)
            except ValueError as error:
                self.complain(table, index, key.name, f"{key.name} = {raw!r}: {error}")
        return values

    def strangeness(self, table: str, name: str | None) -> str:
        """Why a key or a whole table is refused."""
        if (name is None and table in LATER) or (name is not None and name in LATER.get(table, ())):
            return f"{name or f'[{table}]'} is not supported in this version; take it out"
        known = [key.name for key in KEYS if key.table == table]
        import difflib

        near = difflib.get_close_matches(name or table, known or TABLES, n=1)
        return f"unknown {'key' if name else 'table or key'} {name or table}" + (f"; did you mean {near[0]}?" if near else "")

    def complain(self, table: str, index: int, key: str, message: str) -> None:
        raise Misconfigured(f"{self._source}, line {self._line(table, index, key)}: {message}")

    def _line(self, table: str, index: int, key: str) -> int:
        """Line (from 1) of a key in the index-th table of that name; of the table's header where the key is not found; else 1."""
        inside, seen, header_line = False, -1, 1
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"\s*\[\[?\s*\"?([\w-]+)", line)
            if header:
                seen += header[1] == table
                inside = header[1] == table and seen == index
                if inside:
                    header_line = number
            elif re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*(=|\.)", line) and (inside or key == table):
                return number
        return header_line


def _quote(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)  # a TOML basic string has JSON's escapes
