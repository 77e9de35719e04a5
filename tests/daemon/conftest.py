"""A gallery with photos, and the codec of `fake_backend` either in this process (fast) or behind real ones."""

import hashlib
import importlib.util
import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from codec.errors import CodecError
from daemon import child, composition, settings
from daemon.cli.main import cli
from daemon.composition import Workshop
from daemon.errors import WorkerBroke
from daemon.messages import (
    Answer,
    Broke,
    Encoded,
    EncodeJob,
    Examined,
    ExamineJob,
    Job,
    LabelJob,
    Rated,
    RatingJob,
    Refused,
    Restored,
    RestoreJob,
    StandInJob,
    StoodIn,
)
from daemon.places import Places
from daemon.ports import Silence
from daemon.run import optimize
from daemon.summary import Summary
from storage import connection
from storage.catalog import Catalog
from storage.records import PhotoRow
from storage.states import State

HERE = Path(__file__).parent
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def load_fake() -> ModuleType:
    """The module that the children know as `fake_backend`."""
    if "fake_backend" not in sys.modules:
        spec = importlib.util.spec_from_file_location("fake_backend", HERE / "fake_backend.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules["fake_backend"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["fake_backend"])
    return sys.modules["fake_backend"]


class _NoPipe:
    def send_bytes(self, message: bytes) -> None:
        pass


class InProcess:
    """The port `Codec` without processes, answering exactly as a worker would; pids are made up, and different."""

    def __init__(self) -> None:
        self.backend = load_fake().load()
        self.jobs: list[Job] = []

    def _ask(self, job: Job) -> Answer:
        self.jobs.append(job)
        try:
            answer = child.work(self.backend, job, _NoPipe())  # type: ignore[arg-type]
        except (CodecError, OSError, ArithmeticError) as error:
            answer = child.as_answer(error)
        if isinstance(answer, Broke):
            raise WorkerBroke(answer.summary)
        return replace(answer, pid=os.getpid() + 1) if isinstance(answer, Examined) else answer

    def encode(self, job: EncodeJob) -> Encoded | Refused:
        return self._ask(job)  # type: ignore[return-value]

    def stand_in(self, job: StandInJob) -> StoodIn | Refused:
        return self._ask(job)  # type: ignore[return-value]

    def rating(self, job: RatingJob) -> Rated | Refused:
        return self._ask(job)  # type: ignore[return-value]

    def cpu_s(self) -> float:
        return 0.0

    def examine(self, job: ExamineJob) -> Examined | Refused:
        return self._ask(job)  # type: ignore[return-value]

    def restore(self, job: RestoreJob) -> Restored | Refused:
        return self._ask(job)  # type: ignore[return-value]

    def interrupt(self) -> None:
        pass

    def label(self, job: LabelJob) -> Restored | Refused:
        return self._ask(job)  # type: ignore[return-value]

    def close(self) -> None:
        pass

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def encoded(self) -> int:
        """How many photos were encoded."""
        return sum(isinstance(job, EncodeJob) for job in self.jobs)


@dataclass
class Clockwork:
    """A clock that stands until it is moved."""

    time: datetime = NOON

    def now(self) -> datetime:
        return self.time

    def forward(self, **span: float) -> None:
        self.time += timedelta(**span)


@dataclass
class Home:
    """One set-up: a gallery, its configuration, its state, a clock and a codec."""

    root: Path
    places: Places
    clock: Clockwork
    codec: InProcess

    def configure(self, gallery: str = "", limits: str = "", safety: str = 'reserve = "off"', schedule: str = "") -> None:
        text = f'[[gallery]]\npath = "{self.root}"\n{gallery}\n[limits]\n{limits}\n[safety]\n{safety}\n'
        text += f"[schedule]\n{schedule}\n" if schedule else ""
        self.places.config_file.write_text(text)

    def shop(self, *, reading: bool = False) -> Workshop:
        return Workshop(self.places, settings.read(self.places.config_file), self.clock, lambda _: self.codec, reading=reading)

    def optimize(self, *paths: Path, as_it_is: bool = False) -> Summary:
        with self.shop() as shop:
            return optimize(shop, list(paths), Silence(), as_it_is=as_it_is)

    def files(self) -> dict[str, str]:
        """Every file of the gallery outside the vault's lock, with its digest."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name != "lock"
        }

    def archives(self) -> list[Path]:
        return sorted((self.root / ".gallery-optimizer/archives").rglob("*.nphoto"))

    def asides(self) -> list[Path]:
        """The set-aside originals."""
        return sorted((self.root / ".gallery-optimizer/originals").iterdir())

    def rows(self) -> dict[str, PhotoRow]:
        """The catalogue's rows by path, relative to the gallery."""
        with Catalog(self.places.catalog_file, read_only=True) as catalog:
            return {os.fsdecode(row.path): row for row in catalog.rows()}

    def purge(self) -> None:
        """The run after the grace, which purges one original."""
        self.clock.forward(days=8)
        assert self.optimize().purged == 1

    def state_of(self, name: str) -> tuple[State, str | None]:
        """State and reason of the photo of this name, relative to the gallery."""
        with Catalog(self.places.catalog_file, read_only=True) as catalog:
            row = catalog.find(os.fsencode(self.root), os.fsencode(name))
        assert row is not None
        return row.state, row.reason


_migrate, _one_at_a_time = connection._migrate, threading.Lock()


@cache
def _tables() -> sqlite3.Connection:
    """As all migrations leave them."""
    made = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(made, ":memory:")
    return made


def migrate_quickly(catalog: sqlite3.Connection, path: Path | str) -> None:
    """`connection._migrate`; a new catalogue gets a copy of the tables, in a tenth of the time."""
    with _one_at_a_time:
        if catalog.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _migrate(catalog, path)
        else:
            _tables().backup(catalog)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An empty gallery with the default configuration; in memory where that can be, since no test can see whether a disk was waited for."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as folder:
        base = Path(folder)
        (base / "DCIM").mkdir()
        made = Home(base / "DCIM", Places(base / "config.toml", base / "state"), Clockwork(), InProcess())
        made.configure()
        monkeypatch.setattr(connection, "_migrate", migrate_quickly)
        yield made


@pytest.fixture(scope="session")
def photo(make_jpeg: Callable[..., bytes]) -> Callable[..., bytes]:
    """`photo(seed=0, wish="")` -> a JPEG large enough to gain from being archived; `wish` as in fake_backend."""
    made: dict[tuple[int, str], bytes] = {}

    def make(seed: int = 0, wish: str = "") -> bytes:
        key = (seed, wish)
        if key not in made:
            comment = {"comment": f"fake:{wish}".encode()} if wish else {}
            made[key] = make_jpeg(240, 320, seed, quality=97, **comment)
        return made[key]

    return make


@pytest.fixture
def run(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`run("status", "--json")` -> what the command printed and how it ended; with the clock and the codec of `home`, 80 columns wide."""
    monkeypatch.setattr(composition, "start_workers", lambda settings=None: home.codec)
    monkeypatch.setattr(composition.Workshop.__init__, "__defaults__", (home.clock, lambda settings: home.codec))
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*words: object) -> Result:
        options = ["--config", home.places.config_file, "--state", home.places.state_folder]
        return CliRunner().invoke(cli, [str(word) for word in (*options, *words)], prog_name="gallery-optimizer")

    return invoke
