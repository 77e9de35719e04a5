"""Photos that arrive while the service rests: only they are looked at. The whole gallery has its own hours for that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from daemon import discovery, idleness, moves, recovery, restorer, run, surprise, sync_roots
from daemon.asked import to_optimize
from daemon.gate import Facts
from daemon.machine import Machine
from daemon.nightwork import Nightwork
from daemon.ports import Silence
from daemon.selection import Chosen
from daemon.settings import read
from storage.catalog import Catalog
from storage.records import RunRow
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
OLD_S = 1_600_000_000


class Quiet(Machine):
    """Nothing is in the way, unless a test says so."""

    load = 0.0

    def facts(self, *, with_session: bool = False) -> Facts:
        return Facts(on_ac_power=True, load=self.load)


class Resting:
    """A service that has done everything and rests; what it looks at from then on is counted."""

    def __init__(self, home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.photo, self.machine = home, photo, Quiet()
        home.clock.time = datetime(2035, 5, 1, 12, tzinfo=UTC)
        shop = lambda *_: home.shop()  # noqa: E731
        self.work = Nightwork(
            home.places, read(home.places.config_file), home.clock, ZoneInfo("Europe/Berlin"), machine=self.machine, shop=shop
        )
        self.work.arrived([home.root])
        self.walked: list[Path] = []
        """Where walks began."""
        self.around = 0
        """Looks at each photo of the catalogue, and at each original in grace."""
        self.listed: set[Path] = set()
        """Folders in which markers of sync tools were looked for."""
        self.stepped()
        for module in (discovery, moves):
            monkeypatch.setattr(module, "walk", self.counted(module.walk))
        whole = surprise.look_around

        def look_around(*given: Any) -> Any:
            self.around += 1
            return whole(*given)

        monkeypatch.setattr(run, "look_around", look_around)
        mend = recovery.recover

        def recover(*given: Any) -> Any:
            self.around += 1
            return mend(*given)

        monkeypatch.setattr(run, "recover", recover)
        listing = sync_roots._look

        def listed(folder: Path) -> Any:
            self.listed.add(folder)
            return listing(folder)

        monkeypatch.setattr(sync_roots, "_look", listed)

    def counted(self, walk: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def counting(root: Path, exclude: Any, start: Path | None = None, **further: Any) -> Iterator[Any]:
            self.walked.append(start or root)
            return walk(root, exclude, start, **further)

        return counting

    def stepped(self) -> None:
        """Until nothing is due."""
        for _ in range(8):
            self.home.clock.forward(minutes=1)
            self.work.step()

    def arrive(self, name: str, number: int, *, date_s: float = OLD_S) -> Path:
        path = self.home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.photo(0) + f"#{number}".encode())
        os.utime(path, (date_s, date_s))
        self.work.arrived([path])
        return path

    def states(self) -> dict[str, State]:
        with Catalog(self.home.places.catalog_file, read_only=True) as catalog:
            return {os.fsdecode(row.path): row.state for row in catalog.rows()}

    def runs(self) -> list[RunRow]:
        with Catalog(self.home.places.catalog_file, read_only=True) as catalog:
            return catalog.runs(limit=100)


@pytest.fixture
def resting(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> Resting:
    home.configure('idle_for = "30 days"\nquiet = "2 minutes"\ngrace = "1 hour"', schedule='window = "always"')
    for number in range(3):
        (home.root / f"{number}.jpg").write_bytes(photo(0) + f"first {number}".encode())
        os.utime(home.root / f"{number}.jpg", (OLD_S, OLD_S))
    made = Resting(home, photo, monkeypatch)
    assert set(made.states().values()) == {State.RETIRED}
    assert (made.walked, made.around, len(made.runs())) == ([], 0, 1)
    return made


def test_the_service_wakes_when_arrivals_are_gathered(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    home.configure('idle_for = "30 days"\nquiet = "5 seconds"\ngrace = "1 hour"', schedule='window = "always"')
    resting = Resting(home, photo, monkeypatch)
    resting.arrive("new.jpg", 1)
    waited_s = 0.0
    while resting.states().get("new.jpg") is not State.RETIRED:
        wait_s = resting.work.wait_s
        home.clock.forward(seconds=wait_s)
        waited_s += wait_s
        assert waited_s < 20  # to be quiet, and to be gathered, for five seconds each
        resting.work.step()


def test_an_arrival_is_archived_without_a_look_at_the_rest(resting: Resting) -> None:
    for batch in range(3):
        path = resting.arrive(f"new/{batch}.jpg", batch)
        resting.stepped()
        assert resting.states()[f"new/{batch}.jpg"] is State.RETIRED
        assert set(resting.walked) == {path}
        resting.walked.clear()
    assert resting.around == 0
    assert len(resting.runs()) == 4


def test_what_comes_within_two_minutes_is_one_beginning(resting: Resting) -> None:
    for number in range(4):
        resting.arrive(f"{number}/new.jpg", number)
        resting.home.clock.forward(seconds=25)
        resting.work.step()
    assert len(resting.runs()) == 1
    resting.home.clock.forward(seconds=100)
    resting.work.step()
    assert len(resting.runs()) == 2
    assert resting.runs()[0].archived == 4


def test_only_folders_on_the_way_are_asked_for_sync_tools(resting: Resting) -> None:
    root = resting.home.root
    for name in ("2020/a", "2020/b", "2021/c"):
        (root / name).mkdir(parents=True)
    resting.arrive("2020/a/new.jpg", 1)
    resting.stepped()
    assert resting.states()["2020/a/new.jpg"] is State.RETIRED
    assert resting.listed == {root, *root.parents, root / "2020", root / "2020/a"}
    (root / "2021" / ".stfolder").mkdir()
    resting.arrive("2021/c/new.jpg", 2)
    resting.stepped()
    assert resting.states()["2021/c/new.jpg"] is State.QUEUED, "somebody carries it to other devices"


def test_many_of_one_folder_are_one_walk_of_it(resting: Resting) -> None:
    for number in range(12):
        resting.arrive(f"card/{number}.jpg", number)
    resting.stepped()
    assert set(resting.walked) == {resting.home.root / "card"}
    assert [state for name, state in resting.states().items() if name.startswith("card/")] == [State.RETIRED] * 12


def test_the_rest_is_not_prolonged_and_ends_with_a_whole_look(resting: Resting) -> None:
    until = resting.work._rest_until
    resting.arrive("a.jpg", 1)
    resting.stepped()
    assert resting.work._rest_until == until
    resting.home.clock.forward(hours=3)
    resting.work.step()
    assert resting.around == 2
    assert resting.home.root in resting.walked
    assert resting.runs()[0].purged == 4, "grace is over, and only the whole look purges"


def test_what_came_and_is_not_idle_costs_one_look_and_no_run(resting: Resting) -> None:
    now_s = resting.home.clock.now().timestamp()
    path = resting.arrive("fresh.jpg", 1, date_s=now_s - 86400)
    resting.stepped()
    assert resting.states()["fresh.jpg"] is State.QUEUED
    assert resting.walked == [path]
    assert len(resting.runs()) == 1


def test_what_was_opened_lately_causes_no_run_at_all(resting: Resting, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_s = resting.home.clock.now().timestamp() - 86400
    monkeypatch.setattr(idleness, "_opened_s", lambda _: opened_s)
    monkeypatch.setattr(idleness, "believable", lambda _: True)
    resting.arrive("a.jpg", 1)
    resting.stepped()
    resting.work.arrived([resting.home.root])  # as every half hour, where nothing can be watched
    resting.stepped()
    assert resting.states()["a.jpg"] is State.QUEUED
    assert len(resting.runs()) == 1


def test_a_stand_in_that_was_renamed_is_followed_at_once(resting: Resting) -> None:
    resting.home.clock.forward(hours=3)
    resting.stepped()
    assert resting.states()["0.jpg"] is State.PURGED
    resting.walked.clear()
    resting.around = 0
    there = resting.home.root / "renamed.jpg"
    (resting.home.root / "0.jpg").rename(there)
    resting.work.arrived([there])
    resting.stepped()
    assert resting.states()["renamed.jpg"] is State.PURGED
    assert "0.jpg" not in resting.states()
    assert (set(resting.walked), resting.around) == ({there}, 0)


def test_a_restored_photo_that_was_renamed_stays_pinned(resting: Resting) -> None:
    with resting.home.shop() as shop:
        restorer.restore(shop, Chosen([resting.home.root / "1.jpg"], (), None), None, None, Silence())
    assert resting.states()["1.jpg"] is State.RESTORED
    there = resting.home.root / "mine.jpg"
    (resting.home.root / "1.jpg").rename(there)
    resting.work.arrived([there])
    resting.stepped()
    assert resting.states()["mine.jpg"] is State.RESTORED
    assert resting.around == 0


def edit(resting: Resting, name: str) -> Path:
    path = resting.home.root / name
    path.write_bytes(resting.photo(7) + name.encode())
    os.utime(path, (OLD_S, OLD_S))
    resting.work.arrived([path])
    return path


@pytest.mark.parametrize("purged", [False, True])
def test_the_full_photo_of_an_edited_stand_in_is_beside_it_at_once(resting: Resting, purged: bool) -> None:
    whole = resting.photo(0) + b"first 0"
    if purged:
        resting.home.clock.forward(hours=3)
        resting.stepped()
        assert resting.states()["0.jpg"] is State.PURGED
    resting.walked.clear()
    path = edit(resting, "0.jpg")
    edited = path.read_bytes()
    resting.stepped()
    states = resting.states()
    assert states["0 (original).jpg"] is State.RESTORED
    assert states["0.jpg"] is State.RETIRED, "the edit is a photo like any other"
    assert resting.home.root not in resting.walked
    beside = (resting.home.root / "0 (original).jpg").read_bytes()
    assert purged or beside == whole
    with resting.home.shop() as shop:
        restorer.restore(shop, Chosen([path], (), None), None, None, Silence())
    assert path.read_bytes() == edited


def test_half_of_a_gallery_that_is_edited_at_once_is_touched_no_sooner(resting: Resting) -> None:
    for number in range(12):
        resting.arrive(f"card/{number}.jpg", number)
    resting.stepped()
    names = [f"card/{number}.jpg" for number in range(12)]
    before = {name: resting.states()[name] for name in names}
    for name in names:
        edit(resting, name)
    resting.stepped()
    assert {name: resting.states()[name] for name in names} == before
    assert not list(resting.home.root.rglob("*(original)*"))


def test_an_edit_of_a_stand_in_elsewhere_is_seen_to_at_once(resting: Resting) -> None:
    (resting.home.root / "0.jpg").rename(resting.home.root / "moved.jpg")
    resting.work.arrived([resting.home.root / "moved.jpg"])
    resting.stepped()
    edit(resting, "moved.jpg")
    resting.stepped()
    assert (resting.home.root / "moved (original).jpg").read_bytes() == resting.photo(0) + b"first 0"


def test_where_others_need_the_machine_arrivals_wait_and_are_not_forgotten(resting: Resting) -> None:
    resting.machine.load = 0.95
    resting.arrive("a.jpg", 1)
    resting.stepped()
    assert resting.states()["a.jpg"] is State.QUEUED
    assert resting.work.progress().hold is not None
    resting.machine.load = 0.0
    resting.stepped()
    assert resting.states()["a.jpg"] is State.RETIRED
    assert resting.around == 0


def test_arrivals_that_were_put_off_for_an_order_come_after_it(resting: Resting, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        resting.arrive(f"new/{number}.jpg", number)
    encode = resting.home.codec.encode
    orders: list[Any] = []

    def ordering(job: Any) -> Any:
        if not orders:
            orders.append(resting.work.ask(to_optimize([resting.home.root / "2.jpg"])))
        return encode(job)

    monkeypatch.setattr(resting.home.codec, "encode", ordering)
    resting.stepped()
    assert orders[0].finished.is_set()
    assert resting.states()["new/0.jpg"] is resting.states()["new/1.jpg"] is State.RETIRED
    assert resting.around == 2, "the order's own"


def test_after_a_pause_arrivals_are_worked_on_again(resting: Resting) -> None:
    resting.work.pause()
    resting.arrive("a.jpg", 1)
    resting.stepped()
    assert resting.states()["a.jpg"] is State.QUEUED
    resting.work.resume()
    resting.stepped()
    assert resting.work.progress().hold is None
    assert resting.states()["a.jpg"] is State.RETIRED


def test_a_lost_event_costs_a_walk_of_the_gallery_and_no_photo(resting: Resting) -> None:
    resting.arrive("a.jpg", 1)
    resting.work.intake._due.clear()
    resting.work.arrived([resting.home.root])  # as after an overflow, at start-up, and every six hours
    resting.stepped()
    assert resting.states()["a.jpg"] is State.RETIRED
    assert resting.home.root in resting.walked


def test_arrivals_by_day_are_not_kept_in_memory(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    home.configure(schedule='window = "01:00-06:00"')
    made = Resting(home, photo, monkeypatch)
    made.arrive("a.jpg", 1)
    made.stepped()
    assert made.states()["a.jpg"] is State.QUEUED
    assert not made.work._gathering
    made.home.clock.time += timedelta(hours=14)
    made.stepped()
    assert made.states()["a.jpg"] is State.RETIRED
