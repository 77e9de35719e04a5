"""The service as a process: started, told, reloaded, stopped, killed; its manager is a socket of our own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from daemon.galleries import all_of
from daemon.notify import Notifier
from daemon.places import Places
from daemon.service import SILENCE_S, Service
from storage.catalog import Catalog
from storage.states import State

ROOT = Path(__file__).parents[2]
LONG_S = 180.0
HURRIED = (
    "from daemon import intake, nightwork, service; from daemon.cli.main import main\n"
    "intake.BATCH_S = nightwork.BATCH_S = service._LOOK_S = 0.1\n"  # of waiting there is nothing to be seen
    "main()\n"
)


class Manager:
    """What systemd would be told."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(str(place))
        self.lines: list[str] = []

    def wait(self, start: str) -> str:
        """The next line that begins so."""
        until = time.monotonic() + LONG_S
        while True:
            for number, line in enumerate(self.lines):
                if line.startswith(start):
                    del self.lines[: number + 1]
                    return line
            self.channel.settimeout(max(0.01, until - time.monotonic()))
            self.lines += self.channel.recv(4096).decode().splitlines()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.channel.close()


class Running:
    """`gallery-optimizer run` on a gallery, with the fake codec in real worker processes."""

    def __init__(self, base: Path, manager: Manager | None) -> None:
        self.base = base
        self.root = base / "DCIM"
        self.root.mkdir(exist_ok=True)
        self.places = Places(base / "config.toml", base / "state")
        self.manager = manager
        self.log = base / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, schedule: str = 'window = "always"\nmax_load = 1.0') -> None:
        gallery = f'path = "{self.root}"\nidle_for = "1 day"\nquiet = "1 second"'
        self.places.config_file.write_text(
            f'[[gallery]]\n{gallery}\n[safety]\nreserve = "off"\n[schedule]\nonly_on_ac_power = false\n{schedule}\n'
        )

    def start(self, **environment: str) -> None:
        everything = {
            **os.environ,
            "GALLERY_OPTIMIZER_BACKEND": "fake_backend",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/daemon'}",
            **({"NOTIFY_SOCKET": str(self.manager.place)} if self.manager else {}),
            **environment,
        }
        places = ["--config", str(self.places.config_file), "--state", str(self.places.state_folder)]
        command = [sys.executable, "-c", HURRIED, *places, "run"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=everything, cwd=self.base)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(LONG_S)

    def states(self) -> dict[str, State]:
        with suppress(Exception), Catalog(self.places.catalog_file, read_only=True) as catalog:
            return {os.fsdecode(row.path): row.state for row in catalog.rows()}
        return {}

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG_S
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"{self.states()}\n{self.log.read_text()}"
            time.sleep(0.05)

    def add(self, name: str, data: bytes) -> Path:
        """As rsync does: a hidden file, its old date, and then its name."""
        path = self.root / name
        fresh = path.parent / f".{path.name}.Xa3fQ1"
        fresh.write_bytes(data)
        os.utime(fresh, (1_600_000_000, 1_600_000_000))
        fresh.rename(path)
        return path


@pytest.fixture
def running(tmp_path: Path, manager: Manager) -> Iterator[Running]:
    made = Running(tmp_path, manager)
    made.configure()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


Photo = Callable[..., bytes]


def test_a_life_of_the_service(running: Running, manager: Manager, photo: Photo) -> None:
    running.add("before.jpg", photo(0))
    running.start(WATCHDOG_USEC="60000000")
    assert manager.wait("READY=1")
    assert manager.wait("STATUS=")  # before the word that comes again and again: the last status may stay for hours
    assert manager.wait("WATCHDOG=1")
    running.until(lambda: running.states().get("before.jpg") is State.RETIRED)
    running.add("while it runs.jpg", photo(1))
    running.until(lambda: running.states().get("while it runs.jpg") is State.RETIRED)

    # Another configuration, and then one that can't be understood.
    running.configure(schedule='window = "always"\nmax_load = 0.0')
    assert running.process is not None
    running.process.send_signal(signal.SIGHUP)
    assert manager.wait("RELOADING=1")
    assert manager.wait("MONOTONIC_USEC=")
    assert manager.wait("READY=1")
    running.until(lambda: "schedule.max_load: 1.0 -> 0.0" in running.log.read_text())
    running.places.config_file.write_text("[[gallery]]\n")
    running.process.send_signal(signal.SIGHUP)
    assert manager.wait("READY=1")
    running.until(lambda: "stays as it was" in running.log.read_text())

    assert running.stop() == 0
    assert manager.wait("STOPPING=1")
    assert not running.places.lock_file.read_text()


