"""Every key of the configuration: what it means, its unit, its default and how its text is read.

One table feeds the parser, `config init`, `config show` and the tests of docs/reference.md. Durations, sizes and shares are written for
people ("30 days", "2 GB", "20%"). Each reader of a value raises ValueError with what is wrong, to be put behind the key's name.
"""

import math
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from codec.levels import EXACT, LEVELS
from daemon.ignoring import compiled
from daemon.window import Window
from storage.layout import VAULT_NAME
from storage.parity import LARGEST_SHARE

STAND_INS = ("preview", "none")
LARGEST_SIZE = 10**18
"""Bytes; what the kernel takes for a limit, and SQLite for a number, is not much more."""
LONGEST = timedelta(days=365_000)
"""Added to today or taken away, it leaves a date that Python knows."""
TWO_WAY = "stand-ins travel"
"""What a user writes to say that he knows what syncing both ways means."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one table. `default` is TOML as a person would write it; "" where the key must be given."""

    table: str
    name: str
    default: str
    unit: str
    meaning: str
    parse: Callable[[Any], object]
    example: str = ""
    """TOML shown by `config init`, where there is no default."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    if not value.strip():
        raise ValueError("is empty")
    return value.strip()


def _at_home(text: str) -> Path:
    """A path in which `~` and `~user` are replaced by home folders. Raises ValueError where there is none."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"names no user's home folder: {text.partition('/')[0]}") from None


def _with_unit(value: object, example: str) -> str:
    text = _text(value)
    if not re.fullmatch(r"\d+(\.\d+)?\s*[A-Za-z]+", text):
        raise ValueError(f'must be a number with a unit, such as "{example}"')
    return text


def folder(value: object) -> Path:
    """A folder that may not exist yet; `~` is the home folder."""
    path = _at_home(_text(value))
    if not path.is_absolute():
        raise ValueError("must be a whole path, starting with / or ~")
    if os.path.realpath(path) == "/":
        raise ValueError("is the whole computer; name the folder that holds the photos")
    if VAULT_NAME in (*path.parts, *Path(os.path.realpath(path)).parts):
        raise ValueError("lies in a vault, with archives and set-aside originals; name the folder around it")
    return Path(*path.parts)


def duration(value: object) -> timedelta:
    """'12 hours' -> a span, at most LONGEST."""
    text = _with_unit(value, "30 days")
    import humanfriendly

    try:
        found = humanfriendly.parse_timespan(text)
    except humanfriendly.InvalidTimespan as error:
        raise ValueError('must be a duration, such as "30 days" or "12 hours"') from error
    except OverflowError:
        found = math.inf
    if found > LONGEST.total_seconds():
        raise ValueError("must be at most 1000 years")
    return timedelta(seconds=found)


def size(value: object) -> int:
    """'2 GB' -> bytes, at most LARGEST_SIZE."""
    text = _with_unit(value, "2 GB")
    import humanfriendly

    try:
        found = humanfriendly.parse_size(text)
    except humanfriendly.InvalidSize as error:
        raise ValueError('must be a size, such as "2 GB"') from error
    if found > LARGEST_SIZE:
        raise ValueError('must be at most "1000 PB"')
    return int(found)


def memory(value: object) -> int:
    """Bytes for each worker process."""
    found = size(value)
    if found < 500_000_000:
        raise ValueError('must be at least "500 MB": the codec alone needs most of that')
    return found


def reserve(value: object) -> int:
    """'16 MB' -> 16000000; 'off' -> 0."""
    if _text(value) == "off":
        return 0
    found = size(value)
    if not 100_000 <= found <= 1_000_000_000:
        raise ValueError('must be from "100 KB" to "1 GB", or "off"')
    return found


def parity(value: object) -> float:
    """'5%' -> 0.05; 'off' -> 0."""
    if _text(value) == "off":
        return 0.0
    found = share(value)
    if not 0.01 <= found <= LARGEST_SHARE:
        raise ValueError(f'must be from "1%" to "{LARGEST_SHARE:.0%}", or "off"')
    import importlib.util

    if importlib.util.find_spec("zfec") is None:
        from daemon.extras import how_to_install

        raise ValueError(f"needs the package zfec, which is missing; {how_to_install('parity')}")
    return found


