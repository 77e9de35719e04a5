"""What is told of runs and nights: the forecast, the nightly report, the chart of weeks, notifications."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result

from daemon import announcing, history, outlook, settings
from daemon.nightly import of_night
from daemon.nightwork import Nightwork
from daemon.report import NOTHING
from daemon.unended import Lock
from daemon.weeks import as_lines, weeks
from daemon.window import Night, Window
from storage.records import RunRow, Share

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
BERLIN = ZoneInfo("Europe/Berlin")
GB = 10**9


def a_run(started: datetime, **values: Any) -> RunRow:
    at = int(started.timestamp())
    given = dict.fromkeys(("archived", "left", "failed", "purged", "original_bytes", "archive_bytes", "stand_in_bytes"), 0)
    return RunRow(id=1, started_at=at, ended_at=at + 60, command="run", **{**given, "outcome": "", **values})


# The forecast.


@pytest.mark.parametrize(
    ("free", "weekly", "retired", "says"),
    [
        (22 * GB, 2 * GB, None, "its disk is full in 11 weeks."),
        (22 * GB, 2 * GB, Share(10, 10 * GB, 2 * GB, 1 * GB), "full in 11 weeks; optimizing gives you 9 months more."),
        (1 * GB, 2 * GB, None, "full in 4 days."),
        (200 * GB, 2 * GB, None, "full in 23 months."),
        (1 * GB, 2 * GB, Share(10, 10 * GB, 9 * GB, 1 * GB), "full in 4 days."),
        (10**15, 2 * GB, None, "its disk lasts for years."),
        (400 * GB, 2 * GB, Share(10, 10 * GB, 1 * GB, 1 * GB), "full in 4 years; optimized, it lasts for years."),
    ],
)
def test_when_the_disk_is_full(free: int, weekly: int, retired: Share | None, says: str) -> None:
    sums = NOTHING if retired is None else replace(NOTHING, retired=retired)
    assert outlook.foretell("/p", free, weekly, 0, [sums]).sentence().endswith(says)


def test_the_rate_is_that_of_the_photos_own_dates(home: Home, photo: Photo) -> None:
    now = home.clock.now().timestamp()
    for seed in range(8):
        path = home.root / f"{seed}.jpg"
        path.write_bytes(photo(seed % 3) + bytes([seed]))
        days = 1000 if seed < 2 else seed
        os.utime(path, (now - days * 86400,) * 2)
    home.optimize()
    noted = json.loads(home.places.outlook_file.read_text())["galleries"][str(home.root)]
    assert noted["photos"] == 6
    assert noted["bytes_a_week"] == pytest.approx(sum(len(photo(seed % 3)) + 1 for seed in range(2, 8)) / 12)
    with home.shop(reading=True) as shop:
        sums = shop.catalog.totals()
    (found,) = outlook.outlooks(home.places, [(home.root, sums)])
    assert found.saved_share is not None
    assert 0.5 < found.saved_share < 1
    (home.root / "8.jpg").write_bytes(photo(8))
    os.utime(home.root / "8.jpg", (now - 86400,) * 2)
    home.optimize()
    assert json.loads(home.places.outlook_file.read_text())["galleries"][str(home.root)]["photos"] == 6, "fresh enough"
    home.clock.forward(hours=6)
    home.optimize()
    assert json.loads(home.places.outlook_file.read_text())["galleries"][str(home.root)]["photos"] == 7
    home.places.outlook_file.write_text("[]")
    assert outlook.outlooks(home.places, [(home.root, sums)]) == []


# The night.


NIGHT = Night(datetime(2026, 11, 27, 0, tzinfo=UTC), datetime(2026, 11, 27, 5, tzinfo=UTC))


def test_a_night_in_one_paragraph() -> None:
    within, before = NIGHT.starts_at + timedelta(hours=1), NIGHT.starts_at - timedelta(seconds=1)
    sizes = {"original_bytes": 10_000_000, "archive_bytes": 2_000_000, "stand_in_bytes": 1_000_000}
    runs = [
        a_run(within + timedelta(hours=1), purged=2, freed_bytes=7_000_000, failed=1, outcome="window"),
        a_run(within, archived=3, outcome="load", by_reason={"too-small": 4}, **sizes),
        a_run(before, archived=99, original_bytes=1, by_reason={"cmyk": 5}),
    ]
    found = of_night(NIGHT, runs)
    assert found.paragraph(BERLIN, datetime(2026, 11, 28, 0, tzinfo=UTC)) == (
        "Night of 2026-11-27, 01:00 to 06:00: 3 photos archived, 10 MB -> 3 MB with stand-ins (70% smaller). "
        "2 photos purged, 7 MB given back. "
        "Not archived: 4 photos (the picture is so small that there is nothing to save). 1 photo failed and will be tried again. "
        "It was held up: others need the processor. Next: 2026-11-28 01:00."
    )
    assert found.by_reason == Counter({"too-small": 4})


def test_bytes_that_an_early_version_did_not_count_are_not_told() -> None:
    runs = [a_run(NIGHT.starts_at, purged=2)]
    assert of_night(NIGHT, runs).paragraph(UTC) == "Night of 2026-11-27, 00:00 to 05:00: 2 photos purged."
    assert [run["freed_bytes"] for run in history.as_json([*runs, a_run(NIGHT.starts_at)], Lock(0.0, True))] == [None, 0]


def test_a_day_without_nights() -> None:
    now = datetime(2026, 11, 27, 20, tzinfo=UTC)
    window = Window.parse("always")
    day = window.night(now, BERLIN)
    assert day is not None
    said = of_night(day, []).paragraph(BERLIN, window.next_night(now, BERLIN).starts_at)
    assert said == "From 2026-11-27 12:00 to 2026-11-28 12:00: nothing was done."


def test_a_night_in_which_nothing_was_done_says_why() -> None:
    assert "nothing was done" in of_night(NIGHT, []).paragraph(UTC)
    assert "there was nothing to do" in of_night(NIGHT, [a_run(NIGHT.starts_at)]).paragraph(UTC)
    assert "Work is under way" in of_night(NIGHT, [replace(a_run(NIGHT.starts_at), ended_at=None)]).paragraph(UTC)
    said = of_night(NIGHT, [a_run(NIGHT.starts_at, outcome="on-battery")]).paragraph(UTC)
    assert "nothing was done. It was held up: the computer runs on its battery." in said


def test_the_report_command(run: Callable[..., Result], home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing was done" in run("report").stdout
    (home.root / ".stfolder").mkdir()
    assert f"Passed by: {home.root}, and" in run("report").stdout
    (home.root / ".stfolder").rmdir()
    assert json.loads(run("report", "--json").stdout)["archived"] == 0
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert run("report", "--notify").exit_code == 1


def test_the_desktop_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, log = tmp_path / "notify-send", tmp_path / "log"
    program.write_text(f'#!/bin/sh\nfor word; do echo "$word"; done > {log}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert announcing.notify("-x & done")
    assert log.read_text().splitlines()[-2:] == ["gallery-optimizer", "-x & done"]
    program.write_text("#!/bin/sh\nexit 1\n")
    assert not announcing.notify("x")


# Weeks.


def test_weeks_with_bars() -> None:
    now = datetime(2026, 11, 27, 12, tzinfo=UTC)
    runs = [
        a_run(now, archived=1, original_bytes=400),
        a_run(now - timedelta(days=7), archived=2, original_bytes=800),
        a_run(now - timedelta(days=8), archived=1, original_bytes=800),
        a_run(now - timedelta(days=365), archived=9, original_bytes=9000),
    ]
    found = weeks(runs, now, UTC, 3)
    assert [(week.monday, week.archived, week.saving_bytes) for week in found] == [
        (date(2026, 11, 9), 0, 0),
        (date(2026, 11, 16), 3, 1600),
        (date(2026, 11, 23), 1, 400),
    ]
    lines = as_lines(found)
    assert [line.count("█") for line in lines] == [0, 30, 7]
    assert all(len(line) <= 80 for line in lines)
    narrow = as_lines(found, 40)
    assert [line.count("█") for line in narrow] == [0, 8, 2]
    assert max(map(len, narrow)) == 40
    assert as_lines(found, 30)[1] == "2026-11-16  1.6 KB, 3 photos", "no room for bars"
    assert as_lines(found, 40, plain=True)[1] == "2026-11-16  ########  1.6 KB, 3 photos"
    assert as_lines(weeks([], now, UTC)) == as_lines(weeks([a_run(now)], now, UTC))


# The service tells of its nights.


class Stub:
    """What `announcing` needs of the service."""

    def __init__(self, home: Home) -> None:
        self.places, self.settings, self.zone = home.places, settings.read(home.places.config_file), UTC
        self.work = Nightwork(home.places, self.settings, home.clock, UTC)


@pytest.mark.parametrize("wanted", [True, False])
def test_the_service_tells_of_every_night(
    home: Home, photo: Photo, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    told: list[str] = []
    monkeypatch.setattr(announcing, "notify", told.append)
    home.configure(limits=f"[report]\nnotify = {str(wanted).lower()}")
    (home.root / "a.jpg").write_bytes(photo())
    began = home.clock.now()
    home.optimize()
    stub = Stub(home)
    end = announcing.after_nights(stub)  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO, "daemon.announcing"):
        for call in stub.work.night_over:
            call(Night(began, began + timedelta(hours=5)))
            call(Night(began + timedelta(days=1), began + timedelta(days=1, hours=5)))
    first, second = (each.getMessage() for each in caplog.records)
    assert "1 photo archived" in first
    assert "nothing was done" in second
    assert told == ([first] if wanted else []), "only of a night in which something was done"
    end()
    assert stub.work.night_over == []
