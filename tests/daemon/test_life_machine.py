"""Users, disks and clocks as they come, in any order: photos appear, are edited, moved and deleted, at any moment of our own work.

The invariant after every step: for each photo that no user deleted or replaced, its bytes or a whole archive of them are in the gallery.
"""

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from codec.errors import Corrupt
from daemon import restorer
from daemon.discovery import look
from daemon.errors import DaemonError
from daemon.marking import original_of
from daemon.places import Places
from daemon.ports import Silence
from storage.catalog import Catalog
from storage.errors import Locked, StorageError
from storage.states import State
from storage.vault import Vault
from tests.daemon.conftest import Clockwork, Home, InProcess
from tests.daemon.faults import Counting, Failing, Killing, behind
from tests.daemon.scenarios import in_child
from tests.daemon.sweep import ANY_SAVING, THOROUGH, Kept, small_photo

NAMES = ("a.jpg", "b.jpg", "c.jpg", "trip/a.jpg", "trip/d.jpg")
PHOTOS = tuple(small_photo(seed) for seed in range(6))
CODEC = Kept(InProcess())

names = st.sampled_from(NAMES)
photos = st.sampled_from(range(len(PHOTOS)))
points = st.integers(1, 160)


class Meddling(Counting):
    """Somebody does something just before the n-th call."""

    def __init__(self, nth: int, meddle: Callable[[], None]) -> None:
        super().__init__()
        self._nth, self._meddle = nth, meddle

    def passing(self, name: str, changes: bool) -> None:
        super().passing(name, changes)
        if len(self.points) == self._nth:
            self._meddle()


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self.root = self.base / "DCIM"
        self.root.mkdir()
        self.home = Home(self.root, Places(self.base / "config.toml", self.base / "state"), Clockwork(), CODEC)  # type: ignore[arg-type]
        self.mounted = True
        self.needed = False
        """Whether the catalogue knows the vault that is away."""
        self.alive: dict[str, str] = {}
        """Digest of every photo that must survive, and where it came from."""
        self.given = 0

    def teardown(self) -> None:
        shutil.rmtree(self.base, ignore_errors=True)

    @initialize(grace=st.sampled_from(["0 days", "7 days"]), stand_in=st.sampled_from(["preview", "preview", "none"]))
    def first(self, grace: str, stand_in: str) -> None:
        self.home.configure(f'grace = "{grace}"\nstand_in = "{stand_in}"', ANY_SAVING)
        self._put("a.jpg", PHOTOS[0])

    # What users do; each also in the midst of a run.

    def _put(self, name: str, data: bytes) -> None:
        """As programs save: a new file takes the name."""
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        self._forgive(path, replaced=True)
        fresh = self.base / "fresh"
        fresh.write_bytes(data)
        os.replace(fresh, path)
        self.alive[hashlib.sha256(data).hexdigest()] = name

    def _forgive(self, path: Path, *, replaced: bool) -> None:
        """What stands there is about to be taken away by its user; a stand-in that is only replaced stands for a photo that must stay.

        Not where nobody of us has seen it under that name: then it is renamed and gone at once.
        """
        if not path.is_file():
            return
        data = path.read_bytes()
        digest, marked = hashlib.sha256(data).hexdigest(), original_of(data)
        self.alive.pop(digest, None)
        if marked is not None and not (replaced and self._is_known(path, marked)):
            self.alive.pop(marked, None)
        if marked is None:
            with suppress(StorageError), Catalog(self.home.places.catalog_file, read_only=True) as catalog:
                for row in catalog.rows():
                    if row.copy_sha256 == digest and row.sha256:
                        self.alive.pop(row.sha256, None)

    def _is_known(self, path: Path, original: str) -> bool:
        """Whether the catalogue, if it knows of an archive of that original at all, knows that this file stands for it."""
        with suppress(StorageError), Catalog(self.home.places.catalog_file, read_only=True) as catalog:
            row = catalog.find(os.fsencode(self.root), os.fsencode(path.relative_to(self.root)))
            if row is not None and original in (row.stands_for, row.sha256 if row.has_archive else None):
                return True
            return not any(each.has_archive for each in catalog.by_digest(original))
        return True

    def _move(self, name: str, other: str) -> None:
        path, goal = self.root / name, self.root / other
        if path.is_file() and path != goal:
            goal.parent.mkdir(exist_ok=True)
            self._forgive(goal, replaced=True)
            os.replace(path, goal)

    def _delete(self, name: str) -> None:
        path = self.root / name
        if path.is_file():
            self._forgive(path, replaced=False)
            path.unlink()

    def _write_into(self, name: str) -> None:
        """As careless programs save: into the same file. Where we hold a lease they wait, and their turn comes later."""
        path = self.root / name
        if not path.is_file():
            return
        before = path.read_bytes()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except BlockingIOError:
            return
        self._forgive(path, replaced=True)
        os.pwrite(descriptor, b"\x00", len(before) - 1)
        os.close(descriptor)
        self.alive[hashlib.sha256(before[:-1] + b"\x00").hexdigest()] = name

    def _meddler(self, what: str, name: str, other: str, photo: int) -> Callable[[], None]:
        return {
            "put": lambda: self._put(name, PHOTOS[photo]),
            "move": lambda: self._move(name, other),
            "delete": lambda: self._delete(name),
            "write into": lambda: self._write_into(name),
            "restore elsewhere": lambda: self._restore_elsewhere(name),
        }[what]

    meddlings = st.sampled_from(["put", "move", "delete", "write into", "restore elsewhere"])

    @precondition(lambda self: self.mounted)
    @rule(name=names, other=names, photo=photos, seen=st.sampled_from(["by a run", "by a look", "by nobody"]), days=st.sampled_from([0, 8]))
    def saved_over_elsewhere(self, name: str, other: str, photo: int, seen: str, days: int) -> None:
        """A stand-in is renamed, and later another picture saved over it; then all the time passes after which anything is thrown away."""
        self._move(name, other)
        self.home.clock.forward(days=days)
        if seen == "by a run":
            self._work()
        elif seen == "by a look":
            self._take_in(other)
        self._put(other, PHOTOS[photo])
        for later in (0, 8, 31, 31):
            self.home.clock.forward(days=later)
            self._work()

    @precondition(lambda self: self.mounted)
    @rule(what=meddlings, name=names, other=names, photo=photos)
    def user(self, what: str, name: str, other: str, photo: int) -> None:
        self._meddler(what, name, other, photo)()

    # What we do.

    def _work(self) -> None:
        with suppress(StorageError, DaemonError):
            self.home.optimize()

    def _take_in(self, name: str) -> None:
        """As the service does by day."""
        with suppress(StorageError, DaemonError), self.home.shop() as shop:
            look(shop.galleries[0], shop.catalog, self.home.clock, [self.root / name], by_name=False)

    def _restore(self, name: str) -> None:
        with suppress(StorageError, DaemonError), self.home.shop() as shop:
            restorer.restore(shop, [self.root / name], None, None, Silence())

    def _restore_elsewhere(self, name: str) -> None:
        """Needs no lock; what it calls an original is one."""
        self.given += 1
        with suppress(StorageError, DaemonError), self.home.shop(reading=True) as shop:
            for each in restorer.restore(shop, [self.root / name], self.base / f"given{self.given}", None, Silence()):
                if each.came is restorer.Came.ORIGINAL:
                    assert each.written is not None
                    assert original_of(each.written.read_bytes()) is None

    def _ours(self, restoring: str | None) -> Callable[[], None]:
        return self._work if restoring is None else lambda: self._restore(restoring)

    @rule()
    def run(self) -> None:
        self._work()

    @rule(name=names)
    def restore(self, name: str) -> None:
        self._restore(name)

    @precondition(lambda self: self.mounted)
    @rule(nth=points, restoring=st.none() | names, what=meddlings, name=names, other=names, photo=photos)
    def meddled_with(self, nth: int, restoring: str | None, what: str, name: str, other: str, photo: int) -> None:
        with behind(Meddling(nth, self._meddler(what, name, other, photo))):
            self._ours(restoring)()

    @rule(nth=points, restoring=st.none() | names)
    def killed(self, nth: int, restoring: str | None) -> None:
        in_child(self._ours(restoring), Killing(nth))

    @rule(nth=points, restoring=st.none() | names, number=st.sampled_from([errno.ENOSPC, errno.EIO, errno.EROFS]), lasting=st.booleans())
    def disk_fails(self, nth: int, restoring: str | None, number: int, lasting: bool) -> None:
        with behind(Failing(nth, number, lasting=lasting)):
            self._ours(restoring)()

    # What else happens.

    @rule(days=st.sampled_from([1, 8, 40, -400]))
    def clock_jumps(self, days: int) -> None:
        self.home.clock.forward(days=days)

    @precondition(lambda self: self.mounted)
    @rule(vault_alone=st.booleans())
    def unmounted(self, vault_alone: bool) -> None:
        """The whole disk, or (somebody tidied up) the vault. Nothing may happen meanwhile."""
        part = self.root / ".gallery-optimizer" if vault_alone else self.root
        if not part.exists():
            return
        self.needed = not vault_alone or self._vault_is_known()
        part.rename(self.base / "elsewhere")
        if not vault_alone:
            self.root.mkdir()
        before = sorted(self.root.rglob("*"))
        self._work()
        assert before == sorted(self.root.rglob("*")) or not self.needed
        self.mounted, self.part = False, part

    def _vault_is_known(self) -> bool:
        with suppress(StorageError), Catalog(self.home.places.catalog_file, read_only=True) as catalog:
            return any(row.has_archive or row.state is State.RETIRED for row in catalog.rows())
        return False

    @precondition(lambda self: not self.mounted)
    @rule()
    def mounted_again(self) -> None:
        """Where nobody could know of a vault, a run may have made a new one: what the old one has is put into that."""
        part, away = self.part, self.base / "elsewhere"
        if part == self.root:
            shutil.rmtree(part)
        elif part.exists():
            assert not self.needed, "a new vault was made where the one that the catalogue knows is missing"
            _merge(away, part)
        if away.exists():
            away.rename(part)
        self.mounted = True

    @rule()
    def second_instance(self) -> None:
        with suppress(StorageError, DaemonError), self.home.shop(), pytest.raises(Locked):
            self.home.optimize()

    @rule()
    def catalogue_is_lost(self) -> None:
        for file in self.home.places.state_folder.glob("catalog*"):
            file.unlink()
        self.needed = False

    @invariant()
    def nothing_is_lost(self) -> None:
        if not self.mounted:
            return
        found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in self.root.rglob("*") if path.is_file()}
        for digest, name in self.alive.items():
            assert digest in found or self._archived(digest), f"lost: the photo of {name}"

    def _archived(self, digest: str) -> bool:
        archive = Vault(self.root).archive_path(digest)
        try:
            return archive.exists() and sys.modules["fake_backend"].unpack(archive.read_bytes())[0]["sha256"] == digest
        except Corrupt:
            return False


