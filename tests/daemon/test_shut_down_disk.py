"""A real file system that is shut down in the midst of our work, its log not flushed: what a computer without power leaves on such a disk.

By the ioctl that xfstests cuts the power with; gallery, vault and catalogue are all on that disk.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.places import Places
from daemon.ports import Silence
from daemon.restorer import restore
from storage.digest import sha256_of_bytes
from tests.daemon.conftest import Clockwork, Home, InProcess
from tests.daemon.faults import Counting
from tests.daemon.scenarios import in_child
from tests.daemon.sweep import ANY_SAVING

pytestmark = [pytest.mark.root, pytest.mark.slow]
Photo = Callable[..., bytes]
SHUT_DOWN, LOG_NOT_FLUSHED = 0x8004587D, 2  # _IOR('X', 125, __u32), of XFS and ext4
MAKE = {"ext4": (["mkfs.ext4", "-q"], 48 << 20), "xfs": (["mkfs.xfs", "-q"], 320 << 20)}


class ShutDown(Counting):
    """The disk, and then the process, end just before the n-th change."""

    def __init__(self, nth: int, disk: Path) -> None:
        super().__init__(only_changes=True)
        self._nth, self._disk = nth, disk

    def passing(self, name: str, changes: bool) -> None:
        super().passing(name, changes)
        if changes and len(self.points) == self._nth:
            fcntl.ioctl(os.open(self._disk, os.O_RDONLY), SHUT_DOWN, struct.pack("I", LOG_NOT_FLUSHED))
            os.kill(os.getpid(), signal.SIGKILL)


class Disk:
    """An image with a file system, mounted when it is needed."""

    def __init__(self, kind: str, base: Path) -> None:
        self.image, self.place = base / "image", base / "disk"
        self.place.mkdir()
        command, size_bytes = MAKE[kind]
        with self.image.open("wb") as file:
            file.truncate(size_bytes)
        try:
            self._do([*command, self.image])
        except FileNotFoundError:
            pytest.skip(f"{command[0]} is not installed")

    def mounted(self, image: Path) -> Home:
        self._do(["mount", "-o", "loop", image, self.place])
        (self.place / "state").mkdir(exist_ok=True)
        (self.place / "DCIM").mkdir(exist_ok=True)
        return Home(self.place / "DCIM", Places(self.place / "config.toml", self.place / "state"), Clockwork(), InProcess())

    def unmount(self) -> None:
        self._do(["umount", self.place])

    def _do(self, command: list[str | Path]) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode and command[0] == "mount":
            pytest.skip(f"it can't be mounted: {done.stderr.strip()}")
        done.check_returncode()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    """`made("ext4")` -> a disk that is unmounted in the end, whatever happens."""
    yield lambda kind: Disk(kind, tmp_path)
    subprocess.run(["umount", "-l", tmp_path / "disk"], capture_output=True)


def archive(home: Home) -> None:
    home.optimize()


def give_back(home: Home) -> None:
    with home.shop() as shop:
        restore(shop, [home.root / "a.jpg"], None, None, Silence())


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("act", ["archive and purge", "restore a copy", "restore the original", "an edit"])
def test_nothing_is_lost(made: Callable[[str], Disk], tmp_path: Path, photo: Photo, kind: str, act: str) -> None:
    disk, doing = made(kind), give_back if act.startswith("restore") else archive
    home = disk.mounted(disk.image)
    home.configure('grace = "7 days"' if act == "restore the original" else 'grace = "0 days"', ANY_SAVING)
    (home.root / "a.jpg").write_bytes(photo())
    if act != "archive and purge":
        home.optimize()
    if act == "an edit":
        (home.root / "a.jpg").write_bytes(photo(1))
    os.sync()
    disk.unmount()
    alive = {sha256_of_bytes(photo(seed)) for seed in ((0, 1) if act == "an edit" else (0,))}
    copy, nth, tried = tmp_path / "copy", 1, 0
    while True:
        shutil.copyfile(disk.image, copy)
        home = disk.mounted(copy)
        in_child(lambda: doing(home), ShutDown(nth, disk.place))  # noqa: B023  # called before the next
        disk.unmount()
        home = disk.mounted(copy)
        broken = home.optimize()
        assert (broken.failed, broken.gone) == ([], []), nth
        with home.shop() as shop:
            shop.galleries[0].vault.clear_staging()
            restore(shop, [home.root / row.location.name for row in shop.catalog.rows() if row.has_archive], None, None, Silence())
        whole = {sha256_of_bytes(path.read_bytes()) for path in home.root.glob("*.jpg")}
        whole |= {row.sha256 or "" for row in home.rows().values() if row.copy_sha256 in whole}
        assert alive <= whole, nth
        disk.unmount()
        tried += 1
        nth += 9
        if nth > 100:
            break
    assert tried > 10


def test_the_layer_shuts_the_disk_down(made: Callable[[str], Disk], photo: Photo) -> None:
    """That the silence of the others means something: nothing can be written any more."""
    disk = made("ext4")
    home = disk.mounted(disk.image)
    home.configure("", ANY_SAVING)
    (home.root / "a.jpg").write_bytes(photo())
    os.sync()
    in_child(home.optimize, ShutDown(40, disk.place))
    with pytest.raises(OSError, match=r"."):
        (home.root / "b.jpg").write_bytes(b"x")
    disk.unmount()
