"""A gallery that is suddenly half gone is no wish of its user, until he says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from daemon.ejection import eject
from daemon.inspection import verify
from daemon.ports import Silence
from daemon.run import optimize
from daemon.summary import Summary
from storage.vault import Vault

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.fixture
def dozen(home: Home, photo: Photo) -> Home:
    """Twelve archived photos in grace."""
    for seed in range(12):
        (home.root / f"{seed:02}.jpg").write_bytes(photo(seed % 3) + bytes([seed]))
    assert home.optimize().archived == 12
    home.clock.forward(days=8)
    return home


def as_it_is(home: Home) -> Summary:
    with home.shop() as shop:
        return optimize(shop, [], Silence(), as_it_is=True)


def asides(home: Home) -> int:
    return len(list((home.root / ".gallery-optimizer/originals").glob("*.original")))


def test_half_gone(dozen: Home) -> None:
    for seed in range(10):
        (dozen.root / f"{seed:02}.jpg").unlink()
    before = dozen.files()
    (said,) = dozen.optimize().gone
    assert "10 of 12 photos" in said
    assert "--as-it-is" in said
    assert dozen.files() == before
    assert as_it_is(dozen).purged == 12


def test_half_different(dozen: Home) -> None:
    for seed in range(11):
        (dozen.root / f"{seed:02}.jpg").write_bytes(b"encrypted, pay here" + bytes([seed]))
    before = dozen.files()
    (said,) = dozen.optimize().gone
    assert "11 of 12 photos" in said
    assert dozen.files() == before
    assert asides(dozen) == 12


def test_deleted_stand_ins_stop_the_purge_and_nothing_else(home: Home, photo: Photo) -> None:
    for seed in range(30):
        (home.root / f"{seed:02}.jpg").write_bytes(photo(seed % 3) + bytes([seed]))
    home.optimize()
    home.clock.forward(days=8)
    for seed in range(10):
        (home.root / f"{seed:02}.jpg").unlink()
    (home.root / "new.jpg").write_bytes(photo(5))
    done = home.optimize()
    assert (done.archived, done.purged) == (1, 0)
    assert "10 of 30 stand-ins" in done.gone[0]
    assert as_it_is(home).purged == 30


def test_all_of_a_few_have_to_be_confirmed(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    for seed in range(3):
        (home.root / f"{seed}.jpg").unlink()
    assert "suddenly has no photos" in home.optimize().gone[0]
    assert as_it_is(home).missed == 3
    assert home.optimize().gone == []
    home.clock.forward(days=31)
    assert home.optimize().thrown_away == 3


def test_few_may_be_anything(home: Home, photo: Photo) -> None:
    for seed in range(4):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    for seed in range(3):
        (home.root / f"{seed}.jpg").unlink()
    assert home.optimize().gone == []


@pytest.mark.parametrize("where", ["state", "vault"])
def test_the_file_that_says_stop(dozen: Home, photo: Photo, where: str) -> None:
    stop = (dozen.places.state_folder if where == "state" else dozen.root / ".gallery-optimizer") / "stop"
    stop.touch()
    (dozen.root / "new.jpg").write_bytes(photo(5))
    done = dozen.optimize()
    assert (done.archived, done.purged) == (0, 0)
    assert "says stop" in done.gone[0]
    stop.unlink()
    done = dozen.optimize()
    assert (done.archived, done.purged) == (1, 12)


def test_stop_takes_hold_between_two_purges(dozen: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    purge = Vault.purge

    def purge_and_brake(*given: Any, **named: Any) -> int:
        (dozen.root / ".gallery-optimizer/stop").touch()
        return purge(*given, **named)

    monkeypatch.setattr(Vault, "purge", purge_and_brake)
    done = dozen.optimize()
    assert (done.purged, asides(dozen)) == (1, 11)
    assert "says stop" in done.gone[0]


def test_stop_takes_hold_before_anything_is_thrown_away(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    home.configure('grace = "0 days"')
    for seed in range(4):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    for seed in range(3):
        (home.root / f"{seed}.jpg").unlink()
    home.optimize()
    home.clock.forward(days=31)
    throw = Vault.throw_away_archive

    def throw_and_brake(*given: Any) -> int:
        (home.root / ".gallery-optimizer/stop").touch()
        return throw(*given)

    monkeypatch.setattr(Vault, "throw_away_archive", throw_and_brake)
    assert "says stop" in home.optimize().gone[0]
    assert len(list((home.root / ".gallery-optimizer/archives").rglob("*.nphoto"))) == 3


def test_stop_takes_hold_between_two_photos(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    encode = home.codec.encode

    def encode_and_brake(job: object) -> object:
        (home.places.state_folder / "stop").touch()
        return encode(job)  # type: ignore[arg-type]

    monkeypatch.setattr(home.codec, "encode", encode_and_brake)
    assert home.optimize().archived == 1


@pytest.mark.parametrize("purged", [False, True], ids=["originals", "copies"])
def test_after_an_eject_a_deleted_vault_is_no_dead_end(home: Home, photo: Photo, *, purged: bool) -> None:
    """It asked for the right disk for ever, whatever was said."""
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    if purged:
        home.purge()
    (home.root / ".gallery-optimizer").rename(home.root.with_name("away"))
    assert "begins anew" in " ".join(as_it_is(home).gone), "a stand-in alone is no photo: refused"
    home.root.with_name("away").rename(home.root / ".gallery-optimizer")
    with home.shop() as shop:
        assert eject(shop, shop.galleries[0], Silence()).complete
    full = (home.root / "a.jpg").read_bytes()
    shutil.rmtree(home.root / ".gallery-optimizer")
    assert home.optimize().gone
    again = as_it_is(home)
    assert (again.gone, again.archived) == ([], 0 if purged else 1)
    assert ((home.root / "a.jpg").read_bytes() == full) == purged, "a copy is never coded a second time"
    with home.shop() as shop:
        assert verify(shop, Silence()).damages == []
