"""Galleries that the configuration does not name any more, and archives that the catalogue does not know: said, and never shut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon.exits import ExitCode

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]


@pytest.fixture
def album(home: Home, photo: Photo) -> Path:
    """A gallery with two photos in grace, which lies in the one that is configured from now on."""
    whole, inside = home.root, home.root / "2020"
    inside.mkdir()
    home.root = inside
    home.configure()
    for seed in range(2):
        (inside / f"{seed}.jpg").write_bytes(photo(seed))
    assert home.optimize().archived == 2
    home.root = whole
    home.configure()
    return inside


def test_a_gallery_that_is_no_longer_named(run: Run, home: Home, album: Path) -> None:
    said = " ".join(run("status").stdout.split())
    assert f"2 photos in {album} are archived, but the configuration does not name it any more" in said
    assert f"Write it in again in place of {home.root}, and eject it" in said
    moved = home.root.parent / "moved"
    album.rename(moved)
    home.root = moved
    home.configure()
    assert "any more" not in run("status").stdout, "it is configured where it is now"
    home.root = home.root.parent / "DCIM"
    home.configure()
    assert "any more" not in run("status").stdout, "it is not there, so nothing is known of it"


def test_status_adds_up_the_galleries_that_are_named(run: Run, home: Home, album: Path, photo: Photo) -> None:
    other = home.root.parent / "other"
    other.mkdir()
    home.places.config_file.write_text("".join(f'[[gallery]]\npath = "{each}"\n' for each in (home.root, other)))
    told = json.loads(run("status", "--json").stdout)
    assert told["photos"] == sum(each["photos"] for each in told["galleries"]) == 0
    assert album.is_dir()


def test_a_photo_of_it_comes_back_elsewhere(run: Run, home: Home, album: Path, photo: Photo, tmp_path: Path) -> None:
    assert run("restore", album / "0.jpg", "--to", tmp_path).exit_code == 0
    assert (tmp_path / "0.jpg").read_bytes() == photo(0), "its vault lies beside it"
    in_place = run("restore", album / "0.jpg")
    assert in_place.exit_code == ExitCode.FAILED
    assert f"it belongs to {album}, which is no [[gallery]]" in in_place.stderr
    home.optimize()
    assert f"it belongs to {album}, which is no [[gallery]]" in run("restore", album / "0.jpg").stderr


def test_a_stand_in_of_a_lost_catalogue_says_what_helps(run: Run, home: Home, photo: Photo, tmp_path: Path) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.places.catalog_file.unlink()
    assert '"doctor --rebuild" makes it anew' in run("restore", home.root / "a.jpg").stderr
    assert run("restore", home.root / "a.jpg", "--to", tmp_path).exit_code == 0
    assert (tmp_path / "a.jpg").read_bytes() == photo()


def beside_another(home: Home, photo: Photo) -> Path:
    """The other of two galleries, each with a photo in grace, which comes first in the configuration and is away now; where its disk is."""
    first = home.root
    second = home.root.parent / "disk"
    second.mkdir()
    home.places.config_file.write_text("".join(f'[[gallery]]\npath = "{each}"\n' for each in (second, first)))
    for seed, folder in enumerate((first, second)):
        (folder / f"{seed}.jpg").write_bytes(photo(seed))
    assert home.optimize().archived == 2
    return second.rename(home.root.parent / "away")


@pytest.mark.parametrize("folder_is_there", [False, True])
def test_a_catalogue_is_not_made_anew_while_a_gallery_is_away(run: Run, home: Home, photo: Photo, folder_is_there: bool) -> None:
    away = beside_another(home, photo)
    if folder_is_there:
        away.with_name("disk").mkdir()  # the folder that its disk is mounted on
    answer = run("doctor", "--rebuild")
    assert answer.exit_code == ExitCode.FAILED
    assert "Mount its disk" in answer.stderr
    assert not list(home.places.state_folder.glob("*.old-*"))
    assert home.state_of("0.jpg")[0].value == "retired"


def test_an_eject_goes_on_with_the_galleries_that_are_there(run: Run, home: Home, photo: Photo) -> None:
    beside_another(home, photo)
    answer = run("eject")
    assert answer.exit_code == ExitCode.FAILED
    assert "1 original bit for bit" in answer.stdout
    assert (home.root / "0.jpg").read_bytes() == photo(0)
    assert "disk is not there" in answer.stderr
    assert len(json.loads(run("eject", "--json").stdout)["galleries_passed_by"]) == 1


def test_status_says_until_when_the_trash_is_kept(run: Run, home: Home, photo: Photo) -> None:
    for seed in range(3):  # one stays, or the gallery would be suddenly empty
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    (home.root / "0.jpg").unlink()
    said = run("optimize").stdout
    assert "deleted, moved out of the galleries, or renamed and at once saved over; `restore` with its old name gives it back" in said
    home.clock.forward(days=2)
    (home.root / "1.jpg").rename(home.root.parent / "moved.jpg")
    home.optimize()
    said = " ".join(run("status").stdout.split())
    assert "Trash: 2 photos, " in said
    assert " KB of archives, deleted or moved out of the gallery; `restore` works for all until 2026-03-31" in said, said
    told = json.loads(run("status", "--json").stdout)
    assert (told["trash"], told["trash_earliest"][:10], told["galleries"][0]["trash_earliest"][:10]) == (2, "2026-03-31", "2026-03-31")
