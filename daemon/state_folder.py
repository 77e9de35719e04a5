"""The state folder: made where it is missing, and refused where it is another program's, whose files of our names would be lost."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from daemon.errors import CommandFailed
from daemon.places import Places
from storage.connection import is_catalogue
from storage.errors import shown
from storage.lock import is_lock

_MOST_BYTES = 16 << 20
"""Of any of our files but the catalogue."""


def make_state_folder(places: Places) -> None:
    """Raises CommandFailed where it can't be made or used, or has somebody else's files of our names."""
    folder = places.state_folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise CommandFailed(f"the state folder {shown(folder)} can't be made: {why}; choose another with --state.") from error
    check_state_folder(places)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandFailed(f"the state folder {shown(folder)} can't be written to; choose another with --state.")


def check_state_folder(places: Places) -> None:
    """Raise CommandFailed where a file of one of our names is somebody else's. With a catalogue of ours in it the folder is ours; without
    one, which may be lost, each file has to be such as we write it."""
    if os.path.lexists(places.catalog_file):
        strange = None if is_catalogue(places.catalog_file) else places.catalog_file
    else:
        strange = next((place for place, ours in _ours(places).items() if os.path.lexists(place) and not _passes(place, ours)), None)
    if strange is not None:
        raise CommandFailed(
            f"{shown(strange)} is another program's file, so {shown(places.state_folder)} can't be the state folder; nothing was changed. "
            "Choose another, best an empty one, with --state."
        )


def _ours(places: Places) -> Mapping[Path, Callable[[bytes], bool]]:
    locked = os.path.lexists(places.lock_file)  # noise says nothing of itself; where it was made, a lock was taken
    return {
        places.lock_file: is_lock,
        places.service_lock_file: is_lock,
        places.reserve_file: lambda _: locked,
        places.estimates_file: _is_estimates,
        places.outlook_file: lambda data: isinstance(found := _json(data), dict) and "galleries" in found,
        places.pause_file: _is_pause,
    }


def _passes(place: Path, ours: Callable[[bytes], bool]) -> bool:
    try:
        found = place.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            return False
        return ours(place.read_bytes())
    except OSError:
        return True  # it says why itself, whoever needs it


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _is_estimates(data: bytes) -> bool:
    found = _json(data)
    return isinstance(found, list) and all(isinstance(each, dict) and "made_at" in each for each in found)


def _is_pause(data: bytes) -> bool:
    text = data.decode("ascii", "replace").strip()
    try:
        return text == "until resumed" or datetime.fromisoformat(text) is not None
    except ValueError:
        return False
