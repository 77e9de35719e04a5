"""Two weeks of the service in a few seconds: power cuts, suspend, a change of the clock, new photos, edits, restores, one bad photo.

The clock stands still but for the half hour that each photo takes, so a night of five hours is worth ten photos. Everything else is real:
files, vault, catalogue, the service's own steps.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from daemon.asked import to_optimize
from daemon.composition import Workshop
from daemon.errors import Interrupted
from daemon.gate import Facts
from daemon.machine import Machine
from daemon.messages import Encoded, EncodeJob, Refused
from daemon.nightwork import Nightwork
from daemon.ports import Silence
from daemon.restorer import restore
from daemon.settings import read
from daemon.waits import Hold
from daemon.window import Night
from storage.catalog import Catalog
from storage.lock import InstanceLock
from storage.records import RunRow
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Clockwork, Home

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2035, 3, 19, 12, tzinfo=BERLIN)
"""A Monday; the clock changes in the night of the 25th."""
PHOTO_TAKES = timedelta(minutes=30)
STEP = timedelta(minutes=10)


def at(day: int, hour: float = 0) -> datetime:
    """By the clock on the wall, in UTC; day 0 is the first."""
    wall = datetime(2035, 3, 19, tzinfo=BERLIN) + timedelta(days=day, hours=hour)
    return wall.astimezone(UTC)


@dataclass
class World(Machine):
    """The machine, and what happens to it."""

    clock: Clockwork
    battery: list[tuple[datetime, datetime]] = field(default_factory=list)
    busy: list[tuple[datetime, datetime]] = field(default_factory=list)
    at_the_screen: list[tuple[datetime, datetime]] = field(default_factory=list)

    def facts(self, *, with_session: bool = False) -> Facts:
        now = self.clock.now()

        def within(spans: list[tuple[datetime, datetime]]) -> bool:
            return any(start <= now < end for start, end in spans)

        return Facts(
            on_ac_power=not within(self.battery),
            battery=0.8,
            load=0.95 if within(self.busy) else 0.05,
            session_active=within(self.at_the_screen) if with_session else None,
        )


class Fortnight:
    """A gallery and its service, walked through time."""

    def __init__(self, home: Home, photo: Callable[..., bytes]) -> None:
        self.home = home
        self.photo = photo
        self.seen: dict[str, bytes] = {}
        """Every original ever, by digest."""
        self.nights: list[Night] = []
        home.clock.time = FIRST.astimezone(UTC)
        self.world = World(home.clock)
        encode = home.codec.encode

        def slow(job: EncodeJob) -> Encoded | Refused:
            home.clock.time += PHOTO_TAKES
            return encode(job)

        home.codec.encode = slow  # type: ignore[method-assign]
        self.start()

    def start(self) -> None:
        """The service starts, with nothing in its memory."""
        settings = read(self.home.places.config_file)

        def shop(places: object, settings: object) -> Workshop:
            return self.home.shop()

        self.work = Nightwork(self.home.places, settings, self.home.clock, BERLIN, machine=self.world, shop=shop)
        self.work.night_over.append(self.nights.append)
        self.work.arrived([self.home.root])

    def until(self, moment: datetime) -> None:
        while self.home.clock.time < moment:
            self.work.step()
            self.home.clock.time += STEP

    def sleep_until(self, moment: datetime) -> None:
        """The lid is closed."""
        self.home.clock.time = max(moment, self.home.clock.time)

    def add(self, name: str, *, age_days: float = 400, wish: str = "") -> Path:
        path = self.home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = self.photo(0, wish) + f"#{len(self.seen)}".encode()
        path.write_bytes(data)
        moment = (self.home.clock.time - timedelta(days=age_days)).timestamp()
        os.utime(path, (moment, moment))
        self.seen[hashlib.sha256(data).hexdigest()] = data
        return path

    def rows(self, state: State | None = None) -> list[str]:
        with Catalog(self.home.places.catalog_file, read_only=True) as catalog:
            return sorted(os.fsdecode(row.path) for row in catalog.rows(state))

    def runs(self) -> list[RunRow]:
        with Catalog(self.home.places.catalog_file, read_only=True) as catalog:
            return list(reversed(catalog.runs(limit=1000)))

    def lost(self) -> list[str]:
        """Originals of which neither the bytes nor an archive is left."""
        there = set(self.home.files().values())
        archives = {path.stem for path in (self.home.root / ".gallery-optimizer/archives").rglob("*.nphoto")}
        return [digest for digest in self.seen if digest not in there | archives]


@pytest.fixture
def fortnight(home: Home, photo: Callable[..., bytes]) -> Fortnight:
    home.configure('idle_for = "30 days"\ngrace = "3 days"\nquiet = "2 minutes"', schedule="nightly_files = 20")
    return Fortnight(home, photo)


def day_of(run: RunRow) -> int:
    """Which night a run belongs to: 1 for the first."""
    return (datetime.fromtimestamp(run.started_at, BERLIN).date() - FIRST.date()).days


def test_fourteen_nights(fortnight: Fortnight) -> None:
    home, world = fortnight.home, fortnight.world
    for number in range(75):
        fortnight.add(f"2031/IMG_{number:03d}.jpg", age_days=1500 - number)
    fortnight.add("2031/broken.jpg", age_days=2000, wish="raise")
    for number in range(4):
        fortnight.add(f"2035/IMG_{number:03d}.jpg", age_days=2 + number)

    # Nothing by day; in the first night as many as fit, the oldest first.
    fortnight.until(at(1))
    assert fortnight.runs() == []
    assert len(fortnight.rows(State.QUEUED)) == 80
    assert "Tue 01:00" in fortnight.work.progress().line(BERLIN)
    fortnight.until(at(1, 12))
    assert fortnight.rows(State.RETIRED) == [f"2031/IMG_{number:03d}.jpg" for number in range(9)], "ten photos' time, one of them broken"
    assert fortnight.rows(State.FAILED) == ["2031/broken.jpg"]
    assert [run.outcome for run in fortnight.runs()] == ["window"]

    # On battery for the first half of the second night: the rest of it is used.
    world.battery.append((at(2, 0.5), at(2, 3.4)))
    fortnight.until(at(2, 12))
    second = [run for run in fortnight.runs() if day_of(run) == 2]
    assert [(run.outcome, run.worked) for run in second] == [("window", 5)]
    assert datetime.fromtimestamp(second[0].started_at, BERLIN).hour == 3

    # On battery for the whole third night: nothing, the history says why, and nobody makes up for it by day.
    world.battery.append((at(3), at(3, 7)))
    fortnight.until(at(3, 20))
    assert [(run.outcome, run.worked) for run in fortnight.runs() if day_of(run) == 3] == [("on-battery", 0)]

    # The lid is closed in the fourth night. In the morning somebody is at the screen; then the night is made up for.
    fortnight.sleep_until(at(4, 8))
    world.at_the_screen.append((at(4, 8), at(4, 13)))
    fortnight.until(at(4, 13))
    assert not [run for run in fortnight.runs() if day_of(run) == 4]
    fortnight.until(at(5))
    fourth = [run for run in fortnight.runs() if day_of(run) == 4]
    assert datetime.fromtimestamp(fourth[0].started_at, BERLIN).hour == 13
    assert sum(run.archived for run in fourth) == 20, "no more than nightly_files allows"

    # The grace of the first ones is over: their space is given back before anything else, so also in a night that is cut short.
    assert [run.purged for run in fourth] == [9]
    world.busy.append((at(5, 1.8), at(5, 7)))
    fortnight.until(at(5, 12))
    fifth = [run for run in fortnight.runs() if day_of(run) == 5]
    assert fifth[0].outcome == "load"
    assert sum(run.worked for run in fifth) == 2

    # By day: one stand-in is edited, one photo restored, one renamed; and one that waits is deleted by its user.
    edited, restored, renamed = (home.root / f"2031/IMG_{number:03d}.jpg" for number in (1, 2, 3))
    edited.write_bytes(fortnight.photo(7))
    os.utime(edited, (0, (home.clock.time - timedelta(days=100)).timestamp()))
    fortnight.seen[hashlib.sha256(fortnight.photo(7)).hexdigest()] = fortnight.photo(7)
    with home.shop() as shop:
        restore(shop, [restored], None, None, Silence())
    renamed.rename(home.root / "2031/holiday.jpg")
    gone = home.root / "2031/IMG_074.jpg"
    fortnight.seen.pop(hashlib.sha256(gone.read_bytes()).hexdigest())
    gone.unlink()

    # The night in which the clock is put forward is an hour shorter. The service was started anew before it.
    fortnight.until(at(5, 23))
    fortnight.start()
    fortnight.until(at(6, 12))
    sixth = [run for run in fortnight.runs() if day_of(run) == 6]
    assert sum(run.worked for run in sixth) == 8, "four hours"
    assert "2031/holiday.jpg" in fortnight.rows(State.PURGED), "the archive belongs to the new name"
    assert (home.root / "2031/IMG_001 (original).jpg").exists(), "the full photo of the edited stand-in is beside the edit"

    # Paused for two nights; what was asked for is done all the same.
    fortnight.work.pause(at(8, 12))
    asked = fortnight.work.ask(to_optimize([home.root / "2035/IMG_000.jpg"]))
    fortnight.until(at(8, 11))
    assert asked.finished.is_set()
    assert asked.result is not None
    assert asked.result.archived == 1
    assert [run.outcome for run in fortnight.runs() if day_of(run) in (7, 8)] == ["paused", "paused"]
    assert fortnight.work.progress().what == "paused"

    # And on to the end: everything that is idle is archived, what is out of grace is purged, and the broken one is set apart.
    fortnight.until(at(14, 12))
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        left = {os.fsdecode(row.path): row.reason for row in catalog.rows(State.LEFT) if row.reason != "gone"}
        assert left["2031/broken.jpg"] == "unforeseen"
        broken = catalog.find(os.fsencode(home.root), b"2031/broken.jpg")
        assert broken is not None
        assert broken.attempts == 3
    waiting = fortnight.rows(State.QUEUED)
    assert waiting == [f"2035/IMG_{number:03d}.jpg" for number in (1, 2, 3)], "these are not idle yet"
    assert not fortnight.rows(State.ENCODING) + fortnight.rows(State.COMMITTED) + fortnight.rows(State.FAILED)
    assert "2031/IMG_002.jpg" in fortnight.rows(State.RESTORED), "pinned"
    assert restored.read_bytes() in fortnight.seen.values() or restored.exists()
    assert fortnight.lost() == []
    nights = [night for night in fortnight.nights if not night.made_up]
    assert len(nights) == 13, "thirteen nights of which the service saw the end, and one that it slept through"
    assert nights[-1].ends_at == at(14, 6)
    assert all(run.ended_at is not None for run in fortnight.runs())
    assert {run.outcome for run in fortnight.runs()} <= {"", "window", "load", "on-battery", "paused"}


def test_the_emergency_brake(fortnight: Fortnight) -> None:
    fortnight.add("IMG_1.jpg")
    fortnight.until(at(1))
    brake = fortnight.home.places.state_folder / "stop"
    brake.touch()
    fortnight.until(at(1, 3))
    assert fortnight.work.progress().hold == Hold("stop-file")
    assert fortnight.runs() == []
    brake.unlink()
    fortnight.until(at(1, 4))
    assert fortnight.rows(State.RETIRED) == ["IMG_1.jpg"]


def test_a_clock_that_is_put_back_makes_nobody_wait_for_it(fortnight: Fortnight) -> None:
    fortnight.until(at(3, 2))
    fortnight.home.clock.time = at(1, 2)
    fortnight.add("IMG_1.jpg")
    fortnight.until(at(1, 4))
    assert fortnight.rows(State.RETIRED) == ["IMG_1.jpg"]


def test_a_disk_that_runs_full_is_relieved_by_day(fortnight: Fortnight) -> None:
    home = fortnight.home
    home.configure('grace = "7 days"', schedule='start_when_free_below = "10%"\ngrace_minimum = "1 day"\nnightly_files = 4')
    from daemon.machine import Room

    free = [0.5]
    fortnight.start()
    fortnight.work._room = lambda folder: Room(round(free[0] * 1000), 1000)
    for number in range(4):
        fortnight.add(f"IMG_{number}.jpg")
    fortnight.until(at(1, 12))
    assert len(fortnight.rows(State.RETIRED)) == 4
    free[0] = 0.05
    fortnight.until(at(1, 23))
    assert len(fortnight.rows(State.RETIRED)) == 4, "never before grace_minimum"
    fortnight.until(at(2, 12))
    assert len(fortnight.rows(State.PURGED)) == 4
    assert fortnight.lost() == []


def test_enough_is_enough(fortnight: Fortnight) -> None:
    """Of the originals in grace only as many go early as it takes, the oldest first."""
    from daemon.machine import Room

    home = fortnight.home
    home.configure('grace = "30 days"', schedule='start_when_free_below = "10%"\ngrace_minimum = "1 day"')
    fortnight.start()
    for number in range(6):
        fortnight.add(f"IMG_{number}.jpg", age_days=900 - number)

    def room(folder: Path) -> Room:
        purged = len(fortnight.rows(State.PURGED)) if home.places.catalog_file.exists() else 0
        return Room(60 + 20 * purged if fortnight.home.clock.time > at(3) else 900, 1000)

    fortnight.work._room = room
    fortnight.until(at(3, 23))
    assert fortnight.rows(State.PURGED) == ["IMG_0.jpg", "IMG_1.jpg"]
    assert len(fortnight.rows(State.RETIRED)) == 4


def test_a_stop_in_the_midst_of_a_night_loses_no_photo_and_counts_no_try(fortnight: Fortnight) -> None:
    for number in range(3):
        fortnight.add(f"IMG_{number}.jpg")
    codec = fortnight.home.codec
    encode = codec.encode

    def stopped(job: EncodeJob) -> Encoded | Refused:
        if codec.encoded < 1:
            return encode(job)
        fortnight.work.stop()
        raise Interrupted("as a worker that was killed")

    codec.encode = stopped  # type: ignore[method-assign]
    fortnight.until(at(1, 2))
    assert [(run.outcome, run.archived) for run in fortnight.runs()] == [("stopping", 1)]
    with Catalog(fortnight.home.places.catalog_file, read_only=True) as catalog:
        assert [(row.state, row.attempts) for row in catalog.rows()] == [(State.RETIRED, 1), (State.QUEUED, 0), (State.QUEUED, 0)]
    codec.encode = encode  # type: ignore[method-assign]
    fortnight.start()
    fortnight.until(at(1, 6))
    assert len(fortnight.rows(State.RETIRED)) == 3
    assert fortnight.lost() == []


def test_a_vault_that_another_computer_works_on_does_not_fill_the_history(fortnight: Fortnight) -> None:
    fortnight.add("a.jpg")
    fortnight.until(at(1, 5))
    fortnight.add("b.jpg")
    with InstanceLock(fortnight.home.root / ".gallery-optimizer/lock"):
        fortnight.until(at(2, 1))
        for _ in range(60):
            fortnight.work.step()
            fortnight.home.clock.time += timedelta(minutes=1)
    assert 0 < len([run for run in fortnight.runs() if day_of(run) == 2]) <= 13, "one in five minutes"
    fortnight.until(at(2, 5))
    assert len(fortnight.rows(State.RETIRED)) == 2


def test_an_unforeseen_error_is_told_to_whoever_asked(fortnight: Fortnight, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("daemon.asked.optimize", broken)
    asked = fortnight.work.ask(to_optimize([]))
    with pytest.raises(RuntimeError):
        fortnight.work.step()
    assert asked.finished.is_set()
    assert "a bug" in str(asked.error)
