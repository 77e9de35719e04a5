"""The n-th call of everything that is done to a photo fails, or is the last one of a killed process, for every n; then nothing may be lost.

As a program it does all of it, prints the counts, and ends with 1 after a loss:

    python -m tests.daemon.sweep [--real] [--every K] [--only NAME] [--quick] [--faults kill,power,failed]

--real: the real codec, in long-lived worker processes; --every: each K-th point; --only: scenarios that begin so; --quick: one kind of
failed call instead of six; --faults: these alone, in this order, each for all scenarios before the next.
"""

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
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from codec.labels import Labels, labelled
from daemon import restorer
from daemon.errors import DaemonError
from daemon.galleries import all_of
from daemon.messages import Examined, ExamineJob, Job, RestoreJob
from daemon.places import Places
from daemon.ports import Codec, Silence
from storage.catalog import Catalog
from storage.digest import sha256_of_bytes
from storage.errors import StorageError
from storage.proof import COPY_ALLOWANCE_POINTS
from storage.states import State
from storage.vault import Vault
from tests.daemon.conftest import Clockwork, Home, InProcess
from tests.daemon.faults import Counting, Failing, Killing, Layer, behind, exchanging
from tests.daemon.power import KINDS, Forgetful, PowerCut

S = State
EDIT = b"an edit of a stand-in, by somebody"
POWER = "power cut, "
ERRORS = ("EIO", "ENOSPC", "EROFS", "EINTR")


@dataclass(frozen=True)
class Scenario:
    """`act` is what is interrupted, after `prepare`; a photo then ends in one of `ends`."""

    prepare: Callable[[Home], None]
    act: Callable[[Home], object]
    ends: frozenset[State]
    gallery: str = ""
    safety: str = 'reserve = "off"'


class Kept:
    """A codec whose answers are kept, so that thousands of runs cost one photo's encoding."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._answers: dict[object, object] = {}

    def _ask(self, ask: Callable[[Job], object], job: Job) -> object:
        key: object = job
        if isinstance(job, ExamineJob | RestoreJob):
            data = job.archive if isinstance(job.archive, bytes) else job.archive.read_bytes()
            key = (sha256_of_bytes(data), getattr(job, "original", None), getattr(job, "format", None))
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


def nothing(_: Home) -> None:
    pass


def work(home: Home) -> None:
    home.optimize()


def restore(home: Home, name: str = "a.jpg") -> None:
    with home.shop() as shop:
        done = restorer.restore(shop, [home.root / name], None, None, Silence())
    if done[0].trouble:
        raise StorageError(done[0].trouble)


def restore_renamed(home: Home) -> None:
    restore(home, "b.jpg")


def restored_and_idle(home: Home) -> None:
    home.optimize()
    restore(home)
    home.clock.forward(days=31)


def grace_over(home: Home) -> None:
    home.optimize()
    home.clock.forward(days=8)


def aside_damaged(home: Home) -> None:
    home.optimize()
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    aside.write_bytes(aside.read_bytes()[:-1] + b"x")


def edited(home: Home) -> None:
    home.optimize()
    (home.root / "a.jpg").write_bytes(EDIT)


def tagged(home: Home) -> None:
    """Somebody's program wrote to the stand-in of a photo in grace."""
    home.optimize()
    place = home.root / "a.jpg"
    place.write_bytes(labelled(place.read_bytes(), Labels(exif=TAGS)))


def tagged_and_back(home: Home) -> None:
    tagged(home)
    restore(home)
    home.clock.forward(days=8)


def renamed(home: Home) -> None:
    home.optimize()
    (home.root / "a.jpg").rename(home.root / "b.jpg")
    home.optimize()


def saved_over(home: Home) -> None:
    renamed(home)
    (home.root / "b.jpg").write_bytes(EDIT)


def killed_at(share: float, before: Callable[[Home], None], act: Callable[[Home], object]) -> Callable[[Home], None]:
    """What a run leaves that was killed after this share of its changes; the recovery from it is what is interrupted then."""

    def prepare(home: Home) -> None:
        spare = home.root.parent.with_name("spare")
        before(home)
        shutil.copytree(home.root.parent, spare, symlinks=True)
        layer = Counting(only_changes=True)
        with behind(layer):
            act(home)
        shutil.rmtree(home.root.parent)
        spare.rename(home.root.parent)
        in_child(lambda: act(home), Killing(max(1, round(share * len(layer.points)))))

    return prepare


