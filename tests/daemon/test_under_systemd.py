"""The service under a real service manager: systemd itself, as a user's manager in a mount namespace of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from storage.catalog import Catalog
from storage.states import State

ROOT = Path(__file__).parents[2]
SYSTEMD = Path("/lib/systemd/systemd")
LONG_S = 300.0

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(not SYSTEMD.exists() or shutil.which("unshare") is None, reason="systemd or unshare is not installed"),
]
BEGIN = f"mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec {SYSTEMD} --user"
"""systemd wants to see that it is the system's manager; what it sees is ours alone."""


class Managed:
    """A manager, and one set-up of the program with the fake codec."""

    def __init__(self, base: Path) -> None:
        self.base, self.root, self.state = base, base / "DCIM", base / "state"
        self.runtime = Path(f"/tmp/go-{os.getpid()}")  # the path of a socket has to be short
        self.root.mkdir()
        self.runtime.mkdir(mode=0o700)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "DBUS_SESSION_BUS_ADDRESS")},
            "HOME": str(base),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_CONFIG_HOME": str(base / "config"),
            "SYSTEMD_UNIT_PATH": f"{base}/config/systemd/user:/usr/lib/systemd/user",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/daemon'}",
            "GALLERY_OPTIMIZER_BACKEND": "fake_backend",
        }
        self.configure("")
        self.log = base / "manager.log"
        with self.log.open("wb") as log:
            self.manager = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", BEGIN], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.until(lambda: (self.runtime / "systemd/private").exists())

    def configure(self, schedule: str) -> None:
        gallery = f'path = "{self.root}"\nidle_for = "1 day"\nquiet = "1 second"'
        usual = 'window = "always"\nmax_load = 1\nonly_on_ac_power = false'
        text = f'[[gallery]]\n{gallery}\n[safety]\nreserve = "off"\n[schedule]\n{usual}\n{schedule}\n'
        (self.base / "config.toml").write_text(text)

    def program(self, *words: str) -> subprocess.CompletedProcess[str]:
        places = ["--config", str(self.base / "config.toml"), "--state", str(self.state)]
        return self.call(sys.executable, "-m", "daemon.cli.main", *places, *words)

    def systemctl(self, *words: str) -> str:
        return self.call("systemctl", "--user", *words).stdout.strip()

    def told(self, name: str) -> str:
        return self.systemctl("show", "gallery-optimizer.service", f"--property={name}", "--value")

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.environment, cwd=self.base, capture_output=True, text=True, timeout=LONG_S, check=False)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG_S
        while not condition():
            assert self.manager.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)

    def states(self) -> list[State]:
        with suppress(Exception), Catalog(self.state / "catalog.sqlite3", read_only=True) as catalog:
            return [row.state for row in catalog.rows()]
        return []

    def add(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.write_bytes(data)
        os.utime(path, (1_600_000_000, 1_600_000_000))

    def end(self) -> None:
        self.systemctl("stop", "gallery-optimizer.service")
        self.manager.send_signal(signal.SIGRTMIN + 24)  # leave at once (systemd(1))
        try:
            self.manager.wait(20)
        except subprocess.TimeoutExpired:
            self.manager.kill()
            self.manager.wait()
        shutil.rmtree(self.runtime, ignore_errors=True)


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Managed]:
    made = Managed(tmp_path)
    yield made
    made.end()


def test_a_life_under_systemd(managed: Managed, photo: Callable[..., bytes]) -> None:
    managed.add("a.jpg", photo(0))
    done = managed.program("service", "install")
    assert done.returncode == 0, done.stderr + managed.log.read_text()
    assert "Running, and started again with the computer" in done.stdout
    assert managed.told("ActiveState") == "active", "ready was said, or `install` had waited for ever"
    managed.until(lambda: managed.states() == [State.RETIRED])
    managed.until(lambda: managed.told("StatusText") == "all is done; waiting for new photos")
    shown = managed.program("service", "status")
    assert shown.returncode == 0
    assert "active (running), enabled: all is done" in shown.stdout

    # Another configuration while it runs: the same process reads it.
    process = managed.told("MainPID")
    managed.configure("min_battery = 0.5")
    managed.systemctl("reload", "gallery-optimizer.service")
    managed.until(lambda: managed.told("SubState") == "running")
    assert managed.told("MainPID") == process

    # Killed, it comes back, and goes on.
    folder = managed.base / "config/systemd/user/gallery-optimizer.service.d"
    folder.mkdir()
    (folder / "soon.conf").write_text("[Service]\nRestartSec=100ms\nWatchdogSec=20s\n")
    managed.systemctl("daemon-reload")
    managed.systemctl("kill", "--signal=KILL", "gallery-optimizer.service")
    managed.until(lambda: managed.told("NRestarts") == "1" and managed.told("ActiveState") == "active")
    managed.add("b.jpg", photo(1))
    managed.until(lambda: managed.states() == [State.RETIRED, State.RETIRED])

    # Stopped in its tracks, it no longer feeds the watchdog, and is started anew.
    os.kill(int(managed.told("MainPID")), signal.SIGSTOP)
    managed.until(lambda: managed.told("NRestarts") == "2" and managed.told("ActiveState") == "active")

    # Told to stop, it ends by itself, at once, and without an error.
    begun = time.monotonic()
    managed.systemctl("stop", "gallery-optimizer.service")
    assert time.monotonic() - begun < 30
    assert (managed.told("ActiveState"), managed.told("Result")) == ("inactive", "success")
    assert managed.program("service", "status").returncode == 3
    assert managed.program("service", "uninstall").returncode == 0
    assert not (managed.base / "config/systemd/user/gallery-optimizer.service").exists()
