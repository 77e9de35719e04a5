"""Somebody saves another picture over a stand-in that has another name, or another place, than its photo had: the photo is put beside it.

Whoever saves over a stand-in deletes no photo, wherever the stand-in is by then.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codec.labels import Labels, labelled, labels_of
from daemon import settings
from daemon.composition import Workshop
from daemon.discovery import look
from daemon.dry_run import dry_run
from daemon.pace import Pace
from daemon.ports import Silence
from daemon.run import optimize
from daemon.summary import Summary
from storage.attributes import marked
from storage.catalog import Catalog
from storage.errors import StorageError
from storage.records import PhotoRow
from storage.vault import Vault

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
GRACES = ("7 days", "0 days")
FOLDER = Path("2021")
"""Where the photo is at first."""


def renamed(root: Path) -> Path:
    return (root / FOLDER / "a.jpg").rename(root / FOLDER / "best.jpg")


def moved_to_another_folder(root: Path) -> Path:
    (root / "album").mkdir()
    return (root / FOLDER / "a.jpg").rename(root / "album" / "b.jpg")


def folder_renamed(root: Path) -> Path:
    return (root / FOLDER).rename(root / "Summer") / "a.jpg"


def copied_and_deleted(root: Path) -> Path:
    """As sync tools rename: other inode, no extended attributes."""
    (root / "new.jpg").write_bytes((root / FOLDER / "a.jpg").read_bytes())
    shutil.copystat(root / FOLDER / "a.jpg", root / "new.jpg")
    for name in os.listxattr(root / "new.jpg"):
        os.removexattr(root / "new.jpg", name)
    (root / FOLDER / "a.jpg").unlink()
    return root / "new.jpg"


MOVES = (renamed, moved_to_another_folder, folder_renamed, copied_and_deleted)


def save_over(path: Path, data: bytes, *, in_place: bool = False) -> None:
    """As editors save: a new file takes the name; or into the same file."""
    if in_place:
        path.write_bytes(data)
        return
    fresh = path.with_name("fresh.tmp")
    fresh.write_bytes(data)
    os.replace(fresh, path)


def with_label(data: bytes) -> bytes:
    """As tagging programs do: stars among the properties."""
    own = labels_of(data).xmp
    at = own.index(b"</rdf:RDF>")
    return labelled(data, Labels(xmp=own[:at] + b"<rdf:Description xmp:Rating='2' xmlns:xmp='http://ns.adobe.com/xap/1.0/'/>" + own[at:]))


def begun(home: Home, photo: Photo, grace: str) -> bytes:
    home.configure(f'grace = "{grace}"\nidle_for = "1 day"')
    (home.root / FOLDER).mkdir()
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / FOLDER / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    return photo()


def live_on(home: Home) -> list[Summary]:
    """Past the grace, and past the trash."""
    done = []
    for days in (0, 8, 31, 31):
        home.clock.forward(days=days)
        done.append(home.optimize())
    return done


def check_kept(home: Home, original: bytes, edit: Path, data: bytes, done: list[Summary], *, grace: str) -> None:
    """The full photo was put beside the edit, by the first run; and its archive outlives everything."""
    digest = hashlib.sha256(original).hexdigest()
    first = done[0]
    assert not first.failed
    assert [each.place for each in first.beside] == [edit.with_name(f"{edit.stem} (original).jpg")]
    assert first.beside[0].original is (grace != "0 days")
    assert [each.thrown_away for each in done] == [0] * len(done)
    with home.shop(reading=True) as shop:
        assert shop.galleries[0].vault.archive_path(digest).exists()
    held = {path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    assert data in held or any(path.name.startswith(hashlib.sha256(data).hexdigest()) for path in home.root.rglob("*.nphoto"))
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        kept = [row for row in catalog.by_digest(digest) if row.has_archive]
    assert [(row.location.parent, row.missed_at) for row in kept] == [(edit.parent, None)]


@pytest.mark.parametrize("grace", GRACES)
@pytest.mark.parametrize("move", MOVES)
def test_a_run_saw_the_new_name(home: Home, photo: Photo, move: Callable[[Path], Path], grace: str) -> None:
    original = begun(home, photo, grace)
    place = move(home.root)
    assert home.optimize().archived == 0
    save_over(place, photo(1))
    check_kept(home, original, place, photo(1), live_on(home), grace=grace)


@pytest.mark.parametrize("grace", GRACES)
def test_renamed_twice(home: Home, photo: Photo, grace: str) -> None:
    original = begun(home, photo, grace)
    place = renamed(home.root)
    home.optimize()
    place = place.rename(home.root / "third.jpg")
    home.optimize()
    save_over(place, photo(1))
    check_kept(home, original, place, photo(1), live_on(home), grace=grace)


@pytest.mark.parametrize("grace", GRACES)
@pytest.mark.parametrize("in_place", [False, True])
def test_renamed_in_grace_and_saved_over_after_the_purge(home: Home, photo: Photo, grace: str, in_place: bool) -> None:
    original = begun(home, photo, grace)
    place = renamed(home.root)
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    save_over(place, photo(1), in_place=in_place)
    check_kept(home, original, place, photo(1), live_on(home), grace="0 days")


@pytest.mark.parametrize("grace", GRACES)
def test_saved_into_before_any_run_saw_the_new_name(home: Home, photo: Photo, grace: str) -> None:
    """The same file as the stand-in was, by its extended attribute."""
    original = begun(home, photo, grace)
    place = renamed(home.root)
    if marked(place) is None:
        pytest.skip("the file system has no extended attributes")
    save_over(place, photo(1), in_place=True)
    check_kept(home, original, place, photo(1), live_on(home), grace=grace)


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("grace", GRACES)
def test_only_the_look_at_arrivals_saw_the_new_name(home: Home, photo: Photo, grace: str, settled: bool) -> None:
    """Between two nights the service only takes names in; and a file that was just renamed not even that."""
    original = begun(home, photo, grace)
    place = renamed(home.root)
    with home.shop() as shop:
        look(shop.galleries[0], shop.catalog, home.clock, [place], by_name=False, ready=lambda _: settled)
    save_over(place, photo(1))
    with home.shop() as shop:
        assert look(shop.galleries[0], shop.catalog, home.clock, [place], by_name=False).queue == []
    check_kept(home, original, place, photo(1), live_on(home), grace=grace)


@pytest.mark.parametrize("grace", GRACES)
def test_a_copy_that_outlived_its_stand_in(home: Home, photo: Photo, grace: str) -> None:
    original = begun(home, photo, grace)
    place = home.root / "copy.jpg"
    shutil.copy(home.root / FOLDER / "a.jpg", place)
    home.optimize()
    (home.root / FOLDER / "a.jpg").unlink()
    save_over(place, photo(1))
    check_kept(home, original, place, photo(1), live_on(home), grace=grace)


def test_a_copy_beside_its_stand_in_is_nobodys_loss(home: Home, photo: Photo) -> None:
    begun(home, photo, "0 days")
    shutil.copy(home.root / FOLDER / "a.jpg", home.root / "copy.jpg")
    home.optimize()
    save_over(home.root / "copy.jpg", photo(1))
    done = home.optimize()
    assert (done.beside, done.archived) == ([], 1)


def test_twins_each_get_their_own_back(home: Home, photo: Photo) -> None:
    home.configure('grace = "7 days"')
    names = ("a", "b")
    for name in names:
        (home.root / f"{name}.jpg").write_bytes(photo())
    (home.root / "stays.jpg").write_bytes(b"no picture")
    assert home.optimize().archived == 2
    for name in names:
        (home.root / f"{name}.jpg").rename(home.root / f"{name}2.jpg")
    home.optimize()
    for number, name in enumerate(names, 1):
        save_over(home.root / f"{name}2.jpg", photo(number))
    done = home.optimize()
    assert (done.failed, sorted(each.place.name for each in done.beside)) == ([], ["a2 (original).jpg", "b2 (original).jpg"])
    assert all((home.root / f"{name}2 (original).jpg").read_bytes() == photo() for name in names)


def test_one_of_two_twins_is_saved_over(home: Home, photo: Photo) -> None:
    """One photo is laid beside it, not both; the other still has its stand-in."""
    home.configure('grace = "7 days"')
    for name in ("a", "b"):
        (home.root / f"{name}.jpg").write_bytes(photo())
    home.optimize()
    for name in ("a", "b"):
        (home.root / f"{name}.jpg").rename(home.root / f"{name}2.jpg")
    home.optimize()
    save_over(home.root / "a2.jpg", photo(1))
    assert len(home.optimize().beside) == 1
    assert home.optimize().beside == []


def test_a_touch_or_a_label_is_no_edit(home: Home, photo: Photo) -> None:
    begun(home, photo, "7 days")
    place = renamed(home.root)
    home.optimize()
    place.chmod(0o640)
    os.utime(place, (1.6e9, 1.6e9))
    assert home.optimize().beside == []
    place.write_bytes(with_label(place.read_bytes()))
    assert home.optimize().beside == []
    save_over(place, photo(1))
    assert len(home.optimize().beside) == 1


def test_a_name_that_was_deleted_and_given_anew(home: Home, photo: Photo) -> None:
    """A run saw that nothing was there: the user deleted the photo, and the trash has it."""
    begun(home, photo, "0 days")
    place = renamed(home.root)
    with home.shop() as shop:
        look(shop.galleries[0], shop.catalog, home.clock, [place], by_name=False)
    place.unlink()
    assert home.optimize().missed == 1
    place.write_bytes(photo(1))
    done = home.optimize()
    assert (done.beside, done.archived) == ([], 1)
    home.clock.forward(days=31)
    assert home.optimize().thrown_away == 1


def test_saved_over_between_the_look_and_its_turn(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(home, photo, "7 days")
    place = renamed(home.root)
    claim = Catalog.claim

    def meddled(catalog: Catalog, photo_id: int | None = None) -> PhotoRow | None:
        save_over(place, photo(1))
        return claim(catalog, photo_id)

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "claim", meddled)
        assert home.optimize().again == 1
    done = home.optimize()
    assert (len(done.beside), done.archived) == (1, 1)


def test_what_can_not_be_laid_beside_is_kept_in_the_trash(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    original = begun(home, photo, "0 days")
    place = renamed(home.root)
    with home.shop() as shop:
        look(shop.galleries[0], shop.catalog, home.clock, [place], by_name=False)
    save_over(place, photo(1))
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "replace_stand_in", lambda *_, **__: (_ for _ in ()).throw(StorageError("no")))
        for each in live_on(home):
            assert (len(each.failed), each.thrown_away) == (1, 0)
    check_kept(home, original, place, photo(1), live_on(home), grace="0 days")


def test_the_original_itself_where_the_night_begins_with_the_purge(home: Home, photo: Photo) -> None:
    original = begun(home, photo, "7 days")
    place = renamed(home.root)
    home.optimize()
    home.clock.forward(days=8)
    save_over(place, photo(1))

    class ByNight(Pace):
        purges_first = True

    with home.shop() as shop:
        done = optimize(shop, [], Silence(), pace=ByNight())
    assert [(each.place.read_bytes() == original, each.original) for each in done.beside] == [(True, True)]
    assert done.purged == 0


@pytest.mark.parametrize("grace", GRACES)
def test_moved_to_another_gallery(home: Home, photo: Photo, tmp_path: Path, grace: str) -> None:
    """There is no way from one vault to another gallery: the photo goes to where it was."""
    original = begun(home, photo, grace)
    card = home.root.with_name("card")
    card.mkdir()
    (card / "other.jpg").write_bytes(b"no picture either")
    text = home.places.config_file.read_text()
    home.places.config_file.write_text(f'[[gallery]]\npath = "{card}"\n{text}')
    shutil.move(home.root / FOLDER / "a.jpg", card / "a.jpg")
    home.optimize()
    save_over(card / "a.jpg", photo(1))
    done = live_on(home)
    assert [each.place for each in done[0].beside] == [home.root / FOLDER / "a (original).jpg"]
    assert sum(each.thrown_away for each in done) == 0
    assert hashlib.sha256(original).hexdigest() in {path.stem for path in home.root.rglob("*.nphoto")}


def test_a_dry_run_counts_it(home: Home, photo: Photo) -> None:
    begun(home, photo, "7 days")
    place = renamed(home.root)
    home.optimize()
    save_over(place, photo(1))
    with Workshop(home.places, settings.read(home.places.config_file), home.clock, lambda _: home.codec, rehearsal=True) as shop:
        assert dry_run(shop, [], Silence()).edited == 1