def scrubbing(value: object) -> float:
    """'5%' -> 0.05; 'off' -> 0."""
    found = share(value)
    return 0.0 if math.isinf(found) else found


def share(value: object) -> float:
    """'20%' -> 0.2; 'off' -> minus infinity, which every archive saves."""
    text = _text(value)
    if text == "off":
        return -math.inf
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
    if match is None or not 0 <= float(match[1]) < 100:
        raise ValueError('must be a share, such as "20%", or "off"')
    return float(match[1]) / 100


def yes_or_no(value: object) -> bool:
    """A TOML boolean."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def part(value: object) -> float:
    """A number from 0 to 1, or a share: 0.7 or '70%'."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return _share(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError('must be a number from 0 to 1, such as 0.7, or a share, such as "70%"')
    return float(value)


def _share(text: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if match is None or float(match[1]) > 100:
        raise ValueError('must be a share, such as "70%"')
    return float(match[1]) / 100


def window(value: object) -> Window:
    """'01:00-06:00', or 'always'."""
    return Window.parse(_text(value))


def size_or_off(value: object) -> int | None:
    """Bytes; None for "off"."""
    return None if value == "off" else size(value)


def files_or_off(value: object) -> int | None:
    """A count; None for "off"."""
    if value == "off":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError('must be a whole number, at least 1, or "off"')
    return value


def room(value: object) -> int | float | None:
    """Free space of a disk: bytes (int), a share of the disk (float), or None for "off"."""
    text = _text(value)
    if text == "off":
        return None
    return _share(text) if text.endswith("%") else size(text)


def choice(*names: str) -> Callable[[object], str]:
    """A reader of texts of which only these are allowed."""

    def parse(value: object) -> str:
        text = _text(value)
        if text not in names:
            raise ValueError("must be one of " + ", ".join(f'"{name}"' for name in names))
        return text

    return parse


def globs(value: object) -> tuple[str, ...]:
    """A list of gitignore patterns, all of which can be compiled."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError('must be a list of patterns, such as ["**/Screenshots/**"]')
    if value:  # or else `status` would import what compiles them
        compiled(value)
    return tuple(value)


def file_or_none(value: object) -> Path | None:
    """A file's whole path; None for an empty text."""
    if value == "":
        return None
    path = _at_home(_text(value))
    if not path.is_absolute() or path.name == "":
        raise ValueError("must be a file's whole path, starting with / or ~")
    return path


def two_way(value: object) -> bool:
    """Whether the user has said in so many words that stand-ins may travel."""
    if value not in ("", TWO_WAY):
        raise ValueError(f'must be "{TWO_WAY}", or left out')
    return value == TWO_WAY


def command(value: object) -> tuple[str, ...]:
    """Words of a command line, quoted as for a shell, which is not used; () for an empty text."""
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(f"can't be split into words ({str(error).lower()})") from error
    if words and not words[0].startswith(("/", "~/")):
        raise ValueError("must begin with a program's whole path, starting with / or ~/")
    return (str(_at_home(words[0])), *words[1:]) if words else ()


def request_folder(value: object) -> str:
    """A name without a slash; "" for "off"."""
    name = _text(value)
    if "/" in name or name.startswith("."):
        raise ValueError("must be the name of a folder in the gallery, not hidden, without a slash")
    return "" if name == "off" else name


def a_few(value: object) -> int:
    """A whole number from 0 to 20."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 20:
        raise ValueError("must be a whole number from 0 to 20")
    return value


def one(value: object) -> int:
    """1: what this version can do."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number, at least 1")
    if value > 1:
        raise ValueError("more than 1 worker is not supported in this version")
    return value


