"""`status`: how things stand, what needs attention, and watching it."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from rich.console import Console

from daemon import announcing
from daemon.cli import status as status_command
from daemon.pausing import pause

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def test_status_says_how_things_stand(run: Callable[..., Result], home: Home, photo: Photo) -> None:
    said = run("status").stdout
    assert "Nothing was archived yet" in said
    assert "does not run" in said
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1, "raise"))
    run("optimize")
    pause(home.places)
    (home.places.state_folder / "stop").touch()
    said = run("status").stdout
    assert "paused; it does not run" in said
    assert "2026-03-01" in said, "the last run"
    assert "stops all work" in said
    assert "1 photo in" in said
    told = json.loads(run("status", "--json").stdout)
    assert told["paused"]
    assert told["service"] is None
    assert len(told["attention"]) == 2
    assert told["last_night"]["runs"] == 0
    assert run("status", "--json", "--prometheus").exit_code == 2


def test_status_tells_of_a_gallery_that_may_not_be_touched_and_of_originals_that_wait(
    run: Callable[..., Result], home: Home, photo: Photo
) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    (home.root / ".stfolder").mkdir()
    assert "nothing is archived in" in run("status").stdout
    home.configure('two_way_sync = "stand-ins travel"')
    run("sync-guard", "--write-ignore")
    said = run("status").stdout  # by the clock on the wall, its grace is long over
    assert "whose grace is over wait: Syncthing" in said
    home.configure('two_way_sync = "stand-ins travel"\none_copy = true')
    assert "Syncthing" not in run("status").stdout


def test_status_tells_of_a_gallery_that_is_read_only(run: Callable[..., Result], home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "can't be written to" not in run("status").stdout
    monkeypatch.setattr(os, "access", lambda path, mode: not (Path(path) == home.root and mode == os.W_OK))
    assert "can't be written to, so nothing is archived there" in run("status").stdout


def test_an_empty_folder_in_place_of_a_disk_is_told(run: Callable[..., Result], home: Home, photo: Photo) -> None:
    """Every run passes such a gallery by, and an unmounted disk mostly leaves its folder behind."""
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    assert "vault" not in run("status").stdout
    home.root.rename(home.root.with_name("away"))
    home.root.mkdir()
    (told,) = [each for each in json.loads(run("status", "--json").stdout)["attention"] if "vault" in each]
    assert "is the right disk mounted?" in told
    report = run("report")
    assert f"Passed by: the vault of {home.root} is not there." in " ".join(report.stdout.split())


def test_entries_are_wrapped_under_their_beginning() -> None:
    said = status_command._entry("Attention", "one two three four five six seven", 35)
    assert said == "Attention:   one two three four\n             five six seven"
    assert status_command._entry("A", "x " * 100, None).count("\n") == 0


def test_watching_draws_it_again_until_it_is_stopped(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            (home.root / "a.jpg").write_bytes(photo())
            home.optimize()
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    pictures = status_command._pictures(home.places, 80)
    next(pictures)
    assert asking_for_another(pictures)
    with pytest.raises(KeyboardInterrupt):
        next(pictures)
    assert slept == [2.0, 2.0]


def asking_for_another(pictures: Iterator[Any]) -> bool:
    return "1 photo, " in next(pictures).renderables[0]


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_is_how_watching_ends(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_command, "console", lambda: Console(force_terminal=True, file=io.StringIO()))
    monkeypatch.setattr(time, "sleep", stop)
    done = run("status", "--watch")
    assert (done.exit_code, done.stderr) == (0, "")


def test_stopping_what_changes_nothing_promises_nothing(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "passed_by", stop)
    done = run("report")
    assert (done.exit_code, done.stderr) == (130, "gallery-optimizer: stopped.\n")


def test_watching_needs_a_terminal(run: Callable[..., Result]) -> None:
    assert run("status", "--watch").exit_code == 2


def test_a_run_that_has_not_ended_is_at_work_or_was_killed(run: Callable[..., Result], home: Home) -> None:
    with home.shop() as shop:
        shop.catalog.started_run("optimize")
        began = int(home.clock.now().timestamp())
        os.utime(home.places.lock_file, (began, began))  # which the clock on the wall has dated
        assert f"process {os.getpid()} is at work" in run("status").stdout
    assert "it was killed, or the computer went down; the next run brings everything in order" in run("status").stdout