def _merge(old: Path, new: Path) -> None:
    """Every file of a vault goes into another, whose own stay; of two versions of a photo both are kept."""
    for path in [path for path in old.rglob("*") if path.is_file()]:
        goal = new / path.relative_to(old)
        if goal.exists() and goal.read_bytes() != path.read_bytes():
            goal = goal.with_name(f"{goal.name}.old")
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, goal)
    shutil.rmtree(old)


def run_life(**options: Any) -> None:
    # Not shrunk: a failure of hundreds of runs would take minutes more to tell.
    quiet: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.explicit, Phase.generate]}
    run_state_machine_as_test(Life, settings=settings(**quiet, **options))


def test_life() -> None:
    run_life(max_examples=10, stateful_step_count=12)


@pytest.mark.slow
def test_long_life() -> None:
    """A hundred lives, which takes some minutes; THOROUGH=1: two thousand."""
    run_life(max_examples=2000 if THOROUGH else 100, stateful_step_count=30)


def test_a_new_vault_where_nobody_knew_of_the_old_one() -> None:
    """The catalogue is lost while the vault is away: what is archived then is in the new vault, and the photo lives there."""
    life = Life()
    try:
        life.first("0 days", "preview")
        life._work()
        life._put("b.jpg", PHOTOS[1])
        life.unmounted(vault_alone=True)
        assert not (life.root / ".gallery-optimizer").exists()
        life.catalogue_is_lost()
        life._work()
        assert (life.root / ".gallery-optimizer").exists()
        life.mounted_again()
        life.nothing_is_lost()
    finally:
        life.teardown()


def test_an_unmounted_gallery_is_told() -> None:
    """That the machine's silence about it means something."""
    life = Life()
    try:
        life.first("7 days", "preview")
        life._work()
        life.unmounted(vault_alone=False)
        assert life.home.optimize().gone
    finally:
        life.teardown()
