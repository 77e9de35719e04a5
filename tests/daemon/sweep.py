"""The n-th call of everything that is done to a photo fails, or is the last one of a killed process, for every n; then nothing may be lost.

As a program it does all of it, prints the counts, and ends with 1 after a loss: `python -m tests.daemon.sweep --help`. Power cuts are
imagined (see `power`): one run shows what all of them leave, and the same disk is judged once.
"""

import argparse
import errno
import hashlib
import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from daemon.child import Bounds
from daemon.errors import DaemonError
from daemon.galleries import all_of
from daemon.messages import EncodeJob, Examined, ExamineJob, Job, RestoreJob
from daemon.places import Places
from daemon.ports import Codec
from daemon.worker import DEFAULT_BACKEND, Workers, threads
from storage import connection, shelf
from storage.catalog import Catalog
from storage.digest import sha256_of_bytes
from storage.errors import StorageError
from storage.proof import COPY_ALLOWANCE_POINTS
from storage.vault import Vault
from tests.daemon.conftest import Clockwork, Home, InProcess, migrate_quickly
from tests.daemon.faults import Counting, Failing, Killing, behind, exchanging
from tests.daemon.power import KINDS, Forgetful
from tests.daemon.scenarios import EDIT, SCENARIOS, Scenario, in_child

POWER = "power cut, "
ERRORS = ("EIO", "ENOSPC", "EROFS", "EINTR")


