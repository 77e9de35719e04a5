"""New arrivals: into the queue once they have settled, and nothing is forgotten on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.errors import Held
from daemon.intake import AGAIN_S, MANY, Intake, by_folder
from daemon.settling import Settling
from daemon.waits import Hold
from storage.catalog import Catalog
from storage.errors import Locked

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.fixture
def intake(home: Home) -> Intake:
    home.configure('quiet = "2 minutes"')
    home.clock.time = home.clock.time.replace(year=2035)
    return Intake(Settling(lambda: home.clock.now().timestamp()), lambda: None)


def queued(home: Home) -> list[str]:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        return sorted(os.fsdecode(row.path) for row in catalog.rows())


def test_what_has_settled_joins_the_queue(home: Home, intake: Intake, photo: Photo) -> None:
    assert len(intake.take_in(home.shop)) == 0
    assert intake.wait_s() is None
    (home.root / "a.jpg").write_bytes(photo())
    intake.add([home.root / "a.jpg", home.root / "gone.jpg", Path("/elsewhere/b.jpg")], 5.0)
    assert intake.wait_s() == pytest.approx(5)
    assert len(intake.take_in(home.shop)) == 0
    home.clock.forward(seconds=6)
    assert len(intake.take_in(home.shop)) == 1
    assert queued(home) == ["a.jpg"]
    assert intake.wait_s() is None


def test_what_has_not_settled_waits(home: Home, intake: Intake, photo: Photo) -> None:
    path = home.root / "a.jpg"
    path.write_bytes(photo())
    home.clock.time = home.clock.time.fromtimestamp(path.stat().st_ctime, home.clock.time.tzinfo)
    home.clock.forward(seconds=10)
    intake.add([home.root])
    assert len(intake.take_in(home.shop)) == 0
    assert intake.wait_s() == pytest.approx(120)
    home.clock.forward(seconds=121)
    assert len(intake.take_in(home.shop)) == 1


def test_nothing_is_forgotten_where_somebody_else_is_at_work(home: Home, intake: Intake, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    intake.add([home.root])

    def locked() -> object:
        raise Locked("another instance", 1)

    with pytest.raises(Locked):
        intake.take_in(locked)  # type: ignore[arg-type]
    assert intake.wait_s() == pytest.approx(AGAIN_S)
    home.clock.forward(seconds=AGAIN_S)
    assert len(intake.take_in(home.shop)) == 1


def test_it_leaves_off_where_somebody_waits(home: Home, photo: Photo) -> None:
    for number in range(3):
        (home.root / f"{number}.jpg").write_bytes(photo(number))
    home.clock.time = home.clock.time.replace(year=2035)
    looks = []

    def leave() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise Held(Hold("asked"))

    intake = Intake(Settling(lambda: home.clock.now().timestamp()), leave)
    intake.add([home.root])
    with pytest.raises(Held):
        intake.take_in(home.shop)
    home.clock.forward(seconds=AGAIN_S)
    assert len(intake.take_in(home.shop)) + len(looks) >= 3
    assert queued(home) == ["0.jpg", "1.jpg", "2.jpg"]


def test_a_photo_is_not_named_by_its_user_because_it_arrived(home: Home, intake: Intake, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo(0, "refuse:cmyk"))
    home.optimize()
    intake.add([home.root / "a.jpg"])
    assert len(intake.take_in(home.shop)) == 0, "it was left alone, and nothing about it changed"


def test_a_camera_full_of_photos_is_one_walk() -> None:
    many = [Path(f"/g/DCIM/{number}.jpg") for number in range(MANY)]
    assert by_folder([*many, Path("/g/one.jpg")]) == [Path("/g/DCIM"), Path("/g/one.jpg")]
    assert by_folder(many[1:]) == sorted(many[1:])
