"""What waits to be thrown away, and what can no more be had back, is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon.ports import Silence
from daemon.restorer import restore
from tests.daemon.homes import twins

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.fixture
def archived(home: Home, photo: Photo) -> Home:
    return twins(home, photo)


def test_what_lies_in_a_bin_is_told(archived: Home, run: Callable[..., Result]) -> None:
    (archived.root / "twin.jpg").unlink()
    place = archived.root / ".Trash-1000" / "files" / "a.jpg"
    place.parent.mkdir(parents=True)
    (archived.root / "a.jpg").rename(place)
    archived.optimize()
    told = json.loads(run("status", "--json").output)
    (archive,) = archived.archives()
    size = archive.stat().st_size
    assert (told["trash"], told["trash_bytes"], told["lost"]) == (2, size, 0)
    assert (told["in_bins"]["photos"], told["in_bins"]["archive_bytes"]) == (2, size)
    assert str(place) in run("status").output.replace("\n", "")
    assert str(place) in run("explain", archived.root / "a.jpg").output.replace("\n", "")
    for _ in range(2):
        archived.clock.forward(days=31)
        archived.optimize()
    assert json.loads(run("status", "--json").output)["in_bins"]["photos"] == 2
    shutil.rmtree(archived.root / ".Trash-1000")
    archived.optimize()
    told = json.loads(run("status", "--json").output)
    assert (told["trash"], told["in_bins"]["photos"], told["in_bins"]["earliest"]) == (2, 0, None)
    archived.clock.forward(days=31)
    assert archived.optimize().thrown_away == 2
    assert archived.archives() == []


def test_what_went_with_a_disk_is_not_called_trash(archived: Home, run: Callable[..., Result]) -> None:
    """The gallery came back as it was before its photos were archived, or not at all; the catalogue is the later one."""
    (archive,) = archived.archives()
    backup = archive.read_bytes()
    archive.unlink()
    for name in ("a.jpg", "twin.jpg"):
        (archived.root / name).unlink()
    done = archived.optimize()
    assert (done.missed, sorted(done.lost)) == (0, ["a.jpg", "twin.jpg"])
    again = archived.optimize()
    assert (again.lost, again.nothing_done) == ([], True)
    told = json.loads(run("status", "--json").output)
    assert (told["trash"], told["lost"], told["trash_bytes"], told["damaged"]["archives"]) == (2, 2, 0, 1)
    said = run("status").output
    assert "LOST:        2 photos" in said
    assert "Trash:" not in said
    assert "nothing here gives it back" in run("explain", archived.root / "a.jpg").output.replace("\n", " ")
    assert "and so is the photo" in run("doctor").output.replace("\n", " ")
    refused = run("restore", archived.root / "a.jpg")
    assert refused.exit_code == 1
    assert "a backup of the vault may have it" in refused.output
    archive.write_bytes(backup)  # it was found in a backup
    archived.optimize()
    told = json.loads(run("status", "--json").output)
    assert (told["trash"], told["lost"], told["damaged"]["archives"]) == (2, 0, 0)
    assert run("restore", archived.root / "a.jpg").exit_code == 0


def test_an_original_in_grace_that_went_with_a_disk(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    (home.root / "stays.jpg").write_bytes(b"no picture")
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        (home.root / name).write_bytes(photo(seed))
    assert home.optimize().archived == 2
    for name in ("a.jpg", "b.jpg"):
        (home.root / name).unlink()
    for archive in home.archives():
        archive.unlink()
    digest = home.rows()["a.jpg"].sha256 or ""
    (aside,) = (each for each in home.asides() if each.name.startswith(digest))
    aside.unlink()
    done = home.optimize()
    assert (done.missed, done.lost) == (1, ["a.jpg"])
    assert json.loads(run("status", "--json").output)["lost"] == 1
    assert run("restore", home.root / "b.jpg").exit_code == 0
    assert (home.root / "b.jpg").read_bytes() == photo(1)


def test_the_list_of_what_waits(archived: Home, run: Callable[..., Result]) -> None:
    assert "Nothing is in the trash" in run("status", "--trash").output
    (archived.root / "twin.jpg").unlink()
    with archived.shop() as shop:
        restore(shop, [archived.root / "a.jpg"], None, None, Silence())
    (archived.root / "a.jpg").write_bytes(b"\xff\xd8 an edit")
    archived.optimize()
    said = run("status", "--trash")
    assert said.exit_code == 0
    waste = json.loads(run("status", "--trash", "--json").output)["waste"]
    assert [Path(each["photo"]).name for each in waste] == ["a.jpg", "twin.jpg"]
    assert [(each["earlier"], each["lost"]) for each in waste] == [(True, False), (False, False)]
    assert waste[0]["goes_at"] == waste[0]["since_at"] + 30 * 86400
    assert waste[0]["archive"] in said.output.replace("\n", "")
    assert 'comes back by "restore"' in said.output
    assert run("restore", waste[1]["photo"]).exit_code == 0
    archived.archives()[0].unlink()
    (lost,) = json.loads(run("status", "--trash", "--json").output)["waste"]
    assert (lost["lost"], lost["goes_at"]) == (True, None)
    assert "nothing of it is left here" in run("status", "--trash").output
    assert run("status", "--trash", "--watch").exit_code == 2
