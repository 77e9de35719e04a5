"""Photos and stand-ins that their user renames or moves: the catalogue follows, nothing is coded again, and nothing counts as deleted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from daemon.ports import Silence
from daemon.restorer import restore
from storage.catalog import Catalog
from storage.records import PhotoRow
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def row_of(home: Home, name: str) -> PhotoRow | None:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        return catalog.find(os.fsencode(home.root), os.fsencode(name))


def some(home: Home, photo: Photo, count: int = 12, wish: str = "") -> None:
    (home.root / "2021").mkdir()
    for number in range(count):
        (home.root / "2021" / f"{number}.jpg").write_bytes(photo(0, wish) + f"#{number}".encode())


def test_a_whole_folder_of_stand_ins_is_renamed(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    some(home, photo)
    home.optimize()
    encoded = home.codec.encoded
    (home.root / "2021").rename(home.root / "Summer")
    done = home.optimize()
    assert (done.followed, done.archived, done.left, done.missed, done.gone) == (12, 0, {}, 0, [])
    assert home.codec.encoded == encoded
    moved = row_of(home, "Summer/3.jpg")
    assert moved is not None
    assert (moved.state, moved.came_from, moved.missed_at) == (State.PURGED, b"2021/3.jpg", None)
    assert row_of(home, "2021/3.jpg") is None
    assert home.optimize().nothing_done
    with home.shop() as shop:
        assert [each.trouble for each in restore(shop, [home.root / "Summer/3.jpg"], None, None, Silence())] == [""]


def test_with_originals_in_grace_the_rows_follow_after_the_purge(home: Home, photo: Photo) -> None:
    home.configure('grace = "3 days"')
    some(home, photo)
    home.optimize()
    (home.root / "2021").rename(home.root / "Summer")
    home.clock.forward(days=1)
    done = home.optimize()
    assert (done.followed, done.archived, done.missed, done.gone) == (0, 0, 0, []), "no surprise in mass: they are all there"
    home.clock.forward(days=3)
    assert home.optimize().purged == 12
    home.clock.forward(days=1)
    assert home.optimize().followed == 12
    row = row_of(home, "Summer/0.jpg")
    assert row is not None
    assert row.state is State.PURGED


def test_photos_that_were_left_alone_are_not_tried_again(home: Home, photo: Photo) -> None:
    some(home, photo, wish="refuse:cmyk")
    home.optimize()
    tried = home.codec.encoded
    shutil.move(home.root / "2021", home.root / "old")
    done = home.optimize()
    assert (done.followed, done.gone) == (12, [])
    assert home.codec.encoded == tried
    row = row_of(home, "old/5.jpg")
    assert row is not None
    assert (row.state, row.reason) == (State.LEFT, "cmyk")


def test_a_copy_by_a_sync_tool_has_other_inodes(home: Home, photo: Photo) -> None:
    """A stand-in is known by its bytes; a plain photo is a new one, which costs a try."""
    home.configure('grace = "0 days"')
    some(home, photo, count=1)
    home.optimize()
    shutil.copy(home.root / "2021/0.jpg", home.root / "new.jpg")
    (home.root / "2021/0.jpg").unlink()
    assert home.optimize().followed == 1
    row = row_of(home, "new.jpg")
    assert row is not None
    assert row.state is State.PURGED


def test_a_copy_beside_is_no_move(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    some(home, photo, count=1)
    home.optimize()
    shutil.copy(home.root / "2021/0.jpg", home.root / "copy.jpg")
    done = home.optimize()
    assert (done.followed, dict(done.left)) == (0, {"stand-in": 1})


def test_a_restored_photo_stays_pinned_under_its_new_name(home: Home, photo: Photo) -> None:
    some(home, photo, count=1)
    home.optimize()
    with home.shop() as shop:
        restore(shop, [home.root / "2021/0.jpg"], None, None, Silence())
    (home.root / "2021/0.jpg").rename(home.root / "mine.jpg")
    done = home.optimize()
    assert (done.followed, done.archived) == (1, 0)
    row = row_of(home, "mine.jpg")
    assert row is not None
    assert (row.state, row.pinned_until_at is not None) == (State.RESTORED, True)
