"""An archive that came from elsewhere may say anything; what `restore` makes of it stays a photo, in the folder that the user named."""

import base64
import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codec import canonical
from codec.bitstream import Archive, pack, unpack
from codec.errors import Corrupt
from codec.facts import Facts, Worn
from daemon import restorer
from daemon.ports import Silence
from daemon.restorer import Restoration
from tests.daemon.conftest import Home
from tests.daemon.repacked import RealInProcess
from tests.fuzz import seeds


def an_archive(name: bytes, mode: int = 0o644, xattrs: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """Of the exact lane, with facts of somebody's own."""
    parts = unpack(seeds.archives()[-10])
    facts = replace(Facts.from_bytes(parts.sections["FACT"]), name=name, mode=mode, worn=Worn(0, os.getuid(), os.getgid(), xattrs))
    return pack(Archive(parts.lane, None, {**parts.sections, "FACT": facts.to_bytes()}))


@pytest.fixture
def restored(home: Home, tmp_path: Path) -> Callable[..., Restoration]:
    """`restored(data)` -> what came of restoring that file into tmp_path / "out"."""
    home.codec = RealInProcess()

    def restore(data: bytes) -> Restoration:
        (tmp_path / "x.nphoto").write_bytes(data)
        (tmp_path / "out").mkdir(exist_ok=True)
        with home.shop(reading=True) as shop:
            (done,) = restorer.restore(shop, [tmp_path / "x.nphoto"], tmp_path / "out", None, Silence())
        return done

    return restore


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        (b"IMG_1.jpg", b"IMG_1.jpg"),
        (b"\xff\xfe\x80.JPG", b"\xff\xfe\x80.JPG"),
        (b"\x1b[2J\n.jpg", b"\x1b[2J\n.jpg"),
        (b"-rf.jpg", b"-rf.jpg"),
        (b"a" * 251 + b".jpg", b"a" * 251 + b".jpg"),
        (b".profile", b"x.jpg"),
        (b".jpg", b"x.jpg"),
        (b"run.sh", b"x.jpg"),
        (b"photo.jpg\\..\\..\\x.exe", b"x.jpg"),
    ],
)
def test_names(restored: Callable[..., Restoration], tmp_path: Path, name: bytes, becomes: bytes) -> None:
    done = restored(an_archive(name))
    assert not done.trouble
    assert os.listdir(os.fsencode(tmp_path / "out")) == [becomes]
    assert sorted(os.listdir(tmp_path)) == ["out", "x.nphoto"]


@pytest.mark.parametrize("name", [b"/etc/passwd", b"../x.jpg", b"a/../../x.jpg", b"..", b".", b"", b"a\0.jpg", b"a" * 256 + b".jpg"])
def test_paths_are_refused(restored: Callable[..., Restoration], tmp_path: Path, name: bytes) -> None:
    parts = unpack(an_archive(b"a.jpg"))
    told = json.loads(parts.sections["FACT"]) | {"name": base64.b64encode(name).decode()}
    section = canonical.dump(told)
    with pytest.raises(Corrupt):
        Facts.from_bytes(section)
    done = restored(pack(Archive(parts.lane, None, {**parts.sections, "FACT": section})))
    assert done.trouble
    assert os.listdir(tmp_path / "out") == []
    assert sorted(os.listdir(tmp_path)) == ["out", "x.nphoto"]


def test_a_stranger_gives_no_rights(restored: Callable[..., Restoration], tmp_path: Path) -> None:
    powers = b"\1\0\0\2" + b"\xff" * 16
    assert not restored(an_archive(b"a.jpg", 0o6755, ((b"security.capability", powers),))).trouble
    place = tmp_path / "out" / "a.jpg"
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert "security.capability" not in os.listxattr(place)


def test_a_link_is_not_followed(restored: Callable[..., Restoration], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").symlink_to(tmp_path / "elsewhere")
    assert restored(an_archive(b"a.jpg")).trouble
    assert not (tmp_path / "elsewhere").exists()
