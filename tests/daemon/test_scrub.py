"""What is left of a night goes to reading archives again, the longest unread first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from daemon.composition import Workshop
from daemon.gate import Facts
from daemon.machine import Machine
from daemon.nightwork import Nightwork
from daemon.ports import Silence
from daemon.scrub import scrub
from daemon.settings import read

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


class Quiet(Machine):
    """Nobody else needs this computer."""

    def facts(self, *, with_session: bool = False) -> Facts:
        return Facts(on_ac_power=True, battery=0.9, load=0.0, session_active=None)


@pytest.fixture
def ten(home: Home, photo: Photo) -> Home:
    for seed in range(10):
        (home.root / f"{seed:02}.jpg").write_bytes(photo(seed % 2) + bytes([seed]))
    assert home.optimize().archived == 10
    return home


def inspected(home: Home) -> int:
    with home.shop(reading=True) as shop:
        return len(shop.catalog.inspections(shop.galleries[0].key))


def nightwork(home: Home) -> Nightwork:
    def shop(*_: object) -> Workshop:
        return home.shop()

    return Nightwork(home.places, read(home.places.config_file), home.clock, UTC, machine=Quiet(), shop=shop)


def walk(home: Home, work: Nightwork, hours: float) -> None:
    until = home.clock.time + timedelta(hours=hours)
    while home.clock.time < until:
        work.step()
        home.clock.forward(minutes=20)


def test_a_part_each_night_until_all_are_read(ten: Home) -> None:
    ten.configure(safety='reserve = "off"\nverify = "30%"')
    ten.clock.time = datetime(2026, 3, 2, 12, tzinfo=UTC)
    work, counts = nightwork(ten), []
    for _ in range(3):
        walk(ten, work, 24)
        counts.append(inspected(ten))
    assert counts == [6, 9, 10], "on the first day the night that was missed is made up for"


def test_it_can_be_switched_off(ten: Home) -> None:
    ten.configure(safety='reserve = "off"\nverify = "off"')
    walk(ten, nightwork(ten), 24)
    assert inspected(ten) == 0


def test_damage_is_mended_or_kept_for_status(ten: Home) -> None:
    ten.configure(safety='reserve = "off"\nverify = "99%"')
    one = ten.archives()[0]
    good = one.read_bytes()
    one.write_bytes(b"rot" + good[3:])
    ten.clock.time = datetime(2026, 3, 2, 12, tzinfo=UTC)
    walk(ten, nightwork(ten), 24)
    assert one.read_bytes() == good, "its original is in grace"
    ten.clock.forward(days=8)
    ten.optimize()
    ten.archives()[0].write_bytes(b"rot" + good[3:])
    walk(ten, nightwork(ten), 48)
    with ten.shop(reading=True) as shop:
        assert shop.catalog.totals().damaged_archives == 1


def test_it_stops_between_two_archives(ten: Home) -> None:
    answers = iter([True, True, False])
    found = scrub(lambda: ten.shop(reading=True), ten.shop, Silence(), 1.0, lambda: next(answers, False))
    assert (found.archives, found.mended, found.damages) == (2, 0, ())
    assert inspected(ten) == 2
    assert scrub(lambda: ten.shop(reading=True), ten.shop, Silence(), 0.4, lambda: True).archives == 4
    assert inspected(ten) == 6, "the longest unread come first"
