"""Hidden, excluded or renamed to no photo's name is not deleted; what lies in a bin is, until it is taken out again."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codec.labels import Labels, labelled
from daemon import trash
from daemon.everywhere import everything
from daemon.ports import Silence
from daemon.restorer import Came, restore
from storage.catalog import Catalog
from storage.errors import ReadOnly
from storage.fingerprint import Fingerprint
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
HIDDEN = (".private/a.jpg", ".a.jpg", "a.jpg.bak", "a", "excluded/a.jpg", "album/.deep/er/a.jpg")
BINS = (".Trash-1000/files/a.jpg", ".stversions/a.jpg", ".trashed-1790000000-a.jpg", "#recycle/a.jpg", ".local/share/Trash/files/a.jpg")


@pytest.fixture
def archived(home: Home, photo: Photo) -> Home:
    home.configure('grace = "0 days"\nexclude = ["excluded/**"]')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().purged == 1
    return home


def put(home: Home, goal: str) -> Path:
    place = home.root / goal
    place.parent.mkdir(parents=True, exist_ok=True)
    return (home.root / "a.jpg").rename(place)


def weeks(home: Home, count: int = 10) -> list[tuple[int, int, list[tuple[str, str]]]]:
    done = []
    for _ in range(count):
        run = home.optimize()
        done.append((run.missed, run.thrown_away, run.failed))
        home.clock.forward(days=7)
    return done


@pytest.mark.parametrize("goal", HIDDEN)
def test_who_hides_a_stand_in_deletes_nothing(archived: Home, goal: str) -> None:
    put(archived, goal)
    assert weeks(archived) == [(0, 0, [])] * 10
    with archived.shop() as shop:
        (given,) = restore(shop, [archived.root / "a.jpg"], None, None, Silence())
    assert (given.trouble, given.came) == ("", Came.COPY)


@pytest.mark.parametrize("goal", HIDDEN)
def test_it_is_given_back_under_its_new_name(archived: Home, photo: Photo, goal: str, tmp_path: Path) -> None:
    place = put(archived, goal)
    with archived.shop() as shop:
        (given,) = restore(shop, [place], tmp_path / "out", None, Silence())
    assert (given.trouble, given.written) == ("", tmp_path / "out" / place.name)
    archived.optimize()
    small = place.stat().st_size
    with archived.shop() as shop:
        (given,) = restore(shop, [place], None, None, Silence())
    assert (given.trouble, given.came) == ("", Came.COPY)
    assert place.stat().st_size > small


@pytest.mark.parametrize("grace", ["0 days", "20 days"])
@pytest.mark.parametrize("goal", HIDDEN)
def test_nor_who_then_saves_over_it(home: Home, photo: Photo, goal: str, grace: str) -> None:
    """Nobody looks there for a place beside it, but the archive stays, and its old name gives it back."""
    home.configure(f'grace = "{grace}"\nexclude = ["excluded/**"]')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    place = put(home, goal)
    home.optimize()
    fresh = place.with_name("fresh.tmp")
    fresh.write_bytes(photo(1))
    fresh.replace(place)
    assert all(done[:2] == (0, 0) for done in weeks(home))
    assert len(home.archives()) == 1
    assert place.read_bytes() == photo(1)
    place.unlink()  # and only then it is deleted
    assert home.optimize().missed == 1


def test_nor_who_saves_into_it_before_any_run_saw_it(archived: Home, photo: Photo) -> None:
    put(archived, ".private/a.jpg").write_bytes(photo(1))
    assert weeks(archived) == [(0, 0, [])] * 10


@pytest.mark.parametrize("goal", [".private/a.jpg", ".a.jpg"])
def test_nor_who_tags_it_there_by_a_program_that_writes_a_new_file(archived: Home, goal: str) -> None:
    """It has another size than the catalogue knows, and no extended attribute, before any run has seen it there; but its mark."""
    tagged = labelled((archived.root / "a.jpg").read_bytes(), Labels(xmp=b"<x/>"))
    place = put(archived, goal)
    place.unlink()
    place.write_bytes(tagged)
    assert sum(thrown_away for _, thrown_away, _ in weeks(archived)) == 0
    assert len(archived.archives()) == 1
    place.unlink()
    assert sum(thrown_away for _, thrown_away, _ in weeks(archived)) == 1


@pytest.mark.parametrize("grace", ["0 days", "20 days"])
@pytest.mark.parametrize(
    ("before", "after"), [("a.jpg", ".a.jpg"), ("Trip/day/a.jpg", ".Trip/day/a.jpg"), ("Trip/day/a.jpg", "Trip/.day/a.jpg")]
)
def test_nor_who_hides_it_and_saves_over_it_before_any_run_saw_it(home: Home, photo: Photo, before: str, after: str, grace: str) -> None:
    """The program puts a new file there, which tells nothing. It took 30 days until the photo was gone."""
    home.configure(f'grace = "{grace}"')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / before).parent.mkdir(parents=True, exist_ok=True)
    (home.root / before).write_bytes(photo())
    home.optimize()
    (home.root / after).parent.parent.mkdir(parents=True, exist_ok=True)
    folder = next(part for part in (*Path(after).parents[::-1], Path(after)) if part.name.startswith("."))
    (home.root / folder.parent / folder.name[1:]).rename(home.root / folder)
    fresh = home.root / "fresh.tmp"
    fresh.write_bytes(photo(1))
    fresh.replace(home.root / after)
    assert all(done[:2] == (0, 0) for done in weeks(home))
    assert (home.root / after).read_bytes() == photo(1)
    with home.shop() as shop:
        (given,) = restore(shop, [home.root / before], home.root.parent / "out", None, Silence())
    assert (given.trouble, given.came) == ("", Came.COPY)
    (home.root / after).unlink()  # and only then it is deleted
    assert home.optimize().missed == 1


@pytest.mark.parametrize("trap", [".b.jpg", ".stays.jpg", ".private/b.jpg", "._a.jpg"])
def test_another_hidden_file_keeps_nothing(archived: Home, photo: Photo, trap: str) -> None:
    (archived.root / trap).parent.mkdir(exist_ok=True)
    (archived.root / trap).write_bytes(photo(1))
    (archived.root / "a.jpg").unlink()
    assert [done[:2] for done in weeks(archived, 7)] == [(1, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (0, 0)]


def test_nor_does_a_stand_in_of_another_photo_or_a_bin(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "Trash").mkdir()
    for number, name in enumerate(("a.jpg", "Trash/b.jpg", "c.jpg")):
        (home.root / name).write_bytes(photo(number))
    home.optimize()
    (home.root / "a.jpg").unlink()
    (home.root / "c.jpg").rename(home.root / ".a.jpg")
    (home.root / "Trash").rename(home.root / ".Trash")
    assert sum(thrown_away for _, thrown_away, _ in weeks(home)) == 1
    shutil.rmtree(home.root / ".Trash")
    assert sum(thrown_away for _, thrown_away, _ in weeks(home)) == 1
    assert len(home.archives()) == 1


def test_a_log_that_grows_all_the_time_is_no_obstacle(archived: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (archived.root / ".cache").mkdir()
    logs = [archived.root / "sync.log", archived.root / ".cache/thumbnail.png"]

    def everything_and_more(root: Path) -> Iterator[tuple[Path, Fingerprint]]:
        for each in everything(root):
            for log in logs:
                log.write_bytes(b"#" * random.randrange(10**6, 2 * 10**6))
                os.utime(log, ns=(0, random.randrange(10**18)))
            yield each

    monkeypatch.setattr(trash, "everything", everything_and_more)
    (archived.root / "a.jpg").unlink()
    assert [done[:2] for done in weeks(archived, 6)] == [(1, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1)]


@pytest.mark.parametrize("goal", BINS)
def test_what_is_in_a_bin_is_deleted_but_can_be_taken_out_again(archived: Home, goal: str) -> None:
    """Phones and file managers keep what was deleted for 30 days and longer. Taken out on the last of them, it was a small picture without
    an archive."""
    place = put(archived, goal)
    assert [done[:2] for done in weeks(archived)] == [(1, 0)] + [(0, 0)] * 9
    assert len(archived.archives()) == 1
    place.rename(archived.root / "a.jpg")
    archived.optimize()
    with archived.shop() as shop:
        (given,) = restore(shop, [archived.root / "a.jpg"], None, None, Silence())
    assert (given.trouble, given.came) == ("", Came.COPY)


@pytest.mark.parametrize("goal", BINS)
def test_an_archive_goes_when_the_bin_is_emptied(archived: Home, goal: str) -> None:
    place = put(archived, goal)
    weeks(archived, 6)  # in the last of them its time began anew
    place.unlink()
    assert [done[:2] for done in weeks(archived, 5)] == [(0, 0)] * 4 + [(0, 1)]
    assert archived.archives() == []


def test_a_bin_of_the_desktop(archived: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "Trash/files/deleted on sunday"
    folder.mkdir(parents=True)
    (folder / "other.jpg").write_bytes(b"of somebody else")
    (folder.parent / "a.2.jpg").write_bytes((archived.root / "a.jpg").read_bytes())  # another file system: no extended attributes
    (archived.root / "a.jpg").unlink()
    assert [done[:2] for done in weeks(archived)] == [(1, 0)] + [(0, 0)] * 9
    (folder.parent / "a.2.jpg").unlink()
    assert sum(thrown_away for _, thrown_away, _ in weeks(archived, 6)) == 1


@pytest.mark.parametrize("suffix", [".nextcloud", ".owncloud"])
def test_a_placeholder_of_a_sync_tool_is_no_deletion(archived: Home, suffix: str) -> None:
    """Who has Nextcloud's client free space here deletes nothing."""
    (archived.root / "a.jpg").rename(archived.root / f"a.jpg{suffix}")
    (archived.root / f"a.jpg{suffix}").write_bytes(b" ")
    assert weeks(archived) == [(0, 0, [])] * 10
    (archived.root / f"a.jpg{suffix}").unlink()  # and now on the server, too
    assert archived.optimize().missed == 1


