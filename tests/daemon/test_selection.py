"""Albums, patterns and dates: which photos are meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from daemon import composition
from daemon.cli.main import cli
from daemon.cli.restore import _moment
from daemon.ports import Silence
from daemon.restorer import Came, restore
from daemon.selection import Chosen, moment_of

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
NAMES = ("2019/Italy/IMG_1.jpg", "2019/Spain/IMG_2.jpg", "Italy/IMG_3.jpg", "IMG_4.jpg")


@pytest.fixture
def album(home: Home, photo: Photo) -> Home:
    for number, name in enumerate(NAMES):
        path = home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number))
        day = datetime(2020 + number, 5, 1, tzinfo=UTC).timestamp()
        os.utime(path, (day, day))
    assert home.optimize().archived == 4
    return home


def names(home: Home, paths: tuple[str, ...] = (), albums: tuple[str, ...] = (), since: datetime | None = None) -> list[str]:
    with home.shop(reading=True) as shop:
        done = restore(shop, Chosen([home.root / path for path in paths], albums, since), home.root.parent / "out", None, Silence())
    assert not [each.trouble for each in done if each.trouble]
    return sorted(each.name for each in done)


@pytest.mark.parametrize(
    ("paths", "albums", "year", "meant"),
    [
        ((), ("Italy",), None, (0, 2)),
        ((), ("2019/italy",), None, (0,)),
        ((), ("DCIM",), None, (0, 1, 2, 3)),
        (("2019",), (), None, (0, 1)),
        (("*/IMG_[23].jpg",), (), None, (1, 2)),
        (("2019/*",), ("Italy",), None, (0, 1, 2)),
        (("2019", "IMG_4.jpg"), (), None, (0, 1, 3)),
        ((), (), 2022, (2, 3)),
        ((), ("Italy",), 2022, (2,)),
        (("*_1*",), (), 2019, (0,)),
    ],
)
def test_what_is_meant(album: Home, paths: tuple[str, ...], albums: tuple[str, ...], year: int | None, meant: tuple[int, ...]) -> None:
    since = None if year is None else datetime(year, 1, 1, tzinfo=UTC)
    if len(paths) == 2 or paths == ("2019",):  # under one folder of the user, without their own
        with album.shop() as shop:
            done = restore(shop, Chosen([album.root / path for path in paths], albums, since), None, None, Silence())
        assert sorted(each.name for each in done) == sorted(NAMES[number] for number in meant)
    else:
        assert names(album, paths, albums, since) == sorted(NAMES[number] for number in meant)


@pytest.mark.parametrize(
    "chosen", [Chosen([Path("*.gif")]), Chosen([], ("Paris",)), Chosen([], (), datetime(2030, 1, 1, tzinfo=UTC)), Chosen([], ("/",))]
)
def test_nothing_is_told(album: Home, chosen: Chosen) -> None:
    with album.shop(reading=True) as shop:
        (told,) = restore(shop, chosen, album.root.parent / "out", None, Silence())
    assert told.came is Came.NOT
    assert "no a" in told.note  # no archived photo, no album
    assert told.trouble == ""


def test_what_is_not_archived_is_no_obstacle_to_the_rest(album: Home) -> None:
    (album.root / "empty").mkdir()
    with album.shop(reading=True) as shop:
        chosen = Chosen([album.root / "empty", album.root / "2019", Path("*.gif")], ("Paris",))
        done = restore(shop, chosen, album.root.parent / "out", None, Silence())
    assert sum(each.written is not None for each in done) == len([name for name in NAMES if name.startswith("2019")])
    assert sum(bool(each.note) for each in done) == 3


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-02", datetime(2024, 5, 2, tzinfo=UTC)),
        ("2024-05", datetime(2024, 5, 1, tzinfo=UTC)),
        (" 2024 ", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2 days", datetime(2026, 2, 27, tzinfo=UTC)),
    ],
)
def test_dates(text: str, moment: datetime) -> None:
    assert moment_of(text, datetime(2026, 3, 1, tzinfo=UTC), UTC) == moment


def test_a_date_is_one_by_the_clock_of_that_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked in winter, a day in summer begins when summer's clock said so."""
    monkeypatch.setattr("daemon.zone.local_zone", lambda: ZoneInfo("Europe/Berlin"))
    assert _moment("2024-07-01", datetime(2026, 1, 15, tzinfo=UTC)) == datetime(2024, 6, 30, 22, tzinfo=UTC)


def test_the_command(album: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "start_workers", lambda *_: album.codec)
    base = ["--config", str(album.places.config_file), "--state", str(album.places.state_folder), "restore"]

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, [*base, *words])
        return done.exit_code, done.output

    assert run()[0] == 2
    assert run("--since", "yesterdayish")[0] == 2
    code, said = run("--album", "spain")
    assert (code, "IMG_2.jpg: the original, bit for bit" in said) == (0, True)
    (album.root / "empty").mkdir()
    for nothing in (("--album", "Paris"), ("*.gif",), ("--since", "2040"), (str(album.root / "empty"),)):
        code, said = run(*nothing)
        assert (code, "nothing to restore; see above" in said) == (3, True), said
    assert run(str(album.root / "never there"))[0] == 2
    code, said = run("--since", "2023", "--to", str(album.root.parent / "out"))
    assert (code, (album.root.parent / "out" / "IMG_4.jpg").exists()) == (0, True)
