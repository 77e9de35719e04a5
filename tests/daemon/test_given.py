"""Paths as tired people give them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon.unconfigured import widened

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and a current folder elsewhere."""
    (tmp_path / "user").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "user"


@pytest.mark.parametrize("said", ["--to=~/out", "--to=~/out/"])
def test_a_tilde_that_no_shell_expanded(run: Run, home: Home, photo: Photo, user: Path, said: str) -> None:
    """It made a folder named "~" in the current one, which few people dare to delete."""
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    assert run("restore", str(home.root / "a.jpg"), said).exit_code == 0
    assert (user / "out" / "a.jpg").read_bytes() == photo()
    assert list(Path.cwd().iterdir()) == []


def test_a_file_of_that_name_is_meant(run: Run, home: Home, photo: Photo, user: Path) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    Path("~").mkdir()
    assert run("restore", str(home.root / "a.jpg"), "--to", "~/out").exit_code == 0
    assert Path("~/out/a.jpg").exists()


def test_no_such_home(run: Run, user: Path) -> None:
    refused = run("restore", "a.jpg", "--to", "~nobody-of-that-name/out")
    assert refused.exit_code == 2
    assert "no such home folder" in refused.stderr
    assert list(Path.cwd().iterdir()) == []


def test_names_that_begin_with_a_tilde(run: Run, home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "~a.jpg").write_bytes(photo())
    run("optimize")
    monkeypatch.chdir(home.root)
    assert run("restore", "~a.jpg").exit_code == 0
    assert Path("~a.jpg").read_bytes() == photo()


def test_a_disk_that_no_configuration_names(run: Run, home: Home, photo: Photo, tmp_path: Path) -> None:
    """What the README of every vault says to do on another computer ended with "no gallery is configured"."""
    (home.root / "2020").mkdir()
    (home.root / "2020" / "a.jpg").write_bytes(photo())
    run("optimize")
    other = tmp_path / "other"
    shutil.copytree(home.root, other, symlinks=True)
    elsewhere = home.root.with_name("elsewhere")
    home.root.rename(elsewhere)
    for goal, given in (("1", other), ("2", other / "2020"), ("3", other / "2020" / "a.jpg")):
        done = run("restore", str(given), "--to", str(tmp_path / goal))
        assert done.exit_code == 0, done.stderr
        assert next((tmp_path / goal).rglob("a.jpg")).read_bytes() == photo()
    home.places.config_file.unlink()
    shutil.rmtree(home.places.state_folder)
    for goal, given in (("4", other), ("5", other / "2020" / "a.jpg")):
        assert run("restore", str(given), "--to", str(tmp_path / goal)).exit_code == 0, "without any"
        assert next((tmp_path / goal).rglob("a.jpg")).read_bytes() == photo()
    assert not home.places.state_folder.exists()
    assert run("restore", str(tmp_path / "1"), "--to", str(tmp_path / "6")).exit_code == 10, "no vault, no archive"
    assert run("restore", str(other), "--in-place").exit_code == 10, "in place only what is configured"


def test_a_gallery_around_a_configured_one_is_no_gallery(home: Home) -> None:
    home.optimize()
    (home.root.parent / ".gallery-optimizer").mkdir()
    found = widened(home.places.config_file, [home.root / "a.jpg", home.root.parent / "b.jpg"])
    assert [each.path for each in found.galleries] == [home.root]
