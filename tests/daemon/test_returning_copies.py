"""Copies that were restored to somewhere else and come back: known by their digests, and never coded a second time."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.ports import Silence
from daemon.restorer import restore
from storage.digest import sha256_of
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.fixture
def copy(home: "Home", photo: Photo, tmp_path: Path) -> Path:
    """A copy, out of the gallery, of a photo that was archived and purged."""
    home.configure('grace = "0 days"\nidle_for = "30 days"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().purged == 1
    with home.shop(reading=True) as shop:
        (done,) = restore(shop, [home.root / "a.jpg"], tmp_path / "out", None, Silence())
    assert done.written == tmp_path / "out" / "a.jpg"
    return done.written


def restored(home: "Home", name: str) -> Path:
    with home.shop() as shop:
        (done,) = restore(shop, [home.root / name], None, None, Silence())
    assert done.trouble == ""
    return home.root / name


def archives(home: "Home") -> list[Path]:
    return list((home.root / ".gallery-optimizer").rglob("*.nphoto"))


def test_under_another_name_it_shares_the_archive(home: "Home", copy: Path) -> None:
    shutil.copy2(copy, home.root / "b.jpg")
    os.utime(home.root / "b.jpg", ns=(1, 1_400_000_000_000_000_007))
    encoded, digest = home.codec.encoded, sha256_of(copy)
    assert home.optimize().archived == 1
    assert home.codec.encoded == encoded
    assert len(archives(home)) == 1
    row = home.rows()["b.jpg"]
    assert (row.state, row.sha256, row.archive_sha256) == (State.PURGED, home.rows()["a.jpg"].sha256, home.rows()["a.jpg"].archive_sha256)
    assert (home.root / "b.jpg").stat().st_size < copy.stat().st_size
    back = restored(home, "b.jpg")
    assert sha256_of(back) == digest
    assert back.stat().st_mtime_ns == 1_400_000_000_000_000_007
    assert home.optimize().archived == 0  # pinned
    home.clock.forward(days=31)
    assert home.optimize().archived == 1
    assert home.codec.encoded == encoded


def test_in_place_of_its_stand_in_it_is_a_restored_copy(home: "Home", copy: Path) -> None:
    shutil.copyfile(copy, home.root / "a.jpg")
    encoded = home.codec.encoded
    done = home.optimize()
    assert (done.archived, done.beside) == (0, [])
    assert home.rows()["a.jpg"].state is State.RESTORED
    home.clock.forward(days=31)
    assert home.optimize().archived == 1
    assert home.rows()["a.jpg"].state is State.PURGED
    assert home.codec.encoded == encoded
    assert sha256_of(restored(home, "a.jpg")) == sha256_of(copy)


def test_without_its_archive_it_is_left(home: "Home", copy: Path) -> None:
    for archive in archives(home):
        archive.unlink()
    shutil.copyfile(copy, home.root / "b.jpg")
    assert home.optimize(home.root / "b.jpg").left == {"restored-copy": 1}


def test_a_copy_of_another_encoder_is_noted_as_it_leaves(home: "Home", copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest that was foretold when the archive was proven may fail to hold after an update of the JPEG library."""
    real = home.codec.backend.restore
    monkeypatch.setattr(home.codec.backend, "restore", lambda archive, format: real(archive, format) + b"\n")
    with home.shop(reading=True) as shop:
        restore(shop, [home.root / "a.jpg"], tmp_path / "later", None, Silence())
    assert sha256_of(tmp_path / "later" / "a.jpg") != sha256_of(copy)
    shutil.copyfile(tmp_path / "later" / "a.jpg", home.root / "c.jpg")
    encoded = home.codec.encoded
    assert home.optimize().archived == 1
    assert home.codec.encoded == encoded
