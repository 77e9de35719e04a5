"""A disk that is really full, with photos, vault and catalogue on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.places import Places
from daemon.ports import Silence
from daemon.restorer import Came, Restoration, restore
from storage.errors import NoSpace
from storage.reserve import free_bytes
from storage.states import State
from tests.daemon.disks import ext4, fill, tmpfs
from tests.daemon.faults import Killing
from tests.daemon.scenarios import in_child

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

pytestmark = pytest.mark.root
Photo = Callable[..., bytes]
COUNT = 24
RESERVE = 'reserve = "500 KB"'


@pytest.fixture(params=["tmpfs", "ext4"])
def full(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Home]:
    """A gallery and its state on one disk of about 8 MB."""
    small_disk = tmpfs(tmp_path / "disk", 8 << 20) if request.param == "tmpfs" else ext4(tmp_path / "disk", 10 << 20)
    with small_disk as disk:
        home.root = disk / "DCIM"
        home.root.mkdir()
        home.places = Places(disk / "config.toml", disk / "state")
        home.configure(safety=RESERVE)
        yield home


def disk(home: Home) -> Path:
    return home.root.parent


def reserve(home: Home) -> Path:
    return home.root / ".gallery-optimizer/reserve"


def give_back(home: Home, *names: str) -> list[Restoration]:
    with home.shop() as shop:
        return restore(shop, [home.root / name for name in names], None, None, Silence())


def state(home: Home, name: str) -> State:
    with home.shop(reading=True) as shop:
        row = shop.catalog.find(os.fsencode(home.root), name.encode())
    assert row is not None
    return row.state


def test_archiving_stops_before_the_disk_is_full(full: Home, photo: Photo) -> None:
    (full.root / "first.jpg").write_bytes(photo(4))
    full.optimize()
    photos = {f"{seed:02}.jpg": photo(seed % 3) + bytes([seed]) for seed in range(COUNT)}
    for name, data in photos.items():
        (full.root / name).write_bytes(data)
    fill(disk(full), leave_bytes=750_000)
    done = full.optimize()
    assert 0 < done.archived < COUNT
    assert len(done.full) == 1
    assert "nearly full" in done.full[0]
    with full.shop(reading=True) as shop:
        assert shop.catalog.runs(limit=1)[0].outcome == "no-room", "status and history say why it stopped"
    assert f"{COUNT - done.archived} photos still to be archived" in done.full[0]
    assert not done.failed
    assert reserve(full).stat().st_size == 500_000
    assert free_bytes(full.root) > 400_000
    for name, data in photos.items():
        if state(full, name) is State.QUEUED:
            assert (full.root / name).read_bytes() == data
        else:
            (aside,) = full.shop().galleries[0].vault.asides(_sha256(data))
            assert aside.read_bytes() == data
    (disk(full) / "ballast").unlink()
    done = full.optimize()
    assert done.full == []
    assert all(state(full, name) is State.RETIRED for name in photos)


def test_what_is_out_of_grace_goes_before_archiving_gives_up(full: Home, photo: Photo) -> None:
    for seed in range(30):
        (full.root / f"{seed}.jpg").write_bytes(photo(seed % 3) + bytes([seed]))
    full.optimize()
    (full.root / "new.jpg").write_bytes(photo(3))
    fill(disk(full), leave_bytes=540_000)
    assert (full.optimize().archived, state(full, "new.jpg")) == (0, State.QUEUED)
    full.clock.forward(days=8)
    done = full.optimize()
    assert (done.full, done.purged, done.archived) == ([], 30, 1)


@pytest.fixture
def three(full: Home, photo: Photo) -> Home:
    """Two purged photos, and one in grace."""
    for seed in range(2):
        (full.root / f"{seed}.jpg").write_bytes(photo(seed))
    full.optimize()
    full.clock.forward(days=8)
    full.optimize()
    (full.root / "grace.jpg").write_bytes(photo(2))
    full.optimize()
    return full


@pytest.mark.parametrize("where", ["same", "other"])
def test_everything_comes_back_on_a_disk_without_a_free_byte(three: Home, photo: Photo, tmp_path: Path, where: str) -> None:
    """`where`: the disk of the catalogue."""
    if where == "other":
        shutil.copytree(three.places.state_folder, tmp_path / "state")
        shutil.rmtree(three.places.state_folder)
        three.places = Places(three.places.config_file, tmp_path / "state")
    fill(disk(three))
    assert free_bytes(three.root) == 0
    given = [each.came for each in give_back(three, "0.jpg", "1.jpg", "grace.jpg")]  # a stand-in that goes leaves room for a small copy
    assert given == [Came.COPY, Came.COPY, Came.ORIGINAL]
    assert (three.root / "grace.jpg").read_bytes() == photo(2)
    assert where == "same" or not reserve(three).exists()
    (disk(three) / "ballast").unlink()
    three.optimize()
    assert reserve(three).stat().st_size == three.places.reserve_file.stat().st_size == 500_000


def test_without_a_reserve_it_says_so_and_nothing_is_lost(three: Home) -> None:
    reserve(three).unlink()
    three.places.reserve_file.unlink()
    before = three.files()
    fill(disk(three))
    with pytest.raises(NoSpace, match="the disk is full"):
        give_back(three, "0.jpg")
    (disk(three) / "ballast").unlink()
    assert three.files() == before
    assert give_back(three, "0.jpg")[0].came is Came.COPY


def test_purging_frees_a_full_disk(full: Home, photo: Photo) -> None:
    for seed in range(3):
        (full.root / f"{seed}.jpg").write_bytes(photo(seed))
    full.optimize()
    fill(disk(full))
    full.clock.forward(days=8)
    done = full.optimize()
    assert (done.purged, done.full, done.failed) == (3, [], [])
    assert all(state(full, f"{seed}.jpg") is State.PURGED for seed in range(3))


@pytest.mark.parametrize("nth", range(1, 40, 4))
def test_a_killed_run_is_brought_in_order_on_a_full_disk(full: Home, photo: Photo, nth: int) -> None:
    (full.root / "a.jpg").write_bytes(photo())
    full.optimize()
    (full.root / "b.jpg").write_bytes(photo(1))
    in_child(lambda: full.optimize(), Killing(nth))
    fill(disk(full))
    full.optimize()
    with full.shop() as shop:
        assert shop.catalog.unfinished() == []
    place = full.root / "b.jpg"
    if state(full, "b.jpg") is State.RETIRED:
        (place,) = full.shop().galleries[0].vault.asides(_sha256(photo(1)))
    assert place.read_bytes() == photo(1)


def test_status_and_a_look_at_a_full_disk(full: Home, photo: Photo) -> None:
    (full.root / "a.jpg").write_bytes(photo())
    full.optimize()
    fill(disk(full))
    with full.shop(reading=True) as shop:
        assert shop.catalog.totals().photos == 1


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
