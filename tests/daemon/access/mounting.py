"""The command `mount` in a process of its own, and what a mounted folder shows."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
TESTS = Path(__file__).parent.parent
WHEN = 1_500_000_000_987_654_321
Mount = Callable[..., "Mounted"]


class Mounted:
    """The command `mount`, in a process of its own, ready when its folder is."""

    def __init__(self, home: Home, point: Path, *options: str) -> None:
        self.point = point
        with contextlib.suppress(OSError):  # a killed mount may lie over it still
            point.mkdir(exist_ok=True)
        variables = {**os.environ, "GALLERY_OPTIMIZER_BACKEND": "fake_backend"}
        variables["PYTHONPATH"] = os.pathsep.join((str(TESTS.parent.parent), str(TESTS)))
        command = [sys.executable, "-m", "daemon.cli.main", "--config", str(home.places.config_file)]
        command += ["--state", str(home.places.state_folder), "mount", str(home.root), str(point)]
        command += ["--cache", str(home.places.state_folder / "copies"), *options]
        self.process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
        for _ in range(400):
            with contextlib.suppress(OSError):  # the kernel remembers a killed one's folder for a second
                if os.path.ismount(point) and os.listdir(point) is not None:
                    break
            if self.process.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.said = self.process.stderr.read()
            self.process.stderr.close()
        return code


def digests(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Of every file: digest, size, date and mode."""
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and ".gallery-optimizer" not in each.parts):
        data, status = path.read_bytes(), path.stat()
        assert len(data) == status.st_size
        digest = hashlib.sha256(data).hexdigest()
        found[str(path.relative_to(folder))] = (digest, status.st_size, status.st_mtime_ns, status.st_mode & 0o777)
    return found


def why_no_fuse() -> str:
    """Empty where folders can be mounted."""
    try:
        importlib.import_module("daemon.access.mount")
    except (ImportError, OSError) as missing:
        return str(missing)
    if not os.access("/dev/fuse", os.W_OK):
        return "/dev/fuse can't be used"
    return "" if shutil.which("fusermount3") or shutil.which("fusermount") else "there is no fusermount"
