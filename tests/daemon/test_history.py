from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from daemon import predictions
from daemon.cli.main import cli
from daemon.history import as_lines, compare
from daemon.listing import Listing
from daemon.unended import Lock
from storage.catalog import Catalog
from storage.records import RunRow

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

PREDICTION: dict[str, Any] = {
    "made_at": 100,
    "scope": ["/g"],
    "photos": 10,
    "original_bytes": 1000,
    "sample": 5,
    "saving_bytes": 700,
    "low_bytes": 600,
    "high_bytes": 800,
    "confidence": 0.9,
    "seconds": 60.0,
    "cpu_s": 100.0,
    "watt_hours": 0.3,
    "energy_source": "model",
}
RUN = RunRow(
    id=1,
    started_at=200,
    ended_at=260,
    command="optimize",
    archived=4,
    left=1,
    failed=0,
    purged=0,
    original_bytes=400,
    archive_bytes=50,
    stand_in_bytes=10,
    outcome="",
    worked=5,
    worked_bytes=500,
    prediction=PREDICTION,
)


def ask(home: Home, *arguments: str) -> Result:
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    return CliRunner().invoke(cli, [*options, "history", *arguments], catch_exceptions=False)


def test_what_came_out_is_of_all_that_was_worked_on() -> None:
    found = compare(RUN, [RUN])
    assert found is not None
    assert (found.share, found.came_out, found.verdict) == (0.7, 340 / 500, "as predicted")
    assert (found.worked, found.photos) == (5, 10)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"archive_bytes": 200}, "less than predicted"),
        ({"prediction": {**PREDICTION, "saving_bytes": 681, "low_bytes": 681, "high_bytes": 681}}, "as predicted"),
        ({"worked_bytes": 400, "archive_bytes": 0}, "more than predicted"),
        ({"prediction": {**PREDICTION, "low_bytes": None, "high_bytes": None}}, "the sample was too small to tell how sure it was"),
    ],
)
def test_verdicts(changes: dict[str, Any], verdict: str) -> None:
    run = replace(RUN, **changes)
    found = compare(run, [run])
    assert found is not None
    assert found.verdict == verdict


def test_every_column_has_room_on_a_small_terminal() -> None:
    large = replace(RUN, archived=123_456, left=12_345, failed=999, purged=123_456, original_bytes=987_650_000_000, energy_source="model")
    grown = replace(RUN, id=2, archive_bytes=790, prediction={**PREDICTION, "made_at": 101})
    screen = Console(width=80, record=True, file=io.StringIO(), force_terminal=True)
    for line in as_lines([grown, large], 2, Lock(0, readable=False)):
        screen.print(line, soft_wrap=True)
    said = screen.export_text()
    for name in ("When", "archived", "before", "saved", "left", "failed", "purged"):
        assert name in said.splitlines()[0].split()
    assert "\u2026" not in said
    assert "987.65 GB (100%)" in said
    assert "-400 bytes (-100%)" in said
    assert "Came out:  80% larger" in said


@pytest.mark.parametrize("words", [["history"], ["history", "--json"]])
def test_no_run_yet_is_told_alike_in_text_and_json(home: Home, words: list[str]) -> None:
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    done = CliRunner().invoke(cli, [*options, *words])
    assert done.exit_code == 3
    assert not done.stdout or json.loads(done.stdout)["runs"] == []


