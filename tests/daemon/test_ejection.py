"""Everything back as plain files, and counted."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from daemon.cli.main import cli
from daemon.ejection import Ejected, eject, export_originals
from daemon.errors import DiskFull
from daemon.exits import ExitCode
from daemon.marking import original_of
from daemon.ports import Silence
from daemon.restorer import restore
from storage.vault import Vault
from tests.daemon.faults import Killing
from tests.daemon.scenarios import in_child

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]


def leave(home: Home) -> Ejected:
    with home.shop() as shop:
        return eject(shop, shop.galleries[0], Silence())


@pytest.fixture
def gallery(home: Home, photo: Photo) -> Home:
    """Two purged photos, one in grace, one edited stand-in, one that was never archived."""
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    (home.root / "2.jpg").write_bytes(b"an edit")
    (home.root / "trip").mkdir()
    (home.root / "trip/3.jpg").write_bytes(photo(3))
    (home.root / "text.jpg").write_bytes(b"no photo")
    home.optimize()
    return home


def test_everything_is_back_and_counted(gallery: Home, photo: Photo) -> None:
    done = leave(gallery)
    assert done.complete
    assert (done.photos, done.originals, done.copies) == (4, 1, 3)
    assert done.lowest_score == 84.0
    assert (gallery.root / "trip/3.jpg").read_bytes() == photo(3)
    assert (gallery.root / "2.jpg").read_bytes() == b"an edit"
    assert (gallery.root / "text.jpg").read_bytes() == b"no photo"
    photos = [path for path in gallery.root.rglob("*.jpg") if ".gallery-optimizer" not in path.parts]
    assert not [path for path in photos if original_of(path.read_bytes())]
    again = gallery.files()
    assert leave(gallery).complete
    assert gallery.files() == again


def test_no_stand_in_stays_behind(gallery: Home, photo: Photo) -> None:
    """Copied into an album, or hidden, in grace or not: without the vault it could never be filled."""
    (gallery.root / "album").mkdir()
    shutil.copyfile(gallery.root / "0.jpg", gallery.root / "album/best.jpg")
    shutil.copy2(gallery.root / "trip/3.jpg", gallery.root / "album/of the trip.jpg")
    (gallery.root / "1.jpg").rename(gallery.root / ".1.jpg")
    gallery.optimize()
    shutil.copyfile(gallery.root / "0.jpg", gallery.root / "album/no run has seen it.jpg")
    done = leave(gallery)
    assert done.complete, done.troubles
    assert (done.photos, done.originals) == (7, 2)
    left = [path for path in gallery.root.rglob("*") if path.is_file() and ".gallery-optimizer" not in path.parts]
    assert not [path for path in left if original_of(path.read_bytes())]
    assert (gallery.root / "album/of the trip.jpg").read_bytes() == photo(3)
    assert (gallery.root / "album/best.jpg").read_bytes() == (gallery.root / "0.jpg").read_bytes()
    assert (gallery.root / ".1.jpg").exists()
    assert not (gallery.root / "1.jpg").exists(), "its user hid it"
    before = gallery.files()
    assert leave(gallery).complete
    assert gallery.files() == before


def test_a_copy_of_a_stand_in_is_filled_also_where_the_photo_is_back(gallery: Home) -> None:
    shutil.copyfile(gallery.root / "0.jpg", gallery.root / "again.jpg")
    with gallery.shop() as shop:
        restore(shop, [gallery.root / "0.jpg"], None, None, Silence())
    assert leave(gallery).complete
    assert (gallery.root / "again.jpg").read_bytes() == (gallery.root / "0.jpg").read_bytes()


def test_stopped_and_called_again(gallery: Home) -> None:
    for nth in (3, 11, 19, 27, 40):
        in_child(lambda: leave(gallery), Killing(nth))
    done = leave(gallery)
    assert done.complete
    assert done.photos == 4


def test_too_little_room_is_told_before(gallery: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 100, 100))
    before = gallery.files()
    with pytest.raises(DiskFull, match="100 bytes are free"):
        leave(gallery)
    assert gallery.files() == before


def test_what_was_edited_or_damaged_is_told(gallery: Home) -> None:
    archives = sorted((gallery.root / ".gallery-optimizer/archives").rglob("*.nphoto"))
    for archive in archives:
        archive.write_bytes(archive.read_bytes()[:-1])
    done = leave(gallery)
    assert not done.complete
    assert len(done.troubles) >= 2


def test_originals_in_grace_are_exported(home: Home, photo: Photo) -> None:
    (home.root / "trip").mkdir()
    (home.root / "trip/a.jpg").write_bytes(photo())
    home.optimize()
    before = home.files()
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    goal = home.root.parent / "out"
    for _ in range(2):
        with home.shop():
            result = CliRunner().invoke(cli, [*options, "export", "--originals", "--to", str(goal)])
        assert result.exit_code == ExitCode.DONE, result.output
        assert hashlib.sha256((goal / "DCIM/trip/a.jpg").read_bytes()).digest() == hashlib.sha256(photo()).digest()
    assert home.files() == before
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    aside.write_bytes(b"written to")
    with home.shop(reading=True) as shop:
        assert "written to" in export_originals(shop, home.root.parent / "other", Silence()).photos[0][1]


def test_export_says_that_a_gallery_is_away_and_not_that_its_originals_are_lost(run: Run, home: Home, photo: Photo, tmp_path: Path) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    home.root.rename(home.root.with_name("away"))
    for there in (False, True):  # an unmounted disk mostly leaves the empty folder that it was mounted on
        if there:
            home.root.mkdir()
        done = run("export", "--originals", "--to", tmp_path / "out", "--json")
        assert done.exit_code == ExitCode.FAILED
        assert "disk mounted?" in done.stderr
        assert "missing or was written to" not in done.output
        (why,) = json.loads(done.stdout)["galleries_passed_by"]
        assert "disk mounted?" in why


def test_the_command(gallery: Home) -> None:
    options = ["--config", str(gallery.places.config_file), "--state", str(gallery.places.state_folder)]
    leave(gallery)
    result = CliRunner().invoke(cli, [*options, "eject"])
    assert result.exit_code == ExitCode.DONE, result.output
    assert "Complete" in result.output
    assert CliRunner().invoke(cli, [*options, "eject", str(gallery.root / "trip")]).exit_code == ExitCode.USAGE


def test_what_could_not_be_brought_is_not_called_found(home: Home, photo: Photo) -> None:
    """It named a folder that was not there."""
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    strange = Vault(home.root).archive_path("ab" * 32)
    strange.parent.mkdir()
    strange.write_bytes(b"no archive")
    done = leave(home)
    assert (done.found, len(done.troubles), done.complete) == (0, 1, False)
    strange.unlink()
    assert leave(home).complete
