"""Which files may be touched, by what stat says and by their names."""

import inspect
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import eligibility
from daemon.eligibility import arriving, obstacle, passed_by, walk
from daemon.errors import GalleryGone
from daemon.ignoring import Rules
from daemon.reasons import REASONS


def status(
    kind: int = stat.S_IFREG, device: int = 1, links: int = 1, size: int = 9, owner: int | None = None, written: int = 0
) -> os.stat_result:
    owner = os.geteuid() if owner is None else owner
    return os.stat_result((kind | 0o644, 7, device, links, owner, 0, size, 0, written, 0), {"st_mtime_ns": written * 10**9})


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (status(), None),
        (status(stat.S_IFLNK), "not-a-file"),
        (status(stat.S_IFIFO), "not-a-file"),
        (status(device=2), "other-device"),
        (status(links=2), "hard-linked"),
        (status(size=0), "empty"),
        (status(written=9_300_000_000), "strange-date"),
    ],
)
def test_obstacles(result: os.stat_result, reason: str | None) -> None:
    assert obstacle(result, device=1) == reason


@pytest.mark.parametrize(("user", "reason"), [(0, None), (1000, None), (1001, "other-owner")])
def test_what_could_not_be_given_back_to_its_owner_is_left(monkeypatch: pytest.MonkeyPatch, user: int, reason: str | None) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert obstacle(status(owner=1000), device=1) == reason


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        (b".syncthing.IMG.jpg.tmp", True),
        (b".IMG.jpg.Xq3f9a", True),
        (b".IMG.jpg.~1a2b", True),
        (b"~syncthing~IMG.jpg.tmp", True),
        (b"IMG.jpg.part", True),
        (b"IMG.jpg.ocTransferId77.part", True),
        (b"IMG.jpg.aria2", True),
        (b"IMG.jpg.b3c1f0aa.partial", True),
        (b"IMG.jpg.CRDOWNLOAD", True),
        (b".syncthing.IMG2.jpg.tmp", False),
        (b"IMG.jpg.2.jpg", False),
        (b".nomedia", False),
        (b"IMG.jpg.xmp", False),
    ],
)
def test_sync_tools_at_work(beside: bytes, expected: bool) -> None:
    assert arriving(b"IMG.jpg", [beside]) is expected


def test_a_browsers_unfinished_file_keeps_its_photo_from_being_seen(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.jpg.part", "b.jpg", "b.aria2"):
        (tmp_path / name).write_bytes(b"x")
    assert [sighting.path.name for sighting in walk(tmp_path)] == ["b.jpg"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"IMG_1.JPG", None),
        (b"left.mpo", None),
        (b"2021/-rf.jpeg", None),
        (b"IMG.jpg.crdownload", "unfinished"),
        (b"IMG.jpg.!sync", "unfinished"),
        (b".pending-1735689600-IMG.jpg", "unfinished"),
        (b".syncthing.IMG.jpg.tmp", "unfinished"),
        (b".trashed-1735689600-IMG.jpg", "in-the-bin"),
        (b"#recycle/IMG.jpg", "in-the-bin"),
        (b".thumbnails/1.jpg", "hidden"),
        (b".IMG.jpg", "hidden"),
        (b"noextension", "other-name"),
        (b"IMG.heic", "other-name"),
        (b"Screenshots/a.png", "excluded"),
    ],
)
def test_a_name_that_is_passed_by_has_a_documented_reason(name: bytes, reason: str | None) -> None:
    assert passed_by(name, Rules(["**/Screenshots/**"])) == reason
    assert reason is None or reason in REASONS


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**/Screenshots/**", b"Screenshots/a.png", True),
        ("**/Screenshots/**", b"2021/Screenshots/b/a.png", True),
        ("**/Screenshots/**", b"2021/a.png", False),
        ("*.png", b"x/a.png", True),
        ("/x", b"x/a.png", True),
        ("/x", b"y/x.png", False),
    ],
)
def test_patterns_have_gits_meaning(pattern: str, path: bytes, expected: bool) -> None:
    assert Rules([pattern]).excludes(path) is expected


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b"..")), max_size=5))
def test_any_names_are_walked_in_order(names: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            Path(folder, os.fsdecode(name + b".jpg")).write_bytes(b"x")
        seen = [os.fsencode(sighting.path.name) for sighting in walk(Path(folder))]
    assert seen == sorted({name + b".jpg" for name in names if not name.startswith(b".")})


def test_another_file_system_inside_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "a.jpg").write_bytes(b"x")
    assert len(list(walk(tmp_path))) == 1
    real = os.stat

    def elsewhere(path: Path, **options: bool) -> os.stat_result:
        found = real(path, **options)
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:10]))

    monkeypatch.setattr(os, "stat", elsewhere)  # the root's device; what the listing tells stays
    assert list(walk(tmp_path)) == []


def test_a_folder_that_cannot_be_listed_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []  # asked for at the source: what the log does with it depends on which command ran before in this process
    monkeypatch.setattr(eligibility._log, "warning", lambda text, *values: said.append(text % values))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_bytes(b"x")
    real = os.scandir

    def refusing(path: bytes | Path) -> object:
        if os.fsencode(path).endswith(b"/a"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert [sighting.path for sighting in walk(tmp_path)] == [tmp_path / "b" / "x.jpg"]
    assert len(said) == 1
    assert "can't be listed" in said[0]


def test_folders_may_lie_deeper_in_one_another_than_functions_may_call(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "x.jpg").write_bytes(b"x")
    (deep / ".gallery-optimizer-ignore").write_bytes(b"*\n")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        (seen,) = walk(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert (seen.path, seen.reason) == (deep / "x.jpg", "ignored")


def test_a_root_that_is_gone_or_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("none", "file"):
        with pytest.raises(GalleryGone):
            list(walk(tmp_path / name))


def test_only_what_was_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "c")
    (tmp_path / ".hidden").mkdir()

    def names(start: Path) -> list[str]:
        return [sighting.path.name for sighting in walk(tmp_path, (), start)]

    assert names(tmp_path / "b.jpg") == ["b.jpg"]
    assert names(tmp_path / "c") == ["d.jpg"]
    assert names(tmp_path / "link") == names(tmp_path / ".hidden") == []


def test_a_start_that_went_away_meanwhile(tmp_path: Path) -> None:
    """The service hears of a photo, which is deleted before it is looked at."""
    assert list(walk(tmp_path, (), tmp_path / "gone.jpg")) == []
    assert list(walk(tmp_path, (), tmp_path / "no folder" / "gone.jpg")) == []
