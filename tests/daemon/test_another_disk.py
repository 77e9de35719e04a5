"""A disk that goes away in the middle of the work, or comes back as another one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon import discovery, purging, trash
from daemon.anchor import Anchor
from daemon.errors import GalleryGone
from daemon.messages import Encoded, EncodeJob, Refused
from daemon.ports import Silence
from daemon.restorer import Came, restore
from storage.digest import sha256_of
from storage.fingerprint import Fingerprint
from storage.states import State
from tests.daemon.disks import tmpfs

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


class Drive:
    """The gallery's disk; without it an empty folder has its name, as after `umount`."""

    def __init__(self, root: Path) -> None:
        self.root, self.away = root, root.with_name("away")

    def pull(self) -> None:
        self.root.rename(self.away)
        self.root.mkdir()

    def plug(self) -> None:
        assert list(self.root.iterdir()) == [], "something was put into the empty folder"
        self.root.rmdir()
        self.away.rename(self.root)


class Mount(Drive):
    """The same by the kernel: a mount under the gallery's name."""

    def pull(self) -> None:
        subprocess.run(["umount", "-l", self.root], check=True)

    def plug(self) -> None:
        assert list(self.root.iterdir()) == [], "something was put into the empty folder"
        subprocess.run(["mount", "--bind", self.away, self.root], check=True)


