"""The kernel itself says no, or kills, at the n-th system call: `strace --inject`, also below SQLite, where no layer of ours reaches."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import InProcess
from tests.daemon.sweep import ANY_SAVING, SCENARIOS, Sweep, small_photo

RUN = """
import sys
from pathlib import Path
from daemon.errors import DaemonError
from storage.errors import StorageError
from tests.daemon.conftest import InProcess
from tests.daemon.sweep import ANY_SAVING, SCENARIOS, Sweep, small_photo
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


@pytest.mark.slow
@pytest.mark.parametrize("how", ["signal=SIGKILL", "error=EIO", "error=ENOSPC"])
@pytest.mark.parametrize("name", ["optimize, retire and purge", "restore a copy"])
def test_every_system_call(sweep: Sweep, root: Path, name: str, how: str) -> None:
    scenario, tried = SCENARIOS[name], 0
    home, _ = sweep._begin(scenario, None, exchange=True)
    shutil.copytree(home.root.parent, sweep.base / "template")
    for call in CALLS:
        for nth in range(1, MOST):
            home, _ = sweep._begin(scenario, sweep.base / "template", exchange=True)
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
                break  # the run has fewer calls of this kind
            tried += 1
            sweep._judge(home, scenario, f"{name}, {how} at {call} {nth}", exchange=True)
    assert sweep.losses == []
    assert tried > 20
    print(f"{name}, {how}: {tried} system calls, 0 losses")