def test_placeholders_are_no_deletion_in_mass(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    for seed in range(12):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed % 2) + bytes([seed]))
    home.optimize()
    for seed in range(11):
        (home.root / f"{seed}.jpg").unlink()
        (home.root / f"{seed}.jpg.nextcloud").write_bytes(b" ")
    done = home.optimize()
    assert (done.gone, done.missed) == ([], 0)


def test_what_a_check_of_the_disk_found_again(archived: Home) -> None:
    place = put(archived, "lost+found/#1234")
    assert weeks(archived) == [(0, 0, [])] * 10
    with archived.shop() as shop:
        (given,) = restore(shop, [place], archived.root.parent / "out", None, Silence())
    assert given.trouble == ""


@pytest.mark.parametrize("after", [".private/a.jpg", "excluded/.a.jpg", "album/.deep/er/a.jpg"])
def test_nor_who_moves_it_to_a_hidden_folder_and_saves_over_it_there(archived: Home, photo: Photo, after: str) -> None:
    put(archived, after).unlink()
    (archived.root / after).write_bytes(photo(1))
    assert weeks(archived) == [(0, 0, [])] * 10
    (archived.root / after).unlink()
    assert archived.optimize().missed == 1


def test_a_hidden_file_of_that_name_that_was_there_before_keeps_nothing(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    home.clock.forward(days=3650)
    (home.root / ".thumbnails").mkdir()
    for name in ("stays.jpg", ".thumbnails/a.jpg"):
        (home.root / name).write_bytes(b"no picture")
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    (home.root / "a.jpg").unlink()
    assert [done[:2] for done in weeks(home, 6)] == [(1, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1)]


def test_a_hidden_album_is_no_mass_deletion_for_ever(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    (home.root / "album").mkdir()
    for seed in range(12):
        (home.root / "album" / f"{seed}.jpg").write_bytes(photo(seed % 2) + bytes([seed]))
    for seed in range(14):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed % 2) + bytes([seed, 1]))
    home.optimize()
    (home.root / "album").rename(home.root / ".album")
    assert "12 of 26 stand-ins" in home.optimize().gone[0]
    done = home.optimize(as_it_is=True)
    assert (done.missed, done.gone) == (0, [])
    for _ in range(3):
        home.clock.forward(days=31)
        done = home.optimize()
        assert (done.missed, done.thrown_away, done.gone) == (0, 0, [])
    assert len(home.archives()) == 26


