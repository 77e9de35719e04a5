"""How many bytes a night may change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from daemon import settings
from daemon.budget import Budget
from daemon.messages import Encoded, EncodeJob
from daemon.ports import Silence
from daemon.run import optimize
from daemon.scheduled import budget_of
from daemon.summary import Summary
from tests.daemon.conftest import load_fake

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

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


def test_what_a_clock_that_was_ahead_archived_is_not_of_every_night(home: Home, photo: Photo) -> None:
    """Ten years long no night had anything left to spend."""
    schedule = settings.read(home.places.config_file).schedule
    for seed, years in ((0, 10), (1, -10)):
        home.clock.forward(days=365 * max(years, 0))
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
        run(home, Budget())
        home.clock.forward(days=min(365 * years, 0))
    night = schedule.window.night(home.clock.now().replace(hour=2), UTC)
    assert night is not None
    with home.shop() as shop:
        assert budget_of(replace(schedule, nightly_budget=1, nightly_files=1), shop.catalog, night).is_spent is False


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


def test_an_archive_of_twins_is_counted_once_also_after_a_kill(home: Home, photo: Photo) -> None:
    """A run that goes on in the same night asks the catalogue what is spent, which counted it for each of them."""
    evening = int(home.clock.now().timestamp())
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (home.root / name).write_bytes(photo())
    done = run(home, Budget())
    assert done.archived == 3
    with home.shop() as shop:
        assert shop.catalog.archived_since(evening) == (3, done.archive_bytes + done.stand_in_bytes)
    home.clock.forward(days=1)
    (home.root / "d.jpg").write_bytes(photo())
    late = run(home, Budget())
    assert (late.archived, late.archive_bytes) == (1, 0)
    with home.shop() as shop:
        assert shop.catalog.archived_since(evening + 3600) == (1, late.stand_in_bytes), "its archive was made the day before"


def test_a_twin_whose_archive_was_made_anew_was_archived_before(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    next(home.root.rglob("*.nphoto")).unlink()
    (home.root / "b.jpg").write_bytes(photo())
    home.clock.forward(days=1)
    night, make = int(home.clock.now().timestamp()), home.codec.backend.archive

    def other_model(job: EncodeJob, allowance_bytes: int | None) -> Encoded:
        made: Encoded = make(job, allowance_bytes)
        facts, body = load_fake().unpack(made.archive)
        return replace(made, archive=load_fake().pack({**facts, "model": "m2"}, body), model="m2")

    monkeypatch.setattr(home.codec.backend, "archive", other_model)
    done = run(home, Budget())
    assert (done.archived, done.archive_bytes > 0) == (1, True)
    with home.shop() as shop:
        assert len({row.archive_sha256 for row in shop.catalog.rows()}) == 1
        assert shop.catalog.archived_since(night) == (1, done.archive_bytes + done.stand_in_bytes)


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
