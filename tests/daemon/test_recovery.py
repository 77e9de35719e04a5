"""Killed at every step: whatever was done by then, nothing is lost, and the next run brings everything in order.

A step is every call that changes the disk and every transaction of the catalogue, just before it and just after it. A killed process does
nothing more, so after the chosen step every further one fails too.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from daemon import restorer
from daemon.marking import original_of
from daemon.ports import Silence
from storage import checkpoint
from storage.catalog import Catalog
from storage.errors import StorageError
from storage.states import State
from storage.vault import Vault

if TYPE_CHECKING:
    from conftest import Home

Photo = Callable[..., bytes]
HERE = Path(__file__).parent


class Killed(BaseException):
    """No handler for ordinary errors may see it, as none sees SIGKILL."""


class Killer:
    """Counts steps, and kills at the chosen one; 0 never."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0

    def __call__(self, name: str) -> None:
        self.steps += 1
        if self.at and self.steps >= self.at:
            raise Killed(f"{self.steps}: {name}")


@contextmanager
def killing(at: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killer]:
    killer = Killer(at)
    transaction = Catalog._transaction

    @contextmanager
    def watched(self: Catalog) -> Iterator[None]:
        killer("before a transaction")
        with transaction(self):
            yield
        killer("after a transaction")

    with monkeypatch.context() as patch, checkpoint.observed_by(killer):
        patch.setattr(Catalog, "_transaction", watched)
        yield killer


def holds(root: Path, data: bytes) -> bool:
    """The invariant: the original's bytes are somewhere in the gallery, or a whole archive of them is."""
    digest = hashlib.sha256(data).hexdigest()
    for path in root.rglob("*"):
        if path.is_file() and path.suffix in (".jpg", ".original") and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return True
    archive = Vault(root).archive_path(digest)
    if not archive.exists():
        return False
    fake = sys.modules["fake_backend"]
    facts, _ = fake.unpack(archive.read_bytes())  # raises where it is damaged
    return bool(facts["sha256"] == digest)


