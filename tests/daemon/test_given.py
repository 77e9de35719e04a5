"""Paths as tired people give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

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