KEYS: tuple[Key, ...] = (
    Key("gallery", "path", "", "path", "the folder tree that holds the photos", folder, example='"~/Sync/DCIM"'),
    Key("gallery", "quality", '"high"', "level", "exact | visually-lossless | high | compact", choice(EXACT.name, *LEVELS)),
    Key("gallery", "stand_in", '"preview"', "-", "preview (long side 1280, at most 8 % of the original) | none", choice(*STAND_INS)),
    Key("gallery", "idle_for", '"30 days"', "duration", "how long nobody touched or restored a photo that is taken by night", duration),
    Key("gallery", "quiet", '"2 minutes"', "duration", "how long a file that is taken by night has not changed at all", duration),
    Key("gallery", "exclude", "[]", "patterns", 'never looked at, such as ["**/Screenshots/**"]', globs),
    Key("gallery", "keep", "[]", "patterns", 'left alone as they are, such as ["Best of/**", "*_edited.jpg"]', globs),
    Key("gallery", "grace", '"7 days"', "duration", "originals stay this long in the vault before their space is given back", duration),
    Key("gallery", "trash", '"30 days"', "duration", "how long the archive of a photo whose stand-in you deleted is kept", duration),
    Key("gallery", "requests", '"Restore"', "name", 'the folder in which a stand-in asks for its photo; "off": none', request_folder),
    Key("gallery", "prefetch", "1", "photos", "how many photos behind the one that is read in a mount are decoded ahead", a_few),
    Key("gallery", "restore_ahead", "0", "photos", "how many photos behind one that you restore in place come back with it", a_few),
    Key("gallery", "two_way_sync", '""', "-", '"stand-ins travel": yes, a sync tool carries this gallery to other devices', two_way),
    Key("gallery", "one_copy", "false", "yes or no", "yes, where stand-ins travel the archives may become the only full copies", yes_or_no),
    Key("gallery", "backup_check", '""', "command", "asked before an original goes: 0 says that its archive is in a backup", command),
    Key("schedule", "window", '"01:00-06:00"', "hours", 'when the service and `optimize --scheduled` work; or "always"', window),
    Key("schedule", "only_on_ac_power", "true", "yes or no", "wait while the computer runs on its battery", yes_or_no),
    Key("schedule", "min_battery", '"30%"', "share", "where it may run on its battery: wait while that holds less", part),
    Key("schedule", "max_load", "0.7", "share", "wait while others use more of the processor's cores; 1: never wait", part),
    Key("schedule", "only_when_idle_session", "false", "yes or no", "wait while somebody is at the screen, where logind tells", yes_or_no),
    Key("schedule", "nightly_budget", '"2 GB"', "size", 'written in one night, so that sync and backup stay small; or "off"', size_or_off),
    Key("schedule", "nightly_files", '"off"', "photos", 'archived in one night; or "off"', files_or_off),
    Key("schedule", "start_when_free_below", '"off"', "size", 'work by day too while a disk has less free, such as "5%" or "9 GB"', room),
    Key("schedule", "grace_minimum", '"1 day"', "duration", "for want of room originals are purged early, but not before this", duration),
    Key("limits", "min_saving", '"20%"', "share", 'photos that save less, stand-in counted, are left alone; "off": no such rule', share),
    Key("limits", "min_saving_lossless", '"5%"', "share", "the same for what comes back bit for bit or pixel for pixel", share),
    Key("limits", "workers", "1", "processes", "how many photos are worked on at once; this version knows 1", one),
    Key("limits", "memory", '"2 GB"', "size", "what each of the two worker processes may use", memory),
    Key("report", "notify", "false", "yes or no", "tell the desktop after a night in which something was done", yes_or_no),
    Key("report", "textfile", '""', "path", "figures for Prometheus are written there after each run, such as a .prom file", file_or_none),
    Key("safety", "reserve", '"16 MB"', "size", 'kept in each vault, and given up when the disk is full; "off": none', reserve),
    Key("safety", "verify", '"5%"', "share", 'of all archives is read again in a night with nothing else to do, or "off"', scrubbing),
    Key("safety", "parity", '"off"', "share", 'of each archive, kept beside it to mend damaged sectors, such as "5%"', parity),
)
TABLES: tuple[str, ...] = tuple(dict.fromkeys(key.table for key in KEYS))
"""In the order in which they are written; the first may stand several times."""


def of_table(table: str) -> dict[str, Key]:
    return {key.name: key for key in KEYS if key.table == table}
