"""How many bytes a night may change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from daemon.budget import Budget
from daemon.ports import Silence
from daemon.run import optimize
from daemon.summary import Summary

if TYPE_CHECKING:
    from conftest import Home

Photo = Callable[..., bytes]


@pytest.mark.parametrize(
    ("budget", "spent"),
    [(Budget(), False), (Budget(100), False), (Budget(100, 99), False), (Budget(100, 100), True), (Budget(0), True)],
)
def test_when_it_is_spent(budget: Budget, spent: bool) -> None:
    assert budget.is_spent is spent


def test_no_limit_is_never_spent() -> None:
    budget = Budget()
    budget.spend(10**15)
    assert not budget.is_spent


def run(home: Home, budget: Budget) -> Summary:
    with home.shop() as shop:
        return optimize(shop, [], Silence(), budget=budget)


def test_a_run_stops_when_its_budget_is_spent_and_the_next_night_goes_on(home: Home, photo: Photo) -> None:
    for seed in range(4):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    first = run(home, Budget(1))
    assert (first.archived, first.postponed) == (1, 3)
    evening = int(home.clock.now().timestamp())
    with home.shop() as shop:
        photos, changed = shop.catalog.archived_since(evening)
    assert photos == 1
    assert changed == first.archive_bytes + first.stand_in_bytes > 0
    same_night = run(home, Budget(changed, changed))
    assert (same_night.archived, same_night.postponed) == (0, 3)
    home.clock.forward(days=1)
    with home.shop() as shop:
        assert shop.catalog.archived_since(evening + 3600) == (0, 0)
    assert run(home, Budget(10**9)).archived == 3


def test_so_many_photos_a_night(home: Home, photo: Photo) -> None:
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    (home.root / "0 refused.jpg").write_bytes(photo(9, "refuse:cmyk"))
    done = run(home, Budget(limit_photos=2, spent_photos=1))
    assert (done.archived, done.postponed) == (1, 2), "what is left alone changes nothing, and does not count"


def test_a_spent_budget_still_purges(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.clock.forward(days=8)
    (home.root / "b.jpg").write_bytes(photo(1))
    done = run(home, Budget(0))
    assert (done.archived, done.postponed, done.purged) == (0, 1, 1)
