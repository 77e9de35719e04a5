"""The kernel itself says no, or kills, at the n-th system call: `strace --inject`, also below SQLite, where no layer of ours reaches."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import InProcess
from tests.daemon.scenarios import SCENARIOS
from tests.daemon.sweep import ANY_SAVING, THOROUGH, Sweep, small_photo

RUN = """
import sys
from pathlib import Path
from daemon.errors import DaemonError
from storage.errors import StorageError
from tests.daemon.conftest import InProcess
from tests.daemon.scenarios import SCENARIOS
from tests.daemon.sweep import ANY_SAVING, Sweep, small_photo
sweep = Sweep(Path(sys.argv[1]), small_photo(), InProcess(), ANY_SAVING)
with sweep.home() as home:
    try:
        SCENARIOS[sys.argv[2]].act(home)
    except (StorageError, DaemonError) as error:
        print(error, file=sys.stderr)
"""
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


def interrupted(sweep: Sweep, root: Path, name: str, call: str, nth: int, how: str) -> bool:
    """Run the scenario from the template until its n-th call of this kind, and judge what is left; False where it has fewer of them."""
    home, _ = sweep._begin(SCENARIOS[name], sweep.base / "template", exchange=True)
    log = sweep.base / "strace"
    strace = ["strace", "-f", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:{how}:when={nth}"]
    subprocess.run(
        [*strace, sys.executable, "-c", RUN, sweep.base, name],
        cwd=root,
        env={"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    if log.read_text().count(f" {call}(") < nth:
        return False
    sweep._judge(home, SCENARIOS[name], f"{name}, {how} at {call} {nth}", exchange=True)
    return True


def test_a_sample_of_system_calls(sweep: Sweep, root: Path) -> None:
    name = "restore a copy"
    home, _ = sweep._begin(SCENARIOS[name], None, exchange=True)
    shutil.copytree(home.root.parent, sweep.base / "template")
    points = (("fsync", 2), ("renameat2", 1), ("pwrite64", 9), ("fdatasync", 1))
    tried = sum(interrupted(sweep, root, name, call, nth, how) for call, nth in points for how in ("signal=SIGKILL", "error=EIO"))
    assert sweep.losses == []
    assert tried == 8


@pytest.mark.slow
@pytest.mark.parametrize("how", ["signal=SIGKILL", "error=EIO", "error=ENOSPC"])
@pytest.mark.parametrize("name", ["optimize, retire and purge", "restore a copy"])
def test_every_system_call(sweep: Sweep, root: Path, name: str, how: str) -> None:
    """Each ninth of them, which takes some minutes; THOROUGH=1: all."""
    tried, every = 0, 1 if THOROUGH else 9
    home, _ = sweep._begin(SCENARIOS[name], None, exchange=True)
    shutil.copytree(home.root.parent, sweep.base / "template")
    for number, call in enumerate(CALLS, 1):
        for nth in range(1 if every == 1 else number % 4 + 1, MOST, every):
            if not interrupted(sweep, root, name, call, nth, how):
                break
            tried += 1
    assert sweep.losses == []
    assert tried > 20 // every
    print(f"{name}, {how}: {tried} system calls, 0 losses")