def old_catalogue(home: Home) -> None:
    """Made by the first version that had one."""
    import sqlite3

    from sqlite_utils import Database

    from storage.migrations import migrations

    home.places.state_folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(home.places.catalog_file, isolation_level=None)
    migrations.apply(Database(connection), stop_before="m002_photos_that_move")
    connection.close()


def older_catalogue(home: Home) -> None:
    """Of a photo whose grace is over, made by a version before the last migrations."""
    import sqlite3

    from sqlite_utils import Database

    from storage.migrations import migrations

    grace_over(home)
    file = home.places.catalog_file
    newer = file.rename(file.with_suffix(".newer"))
    connection = sqlite3.connect(file, isolation_level=None)
    migrations.apply(Database(connection), stop_before="m009_how_large_a_copy_will_be")
    connection.execute("ATTACH ? AS newer", (str(newer),))
    for table in ("photos", "copies", "runs", "inspections"):
        names = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM newer.{table}")
    connection.close()
    newer.unlink()


TAGS = b"MM\0*\0\0\0\x08\0\x01\x47\x46\0\x03\0\0\0\x01\0\x05\0\0\0\0\0\0"
"""EXIF with five stars."""
PARITY = 'reserve = "off"\nparity = "5%"'
RESERVE = 'reserve = "1 MB"'
DAYS_0 = 'grace = "0 days"'
BACK = frozenset({S.RESTORED})
SCENARIOS: dict[str, Scenario] = {
    "optimize and retire": Scenario(nothing, work, frozenset({S.RETIRED})),
    "optimize, retire and purge": Scenario(nothing, work, frozenset({S.PURGED}), DAYS_0),
    "retire without a stand-in": Scenario(nothing, work, frozenset({S.RETIRED}), 'stand_in = "none"'),
    "purge": Scenario(grace_over, work, frozenset({S.PURGED})),
    "restore the original": Scenario(work, restore, BACK | {S.RETIRED}),
    "restore a copy": Scenario(work, restore, BACK | {S.PURGED}, DAYS_0),
    "restore a copy in grace": Scenario(aside_damaged, restore, BACK | {S.RETIRED}),
    "put a copy away": Scenario(restored_and_idle, work, frozenset({S.PURGED}), DAYS_0),
    "restore a tagged original": Scenario(tagged, restore, BACK | {S.RETIRED}),
    "purge a tagged original": Scenario(tagged_and_back, work, BACK),
    "original beside an edit": Scenario(edited, work, BACK | {S.LEFT, S.FAILED}),
    "copy beside an edit": Scenario(edited, work, BACK | {S.LEFT, S.FAILED}, DAYS_0),
    "restore a renamed original": Scenario(renamed, restore_renamed, BACK | {S.RETIRED, S.LEFT}),
    "restore a renamed copy": Scenario(renamed, restore_renamed, BACK | {S.PURGED, S.LEFT}, DAYS_0),
    "original beside an edit of a renamed stand-in": Scenario(saved_over, work, BACK | {S.LEFT, S.FAILED}),
    "copy beside an edit of a renamed stand-in": Scenario(saved_over, work, BACK | {S.LEFT, S.FAILED}, DAYS_0),
    "migrate": Scenario(old_catalogue, work, frozenset({S.RETIRED})),
    "migrate a photo and purge it": Scenario(older_catalogue, work, frozenset({S.PURGED})),
    "archive and purge with parity": Scenario(nothing, work, frozenset({S.PURGED}), DAYS_0, PARITY),
    "restore a copy with a reserve": Scenario(work, restore, BACK | {S.PURGED}, DAYS_0, RESERVE),
    **{
        f"recover from a kill at {share:.0%} of {name}": Scenario(killed_at(share, before, act), work, ends, gallery)
        for name, before, act, ends, gallery in (
            ("optimize", nothing, work, frozenset({S.PURGED}), DAYS_0),
            ("restore a copy", work, restore, BACK | {S.PURGED}, DAYS_0),
            ("restore the original", work, restore, BACK | {S.RETIRED}, ""),
        )
        for share in (0.5, 0.65, 0.8, 0.9)
    },
}


