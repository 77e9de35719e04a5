"""What belongs to a photo, and that it stays with it."""

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from daemon import assets
from daemon.ports import Silence
from daemon.restorer import restore

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.mark.parametrize(
    ("photo", "beside"),
    [
        (b"IMG_0001.JPG", [b"IMG_0001.CR2"]),
        (b"DSC0001.jpg", [b"DSC0001.ARW", b"DSC0001.xmp"]),
        (b"IMG_0001.JPG", [b"IMG_0001.MOV", b"IMG_O0001.AAE"]),
        (b"IMG_E0001.JPG", [b"IMG_0001.AAE", b"IMG_0001.HEIC"]),
        (b"a.jpg", [b"a.jpg.json", b"a.jpg.xmp"]),
        (b"a.jpg", [b"a.jpg.supplemental-metadata.json"]),
        (b"PXL_20210101_120000000.RAW-01.COVER.jpg", [b"PXL_20210101_120000000.RAW-02.ORIGINAL.dng"]),
        (b"PXL_20210101_120000000.MP.jpg", [b"PXL_20210101_120000000.MP", b"PXL_20210101_120000000.mp4"]),
        (b"\xff\n.jpeg", [b"\xff\n.MOV"]),
        (b"a.png", [b"a.xmp"]),
    ],
)
def test_what_belongs_to_a_photo(photo: bytes, beside: list[bytes]) -> None:
    found = assets.companions([photo, *beside, b"other.MOV", b"zzz.xmp"])
    assert found == {photo: tuple(sorted(beside))}


def test_what_does_not_belong_to_it() -> None:
    assert assets.companions([b"a.jpg", b"a.png", b"a.txt", b"ab.mov", b"a", b".jpg", b"a1.xmp", b"a.jpg.mov.xmp"]) == {}


def test_two_names_in_other_case_have_their_companions_together() -> None:
    assert set(assets.companions([b"same.jpg", b"SAME.JPG", b"same.dng"])) == {b"same.jpg", b"SAME.JPG"}


def lay(home: "Home", photo: Photo) -> dict[str, bytes]:
    """A RAW pair, a live photo with the sidecar of an edit, and a photo alone."""
    files = {"DSC1.JPG": photo(1), "DSC1.ARW": b"raw", "IMG_0001.JPG": photo(2), "IMG_0001.MOV": b"video", "IMG_0001.AAE": b"edit"}
    files |= {"alone.jpg": photo(3)}
    for name, data in files.items():
        (home.root / name).write_bytes(data)
    return files


def test_pairs_keep_their_names_beside_stand_ins_and_after(home: "Home", photo: Photo) -> None:
    home.configure('grace = "0 days"')
    files = lay(home, photo)
    before = {name: os.stat(home.root / name).st_mtime_ns for name in files}
    assert home.optimize().archived == 3
    for name, data in files.items():
        path = home.root / name
        assert path.is_file()
        assert os.stat(path).st_mtime_ns == before[name]
        assert name.lower().endswith(".jpg") or path.read_bytes() == data
    with home.shop() as shop:
        restore(shop, [home.root], None, None, Silence())
    assert {path.name for path in home.root.iterdir() if path.is_file()} == set(files)


def test_without_stand_ins_a_pair_is_left_together(home: "Home", photo: Photo) -> None:
    home.configure('stand_in = "none"')
    files = lay(home, photo)
    done = home.optimize()
    assert (done.archived, dict(done.left)) == (1, {"has-companions": 2})
    assert not (home.root / "alone.jpg").exists()
    for name in files.keys() - {"alone.jpg"}:
        assert hashlib.sha256((home.root / name).read_bytes()).digest() == hashlib.sha256(files[name]).digest()
    (home.root / "DSC1.ARW").unlink()  # nothing is parted any more
    assert home.optimize(home.root / "DSC1.JPG").archived == 1