@pytest.mark.parametrize("columns", [20, 32, 40, 60, 70])
def test_a_narrow_terminal_gets_each_run_in_lines_of_its_own(columns: int) -> None:
    screen = Console(width=columns, record=True, file=io.StringIO(), force_terminal=True)
    (listing, *_) = as_lines([replace(RUN, original_bytes=987_650_000_000, purged=123_456, left=0)], 2, Lock(0, readable=False))
    screen.print(listing, soft_wrap=True)
    first, *lines = screen.export_text().splitlines()
    assert first == datetime.fromtimestamp(RUN.started_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    assert all(line.startswith("  ") and len(line) <= max(columns, 26) for line in lines), lines
    assert ", ".join(line.strip().rstrip(",") for line in lines) == (
        f"archived {RUN.archived}, before 987.65 GB, saved 987.65 GB (100%), purged 123456"
    ), "and what is 0 is not told"


def test_a_pipe_has_all_columns_however_many_they_are() -> None:
    long = Listing(("Gallery", "photos"), [("/" + "x" * 300, "5"), ("/a", "1234")])
    screen = Console(width=80, record=True, file=io.StringIO())
    screen.print(long, soft_wrap=True)
    assert [line.split() for line in screen.export_text().splitlines()] == [["Gallery", "photos"], ["/" + "x" * 300, "5"], ["/a", "1234"]]


def test_runs_that_did_nothing_are_counted_and_broken_ones_say_why() -> None:
    nothing = replace(RUN, archived=0, left=0, worked=0, worked_bytes=0, original_bytes=0, archive_bytes=0, stand_in_bytes=0)
    nothing = replace(nothing, prediction=None)
    runs = [
        replace(nothing, id=6, started_at=700, ended_at=701),
        replace(nothing, id=5, started_at=600, ended_at=601, outcome="load"),
        replace(nothing, id=4, started_at=500, ended_at=501),
        replace(RUN, id=3, started_at=400, ended_at=450, outcome="stopped"),
        replace(nothing, id=2, started_at=300, ended_at=301),
    ]
    screen = Console(width=80, record=True, file=io.StringIO())
    for line in as_lines(runs, 2, Lock(0, readable=False)):
        screen.print(line, soft_wrap=True)
    said = screen.export_text()
    assert "Nothing to archive or to purge: 2 runs, the latest" in said, "the oldest lies before those that are shown"
    assert "It was broken off: others need the processor." in said
    assert "It was stopped." in said
    assert " 0 bytes" not in said


def test_runs_with_one_prediction_are_taken_together() -> None:
    second = replace(RUN, id=2, worked=5, worked_bytes=500, original_bytes=500, archive_bytes=100, stand_in_bytes=0)
    other = replace(RUN, id=3, prediction={**PREDICTION, "made_at": 101})
    found = compare(second, [other, second, RUN])
    assert found is not None
    assert (found.worked, found.came_out, found.took_s) == (10, (340 + 400) / 1000, 120)
    assert compare(replace(RUN, prediction=None), [RUN]) is None
    assert compare(replace(RUN, worked=0, worked_bytes=0), [RUN]) is None


def test_which_prediction_a_run_fulfils(home: Home) -> None:
    def fits(scope: list[str], runs: list[RunRow], now: int = 1000) -> int | None:
        found = predictions.fitting(home.places, scope, runs, now)
        return None if found is None else found["made_at"]

    assert fits(["/g"], []) is None
    predictions.note(home.places, PREDICTION)
    predictions.note(home.places, {**PREDICTION, "made_at": 150, "scope": ["/other"]})
    assert fits(["/g"], []) == 100
    assert fits(["/g"], [RUN]) == 100
    assert fits(["/g"], [RUN, replace(RUN, id=2)]) is None, "all of its photos were worked on"
    assert fits(["/g"], [], 100 + predictions.LONGEST_S + 1) is None
    assert fits(["/nowhere"], []) is None
    for number in range(predictions.KEPT):
        predictions.note(home.places, {**PREDICTION, "made_at": 200 + number})
    assert len(json.loads(home.places.estimates_file.read_text())) == predictions.KEPT
    home.places.estimates_file.write_text("{broken")
    assert fits(["/g"], []) is None


def test_before_the_first_run(home: Home) -> None:
    assert ask(home).exit_code == 3
    assert json.loads(ask(home, "--json").stdout)["runs"] == []


def test_runs_and_what_was_predicted_of_them(home: Home, photo: Callable[..., bytes]) -> None:
    (home.root / "left.jpg").write_bytes(photo(seed=1, wish="refuse:cmyk"))
    (home.root / "a.jpg").write_bytes(photo(seed=2))
    size = sum(path.stat().st_size for path in home.root.iterdir())
    made_at = int(home.clock.now().timestamp()) - 60
    predicted = {**PREDICTION, "made_at": made_at, "scope": [str(home.root)], "photos": 2, "original_bytes": size}
    predictions.note(home.places, {**predicted, "saving_bytes": size // 2, "low_bytes": 0, "high_bytes": size})
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    said = ask(home).output
    assert "Left alone: 1 photo: the picture is in print colours" in said
    assert "Predicted: 50% smaller (0% to 100%)" in said
    assert "as predicted" in said
    purge, first = json.loads(ask(home, "--json").stdout)["runs"]
    assert (first["archived"], first["worked"], first["by_lane"], first["by_reason"]) == (1, 2, {"neural": 1}, {"cmyk": 1})
    assert first["worked_bytes"] == size
    assert first["came_out"]["photos"] == 2
    assert first["prediction"]["saving_bytes"] == size // 2
    assert first["energy_source"]
    assert first["cpu_s"] > 0
    assert (purge["purged"], purge["prediction"]) == (1, None)
    assert len(json.loads(ask(home, "--json", "--last", "1").stdout)["runs"]) == 1


def test_a_run_that_was_killed_or_stopped(home: Home) -> None:
    home.places.state_folder.mkdir()
    with Catalog(home.places.catalog_file, lambda: home.clock.now().timestamp()) as catalog:
        catalog.started_run("optimize")
        catalog.ended_run(catalog.started_run("optimize"), outcome="stopped")
    said = ask(home).output
    assert "It was stopped." in said
    assert "It was killed, or the computer went down." in said, "a later one began"
