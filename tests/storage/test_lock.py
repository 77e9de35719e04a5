import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import Locked, Missing
from storage.lock import InstanceLock

HOLDER = """
import sys
from pathlib import Path
from storage.lock import InstanceLock
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


def test_a_killed_holder_is_no_obstacle(tmp_path: Path, root: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked) as caught:
            InstanceLock(tmp_path / "lock").acquire()
        assert caught.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with InstanceLock(tmp_path / "lock"):
            pass


def test_no_folder_to_lock_in(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        InstanceLock(tmp_path / "gone" / "lock").acquire()
