"""A soak of the real service: real photos arrive as sync tools bring them, are edited, renamed, restored and deleted; SIGKILL now and then.

    python -m tests.bench.soak --photos FOLDER --minutes 120 [--quality exact] [--kill-every 90]

Prints a line a minute with the service's memory, and at the end what was counted. Exit code 1 where a photo is lost, where the memory of
the service grew, or where it did not come to rest. `--quality exact` takes the lossless lane, which is quick; others run the network.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from daemon.marking import original_of
from storage.catalog import Catalog
from storage.errors import StorageError
from storage.states import State

ROOT = Path(__file__).parents[2]
GROWTH = 1.3
"""Of the service's memory from its first quarter to its last; above, something leaks."""


class Soak:
    def __init__(self, arguments: argparse.Namespace, base: Path) -> None:
        self.base, self.root = base, base / "DCIM"
        self.root.mkdir()
        self.random = random.Random(arguments.seed)
        self.sources = sorted(path for path in arguments.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        self.sources = [path for path in self.sources if path.stat().st_size < arguments.largest * 1e6] or self.sources[:1]
        self.config, self.state = base / "config.toml", base / "state"
        self.config.write_text(
            f'[[gallery]]\npath = "{self.root}"\nquality = "{arguments.quality}"\nidle_for = "1 day"\nquiet = "3 seconds"\n'
            'grace = "30 seconds"\ntrash = "1 minute"\n[limits]\nmin_saving = "off"\nmin_saving_lossless = "off"\n'
            '[schedule]\nwindow = "always"\nmax_load = 1\nonly_on_ac_power = false\nnightly_budget = "off"\ngrace_minimum = "10 seconds"\n'
        )
        self.seen: dict[str, str] = {}
        """Originals that must survive, by digest."""
        self.done: Counter[str] = Counter()
        self.memory: list[tuple[float, int]] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.log = (base / "log").open("ab")

    def start(self) -> None:
        ours = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(self.command("run"), stdout=self.log, stderr=self.log, env=ours)
        self.done["starts"] += 1

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "daemon.cli.main", "--config", str(self.config), "--state", str(self.state), *words]

    def call(self, *words: str) -> int:
        result = subprocess.run(
            self.command(*words), capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300, check=False
        )
        return result.returncode

    # What happens in a gallery.

    def arrive(self, name: str) -> None:
        """Each photo has bytes of its own, and comes as rsync and Syncthing bring it: a temporary name, an old date, the rename."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = self.random.choice(self.sources).read_bytes() + f"#{name}".encode()
        fresh = path.parent / self.random.choice([f".{path.name}.Xa3fQ1", f".syncthing.{path.name}.tmp"])
        with fresh.open("wb") as file:
            for start in range(0, len(data), 1 << 18):
                file.write(data[start : start + (1 << 18)])
                time.sleep(0.01)
        old = time.time() - self.random.randint(10, 2000) * 86400
        os.utime(fresh, (old, old))
        fresh.rename(path)
        self.seen[hashlib.sha256(data).hexdigest()] = name

    def photos(self) -> list[Path]:
        return [path for path in self.root.rglob("*.jpg") if not any(part.startswith(".") for part in path.relative_to(self.root).parts)]

    def happen(self, number: int) -> None:
        what = self.random.choices(["arrive", "rename", "folder", "edit", "delete", "restore"], [60, 12, 2, 8, 6, 12])[0]
        there = self.photos()
        if what == "arrive" or not there:
            self.arrive(f"{number % 7}/IMG_{number:05d}.jpg")
        else:
            path = self.random.choice(there)
            try:
                self.change(what, path, number)
            except FileNotFoundError:
                return
        self.done[what] += 1

    def change(self, what: str, path: Path, number: int) -> None:
        match what:
            case "rename":
                path.rename(path.with_name(f"renamed_{number:05d}.jpg"))
            case "folder":
                path.parent.rename(self.root / f"folder_{number:05d}")
            case "edit":
                data = path.read_bytes()
                if original_of(data) is None:
                    self.seen.pop(hashlib.sha256(data).hexdigest(), None)
                data += b" edited"
                fresh = path.with_name(".edit")
                fresh.write_bytes(data)
                os.utime(fresh, (1e9, 1e9))
                fresh.rename(path)
            case "delete":
                data = path.read_bytes()
                self.seen.pop(original_of(data) or hashlib.sha256(data).hexdigest(), None)
                path.unlink()
            case "restore":
                self.call("restore", str(path))

    # What has to hold.

    def lost(self) -> list[str]:
        found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in self.root.rglob("*") if path.is_file()}
        archives = {path.stem for path in (self.root / ".gallery-optimizer/archives").rglob("*.nphoto")}
        return [name for digest, name in self.seen.items() if digest not in found | archives]

    def states(self) -> Counter[str]:
        try:
            with Catalog(self.state / "catalog.sqlite3", read_only=True) as catalog:
                return Counter(row.state.value for row in catalog.rows())
        except StorageError:
            return Counter()

    def watch(self, minute: int) -> None:
        assert self.process is not None
        try:
            found = psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return
        self.memory.append((time.monotonic(), found))
        print(f"{minute:>4} min  {found / 1e6:6.1f} MB  {dict(self.states())}", flush=True)

    def run(self, minutes: float, pause_s: float, kill_every_s: float) -> int:
        begun = time.monotonic()
        self.start()
        number, minute, kill_at = 0, 0, begun + kill_every_s
        while (now := time.monotonic()) - begun < minutes * 60:
            self.happen(number)
            number += 1
            if now >= kill_at:
                assert self.process is not None
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
                self.done["kills"] += 1
                self.start()
                kill_at = now + kill_every_s * self.random.uniform(0.5, 1.5)
            if (now - begun) // 60 >= minute:
                self.watch(minute)
                minute += 1
            time.sleep(self.random.uniform(0, 2 * pause_s))
        return self.end()

    def end(self) -> int:
        """Let it come to rest, and count."""
        until = time.monotonic() + 1800
        busy = (State.QUEUED.value, State.ENCODING.value, State.COMMITTED.value)
        while any(self.states()[state] for state in busy) and time.monotonic() < until:
            time.sleep(2)
        assert self.process is not None
        ended = self.process.poll()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        lost = self.lost()
        verified = self.call("verify")
        quarter = max(1, len(self.memory) // 4)
        first = max((rss for _, rss in self.memory[:quarter]), default=0)
        last = max((rss for _, rss in self.memory[-quarter:]), default=0)
        print(f"happened: {dict(self.done)}")
        print(f"photos: {len(self.seen)}, lost: {len(lost)} {lost[:5]}; states: {dict(self.states())}")
        print(f"memory of the service: {first / 1e6:.1f} MB in the first quarter, {last / 1e6:.1f} MB in the last")
        print(f"ended by itself: {ended}; exit code after SIGTERM: {code}; verify: {verified}")
        at_rest = not any(self.states()[state] for state in busy)
        return 0 if not lost and ended is None and code == 0 and verified in (0, 3) and last <= GROWTH * first and at_rest else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--pause", type=float, default=3, help="seconds between two things that happen, on average")
    parser.add_argument("--kill-every", type=float, default=120, help="seconds between two kills, on average")
    parser.add_argument("--quality", default="exact")
    parser.add_argument("--largest", type=float, default=2.5, help="MB; larger photos are left out")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(arguments, Path(folder))
        try:
            return soak.run(arguments.minutes, arguments.pause, arguments.kill_every)
        finally:
            if soak.process is not None and soak.process.poll() is None:
                soak.process.kill()
            soak.log.close()
            print((Path(folder) / "log").read_text(errors="replace")[-3000:], file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
