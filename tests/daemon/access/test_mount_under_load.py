"""A mount with many readers at once, and with a cache whose disk is full or gone."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from PIL import Image

from daemon import restorer
from daemon.ports import Silence
from tests.daemon.access.mounting import WHEN, Mount, digests
from tests.daemon.disks import fill, tmpfs

if TYPE_CHECKING:
    from tests.daemon.conftest import Home


@pytest.mark.slow
def test_many_readers_parts_and_a_copy_of_the_whole_tree(home: Home, mounted: Mount, photos: list[Path], tmp_path: Path) -> None:
    view = mounted("--prefetch", "0")
    whole: dict[int, bytes] = {}

    def read(number: int) -> None:
        with open(view.point / ("a.jpg" if number % 2 else "b.jpg"), "rb") as file:
            whole[number] = file.read()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({whole[number] for number in range(30)}) == 2
    with open(view.point / "a.jpg", "rb") as file:
        file.seek(-100, os.SEEK_END)
        assert file.read() == whole[1][-100:]
        file.seek(1000)
        assert file.read(17) == whole[1][1000:1017]
    subprocess.run(["cp", "-a", str(view.point), str(tmp_path / "copy")], check=True)
    assert digests(tmp_path / "copy") == digests(view.point)
    for forbidden in (lambda: (view.point / "a.jpg").write_bytes(b""), (view.point / "a.jpg").unlink, (view.point / "new").mkdir):
        with pytest.raises(OSError, match="Read-only") as error:
            forbidden()
        assert error.value.errno == errno.EROFS


def gallery_of(home: Home, count: int) -> list[Path]:
    """So many different small photos, out of grace."""
    home.configure(gallery='grace = "0 days"', limits='min_saving = "off"')
    paths = [home.root / f"IMG_{number:04}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        noise = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, quality=97)
        os.utime(path, ns=(WHEN, WHEN))
    assert home.optimize().purged == count
    return paths


def memory_bytes(pid: int) -> int:
    """Of a process and its children, without what they share."""
    own = psutil.Process(pid)
    return sum(each.memory_info().rss - each.memory_info().shared for each in (own, *own.children(recursive=True)))


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_a_viewer_that_opens_hundreds_of_files_at_once(home: Home, mounted: Mount, count: int) -> None:
    """With a cache for twenty of them, and too few descriptors: each reader gets its own file, and others still list the folder."""
    paths = gallery_of(home, count)
    for number in range(50):
        (home.root / f"{number}.txt").write_text("mine")
    with contextlib.ExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
        try:
            view = mounted("--cache-size", "40 KB", "--prefetch", "0")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        files = [stack.enter_context((view.point / path.name).open("rb", buffering=0)) for path in paths]
        for number in range(50):
            assert stack.enter_context((view.point / f"{number}.txt").open()).read() == "mine"
        before = memory_bytes(view.process.pid)
        found: dict[str, str] = {}

        def read(number: int) -> None:
            os.posix_fadvise(files[number].fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            found[paths[number].name] = hashlib.sha256(files[number].readall() or b"").hexdigest()

        with ThreadPoolExecutor(count) as readers:
            waiting = [readers.submit(read, number) for number in range(count)]
            assert len(os.listdir(view.point)) == count + 50, "nobody who looks has to wait for those who read"
            for each in waiting:
                each.result(120)
        assert memory_bytes(view.process.pid) < before + (64 << 20)
        assert sum(each.stat().st_size for each in (home.places.state_folder / "copies").iterdir()) <= 41_000
    assert view.end() == 0
    with home.shop() as shop:
        assert not [each.trouble for each in restorer.restore(shop, [home.root], None, None, Silence()) if each.trouble]
    assert found == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert len(set(found.values())) == count


@pytest.mark.root
@pytest.mark.parametrize("room", [0, 30_000])
def test_a_cache_whose_disk_is_full(home: Home, mounted: Mount, photos: list[Path], tmp_path: Path, room: int) -> None:
    """Photos are read all the same, once a warning; nothing of the gallery depends on that disk."""
    before = home.files()
    with tmpfs(tmp_path / "small", 300_000) as disk:
        (disk / "copies").mkdir()
        fill(disk, room)
        view = mounted("--cache", str(disk / "copies"), "--prefetch", "0")
        for _ in range(2):
            seen = digests(view.point)
        assert view.end() == 0
        assert "copies stay in memory" in view.said or room
    assert home.files() == before
    with home.shop() as shop:
        assert not [each.trouble for each in restorer.restore(shop, [home.root], None, None, Silence()) if each.trouble]
    assert seen == digests(home.root)


@pytest.mark.root
def test_a_cache_that_can_not_be_made_at_all_says_so(home: Home, mounted: Mount, photos: list[Path], tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", 300_000) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        view = mounted("--cache", str(disk / "copies"))
        assert view.end() == 1
        assert not os.path.ismount(view.point)
        assert "copies" in view.said
        assert "Traceback" not in view.said