class Kept:
    """A codec whose answers are kept, so that thousands of runs cost one photo's encoding."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._answers: dict[object, object] = {}

    def _ask(self, ask: Callable[[Job], object], job: Job) -> object:
        key: object = job
        if isinstance(job, ExamineJob | RestoreJob):
            data = job.archive if isinstance(job.archive, bytes) else job.archive.read_bytes()
            key = replace(job, archive=Path(sha256_of_bytes(data)))
        elif isinstance(job, EncodeJob):
            key = replace(job, worn=job.worn and replace(job.worn, atime_ns=0))  # every run reads the photo
        if key not in self._answers:
            self._answers[key] = ask(job)
        return self._answers[key]

    def __getattr__(self, name: str) -> object:
        ask = getattr(self.codec, name)
        return lambda job: self._ask(ask, job)

    def cpu_s(self) -> float:
        return self.codec.cpu_s()

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        """The processes behind it live on."""


class _OneVault:
    """Every new vault has the same id: what is asked of the codec names it."""

    def token_hex(self, count: int) -> str:
        return "5e" * count


@dataclass
class Sweep:
    """One folder in which everything is tried, always under the same paths, so that the codec's answers can be kept."""

    base: Path
    photo: bytes
    codec: Codec
    limits: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)
    disks: int = 0
    """How many different ones the power cuts left."""

    def __post_init__(self) -> None:
        self.codec = Kept(self.codec)  # type: ignore[assignment]

    @contextmanager
    def home(self) -> Iterator[Home]:
        folder = self.base / "home"
        yield Home(folder / "DCIM", Places(folder / "config.toml", folder / "state"), Clockwork(), self.codec)  # type: ignore[arg-type]

    def _begin(self, scenario: Scenario, template: Path | None, *, exchange: bool) -> tuple[Home, Clockwork]:
        with self.home() as home:
            shutil.rmtree(home.root.parent, ignore_errors=True)
            if template is not None:
                shutil.copytree(template, home.root.parent, symlinks=True)
                return home, home.clock
            home.root.mkdir(parents=True)
            home.configure(scenario.gallery, self.limits, scenario.safety)
            (home.root / "a.jpg").write_bytes(self.photo)
            os.utime(home.root / "a.jpg", (1.5e9, 1.5e9))
            with exchanging(exchange):
                scenario.prepare(home)
            return home, home.clock

    def run(
        self, name: str, faults: Sequence[str], *, exchange: bool = True, every: int = 1, first: int = 1, turn: int | None = None
    ) -> int:
        """Try the scenario with each fault ("kill", "EIO", "EIO from then on" ...) at each point; how many points that were.

        With `turn` each point meets one of the faults, in turn, the first of them the `turn`-th, from 0; not of power cuts.
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shelf, "secrets", _OneVault())
            return self._run(name, faults, exchange=exchange, every=every, first=first, turn=turn)

    def _run(self, name: str, faults: Sequence[str], *, exchange: bool, every: int, first: int, turn: int | None) -> int:
        scenario = SCENARIOS[name]
        home, clock = self._begin(scenario, None, exchange=exchange)
        template, moment = self.base / "template", clock.time
        shutil.rmtree(template, ignore_errors=True)
        shutil.copytree(home.root.parent, template, symlinks=True)
        # What the interrupted run sees for the first time is asked for here, so that no child needs a worker process.
        wanted = self._points(home, scenario, exchange=exchange)
        where = f"{name}{'' if exchange else ' (no exchange)'}"
        cuts = [each for each in faults if each.startswith(POWER)]
        tried = self._cut(cuts, scenario, where, moment, exchange=exchange, every=every, first=first) if cuts else 0
        others = [each for each in faults if not each.startswith(POWER)]
        for number, fault in enumerate(others):
            for nth in range(first, wanted[fault == "kill"] + 1, every):
                if turn is not None and (nth - first) // every % len(others) != (number - turn) % len(others):
                    continue
                home, clock = self._begin(scenario, template, exchange=exchange)
                clock.time = moment
                self._interrupt(home, scenario, fault, nth, exchange, f"{where}, {fault} at {nth}")
                tried += 1
                self.counts[fault] += 1
                self._judge(home, scenario, f"{where}, {fault} at {nth}", exchange=exchange)
        return tried

    def _cut(
        self, faults: Sequence[str], scenario: Scenario, where: str, moment: datetime, *, exchange: bool, every: int, first: int
    ) -> int:
        """Judge what power cuts leave, each disk once; how many cuts those were."""
        home, clock = self._begin(scenario, self.base / "template", exchange=exchange)
        clock.time = moment
        kinds = [fault.removeprefix(POWER) for fault in faults]
        power = Forgetful(home.root, home.places.catalog_file, kinds, first=first, every=every)
        with behind(power, exchange=exchange):
            scenario.act(home)
        for disk, cuts in power.disks.items():
            with self.home() as home:
                home.clock.time = moment
                disk.put()
                for _, kind in cuts:
                    self.counts[POWER + kind] += 1
                self.disks += 1
                more = f" and {len(cuts) - 1} more" if len(cuts) > 1 else ""
                self._judge(home, scenario, f"{where}, {POWER}{cuts[0][1]} at {cuts[0][0]}{more}", exchange=exchange)
        return sum(map(len, power.disks.values()))

    def _points(self, home: Home, scenario: Scenario, *, exchange: bool) -> tuple[int, int]:
        """Calls of a whole run, and those of them that change the disk; a scenario that does too little proves nothing."""
        layer = Counting()
        moment, template = home.clock.time, self.base / "template"
        with behind(layer, exchange=exchange):
            scenario.act(home)
        counting = Counting(only_changes=True)
        home, clock = self._begin(scenario, template, exchange=exchange)
        clock.time = moment
        with behind(counting, exchange=exchange):
            scenario.act(home)
        assert len(layer.points) > len(counting.points) > 5
        self._judge(home, scenario, "a run without a fault", exchange=exchange)
        return len(layer.points), len(counting.points)

    def _interrupt(self, home: Home, scenario: Scenario, fault: str, nth: int, exchange: bool, where: str) -> None:
        if fault == "kill":
            code = in_child(lambda: scenario.act(home), Killing(nth), exchange=exchange)
            if code not in (-signal.SIGKILL, 0):
                self.losses.append(f"{where}: the process ended with {code}")
            return
        number, lasting = getattr(errno, fault.split()[0]), fault.endswith("from then on")
        try:
            with behind(Failing(nth, number, lasting=lasting), exchange=exchange):
                scenario.act(home)
        except (StorageError, DaemonError):
            pass
        except Exception:  # noqa: BLE001  # a person would see a traceback, and the sweep goes on
            self.losses.append(f"{where}: {traceback.format_exc()}")

    def _judge(self, home: Home, scenario: Scenario, where: str, *, exchange: bool) -> None:
        """At once, after the next run, and that the run after that finds nothing to do."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "_migrate", migrate_quickly)  # nothing fails here, and many faults leave no catalogue
            self._judged(home, scenario, where, exchange=exchange)

    def _judged(self, home: Home, scenario: Scenario, where: str, *, exchange: bool) -> None:
        try:
            assert self.holds(home), "lost at once"
            with exchanging(exchange):
                home.optimize()
            assert self.holds(home), "lost by the recovery"
            with Catalog(home.places.catalog_file, read_only=True) as catalog:
                rows = list(catalog.rows())
            assert rows, "forgotten"
            assert {row.state for row in rows} <= scenario.ends, f"ended {[row.state.value for row in rows]}"
            assert not [row for row in rows if row.bound_for is not None], "an intent is left"
            vault = home.root / ".gallery-optimizer"
            left = [*(vault / "staging").iterdir(), *(vault / "originals").glob("*.swap")]
            assert not left, f"left over: {[path.name for path in left]}"
            with exchanging(exchange):
                assert home.optimize().nothing_done, "the run after that still found something to do"
        except (AssertionError, StorageError, DaemonError) as error:
            self.losses.append(f"{where}: {str(error) or repr(error)}")

    def holds(self, home: Home) -> bool:
        """The invariant: the original's bytes are in the gallery, or an archive of them that decodes and passes; and no edit is lost."""
        digest = hashlib.sha256(self.photo).hexdigest()
        found = {}
        for path in home.root.rglob("*"):
            if path.suffix in (".jpg", ".original") and path.is_file():
                found[sha256_of_bytes(path.read_bytes())] = path
        if EDIT in {path.read_bytes() for path in (self.base / "template").rglob("*.jpg")} and sha256_of_bytes(EDIT) not in found:
            return False
        return digest in found or self._proven(home, digest)

    def _proven(self, home: Home, digest: str) -> bool:
        archive = Vault(home.root).archive_path(digest)
        if not archive.exists():
            return False
        with home.shop(reading=True) as shop:
            level = all_of(shop.settings)[0].level
        seen = self.codec.examine(ExamineJob(archive, self.photo))
        return (
            isinstance(seen, Examined)
            and seen.metadata_equal
            and seen.whole >= level.whole
            and seen.worst_tile >= level.worst_tile
            and seen.copy_whole >= level.whole - COPY_ALLOWANCE_POINTS
            and seen.original_sha256 == digest
        )


