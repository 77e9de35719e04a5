"""Whatever a file is called and wears comes back with it, in its place and elsewhere."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon.ports import Silence
from daemon.restorer import restore
from storage.attributes import Attributes

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]
MTIME, ATIME = 1_234_567_890_123_456_789, 1_300_000_000_000_000_001
NAMES = [
    b"-rf.jpg",
    b"two\nlines.jpg",
    b"IMG 0001 (1).jpg",
    b"\xff\xfe not text.jpg",
    "Übergröße 🌄.jpeg".encode(),
    "U\u0308.jpg".encode(),  # decomposed, as a Mac writes it
    b"$(reboot);'\"*?.jpg",
    b"a" * 251 + b".jpg",
    b"same.jpg",
    b"same.JPG",
    b"same.jpeg",
    b"2021.01.01.jpg",
    b".jpg.jpg"[1:],
]


def acl() -> bytes:
    """A POSIX ACL that lets one more user read: version, then (kind, rights, id) of each entry."""
    nobody = 0xFFFFFFFF
    entries = [(1, 6, nobody), (2, 4, 1234), (4, 4, nobody), (0x10, 4, nobody), (0x20, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def wear(path: bytes) -> Attributes:
    os.chmod(path, 0o640)
    os.setxattr(path, "user.tags", b"beach,\0summer")
    try:
        os.setxattr(path, "system.posix_acl_access", acl())
    except OSError:  # a file system without them
        pass
    os.utime(path, ns=(ATIME, MTIME))
    return Attributes.of(path)


@pytest.mark.parametrize("where", ["in place", "elsewhere"])
def test_names_and_facts_come_back(home: "Home", photo: Photo, tmp_path: Path, where: str) -> None:
    home.configure('grace = "0 days"')
    root = os.fsencode(home.root)
    before = {}
    for name in NAMES:
        path = os.path.join(root, name)
        with open(path, "wb") as file:
            file.write(photo())
        before[name] = wear(path)
    assert home.optimize().purged == len(NAMES)
    assert set(os.listdir(root)) == {*NAMES, b".gallery-optimizer"}
    for name in NAMES:
        os.utime(os.path.join(root, name), ns=(1, MTIME))  # somebody looked at the stand-in
    with home.shop() as shop:
        to = None if where == "in place" else tmp_path / "out"
        done = restore(shop, [home.root], to, None, Silence())
    assert [each.trouble for each in done] == [""] * len(NAMES)
    folder = root if to is None else os.fsencode(to)
    for name, worn in before.items():
        found = Attributes.of(os.path.join(folder, name))
        assert worn.differences(found) == ()
        assert found.mtime_ns == MTIME
        assert found.xattrs["user.tags"] == b"beach,\0summer"


def test_links_are_left_and_holes_are_read(home: "Home", photo: Photo, tmp_path: Path) -> None:
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(photo(1))
    (home.root / "link.jpg").symlink_to(outside)
    (home.root / "hard.jpg").write_bytes(photo(2))
    os.link(home.root / "hard.jpg", home.root / "twin.jpg")
    hole = home.root / "hole.jpg"
    hole.write_bytes(photo(3))
    os.truncate(hole, len(photo(3)) + (1 << 20))  # zeros behind the picture that take no room on the disk
    whole = hole.read_bytes()
    done = home.optimize()
    assert (done.archived, dict(done.left)) == (1, {"hard-linked": 2})
    assert outside.read_bytes() == photo(1)
    assert os.readlink(home.root / "link.jpg") == str(outside)
    (home.root / "hard.jpg").unlink()  # the row of the one may follow it to the other
    done = home.optimize()
    assert (done.archived, dict(done.left)) == (1, {}), "it has one name now"
    with home.shop() as shop:
        restore(shop, [hole], None, None, Silence())
    assert hole.read_bytes() == whole


@pytest.mark.parametrize("seconds", [-20_000_000_000, -5_000_000_000, -1, 0, 5_000_000_000, 9_000_000_000, 9_300_000_000, 300_000_000_000])
def test_a_date_of_another_age(home: "Home", photo: Photo, run: Run, seconds: int) -> None:
    """Broken clocks give any. One beyond what the catalogue can hold ended every run."""
    home.configure('grace = "0 days"')
    place = home.root / "a.jpg"
    place.write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    os.utime(place, ns=(ATIME, seconds * 10**9 + 123_456_789))
    given = place.stat().st_mtime_ns
    if given // 10**9 != seconds:
        pytest.skip("this file system has no such dates")
    done = home.optimize()
    beyond = not -(2**63) <= given < 2**63
    assert (done.archived, dict(done.left)) == ((1, {"strange-date": 1}) if beyond else (2, {}))
    assert place.stat().st_mtime_ns == given
    told = (("status",), ("status", "--json"), ("explain", place), ("history",), ("optimize", "--dry-run"), ("optimize", "--scheduled"))
    for command in (*told, ("restore", "--since", "2020")):
        ran = run(*command)
        assert ran.exit_code in (0, 1, 2, 3)
        assert ran.exception is None or isinstance(ran.exception, SystemExit)
    run("restore", home.root)
    assert place.stat().st_mtime_ns == given
    assert home.optimize().nothing_done
