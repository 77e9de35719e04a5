"""Every step of everything that the vault does fails, or is the last one of a killed process; then nothing may be lost.

The invariant: the original's bytes are in place or set aside, or else the proven archive is there and a purge was asked for.
"""

import errno
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from storage import durable
from storage.checkpoint import observed_by
from storage.errors import StorageError
from storage.survey import AtPath, Holding
from tests.storage.scenes import ARCHIVE, COPY, MTIME_NS, ORIGINAL, STAND_IN, Scene, make_scene, sha256

SHA, SMALL, COPIED = sha256(ORIGINAL), sha256(STAND_IN), sha256(COPY)


class Killed(BaseException):
    """No handler may run on it, as none runs in a killed process."""


def nothing(_: Scene) -> None:
    pass


def retire(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)


def retire_bare(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, None)


def put_back(scene: Scene) -> None:
    scene.vault.put_back(scene.photo, SHA, SMALL)


def purge(scene: Scene) -> None:
    scene.vault.purge(scene.photo, scene.proof)


def retire_and_purge(scene: Scene) -> None:
    retire(scene)
    purge(scene)


def restore_copy(scene: Scene) -> None:
    scene.vault.replace_stand_in(scene.photo, COPY, SMALL)


def archive_anew(scene: Scene) -> None:
    scene.vault.prepare()
    scene.vault.commit_archive(scene.vault.stage_archive(b"another archive"), sha256(b"another"))
    scene.vault.keep_model("m1", b"weights")


OPERATIONS: dict[str, tuple[Callable[[Scene], None], Callable[[Scene], None]]] = {
    "archive": (nothing, archive_anew),
    "retire": (nothing, retire),
    "retire without a stand-in": (nothing, retire_bare),
    "put back": (retire, put_back),
    "purge": (retire, purge),
    "restore a copy": (retire_and_purge, restore_copy),
}
"""By name: what was done before, and what is interrupted."""


DONE: dict[str, Callable[[Scene], bool]] = {
    "archive": lambda scene: scene.vault.open_archive(sha256(b"another")) == b"another archive",
    "retire": lambda scene: (scene.photo.read_bytes(), scene.aside.read_bytes()) == (STAND_IN, ORIGINAL),
    "retire without a stand-in": lambda _: False,
    "put back": lambda _: False,
    "purge": lambda scene: not scene.aside.exists(),
    "restore a copy": lambda scene: scene.photo.read_bytes() == COPY,
}
"""Whether the operation is refused a second time because it is complete."""


def recover(scene: Scene) -> None:
    """What docs/storage.md tells recovery to do, without a catalogue's help: back to a state from which one can go on."""
    vault = scene.vault
    vault.clear_staging()
    survey = vault.survey(scene.photo, sha256=SHA, archive_sha256=sha256(ARCHIVE), stand_in_sha256=SMALL, copy_sha256=COPIED)
    assert survey.archive is Holding.INTACT
    assert survey.aside is not Holding.CHANGED
    assert survey.at_path is not AtPath.OTHER
    if survey.swap is not Holding.MISSING:
        vault.drop_swap(scene.photo, SMALL)
    if survey.aside is Holding.STAND_IN:
        vault.drop_aside_stand_in(scene.photo, SHA, SMALL)
    if survey.aside is Holding.INTACT and survey.at_path in (AtPath.ORIGINAL, AtPath.MISSING):
        vault.put_back(scene.photo, SHA, SMALL)


def steps_of(scene: Scene, act: Callable[[Scene], None]) -> int:
    steps: list[str] = []
    with observed_by(steps.append):
        act(scene)
    return len(steps)


def check_invariant(scene: Scene, name: str) -> None:
    assert scene.archived()
    if name in ("purge", "restore a copy"):
        return
    assert scene.original_somewhere()
    for path in (scene.photo, scene.aside):
        if path.is_file() and path.read_bytes() == ORIGINAL:
            assert path.stat().st_mtime_ns == MTIME_NS


def stop_at(nth: int, error: BaseException, *, once: bool = True) -> Callable[[str], None]:
    count = [0]

    def hook(_: str) -> None:
        count[0] += 1
        if count[0] == nth or (count[0] > nth and not once):
            raise error

    return hook


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no exchange"])
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("fault", ["kill", "ENOSPC", "EIO from then on"])
def test_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str, exchange: bool) -> None:
    if not exchange:
        monkeypatch.setattr(durable, "_renameat2", lambda *_: False)
    before, act = OPERATIONS[name]
    counted = make_scene(tmp_path / "counted")
    before(counted)
    total = steps_of(counted, act)
    assert total >= 2
    for nth in range(1, total + 1):
        scene = make_scene(tmp_path / f"{nth}")
        before(scene)
        error: BaseException = Killed() if fault == "kill" else OSError(getattr(errno, fault.split()[0]), "injected")
        by_a_rename = fault == "ENOSPC" and name in ("put back", "restore a copy")  # where no copy has room, or no try
        expected = suppress(StorageError) if by_a_rename else pytest.raises((Killed, StorageError))
        with observed_by(stop_at(nth, error, once="from then on" not in fault)), expected:
            act(scene)
        check_invariant(scene, name)
        if fault != "kill" and "from then on" not in fault and name.startswith("retire"):
            assert scene.photo.read_bytes() == ORIGINAL, "one error alone is undone at once"
        recover(scene)
        check_invariant(scene, name)
        # And on: the same again succeeds, or turns out to be done already.
        try:
            act(scene)
        except StorageError:
            assert DONE[name](scene)
        check_invariant(scene, name)
        scene.vault.clear_staging()
        assert not list(scene.aside.parent.glob("*.swap"))


CHILD = """
import os, sys
from pathlib import Path
from storage.checkpoint import observed_by
from storage.vault import Vault
from tests.storage.scenes import STAND_IN, Scene, a_proof
root, exit_at, count = Path(sys.argv[1]), 0, 0
def hook(name):
    global count
    count += 1
    if count == exit_at:
        os._exit(9)
for nth in range(1, 100):
    child = os.fork()
    if not child:
        exit_at, count = nth, 0
        place = root / str(nth)
        with observed_by(hook):
            Vault(place).retire(place / "DCIM" / "IMG_1.jpg", a_proof(), STAND_IN)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        print(nth)
        break
    assert code == 9
"""


def test_processes_that_really_end(tmp_path: Path, root: Path) -> None:
    """One process for each step of retire, ended at it by the system."""
    steps = steps_of(make_scene(tmp_path / "counted"), retire)
    scenes = [make_scene(tmp_path / f"{nth}") for nth in range(1, steps + 2)]
    result = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], cwd=root, capture_output=True, text=True, check=False)
    assert result.stdout == f"{steps + 1}\n", result.stderr
    for scene in scenes:
        check_invariant(scene, "retire")
        recover(scene)
        assert scene.original_somewhere()
        assert scene.photo.is_file()
    assert scenes[-1].photo.read_bytes() == STAND_IN
