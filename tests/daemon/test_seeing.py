"""What is told of runs and nights: the forecast, the nightly report, the chart of weeks, Prometheus' figures, notifications, the log."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from rich.console import Console

from daemon import announcing, logs, metrics, outlook, settings
from daemon.cli import status as status_command
from daemon.nightly import of_night
from daemon.nightwork import Nightwork
from daemon.pausing import pause
from daemon.report import NOTHING
from daemon.weeks import as_lines, weeks
from daemon.window import Night, Window
from storage.records import RunRow, Share
from storage.states import State

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


# Status.


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


# Prometheus.


def test_figures_for_prometheus(run: Callable[..., Result], home: Home, photo: Photo) -> None:
    target = home.root.parent / "textfile" / "gallery.prom"
    target.parent.mkdir()
    home.configure(limits=f'[report]\ntextfile = "{target}"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    text = target.read_text()
    assert target.stat().st_mode & 0o777 == 0o644
    assert f'gallery_optimizer_photos{{gallery="{home.root}",state="retired"}} 1' in text
    assert "gallery_optimizer_last_run_archived_photos 1" in text
    assert run("status", "--prometheus").stdout == text
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+]+', line), line
    target.parent.chmod(0o755)
    home.configure(limits='[report]\ntextfile = "/nowhere/at/all.prom"')
    (home.root / "b.jpg").write_bytes(photo(1))
    assert home.optimize().archived == 1, "a file that can't be written stops nothing"


def test_the_file_for_prometheus_takes_nobodys_place(home: Home, photo: Photo, caplog: pytest.LogCaptureFixture) -> None:
    target = home.root.parent / "keepsake.jpg"
    target.write_bytes(photo(5))
    home.configure(limits=f'[report]\ntextfile = "{target}"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    assert target.read_bytes() == photo(5)
    assert "holds something else; it stays as it is" in caplog.text
    target.write_bytes(b"")
    (home.root / "b.jpg").write_bytes(photo(1))
    assert home.optimize().archived == 1
    assert target.read_text().startswith("# HELP gallery_optimizer_")


def test_names_are_quoted_for_prometheus() -> None:
    assert 'gallery="a\\"b\\\\c\\nd"' in metrics.text([('a"b\\c\nd', NOTHING)], [])
    assert State.RETIRED.value in metrics.text([("a", NOTHING)], [])


# The log.


def record(level: int, text: str, line: int = 1) -> logging.LogRecord:
    return logging.LogRecord("daemon.run", level, "run.py", line, text, (), None)


def test_each_line_of_the_journal_has_its_priority() -> None:
    formatter = logs.JournalFormatter()
    assert formatter.format(record(logging.WARNING, "a\nb")) == "<4>daemon.run: a\n<4>b"
    assert formatter.format(record(logging.INFO, "a")) == "<6>daemon.run: a"
    assert formatter.format(record(logging.CRITICAL, "a")) == "<3>daemon.run: a"


def test_one_kind_of_line_does_not_fill_the_journal() -> None:
    now = [0.0]
    sparing = logs.Sparing(lambda: now[0])
    passed = [each.getMessage() for number in range(100) if sparing.filter(each := record(logging.WARNING, f"bad {number}"))]
    assert len(passed) == logs.MOST + 1
    assert "more like this are not logged" in passed[-1]
    assert sparing.filter(record(logging.WARNING, "another", 2))
    assert sparing.filter(record(logging.ERROR, "bad"))
    now[0] = logs.WITHIN_S
    late = record(logging.WARNING, "bad again")
    assert sparing.filter(late)
    assert "69 more like this" in late.getMessage() or "70 more like this" in late.getMessage()


def test_the_journal_is_told_by_its_stream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setattr("sys.stderr", stream)
        for given, is_it in ((f"{status.st_dev}:{status.st_ino}", True), (f"{status.st_dev}:1", False), ("", False), ("x", False)):
            monkeypatch.setenv("JOURNAL_STREAM", given)
            assert logs._is_read_by_the_journal() is is_it


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
