"""A gallery, or a vault, that came back out of a backup older than the catalogue."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from tests.daemon.homes import lose_and_rebuild, put, tell

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def test_a_gallery_that_came_back_as_it_was_before_it_had_a_vault(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    """The disk died, and the backup is older than the first archive: no command went on from there."""
    originals = {name: put(home, name, photo(seed)).read_bytes() for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg"))}
    home.configure('grace = "0 days"')
    home.optimize()
    shutil.rmtree(home.root / ".gallery-optimizer")
    for name in ("a.jpg", "b.jpg"):
        put(home, name, originals[name])
    (home.root / "c.jpg").unlink()
    assert run("optimize", "--as-it-is").exit_code == 1
    refused = run("doctor", "--rebuild")
    assert refused.exit_code == 1
    assert '"doctor --rebuild --as-it-is"' in refused.output.replace("\n", " ")
    assert "doctor --rebuild --as-it-is" in run("doctor").output.replace("\n", " ")
    assert run("doctor", "--as-it-is").exit_code == 2
    done = run("doctor", "--rebuild", "--as-it-is")
    assert done.exit_code == 0, done.output
    assert home.places.catalog_file.with_name("catalog.sqlite3.old-1").exists()
    assert run("doctor").exit_code == 0
    assert home.optimize().archived == 2
    home.root.rename(home.root.with_name("away"))
    gone = run("doctor", "--rebuild", "--as-it-is")
    assert gone.exit_code == 1
    assert "gone for good" not in gone.output


def test_originals_that_an_older_vault_brought_back(home: Home, photo: Photo, run: Callable[..., Result], tmp_path: Path) -> None:
    """A snapshot from the grace came back, and the catalogue is of later: no run would ever purge them, and nothing told of them."""
    put(home, "a.jpg", photo(0))
    home.optimize()
    shutil.copytree(home.root, tmp_path / "snapshot", symlinks=True)
    home.purge()
    assert run("doctor").exit_code == 0
    shutil.rmtree(home.root)
    shutil.copytree(tmp_path / "snapshot", home.root, symlinks=True)
    said = run("doctor")
    assert said.exit_code == 1
    assert f"1 original ({len(photo(0)) / 1000:.2f} KB) set aside that the catalogue knows to be purged" in said.output


def test_they_get_a_whole_new_grace(home: Home, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch)
    put(home, "a.jpg", photo(0))
    home.optimize()
    shutil.copytree(home.root, tmp_path / "snapshot", symlinks=True)
    home.purge()
    shutil.rmtree(home.root)
    shutil.copytree(tmp_path / "snapshot", home.root, symlinks=True)
    assert lose_and_rebuild(home).in_grace == 1
    home.purge()
    assert home.asides() == []
