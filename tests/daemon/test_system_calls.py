"""The kernel itself says no, or kills, at the n-th system call: `strace --inject`, also below SQLite, where no layer of ours reaches."""

import os
import shutil
import signal
import subprocess
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daemon.errors import DaemonError
from storage.errors import StorageError
from tests.daemon.conftest import InProcess
from tests.daemon.scenarios import SCENARIOS
from tests.daemon.sweep import ANY_SAVING, THOROUGH, Sweep, small_photo

CALLS = ("fsync", "fdatasync", "pwrite64", "renameat2", "unlink", "mkdir", "fchmod", "ftruncate")
MOST = 200


@pytest.fixture
def sweep() -> Iterator[Sweep]:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this user may not trace processes")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Sweep(Path(folder), small_photo(), InProcess(), ANY_SAVING)


def interrupted(sweep: Sweep, name: str, call: str, nth: int, how: str) -> bool:
    """Run the scenario from the template until its n-th call of this kind, and judge what is left; False where it has fewer of them."""
    scenario = SCENARIOS[name]
    home, _ = sweep._begin(scenario, sweep.base / "template", exchange=True)
    log = sweep.base / "strace"
    begin, begun = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that libraries may have started in this process: the child uses none of them
        child = os.fork()
    if not child:
        code = 70
        try:
            os.read(begin, 1)
            with suppress(StorageError, DaemonError):
                scenario.act(home)
            code = 0
        except BaseException:  # noqa: BLE001  # the parent sees the code, and a person this
            traceback.print_exc()
        finally:
            os._exit(code)
    strace = ["strace", "-f", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:{how}:when={nth}", "-p", str(child)]
    with subprocess.Popen(strace, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        os.write(begun, b"1")
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(begin)
    os.close(begun)
    assert "attached" in said, said
    if log.read_text().count(f" {call}(") < nth:
        return False
    where = f"{name}, {how} at {call} {nth}"
    if code != (-signal.SIGKILL if "SIGKILL" in how else 0):
        sweep.losses.append(f"{where}: the process ended with {code}")
    sweep._judge(home, scenario, where, exchange=True)
    return True


def prepared(sweep: Sweep, name: str) -> None:
    """Make the template, and ask the codec all that a run will."""
    home, _ = sweep._begin(SCENARIOS[name], None, exchange=True)
    shutil.copytree(home.root.parent, sweep.base / "template")
    sweep._points(home, SCENARIOS[name], exchange=True)


def test_a_sample_of_system_calls(sweep: Sweep) -> None:
    name = "restore a copy"
    prepared(sweep, name)
    points = (("fsync", 2), ("renameat2", 1), ("pwrite64", 9), ("fdatasync", 1))
    tried = sum(interrupted(sweep, name, call, nth, how) for call, nth in points for how in ("signal=SIGKILL", "error=EIO"))
    assert sweep.losses == []
    assert tried == 8


@pytest.mark.slow
@pytest.mark.parametrize("how", ["signal=SIGKILL", "error=EIO", "error=ENOSPC"])
@pytest.mark.parametrize("name", SCENARIOS if THOROUGH else ["optimize, retire and purge", "restore a copy"])
def test_every_system_call(sweep: Sweep, name: str, how: str) -> None:
    """In two scenarios, which takes some minutes; THOROUGH=1: in all."""
    tried = 0
    prepared(sweep, name)
    for call in CALLS:
        for nth in range(1, MOST):
            if not interrupted(sweep, name, call, nth, how):
                break
            tried += 1
    assert sweep.losses == []
    assert tried > 20
    print(f"{name}, {how}: {tried} system calls, 0 losses")
