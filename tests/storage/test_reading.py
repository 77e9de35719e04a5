"""Digests, snapshots, fingerprints and attributes."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from storage.attributes import Attributes
from storage.digest import opened, read_once, sha256_of, sha256_of_bytes, sha256_or_none
from storage.errors import Changed, Missing, Refused
from storage.fingerprint import Fingerprint
from tests.storage.scenes import sha256


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(b"x" * 3_000_000)
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_digests(photo: Path, tmp_path: Path) -> None:
    assert sha256_of(photo) == sha256(b"x" * 3_000_000) == sha256_of_bytes(b"x" * 3_000_000)
    assert sha256_or_none(tmp_path / "gone") is None
    with pytest.raises(Missing):
        sha256_of(tmp_path / "gone")


def test_a_snapshot_knows_who_it_was(photo: Path) -> None:
    snapshot = read_once(photo)
    assert snapshot.data == b"x" * 3_000_000
    assert snapshot.sha256 == sha256(snapshot.data)
    assert snapshot.fingerprint == Fingerprint.of(photo)


def test_reading_leaves_no_trace(photo: Path) -> None:
    read_once(photo)
    assert photo.stat().st_atime_ns == 10**18


def test_no_link_pipe_or_folder_is_read(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photo)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(Refused):
            read_once(tmp_path / name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(Exception, match="could not be read"):
            read_once(tmp_path / "s")
    assert not Fingerprint.of(tmp_path / "link").is_regular


@pytest.mark.parametrize("act", ["grow", "replace", "delete"])
def test_a_writer_is_noticed(photo: Path, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    read = os.read

    def meanwhile(descriptor: int, size: int) -> bytes:
        monkeypatch.setattr(os, "read", read)
        match act:
            case "grow":
                with photo.open("ab") as file:
                    file.write(b"more")
            case "replace":
                photo.with_suffix(".new").write_bytes(b"x" * 3_000_000)
                photo.with_suffix(".new").replace(photo)
            case _:
                photo.unlink()
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", meanwhile)
    with pytest.raises(Changed):
        read_once(photo)


def test_a_fingerprint_holds_until_somebody_writes(photo: Path) -> None:
    before = Fingerprint.of(photo)
    with opened(photo) as descriptor:
        assert Fingerprint.of_open(descriptor) == before
    assert Fingerprint.of(photo).unchanged_since(before)
    assert replace(before, device=before.device + 1).unchanged_since(before)
    assert not before.unchanged_since(None)
    with photo.open("r+b") as file:
        file.write(b"y")
    os.utime(photo, ns=(10**18, 10**18))  # a tool that puts the date back still moves ctime
    assert not Fingerprint.of(photo).unchanged_since(before)
    with pytest.raises(Missing):
        Fingerprint.of(photo.with_name("gone"))


def test_attributes_travel(photo: Path, tmp_path: Path) -> None:
    photo.chmod(0o664)
    try:
        os.setxattr(photo, "user.comment", b"caf\xc3\xa9")
    except OSError:
        pytest.skip("no extended attributes here")
    other = tmp_path / "other.jpg"
    other.write_bytes(b"")
    attributes = Attributes.of(photo)
    assert attributes.xattrs["user.comment"] == b"caf\xc3\xa9"
    assert set(attributes.differences(Attributes.of(other))) == {"mode", "mtime", "user.comment"}
    assert attributes.apply(other) == ()
    assert Attributes.of(other).atime_ns == attributes.atime_ns
    with opened(other) as descriptor:
        os.utime(descriptor)
        assert attributes.apply(descriptor) == ()
        assert attributes.differences(Attributes.of(descriptor)) == ()


def test_access_lists_are_among_them(photo: Path, tmp_path: Path) -> None:
    # Version 2; then tag, permissions, id: owner rw, user 1000 r, group r, mask r, others none.
    entries = [(1, 6, 2**32 - 1), (2, 4, 1000), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, rights, who in entries
    )
    try:
        os.setxattr(photo, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("no access lists here")
    other = tmp_path / "other.jpg"
    other.write_bytes(b"")
    attributes = Attributes.of(photo)
    assert attributes.apply(other) == ()
    assert os.getxattr(other, "system.posix_acl_access") == acl


def test_what_can_not_be_given_is_told(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(1, "not the owner")

    monkeypatch.setattr(os, "chown", denied)
    attributes = replace(Attributes.of(photo), uid=os.getuid() + 1, xattrs={"user.a": b"1", "nosuch.b": b"2"})
    assert attributes.apply(photo) == ("owner", "nosuch.b")