@pytest.fixture(params=["folder", pytest.param("mount", marks=pytest.mark.root)])
def drive(request: pytest.FixtureRequest, home: Home, photo: Photo, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Three photos in a gallery whose disk can be pulled out."""
    if request.param == "folder":
        drive = Drive(home.root)
        for seed in range(3):
            (home.root / f"{seed}.jpg").write_bytes(photo(seed))
        yield drive
        return
    with tmpfs(tmp_path / "away", 16 << 20) as disk:
        drive = Mount(home.root)
        drive.away = disk
        for seed in range(3):
            (disk / f"{seed}.jpg").write_bytes(photo(seed))
        drive.plug()
        yield drive
        subprocess.run(["umount", "-l", home.root], capture_output=True)


def states(home: Home) -> list[State]:
    with home.shop(reading=True) as shop:
        return [row.state for row in shop.catalog.rows()]


def at_call(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, act: Callable[[], None], nth: int = 1) -> None:
    """`act` just before the nth call of a function."""
    real, calls = getattr(owner, name), iter(range(1, 1000))

    def acting(*arguments: object, **options: object) -> object:
        if next(calls) == nth:
            act()
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, acting)


def all_is_well(home: Home, photo: Photo) -> None:
    """The next runs find everything as it was, and go on."""
    home.optimize()
    assert states(home) == [State.RETIRED] * 3
    with home.shop() as shop:
        done = restore(shop, [home.root], None, None, Silence())
    assert [each.came for each in done] == [Came.ORIGINAL] * 3
    assert [(home.root / f"{seed}.jpg").read_bytes() for seed in range(3)] == [photo(seed) for seed in range(3)]


@pytest.mark.parametrize("step", ["rating", "encode", "examine"])
def test_it_goes_while_a_photo_is_archived(home: Home, photo: Photo, drive: Drive, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    with monkeypatch.context() as patch:
        at_call(patch, home.codec, step, drive.pull, nth=2)
        done = home.optimize()
    assert done.archived == 1
    assert "went away meanwhile" in done.gone[0]
    assert set(states(home)) <= {State.RETIRED, State.QUEUED, State.ENCODING}, "nothing is called gone"
    drive.plug()
    all_is_well(home, photo)


def test_it_goes_during_the_look(home: Home, photo: Photo, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    home.configure(limits='min_saving = "99%"')
    assert home.optimize().left == {"no-gain": 3}
    with monkeypatch.context() as patch:
        at_call(patch, discovery, "_considered", drive.pull, nth=2)
        assert home.optimize().gone
    with home.shop(reading=True) as shop:
        assert {row.reason for row in shop.catalog.rows()} == {"no-gain"}
    drive.plug()
    home.configure()
    all_is_well(home, photo)


def test_it_goes_during_the_purge(home: Home, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    home.optimize()
    home.clock.forward(days=8)
    with monkeypatch.context() as patch:
        at_call(patch, purging, "is_edited", drive.pull, nth=2)
        done = home.optimize()
    assert done.purged == 1
    assert "went away meanwhile" in done.gone[0]
    assert states(home) == [State.PURGED, State.RETIRED, State.RETIRED]
    drive.plug()
    assert home.optimize().purged == 2


def test_it_goes_before_the_trash_is_looked_through(home: Home, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    with monkeypatch.context() as patch:
        at_call(patch, trash, "is_gone", drive.pull, nth=2)
        assert home.optimize().gone
    with home.shop(reading=True) as shop:
        assert [row.missed_at for row in shop.catalog.rows()] == [None] * 3
    drive.plug()
    home.clock.forward(days=31)
    assert home.optimize().thrown_away == 0
    assert states(home) == [State.PURGED] * 3


def test_it_goes_during_a_restore(home: Home, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    with monkeypatch.context() as patch, home.shop() as shop:
        at_call(patch, home.codec, "restore", drive.pull, nth=2)
        done = restore(shop, [home.root], None, None, Silence())
    assert [each.came for each in done] == [Came.COPY, Came.NOT, Came.NOT]
    assert states(home) == [State.RESTORED, State.PURGED, State.PURGED]
    drive.plug()
    with home.shop() as shop:
        assert [each.came for each in restore(shop, [home.root], None, None, Silence())] == [Came.COPY, Came.COPY]


def test_a_re_packed_photo_is_not_called_purged_since_its_disk_went_away(home: Home, photo: Photo) -> None:
    """What is not found on a disk that is away is not gone: `settle` concludes nothing."""
    from daemon.recovery import settle

    (home.root / "0.jpg").write_bytes(photo())
    home.optimize()
    with home.shop() as shop:
        (row,) = shop.catalog.rows()
        Drive(home.root).pull()
        assert not settle(row, shop.galleries[0], shop.catalog, shop.clock)
        assert shop.catalog.get(row.id).state is State.RETIRED


@pytest.mark.parametrize("code", [errno.ENOTCONN, errno.ESTALE, errno.EIO])
def test_a_mount_that_answers_with_errors(home: Home, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    anchor = Anchor(home.root)
    anchor.check()

    def gone(_: Path) -> os.stat_result:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "stat", gone)
    with pytest.raises(GalleryGone, match="can't be reached"):
        anchor.check()


# Another disk in its place.


@pytest.fixture
def archived(home: Home, photo: Photo) -> Home:
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    return home


def vault_file(home: Home, name: str) -> Path:
    return home.root / ".gallery-optimizer" / name


def test_a_vault_is_told_from_others(archived: Home) -> None:
    identity = vault_file(archived, "id").read_text().strip()
    assert len(identity) == 16
    with archived.shop(reading=True) as shop:
        assert shop.catalog.vault_of(os.fsencode(archived.root)) == (identity, archived.root.stat().st_dev)
    archived.optimize()
    assert vault_file(archived, "id").read_text().strip() == identity


def test_another_vault_under_the_same_path_is_refused(archived: Home) -> None:
    vault_file(archived, "id").write_text("0" * 16 + "\n")
    archived.clock.forward(days=8)
    before = archived.files()
    done = archived.optimize()
    assert "another vault" in done.gone[0]
    assert "--as-it-is" in done.gone[0]
    with archived.shop() as shop:
        (result,) = restore(shop, [archived.root / "0.jpg"], None, None, Silence())
        assert "another vault" in result.trouble
        with pytest.raises(GalleryGone):
            shop.lock_vault(shop.galleries[0])
    assert archived.files() == before
    assert archived.optimize(as_it_is=True).purged == 3
    assert archived.optimize().gone == [], "from now on it is the one"


@pytest.mark.parametrize("same", [True, False])
def test_a_vault_without_its_name(archived: Home, same: bool) -> None:
    """On the same device it is the same; on another one nobody knows."""
    identity = vault_file(archived, "id").read_text()
    vault_file(archived, "id").unlink()
    if not same:
        with archived.shop() as shop:
            shop.catalog.noted_vault(os.fsencode(archived.root), identity.strip(), 12345)
    done = archived.optimize()
    if same:
        assert (done.gone, vault_file(archived, "id").read_text()) == ([], identity)
    else:
        assert "another device" in done.gone[0]
        assert not vault_file(archived, "id").exists()


def test_a_device_may_change_its_number_and_a_disk_may_be_copied(archived: Home, tmp_path: Path) -> None:
    with archived.shop() as shop:
        key = os.fsencode(archived.root)
        known = shop.catalog.vault_of(key)
        assert known is not None
        shop.catalog.noted_vault(key, known[0], 2**64 - 1)
        assert shop.catalog.vault_of(key) == (known[0], 2**64 - 1)
    shutil.copytree(archived.root, tmp_path / "copy")
    shutil.rmtree(archived.root)
    shutil.copytree(tmp_path / "copy", archived.root)
    assert archived.optimize().gone == []
    with archived.shop(reading=True) as shop:
        assert shop.catalog.vault_of(key) == known


def test_the_other_gallery_can_still_be_restored(archived: Home, photo: Photo, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "9.jpg").write_bytes(photo(9))
    text = archived.places.config_file.read_text()
    archived.places.config_file.write_text(text.replace("[limits]", f'[[gallery]]\npath = "{other}"\n[limits]'))
    archived.optimize()
    vault_file(archived, "id").write_text("0" * 16 + "\n")
    with archived.shop() as shop:
        (result,) = restore(shop, [other / "9.jpg"], None, None, Silence())
    assert result.came is Came.ORIGINAL


@pytest.mark.root
@pytest.mark.parametrize("part", [".", "trip"])
def test_galleries_that_overlap_by_a_bind_mount(home: Home, run: Callable[..., Result], tmp_path: Path, part: str) -> None:
    """Every run ended with "another instance is at work", which was itself, or took a photo for another computer's."""
    (home.root / "trip").mkdir()
    bound = tmp_path / "bound"
    bound.mkdir()
    subprocess.run(["mount", "--bind", home.root / part, bound], check=True)
    try:
        home.configure(f'[[gallery]]\npath = "{bound}"')
        done = run("optimize")
        assert (done.exit_code, "overlap" in done.stderr) == (2, True)
    finally:
        subprocess.run(["umount", "-l", bound], check=True)
    home.configure(f'[[gallery]]\npath = "{bound}"')
    assert run("optimize").exit_code == 3


@pytest.mark.root
def test_a_read_only_disk_is_no_obstacle_for_the_other_gallery(
    home: Home, photo: Photo, run: Callable[..., Result], tmp_path: Path
) -> None:
    """No photo of any gallery could be restored in its place."""
    with tmpfs(tmp_path / "disk", 16 << 20) as disk:
        home.configure(f'[[gallery]]\npath = "{disk}"')
        for folder in (home.root, disk):
            (folder / "a.jpg").write_bytes(photo())
        assert home.optimize().archived == 2
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with home.shop() as shop:
            here, there = restore(shop, [home.root / "a.jpg", disk / "a.jpg"], None, None, Silence())
        assert (here.came, there.came) == (Came.ORIGINAL, Came.NOT)
        assert there.trouble.endswith("is on a read-only file system; say --to DIR")
        ejected = run("eject")
        assert ejected.exit_code == 1
        assert "Complete" in ejected.stdout
        assert "gives the photos of" in ejected.stderr


def move_vault_away(home: Home) -> Path:
    return vault_file(home, "").rename(home.root.parent / "tidied up")


@pytest.mark.parametrize("then", ["waits for its turn", "is left", "is edited"])
def test_a_missing_vault_is_missed_whatever_became_of_its_photo(home: Home, photo: Photo, then: str) -> None:
    """The only archive is of a copy that was restored: coding that again would lose quality, and an empty vault would hide the loss."""
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    with home.shop() as shop:
        restore(shop, [home.root / "a.jpg"], None, None, Silence())
        if then == "is edited":
            (home.root / "a.jpg").write_bytes(photo(7))
        sha256 = sha256_of(home.root / "a.jpg")
        key = shop.galleries[0].key
        row = shop.catalog.enqueue(key, b"a.jpg", Fingerprint.of(home.root / "a.jpg"), sha256=sha256, by_name=True).row
        if then == "is left":
            shop.catalog.left(row.id, "restored-copy")
    away = move_vault_away(home)
    (home.root / "new.jpg").write_bytes(photo(9))
    done = home.optimize()
    assert "the vault of " in done.gone[0]
    assert not vault_file(home, "").exists()
    away.rename(vault_file(home, ""))
    assert home.optimize().gone == []


def test_a_vault_that_is_moved_away_in_the_midst_is_not_made_anew(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    home.configure('grace = "0 days"')
    for number in range(3):
        (home.root / f"{number}.jpg").write_bytes(photo(number))
    before, encode = {path.name: path.read_bytes() for path in home.root.glob("*.jpg")}, home.codec.encode

    def tidying(job: EncodeJob) -> Encoded | Refused:
        monkeypatch.setattr(home.codec, "encode", encode)
        move_vault_away(home)
        return encode(job)

    monkeypatch.setattr(home.codec, "encode", tidying)
    done = home.optimize()
    assert "went away meanwhile" in done.gone[0]
    assert not vault_file(home, "").exists()
    assert {path.name: path.read_bytes() for path in home.root.glob("*.jpg")} == before
