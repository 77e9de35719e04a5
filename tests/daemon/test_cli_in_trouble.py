"""The command line where things go wrong around it: a gallery or a state folder that is not there, another instance, streams and disks."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon.cli.output import watch
from daemon.exits import ExitCode
from daemon.places import Places
from daemon.run import optimize
from storage.errors import NoSpace
from storage.lock import InstanceLock

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", ["optimize", "verify"])
def test_a_missing_gallery_is_an_error_and_named(run: Run, home: Home, photo: Photo, command: str) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    home.root.rename(home.root.with_name("away"))
    result = run(command)
    assert result.exit_code == ExitCode.FAILED
    assert str(home.root) in result.stderr
    assert "mounted" in result.stderr


@pytest.mark.parametrize("what", ["a file", "below a file", "read-only"])
def test_a_state_folder_that_can_not_be_used_is_told(run: Run, home: Home, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    state = home.places.state_folder
    if what == "read-only":
        state.mkdir()
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != state and access(path, mode))
    else:
        state.write_text("no folder")
        if what == "below a file":
            monkeypatch.setattr(home.places.__class__, "find", lambda *_: Places(home.places.config_file, state / "x"))
    for command in (["optimize"], ["restore", home.root / "a.jpg"]):
        result = run(*command)
        assert result.exit_code == (ExitCode.USAGE if what == "a file" else ExitCode.FAILED)
        assert f"the state folder {state}" in result.stderr
        assert "--state" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_second_instance_is_told_but_may_look(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    with InstanceLock(home.places.lock_file):
        result = run("optimize")
        assert result.exit_code == ExitCode.LOCKED
        assert "another instance" in result.stderr
        assert run("status").exit_code == 0
        assert run("explain", home.root / "a.jpg").exit_code == 0


def test_a_failed_photo_makes_the_command_fail(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo(0, "raise"))
    (home.root / "b.jpg").write_bytes(photo(1))
    result = run("optimize", "--json")
    assert result.exit_code == ExitCode.FAILED
    assert json.loads(result.stdout)["archived"] == 1
    assert "Failed: a.jpg" in result.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_place_for_files(home: Home, closed: str) -> None:
    command = f'exec "{sys.executable}" -m daemon.cli.main --config "{home.places.config_file}" config check {closed}'
    assert subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, check=False).returncode == 0
    code = "import os; from daemon.cli.main import _open_streams; _open_streams(); assert os.open(os.devnull, os.O_RDONLY) > 2"
    command = f'exec "{sys.executable}" -c "{code}" {closed}'
    assert subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, check=False).returncode == 0


class _FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["status"], ["optimize", "--help"], ["config", "show"]])
def test_output_on_a_full_disk_is_told_in_a_sentence(home: Home, words: list[str]) -> None:
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "daemon.cli.main", *options, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == ExitCode.FAILED
    assert done.stderr == "gallery-optimizer: the output can't be written: No space left on device.\n"


@pytest.mark.parametrize("words", [["restore", "a.jpg"], ["export", "--originals"]])
def test_a_full_disk_has_its_exit_code(
    run: Run, home: Home, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")

    def full(*_: object) -> None:
        raise NoSpace("x could not be written: the disk is full")

    monkeypatch.setattr("daemon.restorer.from_aside", full)
    monkeypatch.setattr("daemon.ejection.from_aside", full)
    monkeypatch.chdir(home.root)
    done = run(*words, "--to", tmp_path / "out")
    assert done.exit_code == ExitCode.NO_SPACE
    assert re.search(r"1 photo could not be (restored|exported); the disk is full. Make room there, and call it again.", done.stderr)


def test_a_log_on_a_full_disk_does_not_stop_the_work(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        (home.root / f"{number}.jpg").write_bytes(photo(number))
    monkeypatch.setattr(sys, "stderr", _FullDisk())
    with home.shop() as shop:
        assert optimize(shop, [], watch()).archived == 2