def in_child(act: Callable[[], object], layer: Layer, *, exchange: bool = True) -> int:
    """Run it in a process of its own, which the layer may kill; its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that libraries may have started in this one: the child uses none of them
        child = os.fork()
    if not child:
        code = 70
        try:
            with behind(layer, exchange=exchange):
                act()
            code = 0
        except BaseException:  # noqa: BLE001  # the parent sees the code, and a person this
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@dataclass
class Sweep:
    """One folder in which everything is tried, always under the same paths, so that the codec's answers can be kept."""

    base: Path
    photo: bytes
    codec: Codec
    limits: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)

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

    def run(self, name: str, faults: Sequence[str], *, exchange: bool = True, every: int = 1, first: int = 1) -> int:
        """Try the scenario with each fault ("kill", "EIO", "EIO from then on" ...) at each point; how many points that were."""
        scenario = SCENARIOS[name]
        home, clock = self._begin(scenario, None, exchange=exchange)
        template, moment = self.base / "template", clock.time
        shutil.rmtree(template, ignore_errors=True)
        shutil.copytree(home.root.parent, template, symlinks=True)
        # What the interrupted run sees for the first time is asked for here, so that no child needs a worker process.
        wanted = self._points(home, scenario, exchange=exchange)
        tried = 0
        for fault in faults:
            for nth in range(first, wanted[fault == "kill" or fault.startswith(POWER)] + 1, every):
                home, clock = self._begin(scenario, template, exchange=exchange)
                clock.time = moment
                where = f"{name}{'' if exchange else ' (no exchange)'}, {fault} at {nth}"
                self._interrupt(home, scenario, fault, nth, exchange, where)
                tried += 1
                self.counts[fault] += 1
                self._judge(home, scenario, where, exchange=exchange)
        return tried

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
        if fault.startswith(POWER):
            power = Forgetful(home.root, home.places.catalog_file, nth, fault.removeprefix(POWER))
            with behind(power, exchange=exchange), suppress(PowerCut):
                scenario.act(home)
            power.forget()
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
            self.losses.append(f"{where}: {error or repr(error)}")

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


def main(arguments: Sequence[str]) -> int:
    from daemon.composition import start_workers

    real = "--real" in arguments
    every = int(arguments[arguments.index("--every") + 1]) if "--every" in arguments else 1
    logging.disable(logging.WARNING)  # every fault is warned of
    chosen = arguments[arguments.index("--only") + 1] if "--only" in arguments else ""
    faults = ("kill", "EIO", *(POWER + kind for kind in KINDS)) if "--quick" in arguments else ALL_FAULTS
    asked = arguments[arguments.index("--faults") + 1].split(",") if "--faults" in arguments else []
    stages = [[fault for fault in faults if _kind(fault) == kind] for kind in asked] or [list(faults)]
    codec: Codec = start_workers() if real else InProcess()
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder, suppress(KeyboardInterrupt):
        sweep = Sweep(Path(folder), real_photo() if real else small_photo(), codec, ANY_SAVING)
        for kinds, exchange in itertools.product(stages, (True, False)):
            for name in [name for name in SCENARIOS if name.startswith(chosen)]:
                before = len(sweep.losses)
                points = sweep.run(name, kinds, exchange=exchange, every=every)
                what = f"{name}{'' if exchange else ', without exchange'}{f', {kinds[0]} ...' if len(stages) > 1 else ''}"
                print(f"{what}: {points} points, {len(sweep.losses) - before} losses", flush=True)
    codec.close()
    for loss in sweep.losses:
        print(loss)
    kills, cuts = sweep.counts["kill"], sum(count for fault, count in sweep.counts.items() if fault.startswith(POWER))
    failures = sweep.counts.total() - kills - cuts
    print(f"{kills} crash points, {cuts} power cuts and {failures} failed calls: {len(sweep.losses)} losses")
    return 1 if sweep.losses else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
