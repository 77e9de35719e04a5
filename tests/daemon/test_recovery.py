"""Stopped in the midst of work: nothing is lost, and the next run brings everything in order. Every single step: `test_every_call`."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from daemon.discovery import look
from daemon.marking import original_of
from daemon.ports import Silence
from daemon.recovery import recover
from daemon.restorer import restore
from storage import durable
from storage.catalog import Catalog
from storage.errors import StorageError
from storage.states import State
from storage.vault import Vault

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
HERE = Path(__file__).parent


class Killed(BaseException):
    """No handler for ordinary errors may see it, as none sees SIGKILL."""


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
    places = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    command = [sys.executable, "-m", "daemon.cli.main", *places]
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


def test_stops_are_not_the_photos_fault(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())

    def interrupted(job: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(home.codec, "encode", interrupted)
        for _ in range(5):
            with pytest.raises(KeyboardInterrupt):
                home.optimize()
    assert home.optimize().archived == 1


def test_a_photo_that_ends_the_whole_program_three_times_is_set_apart(home: Home, photo: Photo) -> None:
    """As where the kernel kills all of us for its memory: nobody is left to note a failure."""
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    for number in range(4):
        with home.shop() as shop:
            gallery = shop.galleries[0]
            look(gallery, shop.catalog, home.clock, [])
            row = shop.catalog.find(gallery.key, b"a.jpg")
            assert row is not None
            assert (shop.catalog.claim(row.id) is None) == (number == 3)
        with home.shop() as shop:
            shop.lock_vault(shop.galleries[0])
            recover(shop.galleries[0], shop.catalog, home.clock)
    done = home.optimize()
    assert (done.archived, done.left.total()) == (1, 0)
    with home.shop() as shop:
        row = shop.catalog.find(shop.galleries[0].key, b"a.jpg")
        assert row is not None
        assert (row.state, row.reason) == (State.LEFT, "ends-the-program")
    assert home.optimize(home.root / "a.jpg").archived == 1, "named by its user it is tried again"


@pytest.mark.parametrize("grace", ["0 days", "7 days"])
def test_an_edit_saved_in_the_moment_of_a_restore_that_is_killed(
    home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch, grace: str
) -> None:
    """The exchange takes the edit into the vault, and nobody is left to see that."""
    home.configure(f'grace = "{grace}"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    edit, exchange = photo(5), durable.exchange

    def saved_and_killed(first: Path, second: Path) -> None:
        second.write_bytes(edit)
        exchange(first, second)
        raise Killed

    with monkeypatch.context() as patch, home.shop() as shop:
        patch.setattr(durable, "exchange", saved_and_killed)
        with pytest.raises(Killed):
            restore(shop, [home.root / "a.jpg"], None, None, Silence())
    assert (home.root / "a.jpg").read_bytes() != edit
    (beside,) = home.optimize().beside
    assert beside.original is (grace != "0 days")
    assert beside.place.name == "a (original).jpg"
    home.clock.forward(days=8)
    home.optimize()
    with home.shop() as shop:
        given = restore(shop, [home.root / "a.jpg"], None, None, Silence())
    assert {each.trouble for each in given} == {""}
    assert not [path for path in (home.root / ".gallery-optimizer/originals").iterdir() if path.suffix == ".swap"]
    assert holds(home.root, photo())
    assert holds(home.root, edit)


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