def prepare(home: Home, restoring: str) -> None:
    """What happened before the run that is killed."""
    if restoring:
        home.optimize()
    if restoring == "put away":
        act(home, "restore")
        home.clock.forward(days=31)
    if restoring == "aside damaged":
        (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
        aside.write_bytes(aside.read_bytes()[:-1] + b"x")
    if restoring == "edited":
        (home.root / "a.jpg").write_bytes(b"an edit")
    if restoring == "renamed":
        (home.root / "a.jpg").rename(home.root / "b.jpg")
        home.optimize()


def act(home: Home, restoring: str) -> None:
    if restoring == "renamed":
        with home.shop() as shop:
            restorer.restore(shop, [home.root / "b.jpg"], None, None, Silence())
    elif restoring in ("restore", "aside damaged"):
        with home.shop() as shop:
            restorer.restore(shop, [home.root / "a.jpg"], None, None, Silence())
    else:
        home.optimize()


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "copy aside"])
@pytest.mark.parametrize(
    ("gallery", "restoring", "ends"),
    [
        ("", "", {State.RETIRED}),
        ('grace = "0 days"', "", {State.PURGED}),
        ('stand_in = "none"', "", {State.RETIRED}),
        ("", "restore", {State.RESTORED, State.RETIRED}),
        ('grace = "0 days"', "restore", {State.RESTORED, State.PURGED}),
        ('grace = "0 days"', "put away", {State.PURGED}),
        ("", "aside damaged", {State.RESTORED, State.RETIRED}),
        ("", "edited", {State.RESTORED, State.LEFT}),
        ('grace = "0 days"', "edited", {State.RESTORED, State.LEFT}),
        ("", "renamed", {State.RESTORED, State.RETIRED, State.LEFT}),
        ('grace = "0 days"', "renamed", {State.RESTORED, State.PURGED, State.LEFT}),
    ],
    ids=[
        *("archive", "archive and purge", "without stand-in", "restore the original", "restore a copy", "put a copy away"),
        "restore a copy in grace",
        *("original beside an edit", "copy beside an edit", "restore a renamed original", "restore a renamed copy"),
    ],
)
def test_killed_at_every_step(
    home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch, gallery: str, restoring: str, ends: set[State], exchange: bool
) -> None:
    data = photo()
    if not exchange:
        monkeypatch.setattr(Vault, "exchange_works", False)
    home.configure(gallery)
    steps, at = 0, 0
    template = home.root.parent
    while at == 0 or at <= steps:
        base = template / f"run{at}"
        home.root, home.places = base / "DCIM", type(home.places)(base / "config.toml", base / "state")
        home.root.mkdir(parents=True)
        home.configure(gallery)
        (home.root / "a.jpg").write_bytes(data)
        prepare(home, restoring)
        with killing(at, monkeypatch) as killer:
            try:
                act(home, restoring)
            except Killed as killed:
                where = str(killed)
            else:
                where = "not at all"
                steps = killer.steps
        assert holds(home.root, data), f"lost after a kill at {where}"
        home.optimize()
        assert holds(home.root, data), f"lost by the recovery after a kill at {where}"
        with Catalog(home.places.catalog_file, read_only=True) as catalog:
            rows = list(catalog.rows())
            assert [row.state for row in rows if row.state not in ends] == [], f"after a kill at {where}"
            most = {"edited": 2, "renamed": 2}.get(restoring, 1)
            assert len(rows) <= most, f"after a kill at {where}"
            if restoring == "edited":
                assert (home.root / "a.jpg").read_bytes() == b"an edit"
                assert sorted(row.path for row in rows) == [b"a (original).jpg", b"a.jpg"], f"after a kill at {where}"
            assert not [row for row in rows if row.bound_for is not None], f"after a kill at {where}"
        left_over = [str(path) for path in (home.root / ".gallery-optimizer/staging").iterdir()]
        assert left_over == [], f"after a kill at {where}"
        assert home.optimize().nothing_done, f"the second run after a kill at {where}"
        at += 1
    assert steps > 8


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)])
def test_a_process_that_is_really_stopped(home: Home, photo: Photo, number: signal.Signals, code: int) -> None:
    """In the midst of encoding: its workers go with it, the lock is free, the next run starts anew."""
    data = photo(0, "hang")
    (home.root / "a.jpg").write_bytes(data)
    environment = {
        **os.environ,
        "GALLERY_OPTIMIZER_BACKEND": "fake_backend",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)]),
    }
    command = [sys.executable, "-m", "daemon.cli.main", "--config", home.places.config_file, "--state", home.places.state_folder]
    process = subprocess.Popen([*command, "optimize"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    workers: list[psutil.Process] = []
    while time.monotonic() < deadline and not (len(workers) == 2 and is_encoding(home)):
        workers = [child for child in psutil.Process(process.pid).children() if "resource_tracker" not in " ".join(child.cmdline())]
    process.send_signal(number)
    assert process.wait(20) == code
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    assert (home.root / "a.jpg").read_bytes() == data
    home.configure('exclude = ["*.jpg"]')
    assert home.optimize().recovered == 1


def is_encoding(home: Home) -> bool:
    if not home.places.catalog_file.exists():
        return False
    try:
        with Catalog(home.places.catalog_file, read_only=True) as catalog:
            return any(row.state is State.ENCODING for row in catalog.rows())
    except StorageError:
        return False  # it is just being made


def test_an_interrupt_leaves_everything_to_recovery(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())

    def interrupted(job: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(home.codec, "examine", interrupted)
        with pytest.raises(KeyboardInterrupt):
            home.optimize()
    assert (home.root / "a.jpg").read_bytes() == photo()
    done = home.optimize()
    assert (done.recovered, done.archived) == (1, 1)
    assert original_of((home.root / "a.jpg").read_bytes()) is not None


def test_a_late_writer_found_after_a_crash_gets_the_name_back(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange was done, then the power went; the set-aside file was written to by somebody who had it open."""
    path = home.root / "a.jpg"
    path.write_bytes(photo())
    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "retired", lambda *_, **__: (_ for _ in ()).throw(Killed("before the row")))
        with pytest.raises(Killed):
            home.optimize()
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    aside.write_bytes(photo(1))
    home.optimize()
    assert holds(home.root, photo(1))
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        assert {row.state for row in catalog.rows()} == {State.RETIRED}
