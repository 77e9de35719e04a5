"""What a rebuilt copy wears: its stand-in's attributes while that is there, else what the archive tells."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codec.bitstream import Archive, pack
from codec.errors import Corrupt
from codec.facts import MAX_XATTR_BYTES, Facts, Worn
from daemon.copies import attributes, facts_of, wear_of, wearing
from storage.attributes import Attributes
from storage.digest import sha256_of
from storage.fingerprint import Fingerprint

MTIME, ATIME = 1_500_000_000_987_654_321, 1_500_000_100_000_000_001
WORN = Worn(ATIME, os.getuid(), os.getgid(), ((b"user.album", b"\0summer\xff"),))


def archive_at(place: Path, worn: Worn | None) -> Path:
    facts = Facts(9, "0" * 64, b"a.jpg", MTIME, 0o640, worn)
    place.write_bytes(pack(Archive("neural", b"\1" * 32, {"FACT": facts.to_bytes(), "QUAL": b"{}", "PIXL": bytes(100_000)})))
    return place


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"stand-in")
    path.chmod(0o600)  # the user's wish, after it was made
    os.setxattr(path, "user.album", b"winter")
    os.utime(path, ns=(1, 2))  # looked at, and touched
    return path


def row_of(stand_in: Path) -> Any:
    own = Fingerprint(1, 1, 9, MTIME, MTIME, 1, 0o100640)
    return SimpleNamespace(fingerprint=own, stand_in_sha256=sha256_of(stand_in))


def test_a_stand_ins_wear_counts_but_for_its_times(stand_in: Path, tmp_path: Path) -> None:
    found = attributes(row_of(stand_in), stand_in, archive_at(tmp_path / "x.nphoto", WORN))
    assert (found.mode, found.mtime_ns, found.atime_ns) == (0o600, MTIME, ATIME)
    assert found.xattrs == {"user.album": b"winter"}


@pytest.mark.parametrize("what", ["gone", "edited"])
def test_without_its_stand_in_the_archive_tells_all(stand_in: Path, tmp_path: Path, what: str) -> None:
    row = row_of(stand_in)
    if what == "gone":
        stand_in.unlink()
    else:
        stand_in.write_bytes(b"an edit")
    found = attributes(row, stand_in, archive_at(tmp_path / "x.nphoto", WORN))
    assert (found.mode, found.mtime_ns, found.atime_ns) == (0o640, MTIME, ATIME)
    assert found.xattrs == {"user.album": b"\0summer\xff"}


@pytest.mark.parametrize("told", [None, b"damaged"])
def test_an_archive_that_tells_nothing_costs_only_the_attributes(stand_in: Path, tmp_path: Path, told: bytes | None) -> None:
    archive = archive_at(tmp_path / "x.nphoto", None)
    if told is not None:
        archive.write_bytes(told)
    row = row_of(stand_in)
    assert attributes(row, stand_in, archive).xattrs == {"user.album": b"winter"}
    stand_in.unlink()
    found = attributes(row, stand_in, archive)
    assert (found.mode, found.mtime_ns, found.xattrs) == (0o640, MTIME, {})


def test_what_is_read_from_a_file_can_be_given_to_another(stand_in: Path, tmp_path: Path) -> None:
    told = wear_of(stand_in)
    assert told is not None
    other = tmp_path / "b.jpg"
    other.write_bytes(b"copy")
    assert wearing(told, 0o604, MTIME).apply(other) == ()
    assert Attributes.of(other).xattrs["user.album"] == b"winter"
    assert os.stat(other).st_atime_ns == told.atime_ns == 1
    assert os.stat(other).st_mode & 0o7777 == 0o604


def test_more_attributes_than_an_archive_keeps_are_not_kept_in_part(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {"user.a": bytes(MAX_XATTR_BYTES), "user.b": b"1"}
    monkeypatch.setattr(Attributes, "of", classmethod(lambda cls, path: cls(0o644, 0, 0, 1, 1, many)))
    assert wear_of(stand_in) is None


def test_facts_behind_a_large_section_are_found(tmp_path: Path) -> None:
    facts = Facts(9, "0" * 64, b"a.jpg", MTIME, 0o640, WORN)
    place = tmp_path / "x.nphoto"
    place.write_bytes(pack(Archive("neural", b"\1" * 32, {"QUAL": b'"' + b" " * 80_000 + b'"', "FACT": facts.to_bytes(), "PIXL": b"x"})))
    assert facts_of(place) == facts
    place.write_bytes(pack(Archive("neural", b"\1" * 32, {"QUAL": b"{}", "PIXL": b"x"})))
    with pytest.raises(Corrupt):
        facts_of(place)
