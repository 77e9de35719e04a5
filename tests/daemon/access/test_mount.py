"""A real mount, by the real command."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from PIL import Image

from daemon import restorer
from daemon.cli.main import cli
from daemon.errors import CommandFailed, WrongPath
from daemon.mounts import mount_of, mounts
from daemon.ports import Silence
from storage.catalog import Catalog
from tests.daemon.access.mounting import Mount, Photo, digests, why_no_fuse

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

if missing := why_no_fuse():
    pytest.skip(f"no FUSE here: {missing}", allow_module_level=True)

from daemon.access import mount


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
