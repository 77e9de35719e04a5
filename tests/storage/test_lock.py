import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import Locked, Missing, StorageError
from storage.lock import InstanceLock, holder

HOLDER = """
import sys
from pathlib import Path
from storage.lock import InstanceLock, holder
InstanceLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_one_at_a_time(tmp_path: Path) -> None:
    with InstanceLock(tmp_path / "lock"):
        with pytest.raises(Locked) as caught, InstanceLock(tmp_path / "lock"):
            pass
        assert caught.value.pid == os.getpid()
        assert str(os.getpid()) in str(caught.value)
    lock = InstanceLock(tmp_path / "lock")
    lock.acquire()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()
    lock.release()
    assert (tmp_path / "lock").read_text() == ""  # as before: a run that has nothing to do changes nothing


def test_a_lock_whose_file_can_not_be_read_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    lock = InstanceLock(tmp_path / "lock")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", failing)
        with pytest.raises(StorageError, match="could not be read"):
            lock.acquire()
    with InstanceLock(tmp_path / "lock"):
        pass


def test_a_killed_holder_is_no_obstacle(tmp_path: Path, root: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Locked) as caught:
            InstanceLock(tmp_path / "lock").acquire()
        assert caught.value.pid == other.pid
        other.send_signal(signal.SIGKILL)
        other.wait()
        with InstanceLock(tmp_path / "lock"):
            pass


def test_no_folder_to_lock_in(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        InstanceLock(tmp_path / "gone" / "lock").acquire()


def test_who_holds_it_is_told_without_touching_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    with InstanceLock(path):
        assert holder(path) == os.getpid()
        with pytest.raises(Locked):
            InstanceLock(path).acquire()
    assert holder(path) is None
    path.write_text(f"{os.getpid()}\n")
    assert holder(path) is None, "a killed process leaves its number, and no lock"
    table, status = tmp_path / "table", path.stat()
    line = "1: FLOCK  ADVISORY  WRITE {} {}:{} 0 EOF\n"
    here = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for owner, device, expected in ((4711, here, 4711), (os.getpid(), "00:63", os.getpid()), (4711, "00:63", None)):
        table.write_text("3: POSIX  ADVISORY  READ 1 fe:00:1 0 0\n\n" + line.format(owner, device, status.st_ino))
        assert holder(path, table) == expected, "in a container it has another number; on btrfs the table names another device"
    with pytest.raises(OSError, match="no-table"):
        holder(path, tmp_path / "no-table")
