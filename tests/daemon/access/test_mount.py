"""A real mount, by the real command. Skipped, and said so, where the computer has no FUSE."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from PIL import Image

from daemon import restorer
from daemon.cli.main import cli
from daemon.errors import CommandFailed, WrongPath
from daemon.mounts import mount_of, mounts
from daemon.ports import Silence
from storage.catalog import Catalog
from tests.daemon.disks import fill, tmpfs

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

try:
    from daemon.access import mount
except (ImportError, OSError) as missing:
    pytest.skip(f"no FUSE here: {missing}", allow_module_level=True)
if not os.access("/dev/fuse", os.W_OK) or not (shutil.which("fusermount3") or shutil.which("fusermount")):
    pytest.skip("no FUSE here: /dev/fuse can't be used, or there is no fusermount", allow_module_level=True)

Photo = Callable[..., bytes]
TESTS = Path(__file__).parent.parent
WHEN = 1_500_000_000_987_654_321


class Mounted:
    """The command `mount`, in a process of its own, ready when its folder is."""

    def __init__(self, home: Home, point: Path, *options: str) -> None:
        self.point = point
        with contextlib.suppress(OSError):  # a killed mount may lie over it still
            point.mkdir(exist_ok=True)
        variables = {**os.environ, "GALLERY_OPTIMIZER_BACKEND": "fake_backend"}
        variables["PYTHONPATH"] = os.pathsep.join((str(TESTS.parent.parent), str(TESTS)))
        command = [sys.executable, "-m", "daemon.cli.main", "--config", str(home.places.config_file)]
        command += ["--state", str(home.places.state_folder), "mount", str(home.root), str(point)]
        command += ["--cache", str(home.places.state_folder / "copies"), *options]
        self.process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
        for _ in range(400):
            with contextlib.suppress(OSError):  # the kernel remembers a killed one's folder for a second
                if os.path.ismount(point) and os.listdir(point) is not None:
                    break
            if self.process.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.said = self.process.stderr.read()
            self.process.stderr.close()
        return code


Mount = Callable[..., Mounted]


@pytest.fixture
def mounted(home: Home, tmp_path: Path) -> Iterator[Callable[..., Mounted]]:
    made: list[Mounted] = []

    def begin(*options: str) -> Mounted:
        made.append(Mounted(home, tmp_path / "view", *options))
        return made[-1]

    yield begin
    for each in made:
        each.end(signal.SIGKILL)
    subprocess.run(["fusermount3", "-u", "-q", "-z", str(tmp_path / "view")], check=False)


@pytest.fixture
def photos(home: Home, photo: Photo) -> list[Path]:
    """Three photos out of grace, one of them in a folder, one that is in grace, and a file of somebody else."""
    (home.root / "Italy").mkdir()
    paths = [home.root / name for name in ("a.jpg", "b.jpg", "Italy/c.jpg")]
    for seed, path in enumerate(paths):
        path.write_bytes(photo(seed))
        path.chmod(0o640)
        os.utime(path, ns=(WHEN, WHEN))
    home.optimize()
    home.clock.forward(days=8)
    (home.root / "late.jpg").write_bytes(photo(7))
    done = home.optimize()
    assert (done.purged, done.archived) == (3, 1)
    (home.root / "notes.txt").write_text("mine")
    return [*paths, home.root / "late.jpg"]


def digests(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Of every file: digest, size, date and mode."""
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and ".gallery-optimizer" not in each.parts):
        data, status = path.read_bytes(), path.stat()
        assert len(data) == status.st_size
        digest = hashlib.sha256(data).hexdigest()
        found[str(path.relative_to(folder))] = (digest, status.st_size, status.st_mtime_ns, status.st_mode & 0o777)
    return found


