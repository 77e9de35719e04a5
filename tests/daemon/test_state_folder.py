"""A state folder in which another program has files of our names: refused, and every byte stays."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result

from storage.catalog import Catalog
from storage.errors import Refused
from storage.lock import InstanceLock

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]
COMMANDS = (
    ("optimize",),
    ("optimize", "--dry-run"),
    ("status",),
    ("history",),
    ("restore", "a.jpg"),
    ("verify",),
    ("doctor",),
    ("doctor", "--rebuild"),
    ("eject",),
    ("pause",),
    ("resume",),
    ("explain", "a.jpg"),
)


def library(path: Path, version: int = 0) -> None:
    """Another program's photos."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE photos (id INTEGER PRIMARY KEY, path TEXT, rating INTEGER)")
        database.execute("INSERT INTO photos VALUES (1, 'a.jpg', 5)")
        database.execute(f"PRAGMA user_version = {version}")
    database.close()


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("version", [0, 16, 900])
@pytest.mark.parametrize("command", COMMANDS)
def test_another_programs_database(home: Home, run: Run, photo: Photo, command: tuple[str, ...], version: int) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.places.state_folder.mkdir()
    library(home.places.catalog_file, version)
    for name in ("lock", "reserve", "paused"):
        (home.places.state_folder / name).write_text("somebody's own text, which is no lock")
    before = held(home.places.state_folder)
    done = run(*(home.root / word if word == "a.jpg" else word for word in command))
    assert held(home.places.state_folder) == before
    assert done.exit_code != 0
    assert "another program" in done.output
    assert home.files() == {"a.jpg": home.files()["a.jpg"]}


@pytest.mark.parametrize("name", ["lock", "service.lock", "reserve", "estimates.json", "outlook.json", "paused"])
def test_another_programs_file_of_one_of_our_names(home: Home, run: Run, photo: Photo, name: str) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.places.state_folder.mkdir()
    (home.places.state_folder / name).write_text('{"somebody": "has this"}')
    before = held(home.places.state_folder)
    for command in (("optimize",), ("optimize", "--dry-run"), ("pause",), ("doctor", "--rebuild")):
        done = run(*command)
        assert (done.exit_code, held(home.places.state_folder)) == (1, before)
        assert "another program's file" in done.output


@pytest.mark.parametrize("lost", ["catalog.sqlite3", "lock", "service.lock", "reserve", "estimates.json", "outlook.json", "paused"])
def test_our_own_folder_is_ours_whatever_is_lost(home: Home, run: Run, photo: Photo, lost: str) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.configure(safety='reserve = "1 MB"')
    assert run("optimize", "--dry-run").exit_code == 0
    assert run("pause").exit_code == 0
    with InstanceLock(home.places.state_folder / "lock"):
        pass
    assert run("optimize").exit_code == 0
    with InstanceLock(home.places.service_lock_file):
        (home.places.state_folder / lost).unlink()
        assert run("optimize").exit_code in (0, 3)
    (home.places.state_folder / "lock").write_bytes(bytes(7))  # what a power cut may leave
    assert run("optimize").exit_code in (0, 3)


def test_a_damaged_catalogue_is_still_ours(home: Home, run: Run, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    os.truncate(home.places.catalog_file, 5000)
    assert "doctor --rebuild" in run("optimize").output
    home.places.catalog_file.write_bytes(b"\0" * 5000)
    assert "doctor --rebuild" in run("optimize").output


def test_neither_lock_nor_catalogue_is_taken_where_nobody_asked_before(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("my diary")
    with pytest.raises(Refused), InstanceLock(tmp_path / "lock"):
        pass
    assert (tmp_path / "lock").read_text() == "my diary"
    library(tmp_path / "catalog.sqlite3")
    before = held(tmp_path)
    ways: tuple[dict[str, Any], ...] = ({}, {"read_only": True}, {"rehearsal": True})
    for options in ways:
        with pytest.raises(Refused):
            Catalog(tmp_path / "catalog.sqlite3", **options)
    assert held(tmp_path) == before
