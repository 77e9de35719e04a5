import errno
import os
from pathlib import Path

import pytest

from storage import durable
from storage.attributes import Attributes
from storage.checkpoint import observed_by
from storage.errors import AlreadyThere, Changed, Missing, NoSpace, ReadOnly, Refused, StorageError, shown, translated
from tests.storage.scenes import sha256


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no flag of renameat2."""
    monkeypatch.setattr(durable, "_renameat2", lambda *_: False)


def test_write_new(tmp_path: Path) -> None:
    steps: list[str] = []
    with observed_by(steps.append):
        durable.write_new(tmp_path / "a", b"x" * (durable.CHUNK_BYTES + 1))
    assert (tmp_path / "a").stat().st_size == durable.CHUNK_BYTES + 1
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert steps == ["stage.open", "stage.write", "stage.write", "stage.fsync", "commit.rename", "folder.fsync"]
    assert names(tmp_path) == {"a"}


def test_write_over(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    for data in (b"first", b"second"):
        durable.write_over(tmp_path / "a", data, staging=tmp_path / "staging")
        assert (tmp_path / "a").read_bytes() == data
    (tmp_path / "folder").mkdir()
    with pytest.raises(Refused):
        durable.write_over(tmp_path / "folder", b"third")
    assert names(tmp_path) == {"a", "folder", "staging"}, "no temp file stays where its bytes got no name"
    assert not names(tmp_path / "staging")


def test_make_folders(tmp_path: Path) -> None:
    durable.make_folders(tmp_path / "a" / "b")
    durable.make_folders(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("flags", [True, False])
@pytest.mark.parametrize("links", [True, False])
def test_a_taken_name_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: bool, links: bool) -> None:
    if not flags:
        monkeypatch.setattr(durable, "_renameat2", lambda *_: False)
    if not links:

        def no_links(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", no_links)
    durable.write_new(tmp_path / "a", b"first")
    with pytest.raises(AlreadyThere):
        durable.write_new(tmp_path / "a", b"second")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(AlreadyThere):
        durable.write_new(tmp_path / "dangling", b"third")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert names(tmp_path) == {"a", "dangling"}
    assert (tmp_path / "a").stat().st_nlink == 1


def test_an_empty_file_and_odd_names(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe\n.jpg"))
    durable.write_new(odd, b"")
    assert odd.read_bytes() == b""
    with pytest.raises(AlreadyThere) as caught:
        durable.write_new(odd, b"")
    str(caught.value).encode()  # can be printed


def test_attributes_are_there_before_the_name_is(tmp_path: Path) -> None:
    attributes = Attributes(mode=0o640, uid=os.getuid(), gid=os.getgid(), mtime_ns=10**18 + 7, atime_ns=10**18, xattrs={})
    durable.write_new(tmp_path / "a", b"x", attributes)
    assert attributes.differences(Attributes.of(tmp_path / "a")) == ()


def test_exchange(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    durable.exchange(tmp_path / "a", tmp_path / "b")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"b", b"a")
    with pytest.raises(Missing):
        durable.exchange(tmp_path / "a", tmp_path / "c")
    assert durable.can_exchange(tmp_path)
    assert names(tmp_path) == {"a", "b"}


@pytest.mark.usefixtures("no_flags")
def test_no_exchange(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    assert not durable.can_exchange(tmp_path)
    with pytest.raises(StorageError):
        durable.exchange(tmp_path / "a", tmp_path / "a")
    assert names(tmp_path) == {"a"}


@pytest.mark.skipif(not Path("/dev/shm").is_dir() or os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev, reason="one file system")
def test_two_file_systems(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(Refused, match="another disk"):
        durable.commit(tmp_path / "a", Path("/dev/shm") / tmp_path.name)


def test_replace_and_remove(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    durable.replace(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"a"
    durable.remove(tmp_path / "b")
    with pytest.raises(Missing):
        durable.remove(tmp_path / "b")
    assert names(tmp_path) == set()


def test_a_copy_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 10)
    durable.copy_new(tmp_path / "a", tmp_path / "b", sha256(b"a" * 10))
    assert (tmp_path / "b").read_bytes() == b"a" * 10
    with pytest.raises(Changed):
        durable.copy_new(tmp_path / "a", tmp_path / "c", sha256(b"other"))
    assert names(tmp_path) == {"a", "b"}


def test_only_our_own_temp_files_are_cleared(tmp_path: Path) -> None:
    staged = durable.stage(tmp_path, b"x")
    (tmp_path / ".syncthing.a.tmp").write_bytes(b"")
    (tmp_path / "a.tmp").write_bytes(b"")
    assert durable.is_temporary(staged.name)
    assert not durable.is_temporary(b".gallery-optimizer")
    assert durable.remove_staged(tmp_path) == 1
    assert names(tmp_path) == {".syncthing.a.tmp", "a.tmp"}


def test_folders(tmp_path: Path) -> None:
    steps: list[str] = []
    with observed_by(steps.append):
        durable.make_folder(tmp_path / "a")
        durable.make_folder(tmp_path / "a")
    assert steps == ["folder.make", "folder.fsync"] * 2  # the second run can't know that the first one got that far
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AlreadyThere):
        durable.make_folder(tmp_path / "file")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(AlreadyThere):
        durable.make_folder(tmp_path / "link")
    with pytest.raises(Missing):
        durable.make_folder(tmp_path / "b" / "c")


def steps_of_write_new(folder: Path) -> int:
    steps: list[str] = []
    with observed_by(steps.append):
        durable.write_new(folder / "counted", b"counted")
    (folder / "counted").unlink()
    return len(steps)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, NoSpace), (errno.EROFS, ReadOnly), (errno.EIO, StorageError)])
def test_a_write_that_fails_at_any_step_leaves_nothing_or_all(tmp_path: Path, number: int, kind: type[StorageError]) -> None:
    for nth in range(steps_of_write_new(tmp_path)):
        left = iter(range(nth))

        def fail(_: str, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise OSError(number, os.strerror(number))

        with observed_by(fail), pytest.raises(kind):
            durable.write_new(tmp_path / f"{nth}", b"bytes")
        found = {name for name in names(tmp_path) if not durable.is_temporary(name)}
        assert found <= {f"{nth}"}
        if found:  # only the folder's fsync was missing
            assert (tmp_path / f"{nth}").read_bytes() == b"bytes"
            (tmp_path / f"{nth}").unlink()
        durable.remove_staged(tmp_path)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EROFS, ReadOnly),
        (errno.EACCES, ReadOnly),
        (errno.EPERM, ReadOnly),
        (errno.ENOENT, Missing),
        (errno.EEXIST, AlreadyThere),
        (errno.ELOOP, Refused),
        (errno.EIO, StorageError),
    ],
)
def test_system_errors_have_names(number: int, kind: type[StorageError]) -> None:
    with pytest.raises(StorageError) as caught, translated(b"/a/\xff.jpg"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind
    assert str(caught.value).startswith("/a/\\xff.jpg ")
    assert shown(b"/a/\xff.jpg") == "/a/\\xff.jpg"
    assert shown("a\n\x1b[31m\x9b\u00e9.jpg") == "a\\x0a\\x1b[31m\\x9b\u00e9.jpg", "no name commands a terminal"
    assert shown("a\u202egpj.exe\u2028\u05d0.jpg") == "a\\u202egpj.exe\\u2028\u05d0.jpg", "no name shows another ending than it has"


def test_the_libc_has_the_call_or_we_do_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_libc", object())
    durable.write_new(tmp_path / "a", b"a")
    assert (tmp_path / "a").read_bytes() == b"a"
