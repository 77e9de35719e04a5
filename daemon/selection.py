"""Which archived photos a person means by an album's name, a pattern, or a date. Pure, but for looking whether a path is there."""

import fnmatch
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from daemon.errors import NothingToDo
from daemon.strays import is_gone
from storage.errors import shown
from storage.records import PhotoRow
from storage.states import State

_MAGIC = "*?["


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person wants back: everything that `paths` and `albums` name, or all there is; of that, what is not before `since`."""

    paths: list[Path]
    albums: Sequence[str] = ()
    since: datetime | None = None
    here: Path | None = None
    """Where relative patterns begin; None: where this process is."""


def is_pattern(path: Path) -> bool:
    """Whether a path that the shell has not resolved is to be matched with what is archived."""
    return any(each in str(path) for each in _MAGIC) and not os.path.lexists(path)


def matching(rows: Iterable[PhotoRow], pattern: Path, here: Path | None = None) -> list[PhotoRow]:
    """Archived photos whose path fits; `*` goes over folders, too. A relative pattern begins where the command was called (`here`), or
    anywhere in a gallery. Raises NothingToDo where none fits."""
    whole, inside = str((here or Path.cwd()) / pattern), str(pattern).lstrip("./")
    found = [
        row
        for row in _archived(rows)
        if fnmatch.fnmatchcase(str(row.location), whole) or fnmatch.fnmatchcase(os.fsdecode(row.path), inside)
    ]
    if not found:
        raise NothingToDo(f"{shown(pattern)}: no archived photo has such a name.")
    return found


def in_album(rows: Iterable[PhotoRow], album: str) -> list[PhotoRow]:
    """Archived photos in a folder of that name, or below it; of a path of several names, its end counts. Raises NothingToDo for none."""
    wanted = [each.casefold() for each in Path(album).parts if each not in (".", "/")]
    found = [row for row in _archived(rows) if _ends_somewhere([each.casefold() for each in _folders(row)], wanted)]
    if not found:
        raise NothingToDo(f"{album}: no album of that name has archived photos.")
    return found


def since(rows: Iterable[PhotoRow], moment: datetime) -> list[PhotoRow]:
    """Archived photos whose own date (not that of archiving) is not before `moment`. Raises NothingToDo for none."""
    least = int(moment.timestamp() * 1e9)
    found = [row for row in _archived(rows) if row.fingerprint.mtime_ns >= least]
    if not found:
        raise NothingToDo(f"no archived photo is of {moment:%Y-%m-%d} or later.")
    return found


def moment_of(text: str, now: datetime, zone: tzinfo) -> datetime:
    """'2024-05-01', '2024-05', '2024' (the first moment of it, in `zone`), or '30 days' (before `now`). Raises ValueError."""
    for form in ("%Y-%m-%d", "%Y-%m", "%Y"):
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=zone).astimezone()
        except ValueError:
            continue
    from daemon.keys import duration

    try:
        span: timedelta = duration(text)
    except ValueError:
        raise ValueError('must be a date, such as "2024-05-01", or a duration, such as "30 days"') from None
    return now - span


def deleted_since(row: PhotoRow) -> bool:
    """Whether a photo was restored, or left alone though it had been archived, and then deleted: its archive waits in the trash."""
    return row.state in (State.RESTORED, State.LEFT) and row.has_archive and row.superseded_at is None and is_gone(row.location)


def awaits(row: PhotoRow) -> bool:
    """Whether a photo is not in its place, and can be given back there; one that was restored and is gone only where a run has looked for
    it everywhere: it may have been moved."""
    return row.state in (State.RETIRED, State.PURGED) or (row.missed_at is not None and deleted_since(row))


def _archived(rows: Iterable[PhotoRow]) -> Iterator[PhotoRow]:
    return (row for row in rows if row.has_archive and awaits(row))


def _folders(row: PhotoRow) -> list[str]:
    """Names of the folders above a photo, the gallery's own first."""
    return [row.root.name, *Path(os.fsdecode(row.path)).parts[:-1]]


def _ends_somewhere(folders: list[str], wanted: list[str]) -> bool:
    return bool(wanted) and any(folders[at : at + len(wanted)] == wanted for at in range(len(folders)))