def test_a_deletion_in_mass_has_to_be_confirmed_once(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    for seed in range(30):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed % 2) + bytes([seed]))
    home.optimize()
    for seed in range(20):
        (home.root / f"{seed}.jpg").unlink()
    assert "20 of 30 photos" in home.optimize().gone[0]
    assert home.optimize(as_it_is=True).missed == 20
    done = home.optimize()
    assert done.gone == []
    for seed in range(20, 30):
        (home.root / f"{seed}.jpg").unlink()
    (home.root / "stays.jpg").write_bytes(b"no picture")
    assert "10 of 10 photos" in home.optimize().gone[0], "and the next one again"
    home.clock.forward(days=31)
    assert "10 of 10 photos" in home.optimize().gone[0]
    assert len(home.archives()) == 30
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        assert {row.state for row in catalog.rows() if row.has_archive} == {State.PURGED}


def test_what_can_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("album", ".fseventsd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    (tmp_path / "link.jpg").symlink_to("album/a.jpg")
    listing = os.scandir
    closed = b"/.fseventsd"

    def scandir(path: bytes) -> object:
        if path.endswith(closed):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [path.name for path, _ in everything(tmp_path)] == ["a.jpg"]
    closed = b"/album"
    with pytest.raises(ReadOnly):
        list(everything(tmp_path))