def test_it_stops_in_the_midst_of_a_photo(running: Running, manager: Manager, photo: Photo) -> None:
    path = running.add("slow.jpg", photo(0, "hang"))
    running.start()
    running.until(lambda: running.states().get("slow.jpg") is State.ENCODING)
    assert running.process is not None
    workers = psutil.Process(running.process.pid).children(recursive=True)
    begun = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - begun < 20
    assert path.read_bytes() == photo(0, "hang")
    with Catalog(running.places.catalog_file, read_only=True) as catalog:
        assert [(row.state, row.attempts) for row in catalog.rows()] == [(State.QUEUED, 0)]
        assert next(iter(catalog.runs())).outcome == "stopping"  # a look before the photo was quiet may be a run of its own
    assert psutil.wait_procs(workers, 10)[1] == []


def test_killed_it_goes_on_where_it_was(running: Running, photo: Photo) -> None:
    running.add("slow.jpg", photo(0, "hang"))
    running.add("good.jpg", photo(1))
    running.start()
    running.until(lambda: running.states().get("slow.jpg") is State.ENCODING or running.states().get("good.jpg") is State.RETIRED)
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    (running.root / "slow.jpg").write_bytes(photo(2))
    os.utime(running.root / "slow.jpg", (1_600_000_000, 1_600_000_000))
    running.start()
    running.until(lambda: set(running.states().values()) == {State.RETIRED})
    assert running.stop(signal.SIGINT) == 0


def test_only_one_on_a_state(running: Running, manager: Manager) -> None:
    running.start()
    manager.wait("READY=1")
    second = Running(running.base, None)
    second.start()
    assert second.process is not None
    assert second.process.wait(LONG_S) == 11
    assert running.stop() == 0


def test_without_a_configuration_it_ends_at_once(running: Running) -> None:
    running.places.config_file.unlink()
    running.start()
    assert running.process is not None
    assert running.process.wait(LONG_S) == 10


def test_one_bad_photo_stops_nobody(running: Running, photo: Photo) -> None:
    for name, wish in (("1.jpg", "crash"), ("2.jpg", "raise"), ("3.jpg", ""), ("4.jpg", "hungry")):
        running.add(name, photo(0, wish) if wish else photo(1))
    running.start()
    running.until(lambda: set(running.states().values()) >= {State.RETIRED, State.FAILED} and State.QUEUED not in running.states().values())
    assert running.states()["3.jpg"] is State.RETIRED
    assert running.stop() == 0


def test_the_watchdog_is_fed_only_while_everything_lives(running: Running) -> None:
    service = Service(running.places, notifier=Notifier({}))
    rest = threading.Event()
    service._hands = threading.Thread(target=rest.wait, daemon=True)
    try:
        service.watcher.follow(all_of(service.settings))
        assert not service.healthy, "neither scheduler nor worker"
        service.clockwork.start()
        assert not service.healthy
        service._hands.start()
        assert service.healthy
        service._beat_at -= SILENCE_S
        assert not service.healthy, "no sign of life"
        service._beat()
        assert service.healthy
        reader = service.watcher._reader
        assert reader is not None
        reader.stop()
        reader.join(5)
        assert not service.healthy, "the observer is dead"
        service.watcher.keep_up()
        assert service.healthy, "and is replaced"
        service.clockwork.stop()
        assert not service.healthy
    finally:
        rest.set()
        service.watcher.stop()
        service.clockwork.stop()


def test_the_watchdog_is_ours_only_if_it_says_so(tmp_path: Path) -> None:
    assert Notifier({}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "2000000"}).watchdog_s == 2
    assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 2
    assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog_s is None


def test_a_socket_without_a_name_in_the_file_system() -> None:
    name = f"gallery-optimizer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + name)
        channel.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready("all\nis well")
        assert channel.recv(1000) == b"READY=1\nSTATUS=all is well"


def test_a_manager_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    Notifier({"NOTIFY_SOCKET": "vsock:1:2"}).alive()