def small_photo(seed: int = 3) -> bytes:
    """64 x 64 pixels; so grainy that even its stand-in is much smaller than it."""
    import io

    import numpy as np
    from PIL import Image

    from tests.conftest import photo_like

    grain = np.random.default_rng(seed).normal(0, 20, (64, 64, 3))
    buffer = io.BytesIO()
    picture = np.clip(photo_like(64, 64, seed) * 0.6 + 50 + grain, 0, 255).astype(np.uint8)
    Image.fromarray(picture).save(buffer, "JPEG", quality=100, subsampling="4:4:4")
    return buffer.getvalue()


def real_photo() -> bytes:
    """A part of a photograph that the real codec archives in the neural lane; of 64 x 64 pixels it takes none at the usual level."""
    import io

    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()[:256, 100:356]).save(buffer, "JPEG", quality=95, subsampling="4:4:4")
    return buffer.getvalue()


THOROUGH = bool(os.environ.get("THOROUGH"))
"""Whether the slow tests try everything, for hours, and not a part of it."""

ALL_FAULTS = ("kill", *ERRORS, "EIO from then on", "ENOSPC from then on", *(POWER + kind for kind in KINDS))
ANY_SAVING = 'min_saving = "off"'


def _kind(fault: str) -> str:
    return "kill" if fault == "kill" else "power" if fault.startswith(POWER) else "failed"


def real_codec() -> Workers:
    """In processes that live long and are not as polite as the service's: on a busy machine those would take hours to begin."""
    return Workers(DEFAULT_BACKEND, Bounds(threads=threads(), niceness=0))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="At every point of all that is done to a photo: a failed call, a kill, a power cut.")
    parser.add_argument("--real", action="store_true", help="the real codec, in long-lived worker processes")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="each K-th point")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="from the N-th point on")
    parser.add_argument("--only", default="", metavar="NAME", help="scenarios that begin so")
    parser.add_argument("--quick", action="store_true", help="one kind of failed call instead of six")
    parser.add_argument("--faults", default="", metavar="LIST", help="of kill, power, failed, each for all scenarios before the next")
    parser.add_argument("--turn", type=int, metavar="K", help="each point meets one kind of failed call, in turn, from the K-th on")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write to FILE, too, and leave out what stands there")
    told = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # every fault is warned of
    faults = ("kill", "EIO", *(POWER + kind for kind in KINDS)) if told.quick else ALL_FAULTS
    asked = told.faults.split(",") if told.faults else []
    stages = [[fault for fault in faults if _kind(fault) == kind] for kind in asked] or [list(faults)]
    done = {line.split(": ")[0] for line in told.log.read_text().splitlines()} if told.log and told.log.exists() else set()
    codec: Codec = real_codec() if told.real else InProcess()
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder, suppress(KeyboardInterrupt):
        sweep = Sweep(Path(folder), real_photo() if told.real else small_photo(), codec, ANY_SAVING)
        for (kind, kinds), exchange in itertools.product(zip(asked or ["all"], stages, strict=True), (True, False)):
            turn = "" if told.turn is None or kind != "failed" else f", turn {told.turn}"
            for name in [name for name in SCENARIOS if name.startswith(told.only)]:
                what = f"{kind}{turn}, {'exchange' if exchange else 'no exchange'}, {name}"
                if what in done:
                    continue
                before, disks = len(sweep.losses), sweep.disks
                each = told.turn if turn else None
                points = sweep.run(name, kinds, exchange=exchange, every=told.every, first=told.first, turn=each)
                told_disks = f" ({sweep.disks - disks} different disks)" if sweep.disks > disks else ""
                line = f"{what}: {points} points{told_disks}, {len(sweep.losses) - before} losses"
                for text in (line, *sweep.losses[before:]):
                    print(text, flush=True)
                    if told.log:
                        with told.log.open("a") as log:
                            log.write(text + "\n")
    codec.close()
    kills, cuts = sweep.counts["kill"], sum(count for fault, count in sweep.counts.items() if fault.startswith(POWER))
    failures = sweep.counts.total() - kills - cuts
    losses = f"{len(sweep.losses)} losses"
    print(f"{kills} crash points, {cuts} power cuts ({sweep.disks} different disks) and {failures} failed calls: {losses}")
    return 1 if sweep.losses else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
