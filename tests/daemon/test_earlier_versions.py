"""Archives of photos that came back in full and were written over by their users: kept for a while, thrown away only where nothing needs
them, and never made a second time for what is the same picture."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from codec.labels import Labels, labelled
from codec.rating import read_rating
from daemon.marking import has_picture_of
from daemon.ports import Silence
from daemon.restorer import restore
from storage.catalog import Catalog
from storage.digest import sha256_of_bytes
from storage.records import PhotoRow, Totals
from storage.states import State
from tests.daemon.scenarios import TAGS

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def back(home: Home, name: str = "a.jpg") -> Path:
    with home.shop() as shop:
        (done,) = restore(shop, [home.root / name], None, None, Silence())
    assert done.trouble == ""
    return home.root / name


def totals(home: Home) -> Totals:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        return catalog.totals()


def earlier(home: Home) -> list[PhotoRow]:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        return catalog.earlier(os.fsencode(home.root))


@pytest.fixture
def edited(home: Home, photo: Photo) -> Home:
    """A photo that was archived and purged, came back, was edited in full, and archived again; and one that stays as it is."""
    home.configure('grace = "0 days"')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().purged == 1
    back(home)
    (home.root / "a.jpg").write_bytes(photo(1))
    assert home.optimize().purged == 1
    assert len(home.archives()) == 2
    return home


def test_it_goes_after_its_time(edited: Home) -> None:
    (old,) = earlier(edited)
    found = totals(edited).earlier
    assert (found.photos, found.archive_bytes, found.since_at) == (1, old.archive_bytes, old.superseded_at)
    edited.clock.forward(days=29)
    assert edited.optimize().earlier == 0
    edited.clock.forward(days=2)
    done = edited.optimize()
    assert (done.earlier, done.thrown_away, done.freed_bytes, done.missed) == (1, 0, old.archive_bytes, 0)
    assert earlier(edited) == []
    assert totals(edited).earlier.photos == 0
    assert [path.stem for path in edited.archives()] == [edited.rows()["a.jpg"].sha256]
    assert edited.optimize().nothing_done
    back(edited)


def test_until_then_it_is_told(edited: Home, run: Callable[..., Result]) -> None:
    told = run("explain", edited.root / "a.jpg").output.replace("\n", " ")
    assert "An earlier version was archived on" in told
    assert "which stays until" in told
    assert "Earlier:" in run("status").output
    (found,) = json.loads(run("status", "--json").output)["galleries"]
    assert found["earlier_versions"]["archives"] == 1


@pytest.mark.parametrize("how", ["copied", "hidden", "in a bin", "by another photo"])
def test_it_stays_as_long_as_anything_needs_it(home: Home, photo: Photo, how: str) -> None:
    home.configure('grace = "0 days"')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    goal = {"copied": "b.jpg", "hidden": ".b.jpg", "in a bin": ".Trash-1000/files/b.jpg", "by another photo": "c.jpg"}[how]
    (home.root / goal).parent.mkdir(parents=True, exist_ok=True)
    if how == "by another photo":
        (home.root / goal).write_bytes(photo())
    else:
        shutil.copy2(home.root / "a.jpg", home.root / goal)
    back(home)
    (home.root / "a.jpg").write_bytes(photo(1))
    home.optimize()
    for _ in range(3):
        home.clock.forward(days=31)
        assert home.optimize().earlier == 0
    assert len(home.archives()) == 2
    (home.root / goal).unlink()
    for _ in range(4):
        home.clock.forward(days=31)
        home.optimize()
    assert [path.stem for path in home.archives()] == [home.rows()["a.jpg"].sha256]


def test_a_stand_in_that_is_put_back_over_the_edit(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    stand_in = (home.root / "a.jpg").read_bytes()
    digest = home.rows()["a.jpg"].sha256
    back(home)
    (home.root / "a.jpg").write_bytes(photo(1))
    home.optimize()
    home.clock.forward(days=31)
    (home.root / "a.jpg").write_bytes(stand_in)
    for _ in range(3):
        home.optimize()
        home.clock.forward(days=31)
    assert digest in {path.stem for path in home.archives()}


def test_a_clock_that_was_behind_begins_its_time_anew(edited: Home) -> None:
    edited.clock.forward(days=-400)
    back(edited)
    (edited.root / "a.jpg").write_bytes(b"\xff\xd8 an edit by a clock that is behind")
    edited.optimize()
    edited.clock.forward(days=401)
    assert edited.optimize().earlier == 0
    assert len(edited.archives()) == 2


def test_nothing_goes_after_a_deletion_in_mass(edited: Home, photo: Photo) -> None:
    for number in range(30):
        (edited.root / f"{number}.jpg").write_bytes(photo(2 + number % 3))
    edited.optimize()
    edited.clock.forward(days=31)
    for number in range(10):
        (edited.root / f"{number}.jpg").unlink()
    assert any("were deleted" in text for text in edited.optimize().gone)
    assert len(earlier(edited)) == 1
    assert edited.optimize(as_it_is=True).earlier == 1


def test_doctor_and_verify_know_it(edited: Home, run: Callable[..., Result]) -> None:
    (old,) = earlier(edited)
    path = edited.root / ".gallery-optimizer" / (old.archive_name or "")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert run("verify", "--no-repair").exit_code == 20
    assert "a.jpg" in run("verify", "--no-repair").output


def test_what_was_edited_before_it_was_taken_up_again(home: Home, photo: Photo) -> None:
    """Its time as a restored photo is over and it waits in the queue, when its user writes over it."""
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    back(home)
    home.clock.forward(days=31)
    with home.shop() as shop:
        row = home.rows()["a.jpg"]
        shop.catalog.requeue(row.id)
    (home.root / "a.jpg").write_bytes(photo(1))
    home.optimize()
    assert len(earlier(home)) == 1
    assert len(home.archives()) == 2


# The same picture with other labels is no other photo.


@pytest.mark.parametrize("waits", [False, True])
def test_a_restored_copy_that_is_tagged_keeps_its_first_archive(home: Home, photo: Photo, waits: bool) -> None:
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    copy = back(home)
    tagged = labelled(copy.read_bytes(), Labels(exif=TAGS))
    digest, encoded = home.rows()["a.jpg"].sha256, home.codec.encoded
    if waits:
        with home.shop() as shop:
            shop.catalog.requeue(home.rows()["a.jpg"].id)
    copy.write_bytes(tagged)
    home.clock.forward(days=31)
    assert home.optimize().archived == 1
    assert home.codec.encoded == encoded, "coded a second time"
    row = home.rows()["a.jpg"]
    assert (row.state, row.sha256) == (State.PURGED, digest)
    for _ in range(2):
        home.clock.forward(days=31)
        home.optimize()
    assert [path.stem for path in home.archives()] == [digest]
    assert earlier(home) == []
    again = back(home).read_bytes()
    assert (read_rating(again, ()).stars, has_picture_of(again, tagged)) == (5, True)
    assert home.optimize().archived == 0


def test_a_copy_of_a_tagged_photo_keeps_the_tags(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    stand_in = home.root / "a.jpg"
    stand_in.write_bytes(labelled(stand_in.read_bytes(), Labels(exif=TAGS)))
    copy = back(home)
    tagged = copy.read_bytes()
    shutil.copy2(copy, home.root / "b.jpg")
    home.clock.forward(days=31)
    assert home.optimize().archived == 2
    assert [read_rating(back(home, name).read_bytes(), ()).stars for name in ("a.jpg", "b.jpg")] == [5, 5]
    assert has_picture_of(copy.read_bytes(), tagged)


def test_another_picture_is_another_photo(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    copy = back(home)
    encoded = home.codec.encoded
    copy.write_bytes(photo(3))
    home.clock.forward(days=31)
    home.optimize()
    assert home.codec.encoded == encoded + 1
    assert home.rows()["a.jpg"].sha256 == sha256_of_bytes(photo(3))