def test_the_view_is_what_restore_gives(home: Home, mounted: Mount, photos: list[Path], photo: Photo) -> None:
    view = mounted()
    listed = {path: (view.point / path.relative_to(home.root)).stat().st_size for path in photos}
    seen = digests(view.point)
    assert (view.point / "late.jpg").read_bytes() == photo(7), "in grace, bit for bit"
    assert (view.point / "notes.txt").read_text() == "mine"
    with Image.open(view.point / "a.jpg") as picture:
        assert picture.size == (320, 240)
        picture.load()
    assert view.end() == 0
    assert not os.path.ismount(view.point)
    before = home.files()
    with home.shop() as shop:
        assert not [each.trouble for each in restorer.restore(shop, [home.root], None, None, Silence()) if each.trouble]
    assert before != home.files()
    restored = digests(home.root)
    assert seen == restored
    assert {path: path.stat().st_size for path in photos} == listed, "the sizes were known before anything was read"


@pytest.mark.usefixtures("photos")
def test_a_cache_is_where_it_was_said_to_be(mounted: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FUSE goes to the root folder, where a relative path leads elsewhere."""
    monkeypatch.chdir(tmp_path)
    view = mounted("--cache", "copies", "--prefetch", "0")
    assert (view.point / "a.jpg").read_bytes()
    assert view.end() == 0
    assert "can't be kept" not in view.said
    assert [each for each in (tmp_path / "copies").iterdir() if each.stat().st_size > 1000]


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


def test_a_png_has_its_size_before_it_is_read(home: Home, mounted: Mount, photo: Photo) -> None:
    """A copy of a PNG is not filled up: the same pixels make the same file."""
    with Image.open(io.BytesIO(photo())) as image:
        image.save(home.root / "a.png")
    (home.root / "b.jpg").write_bytes(photo(1))
    home.configure(gallery='grace = "0 days"')
    assert home.optimize().purged == 2
    stand_in = (home.root / "a.png").stat().st_size
    view = mounted("--prefetch", "0")
    told = (view.point / "a.png").stat().st_size
    assert told > stand_in
    data = (view.point / "a.png").read_bytes()
    assert len(data) == told
    assert view.end() == 0
    with home.shop() as shop:
        restorer.restore(shop, [home.root / "a.png"], None, None, Silence())
    assert (home.root / "a.png").read_bytes() == data


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


def test_thumbnailers_get_the_stand_in_and_everybody_else_the_photo(home: Home, mounted: Mount, photos: list[Path], tmp_path: Path) -> None:
    view = mounted("--prefetch", "0")
    thumbnailer = tmp_path / "a-thumbnailer"
    shutil.copy(shutil.which("cat") or "/bin/cat", thumbnailer)

    def seen_by(program: Path | str, name: str) -> bytes:
        return subprocess.run([program, view.point / name], check=True, capture_output=True).stdout

    assert seen_by(thumbnailer, "a.jpg") == photos[0].read_bytes()
    whole = (view.point / "a.jpg").read_bytes()
    assert len(whole) == (view.point / "a.jpg").stat().st_size != photos[0].stat().st_size
    assert seen_by(thumbnailer, "a.jpg") == photos[0].read_bytes()
    assert (view.point / "a.jpg").read_bytes() == whole, "what one was given is not in the other's cache"
    with open(view.point / "a.jpg", "rb") as file:
        assert file.read(10) == whole[:10]
        assert seen_by(thumbnailer, "a.jpg") == whole, "somebody reads it"
    assert seen_by("cat", "b.jpg") != photos[1].read_bytes()
    assert seen_by(thumbnailer, "late.jpg") == seen_by("cat", "late.jpg")


@pytest.mark.slow
def test_a_mount_that_was_killed_leaves_nothing_behind(home: Home, mounted: Mount, photos: list[Path]) -> None:
    view = mounted()
    view.end(signal.SIGKILL)
    again = mounted()
    assert digests(again.point)
    assert again.end(signal.SIGINT) == 0


@pytest.mark.slow
@pytest.mark.parametrize("below", ["", "folder"])
def test_somebody_elses_dead_mount_stays(home: Home, mounted: Mount, photos: list[Path], tmp_path: Path, below: str) -> None:
    """A file server that is away may come back."""
    point = tmp_path / "view"
    point.mkdir()
    server = "import mfusepy, sys; mfusepy.FUSE(mfusepy.Operations(), sys.argv[1], foreground=True, subtype='somebodys', attr_timeout=0)"
    with subprocess.Popen([sys.executable, "-c", server, point]) as other:
        for _ in range(400):
            if os.path.ismount(point):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                other.wait(0.05)
        other.kill()
    with pytest.raises(CommandFailed, match="another kind"):
        mount.prepare(point / below)
    there = mount_of(mounts(), point)
    assert there is not None
    assert there.kind == "fuse.somebodys"


@pytest.mark.slow
def test_an_archive_that_is_missing_or_damaged_is_an_error_for_that_photo(home: Home, mounted: Mount, photos: list[Path]) -> None:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        archives = {os.fsdecode(row.path): home.root / ".gallery-optimizer" / (row.archive_name or "") for row in catalog.rows()}
    archives["a.jpg"].unlink()
    archives["b.jpg"].write_bytes(archives["b.jpg"].read_bytes()[:-1] + b"?")
    view = mounted()
    for name in ("a.jpg", "b.jpg"):
        with pytest.raises(OSError, match="error") as error:
            (view.point / name).read_bytes()
        assert error.value.errno == errno.EIO
    assert (view.point / "Italy" / "c.jpg").read_bytes()
    view.end()
    for name, what in (("a.jpg", "is not there"), ("b.jpg", "damaged")):  # archives are named after digests
        assert re.search(f"^Warning: {name}: the archive .* {what}", view.said, re.MULTILINE), view.said


@pytest.mark.slow
def test_a_copy_of_another_size_than_was_told_is_an_error_and_then_right(home: Home, mounted: Mount, photos: list[Path]) -> None:
    with Catalog(home.places.catalog_file) as catalog:
        row = next(row for row in catalog.rows() if row.path == b"a.jpg")
        right = row.copy_bytes
        assert right is not None
        catalog.measured_copy(row.id, right + 10)
    view = mounted()
    assert (view.point / "a.jpg").stat().st_size == right + 10
    with pytest.raises(OSError, match="error"):
        (view.point / "a.jpg").read_bytes()
    os.stat(view.point)
    for _ in range(60):  # until the kernel asks again
        if (view.point / "a.jpg").stat().st_size == right:
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            view.process.wait(0.05)
    assert len((view.point / "a.jpg").read_bytes()) == right
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        assert catalog.get(row.id).copy_bytes == right, "known to the next one who mounts it"


@pytest.mark.slow
def test_an_archive_of_an_earlier_version_is_measured_once(home: Home, mounted: Mount, photos: list[Path]) -> None:
    with Catalog(home.places.catalog_file) as catalog:
        row = next(row for row in catalog.rows() if row.path == b"a.jpg")
        catalog.measured_copy(row.id, 0)
    view = mounted()
    size = (view.point / "a.jpg").stat().st_size
    assert size == len((view.point / "a.jpg").read_bytes()) == row.copy_bytes
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        assert catalog.get(row.id).copy_bytes == size


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda point: (point / "mine").write_text("mine"), "is not empty"),
        (lambda point: point.rmdir(), "is not there"),
        (lambda point: (point.rmdir(), point.write_text("mine")), "is not a folder"),
    ],
)
def test_where_nothing_can_be_mounted(tmp_path: Path, prepare: Callable[[Path], object], words: str) -> None:
    (tmp_path / "point").mkdir()
    prepare(tmp_path / "point")
    with pytest.raises(WrongPath, match=words):
        mount.prepare(tmp_path / "point")


def test_what_can_not_be_shown(home: Home, photos: list[Path], tmp_path: Path) -> None:
    base = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder), "mount"]
    (tmp_path / "view").mkdir()
    (home.root / "empty").mkdir()

    def says(*words: Path | str) -> str:
        done = CliRunner().invoke(cli, [*base, *map(str, words)])
        assert done.exit_code in (1, 2)
        return done.output

    assert "no configured gallery" in says(tmp_path, tmp_path / "view")
    assert "lies in the gallery itself" in says(home.root, home.root / "empty", "--cache", tmp_path / "cache")
    assert "lies in the gallery itself" in says(home.root, tmp_path / "view", "--cache", home.root / "cache")
    assert "--cache-size" in says(home.root, tmp_path / "view", "--cache-size", "much")
    home.places.catalog_file.unlink()
    assert "doctor --rebuild" in says(home.root, tmp_path / "view", "--cache", tmp_path / "cache")
