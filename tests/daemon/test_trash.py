"""A deleted stand-in's archive waits in the trash; it goes with the last path that needs it, and never for a move."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon import everywhere
from daemon.ports import Silence
from daemon.restorer import restore
from storage.catalog import Catalog
from storage.digest import Snapshot, read_once
from storage.records import PhotoRow
from storage.states import State
from tests.daemon.disks import tmpfs
from tests.daemon.homes import twins

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.fixture
def archived(home: Home, photo: Photo) -> Home:
    return twins(home, photo)


def row(home: Home, name: str) -> PhotoRow:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        found = catalog.find(str(home.root).encode(), name.encode())
    assert found is not None
    return found


def test_an_archive_goes_with_the_last_of_its_photos(archived: Home) -> None:
    (archived.root / "a.jpg").unlink()
    assert archived.optimize().missed == 1
    archived.clock.forward(days=31)
    done = archived.optimize()
    assert (done.thrown_away, done.freed_bytes) == (1, 0)
    assert len(archived.archives()) == 1
    assert (row(archived, "a.jpg").state, row(archived, "a.jpg").reason) == (State.LEFT, "gone")
    (archived.root / "twin.jpg").unlink()
    archived.optimize()
    archived.clock.forward(days=29)
    assert archived.optimize().nothing_done
    assert len(archived.archives()) == 1
    archived.clock.forward(days=2)
    assert archived.optimize().freed_bytes > 0
    assert archived.archives() == []
    assert archived.optimize().nothing_done


def test_a_restored_photo_leaves_the_trash(archived: Home) -> None:
    for name in ("a.jpg", "twin.jpg"):
        (archived.root / name).unlink()
    assert archived.optimize().missed == 2
    with archived.shop() as shop:
        restore(shop, [archived.root / "a.jpg"], None, None, Silence())
    assert row(archived, "a.jpg").missed_at is None
    archived.clock.forward(days=29)
    archived.optimize()
    (archived.root / "a.jpg").unlink()
    archived.clock.forward(days=2)
    done = archived.optimize()  # the twin's time is over, the other's begins
    assert (done.missed, done.thrown_away) == (1, 1)
    assert len(archived.archives()) == 1
    archived.clock.forward(days=30)
    assert archived.optimize().thrown_away == 1
    assert archived.archives() == []


def test_a_moved_stand_in_keeps_its_archive(archived: Home) -> None:
    (archived.root / "twin.jpg").unlink()
    (archived.root / "album").mkdir()
    (archived.root / "a.jpg").rename(archived.root / "album" / "b.jpg")
    for _ in range(3):
        archived.optimize()
        archived.clock.forward(days=31)
    assert len(archived.archives()) == 1
    with archived.shop() as shop:
        (given,) = restore(shop, [archived.root / "album" / "b.jpg"], None, None, Silence())
    assert given.trouble == ""


def test_a_stand_in_that_was_moved_to_a_disk_which_is_unplugged(archived: Home, photo: Photo, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "other.jpg").write_bytes(photo(1))
    text = archived.places.config_file.read_text()
    archived.places.config_file.write_text(f'[[gallery]]\npath = "{card}"\ngrace = "0 days"\n{text}')
    assert archived.optimize().purged == 1
    (archived.root / "twin.jpg").unlink()
    shutil.move(archived.root / "a.jpg", card / "a.jpg")
    for _ in range(3):
        card.rename(tmp_path / "unplugged")
        card.mkdir()
        assert any(str(card) in text for text in archived.optimize().gone)
        archived.clock.forward(days=31)
        archived.optimize()
        card.rmdir()
        (tmp_path / "unplugged").rename(card)
    assert len(archived.archives()) == 1


@pytest.mark.parametrize("there", [True, False])
def test_a_stand_in_that_was_moved_to_a_gallery_that_is_one_no_more(archived: Home, photo: Photo, tmp_path: Path, there: bool) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "other.jpg").write_bytes(photo(1))
    alone = archived.places.config_file.read_text()
    archived.places.config_file.write_text(f'[[gallery]]\npath = "{card}"\ngrace = "0 days"\n{alone}')
    (archived.root / "twin.jpg").unlink()
    shutil.move(archived.root / "a.jpg", card / "a.jpg")
    archived.optimize()
    archived.places.config_file.write_text(alone)
    if not there:
        card.rename(tmp_path / "unplugged")
    for _ in range(4):
        archived.optimize()
        archived.clock.forward(days=31)
    assert len(archived.archives()) == 1
    if not there:
        (tmp_path / "unplugged").rename(card)
    (card / "a.jpg").unlink()
    for _ in range(3):
        archived.optimize()
        archived.clock.forward(days=31)
    assert len(archived.archives()) == 0


def test_the_stand_in_comes_back_out_of_the_bin(archived: Home) -> None:
    stand_in = (archived.root / "a.jpg").read_bytes()
    for name in ("a.jpg", "twin.jpg"):
        (archived.root / name).unlink()
    archived.optimize()
    (archived.root / "a.jpg").write_bytes(stand_in)
    archived.clock.forward(days=31)
    assert archived.optimize().thrown_away == 1
    assert row(archived, "a.jpg").missed_at is None
    assert len(archived.archives()) == 1


def test_a_stop_between_archive_and_row_is_finished(archived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "twin.jpg"):
        (archived.root / name).unlink()
    archived.optimize()
    archived.clock.forward(days=31)
    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "thrown_away", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            archived.optimize()
    assert archived.archives() == []
    assert archived.optimize().thrown_away == 2


def test_originals_in_grace_are_not_thrown_away(home: Home, photo: Photo) -> None:
    home.configure('grace = "90 days"')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    (home.root / "a.jpg").unlink()
    home.optimize()
    home.clock.forward(days=60)
    assert home.optimize().thrown_away == 0
    assert len(home.archives()) == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_folder_that_can_not_be_listed_may_hold_the_stand_in(archived: Home, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    (archived.root / "album").mkdir()
    (archived.root / "a.jpg").rename(archived.root / "album" / "b.jpg")
    (archived.root / "twin.jpg").unlink()
    listing = os.scandir

    def scandir(path: Any) -> Any:
        if not isinstance(path, int) and os.fsencode(path).endswith(b"/album"):
            raise OSError(number, os.strerror(number), path)
        return listing(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        for _ in range(3):
            done = archived.optimize()
            assert (done.missed, done.thrown_away) == (0, 0)
            assert any("album" in why for _, why in done.failed), "and is told"
            archived.clock.forward(days=31)
    archived.optimize()  # both places are empty: the row of one follows, the other waits in the trash
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        archived.clock.forward(days=31)
        assert archived.optimize().thrown_away == 0
    assert len(archived.archives()) == 1


def test_a_folder_that_goes_away_during_the_walk_hides_nothing(archived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (archived.root / "album").mkdir()
    (archived.root / "a.jpg").unlink()
    listing = os.scandir

    def scandir(path: Any) -> Any:
        if not isinstance(path, int) and os.fsencode(path).endswith(b"/album"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert archived.optimize().missed == 1


def test_a_clock_that_leaps_ahead_empties_no_trash(archived: Home) -> None:
    for name in ("a.jpg", "twin.jpg"):
        (archived.root / name).unlink()
    assert archived.optimize().missed == 2
    archived.clock.forward(days=3000)
    for _ in range(3):
        assert archived.optimize().thrown_away == 0
        archived.clock.forward(hours=3)
    archived.clock.forward(days=-3000)
    assert archived.optimize().thrown_away == 0
    archived.clock.forward(days=90)
    assert archived.optimize().thrown_away == 0, "nobody can tell a pause from a leap"
    archived.clock.forward(days=1)
    assert archived.optimize().thrown_away == 2


def test_a_clock_that_was_behind_takes_nothing_from_the_time_in_the_trash(archived: Home) -> None:
    (archived.root / "a.jpg").unlink()
    (archived.root / "twin.jpg").unlink()
    archived.clock.forward(days=-10000)
    assert archived.optimize().missed == 2
    archived.clock.forward(days=10001)
    assert archived.optimize().thrown_away == 0
    archived.clock.forward(days=29)
    assert archived.optimize().thrown_away == 0
    archived.clock.forward(days=2)
    assert archived.optimize().thrown_away == 2


def test_an_album_that_its_user_moved_to_another_disk_and_linked(archived: Home, photo: Photo, tmp_path: Path) -> None:
    """While that disk is unplugged, the link leads nowhere."""
    (archived.root / "album").mkdir()
    (archived.root / "album/c.jpg").write_bytes(photo(3))
    archived.optimize()
    (archived.root / "album").rename(archived.root.parent / "album")
    (archived.root / "album").symlink_to(tmp_path / "unplugged" / "album")
    for _ in range(3):
        assert archived.optimize().missed == 0
        archived.clock.forward(days=31)
    assert len(archived.archives()) == 2


@pytest.mark.root
def test_a_disk_that_is_mounted_over_an_album_hides_it(archived: Home, photo: Photo) -> None:
    album = archived.root / "album"
    album.mkdir()
    (album / "c.jpg").write_bytes(photo(3))
    archived.optimize()
    with tmpfs(album, 1 << 20):
        for _ in range(3):
            assert archived.optimize().missed == 0
            archived.clock.forward(days=31)
    assert len(archived.archives()) == 2


@pytest.mark.root
def test_a_stand_in_that_its_user_moved_to_a_disk_that_is_mounted_in_the_gallery(archived: Home) -> None:
    """It lies where it is part of the gallery to whoever looks, and was thrown away after 30 days."""
    (archived.root / "twin.jpg").unlink()
    (archived.root / "Old").mkdir()
    with tmpfs(archived.root / "Old", 1 << 20) as disk:
        shutil.move(archived.root / "a.jpg", disk / "a.jpg")
        for _ in range(3):
            archived.optimize()
            archived.clock.forward(days=31)
        assert len(archived.archives()) == 1
        with archived.shop() as shop:
            (given,) = restore(shop, [disk / "a.jpg"], archived.root / "out", None, Silence())
            (refused,) = restore(shop, [disk / "a.jpg"], None, None, Silence())
        assert given.trouble == ""
        assert "disk" in refused.trouble
        assert (disk / "a.jpg").exists()


def test_a_stand_in_that_is_moved_behind_the_back_of_the_walk(archived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of a folder that is still to come, into one that was gone through."""
    text = archived.places.config_file.read_text()
    archived.places.config_file.write_text(text.replace("[[gallery]]", '[[gallery]]\nexclude = ["first/**", "last/**"]', 1))
    for name in ("first", "last"):
        (archived.root / name).mkdir()
    (archived.root / "twin.jpg").unlink()
    stand_in, hiding = archived.root / "last/x.jpg", archived.root / "first/x.jpg"
    stand_in.write_bytes((archived.root / "a.jpg").read_bytes() + b"#")  # no longer as large as it was, and without its attributes
    (archived.root / "a.jpg").unlink()
    assert archived.optimize().missed == 2
    archived.clock.forward(days=31)

    def moving(path: Path) -> Snapshot:
        if path.name == "stays.jpg" and stand_in.exists():
            stand_in.rename(hiding)
        return read_once(path)

    (archived.root / "last/stays.jpg").write_bytes(b"no picture either")
    monkeypatch.setattr(everywhere, "read_once", moving)
    assert archived.optimize().thrown_away == 0
    assert hiding.exists()
    assert len(archived.archives()) == 1


def test_files_that_never_rest_keep_everything(archived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (archived.root / "a.jpg").unlink()
    (archived.root / "twin.jpg").unlink()
    assert archived.optimize().missed == 2
    archived.clock.forward(days=31)

    def moving(path: Path) -> Snapshot:
        found = read_once(path)
        path.rename(path.with_name(f"{time.monotonic_ns()}.jpg"))
        return found

    monkeypatch.setattr(everywhere, "read_once", moving)
    done = archived.optimize()
    assert (done.thrown_away, len(archived.archives())) == (0, 1)
    assert any("moved all the time" in why for _, why in done.failed)


# What waits for a bin to be emptied, and what nobody can give back.
