"""Deleted by mistake: everything in the trash can be given back in its place, as `status` says."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from PIL import Image

from codec.labels import Labels, labelled
from daemon.ejection import eject
from daemon.ports import Silence
from daemon.restorer import Came, Restoration, restore
from daemon.selection import Chosen
from storage.catalog import Catalog
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.fixture(params=["0 days", "20 days"])
def archived(home: Home, photo: Photo, request: pytest.FixtureRequest) -> Home:
    home.configure(f'grace = "{request.param}"')
    (home.root / "Trip" / "day 1").mkdir(parents=True)
    (home.root / "Trip").chmod(0o750)
    for number, name in enumerate(("Trip/a.jpg", "Trip/day 1/b.jpg", "c.jpg")):
        (home.root / name).write_bytes(photo(number))
    assert home.optimize().archived == 3
    return home


def back(home: Home, *paths: Path, album: str = "") -> list[Restoration]:
    with home.shop() as shop:
        return restore(shop, Chosen(list(paths), [album] if album else []), None, None, Silence())


@pytest.mark.parametrize("named", ["Trip", "Trip/day 1", "Trip/day 1/b.jpg", "album"])
def test_an_album_that_was_deleted_as_a_whole(archived: Home, named: str) -> None:
    shutil.rmtree(archived.root / "Trip")
    archived.optimize()
    given = back(archived, album="Trip") if named == "album" else back(archived, archived.root / named)
    assert [each.trouble for each in given] == [""] * (2 if named in ("Trip", "album") else 1)
    assert (archived.root / "Trip/a.jpg").exists() == (len(given) == 2)
    assert stat.S_IMODE((archived.root / "Trip/day 1").stat().st_mode) == stat.S_IMODE(archived.root.stat().st_mode)
    assert archived.state_of("Trip/day 1/b.jpg")[0] is State.RESTORED


def test_nothing_is_made_for_a_folder_that_never_was(archived: Home) -> None:
    with pytest.raises(Exception, match="is not there"):
        back(archived, archived.root / "Trap")
    assert not (archived.root / "Trap").exists()


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("named", ["c.jpg", "Trip"])
def test_a_photo_that_was_restored_and_then_deleted(archived: Home, named: str, noticed: bool) -> None:
    """It said "nothing to restore", and after 30 days there was nothing."""
    place = archived.root / named
    files = [place] if place.is_file() else sorted(place.rglob("*.jpg"))
    back(archived, place)
    held = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    place.unlink() if place.is_file() else shutil.rmtree(place)
    if noticed:
        assert archived.optimize().missed == len(files)
    assert all(each.trouble == "" and each.came is Came.COPY for each in back(archived, place))
    assert all(file.exists() for file in files)
    assert [file.stat().st_mtime_ns for file in files] == [mtime_ns for _, mtime_ns in held]
    archived.clock.forward(days=29)
    done = archived.optimize()
    assert (done.archived, done.missed, done.thrown_away) == (0, 0, 0)  # pinned anew, and not in the trash
    assert archived.state_of(files[0].relative_to(archived.root).as_posix())[0] is State.RESTORED


def test_with_labels_of_which_the_original_is_kept(home: Home, photo: Photo) -> None:
    home.configure('grace = "20 days"')
    place = home.root / "a.jpg"
    place.write_bytes(photo())
    (home.root / "other.jpg").write_bytes(photo(1))
    home.optimize()
    tags = Image.Exif()
    tags[0x010E] = "a day out"
    place.write_bytes(labelled(place.read_bytes(), Labels(exif=tags.tobytes().removeprefix(b"Exif\0\0"))))
    assert back(home, place)[0].came is Came.LABELLED
    place.unlink()
    assert back(home, place)[0].came is Came.ORIGINAL
    assert place.read_bytes() == photo()
    home.clock.forward(days=21)
    assert home.optimize().purged == 2  # the kept one, too, by its own grace
    assert place.read_bytes() == photo()


def test_what_was_moved_is_not_given_twice(archived: Home) -> None:
    back(archived, archived.root / "c.jpg")
    (archived.root / "c.jpg").rename(archived.root / "d.jpg")
    back(archived, archived.root)
    assert not (archived.root / "c.jpg").exists()
    assert archived.optimize().followed == 1


def test_a_crash_between_the_photo_and_its_row(archived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    place = archived.root / "c.jpg"
    back(archived, place)
    place.unlink()
    noted = Catalog.brought_back

    def dies(catalog: Catalog, photo_id: int, **what: Any) -> None:
        if place.exists():
            raise KeyboardInterrupt
        noted(catalog, photo_id, **what)

    monkeypatch.setattr(Catalog, "brought_back", dies)
    with pytest.raises(KeyboardInterrupt):
        back(archived, place)
    monkeypatch.undo()
    held = place.read_bytes()
    done = archived.optimize()
    assert (done.archived, done.missed) == (0, 0)
    assert place.read_bytes() == held
    assert archived.state_of("c.jpg")[0] is State.RESTORED


def test_eject_brings_it_back(archived: Home) -> None:
    back(archived, archived.root / "c.jpg")
    (archived.root / "c.jpg").unlink()
    archived.optimize()
    with archived.shop() as shop:
        done = eject(shop, shop.galleries[0], Silence())
    assert (done.troubles, done.photos) == ([], 3)
    assert (archived.root / "c.jpg").exists()


@pytest.fixture
def resent(home: Home, photo: Photo) -> Path:
    """A photo that is left alone with an archive, beside one that is archived."""
    home.configure('grace = "0 days"')
    path = home.root / "sent.jpg"
    (home.root / "other.jpg").write_bytes(photo(1))
    for _ in range(4):
        path.write_bytes(photo())
        home.optimize()
    assert home.state_of("sent.jpg") == (State.LEFT, "source-resends")
    path.unlink()
    return path


@pytest.mark.parametrize("seen", [True, False])
def test_a_photo_that_was_left_alone_with_an_archive(home: Home, resent: Path, seen: bool) -> None:
    """It was said to be in its place."""
    if seen:
        assert home.optimize().missed == 1
    (given,) = back(home, resent)
    assert (given.came, given.trouble) == (Came.COPY, "")
    assert home.state_of("sent.jpg")[0] is State.RESTORED
    home.optimize()
    assert home.rows()["sent.jpg"].missed_at is None


def test_its_archive_goes_after_its_time_in_the_trash(home: Home, resent: Path) -> None:
    """It stayed for ever."""
    home.optimize()
    assert len(home.archives()) == 2
    for _ in range(2):
        home.clock.forward(days=20)
        done = home.optimize()
    assert (done.thrown_away, len(home.archives())) == (1, 1)
    assert not home.rows()["sent.jpg"].has_archive
    assert home.optimize().nothing_done


def test_it_is_ejected(home: Home, resent: Path) -> None:
    home.optimize()
    with home.shop() as shop:
        done = eject(shop, shop.galleries[0], Silence())
    assert (done.complete, done.copies) == (True, 2)
    assert resent.exists()


def test_it_comes_back_by_its_source(home: Home, resent: Path, photo: Photo) -> None:
    home.optimize()
    resent.write_bytes(photo())
    home.optimize()
    home.optimize()
    assert home.rows()["sent.jpg"].missed_at is None
    home.clock.forward(days=60)
    home.optimize()
    assert len(home.archives()) == 2


def test_status_does_not_call_the_catalogue_lost(home: Home, run: Callable[..., Result], resent: Path, photo: Photo) -> None:
    resent.write_bytes(photo())
    (home.root / "other.jpg").unlink()
    for days in (0, 20, 20):
        home.clock.forward(days=days)
        home.optimize()
    assert [row.has_archive for row in home.rows().values()].count(True) == 1
    assert "rebuild" not in run("status").stdout
    home.places.catalog_file.unlink()
    assert "rebuild" in run("status").stdout
