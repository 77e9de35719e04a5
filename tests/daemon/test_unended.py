"""What is said of a run without an end: only what is true, where that can be known."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.unended import Lock, in_words, is_at_work
from storage.catalog import Catalog
from storage.lock import InstanceLock
from storage.records import RunRow

if TYPE_CHECKING:
    from click.testing import Result

    from tests.daemon.conftest import Home

RUN = RunRow(
    id=2,
    started_at=1000,
    ended_at=None,
    command="optimize",
    archived=0,
    left=0,
    failed=0,
    purged=0,
    original_bytes=0,
    archive_bytes=0,
    stand_in_bytes=0,
    outcome="",
)
NEWER = replace(RUN, id=3, started_at=2000)
AT_WORK = Lock(3000.5, readable=True, pid=77, taken_at=1000.9)


@pytest.mark.parametrize(
    ("newest", "lock", "expected"),
    [
        (RUN, AT_WORK, True),
        (RUN, replace(AT_WORK, taken_at=998.0), True),
        (RUN, Lock(3000.5, readable=True), False),
        (RUN, replace(AT_WORK, taken_at=1001.0), False),  # a restore, say, after a run that was killed
        (NEWER, AT_WORK, False),  # two never work at a time
        (NEWER, Lock(3000.5, readable=False), False),
        (RUN, Lock(3000.5, readable=False), None),
        (RUN, Lock(1000.5, readable=True), None),  # it began after the look at the lock
    ],
)
def test_at_work_or_killed(newest: RunRow, lock: Lock, expected: bool | None) -> None:
    assert is_at_work(RUN, newest, lock) is expected
    said = in_words(RUN, newest, lock)
    assert ("at work" in said, "killed" in said) == {True: (True, False), False: (False, True), None: (True, True)}[expected]


def test_the_lock_is_dated_by_who_took_it(tmp_path: Path) -> None:
    assert Lock.of(tmp_path / "lock").pid is None
    before = time.time()
    with InstanceLock(tmp_path / "lock"):
        seen = Lock.of(tmp_path / "lock")
    assert (seen.readable, seen.pid) == (True, os.getpid())
    assert before - 1 < seen.taken_at <= seen.looked_at + 1
    assert Lock.of(tmp_path / "lock").pid is None


def test_history_says_the_one_that_is_true(home: Home, run: Callable[..., Result]) -> None:
    home.places.state_folder.mkdir()
    with Catalog(home.places.catalog_file, lambda: home.clock.now().timestamp()) as catalog:
        catalog.started_run("optimize")
        home.clock.forward(minutes=1)
        number = catalog.started_run("optimize")
    began = int(home.clock.now().timestamp())
    with InstanceLock(home.places.lock_file):
        os.utime(home.places.lock_file, (began, began))
        said, told = run("history").stdout, json.loads(run("history", "--json").stdout)["runs"]
        assert f"Process {os.getpid()} is at work on it." in said
        assert said.count("It was killed, or the computer went down.") == 1, "the one before it"
        assert [each["at_work"] for each in told] == [True, False]
    said, told = run("history").stdout, json.loads(run("history", "--json").stdout)["runs"]
    assert "at work" not in said
    assert "It was killed, or the computer went down; the next run brings everything in order." in " ".join(said.split())
    assert [each["at_work"] for each in told] == [False, False]
    with Catalog(home.places.catalog_file, lambda: home.clock.now().timestamp()) as catalog:
        catalog.ended_run(number)
    assert json.loads(run("history", "--json").stdout)["runs"][0]["at_work"] is False
