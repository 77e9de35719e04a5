"""The parts of `make run` that can be wrong without anybody noticing."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def try_it(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("try_it", root / "scripts" / "try_it.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["try_it"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_segments_are_found_in_order_with_what_follows_the_picture(try_it: ModuleType, make_jpeg: Callable[..., bytes]) -> None:
    trailer = b"\xff\xd8 a gain map, \xff\xd9 and more"
    for progressive in (False, True):
        jpeg = make_jpeg(40, 50, comment=b"hello", progressive=progressive)
        *segments, last = try_it.segments_of(jpeg + trailer)
        assert last == trailer
        assert [segment[1] for segment in segments] == [0xE0, 0xE1, 0xFE]
        assert segments[-1].endswith(b"hello")


@pytest.mark.parametrize("limit", ["0", "-3", "nan", "many"])
def test_a_limit_is_a_count(
    try_it: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], limit: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["try_it.py", "--limit", limit, "--scratch", str(tmp_path / "scratch")])
    with pytest.raises(SystemExit):
        try_it.main()
    assert "--limit" in capsys.readouterr().err
    assert not (tmp_path / "scratch").exists()


def test_photos_are_spread_over_the_folder(try_it: ModuleType, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.jpg").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.jpg").touch()
    found = try_it.photos_below(tmp_path)
    assert len(found) == 10
    assert try_it.spread(found, 100) == found
    assert [path.name for path in try_it.spread(found, 3)] == ["0.jpg", "3.jpg", "6.jpg"]


def test_the_set_up_copies_and_never_removes_what_it_did_not_make(
    try_it: ModuleType, tmp_path: Path, make_jpeg: Callable[..., bytes]
) -> None:
    photos = tmp_path / "photos"
    (photos / "2021").mkdir(parents=True)
    (photos / "2021" / "a.JPG").write_bytes(make_jpeg(16, 16))
    scratch = try_it.Scratch(tmp_path / "scratch")
    for _ in range(2):  # the second one finds the first one's folder
        try_it.set_up(scratch, str(photos), "high", "7 days", 25)
        assert (scratch.gallery / "2021" / "a.JPG").read_bytes() == (photos / "2021" / "a.JPG").read_bytes()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with pytest.raises(SystemExit, match="was not made by"):
        try_it.set_up(try_it.Scratch(foreign), str(photos), "high", "7 days", 25)
    assert foreign.is_dir()


def test_a_missing_or_empty_folder_is_said(try_it: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such folder"):
        try_it.set_up(try_it.Scratch(tmp_path / "a"), str(tmp_path / "missing"), "high", "7 days", 25)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=r"no \.jpg"):
        try_it.set_up(try_it.Scratch(tmp_path / "b"), str(tmp_path / "empty"), "high", "7 days", 25)


def test_the_packages_hold_photographs(package_photos: dict[str, Path], try_it: ModuleType, tmp_path: Path) -> None:
    assert len(package_photos) >= 6
    assert try_it.write_package_photos(tmp_path) == len(list(tmp_path.glob("*.jpg")))


def contents(folder: Path) -> dict[Path, bytes]:
    """All bytes below the folder; the lock says only who held it last."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


@pytest.mark.parametrize(
    ("quality", "says"),
    [
        pytest.param("exact", ["content   identical, bit for bit"], id="exact"),
        pytest.param("high", ["metadata  identical: 4 segments", "640 x 427, SSIMULACRA2 "], id="high", marks=pytest.mark.slow),
    ],
)
def test_the_whole_life_of_a_photo(
    try_it: ModuleType, root: Path, tmp_path: Path, package_photos: dict[str, Path], quality: str, says: list[str]
) -> None:
    """`make run` as a user sees it: the real commands and worker processes on one small photo; the weights take seconds to load, and what
    they do in these commands is what tests/corpus is about."""
    (tmp_path / "photos").mkdir()
    shutil.copy2(package_photos["flower"], tmp_path / "photos" / "a.jpg")
    program = [sys.executable, str(root / "scripts" / "try_it.py"), "--scratch", str(tmp_path / "scratch"), "--quality", quality]
    first = subprocess.run([*program, "--photos", str(tmp_path / "photos")], capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "a.jpg: the original itself, bit for bit" in first.stdout
    assert all(text in first.stdout for text in says), first.stdout

    before = contents(tmp_path / "scratch" / "gallery")
    again = try_it.Scratch(tmp_path / "scratch").program("optimize")
    second = subprocess.run(again, cwd=root, capture_output=True, text=True, check=False)
    assert second.returncode == try_it.NOTHING_TO_DO, second.stdout + second.stderr
    assert contents(tmp_path / "scratch" / "gallery") == before
