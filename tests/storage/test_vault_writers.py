"""Somebody writes a photo, or under its name, while the vault takes it or gives it back: what he wrote wins, and nothing is lost."""

import errno
import fcntl
import os
import signal
from pathlib import Path

import pytest

from storage import lease
from storage.checkpoint import observed_by
from storage.errors import Changed, Damaged, Refused
from storage.fingerprint import Fingerprint
from storage.survey import Holding
from tests.storage.scenes import ORIGINAL, STAND_IN, Scene, at_step, sha256

SHA, SMALL = sha256(ORIGINAL), sha256(STAND_IN)


def test_a_late_writers_version_is_kept(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    scene.aside.write_bytes(b"a later version")
    with pytest.raises(Changed):
        scene.vault.purge(scene.photo, scene.proof)
    survey = scene.vault.survey(scene.photo, sha256=SHA, stand_in_sha256=SMALL)
    assert survey.aside is Holding.CHANGED
    with pytest.raises(Damaged):
        scene.vault.put_back(scene.photo, SHA, SMALL)
    with pytest.raises(Refused):
        scene.vault.drop_aside_stand_in(scene.photo, SHA, SMALL)
    scene.vault.put_back(scene.photo, SHA, SMALL, as_it_is=True)
    assert scene.photo.read_bytes() == b"a later version"


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("step", ["stage.open", "stage.fsync", "commit.rename"])
def test_an_edit_before_the_exchange_wins(scene: Scene, step: str) -> None:
    with at_step(step, lambda: scene.photo.write_bytes(b"edited")), pytest.raises(Changed):
        _without_lease(scene)
    assert scene.photo.read_bytes() == b"edited"
    assert not scene.aside.exists()


@pytest.mark.parametrize("step", ["exchange.rename", "folder.fsync"])
def test_a_file_that_replaces_the_photo_in_the_last_moment_wins(scene: Scene, step: str) -> None:
    new = scene.root / "new.jpg"
    new.write_bytes(b"a new version")

    def hook(name: str, seen: list[str] = []) -> None:  # noqa: B006
        if name == step and "exchange.rename" in [*seen, name] and new.exists():
            os.replace(new, scene.photo)
        seen.append(name)

    with observed_by(hook):
        if step == "exchange.rename":
            with pytest.raises(Changed):
                scene.vault.retire(scene.photo, scene.proof, STAND_IN)
            assert not scene.aside.exists()
        else:  # after the exchange: the new version stands over our stand-in, the original is set aside
            retired = scene.vault.retire(scene.photo, scene.proof, STAND_IN)
            assert scene.aside.read_bytes() == ORIGINAL
            assert not Fingerprint.of(scene.photo).unchanged_since(retired.stand_in_fingerprint), "it must not pass for our stand-in"
    assert scene.photo.read_bytes() == b"a new version"


@pytest.mark.usefixtures("kind")
def test_an_edit_right_after_the_exchange_does_not_pass_for_our_stand_in(scene: Scene) -> None:
    steps: list[str] = []

    def edit(name: str) -> None:
        if {"exchange.rename", "replace.rename"} & {*steps} and not steps.count("edited"):
            steps.append("edited")
            scene.photo.write_bytes(b"cropped")
        steps.append(name)

    with observed_by(edit):
        retired = scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert scene.photo.read_bytes() == b"cropped"
    assert not Fingerprint.of(scene.photo).unchanged_since(retired.stand_in_fingerprint)


def _without_lease(scene: Scene) -> None:
    """Retire where the kernel gives no lease, so that a test may write in the same thread without waiting for itself."""
    real = fcntl.fcntl

    def no_leases(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, "no leases here")
        return real(descriptor, command, argument)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "fcntl", no_leases)
        scene.vault.retire(scene.photo, scene.proof, STAND_IN)


def leases_work(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError:
            return False
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def test_without_leases_it_works_too(scene: Scene) -> None:
    _without_lease(scene)
    assert scene.aside.read_bytes() == ORIGINAL


def test_somebody_who_has_it_open_for_writing_comes_first(scene: Scene) -> None:
    if not leases_work(scene.photo):
        pytest.skip("no leases here")
    with scene.photo.open("r+b"), pytest.raises(Changed, match="open for writing"):
        scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    with scene.photo.open("rb"):  # a viewer is no obstacle
        scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    with scene.aside.open("r+b"), pytest.raises(Changed, match="open for writing"):
        scene.vault.purge(scene.photo, scene.proof)
    assert scene.aside.read_bytes() == ORIGINAL


def test_a_writer_who_knocks_during_the_exchange_gets_the_photo(scene: Scene) -> None:
    """A broken lease neither ends the process (SIGIO would) nor is overlooked."""
    if not leases_work(scene.photo):
        pytest.skip("no leases here")
    wishes: list[str] = []

    def knock() -> None:
        with pytest.raises(BlockingIOError):
            os.open(scene.photo, os.O_WRONLY | os.O_NONBLOCK)
        wishes.append("to write")

    with at_step("exchange.rename", knock), pytest.raises(Changed):
        scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert wishes
    assert scene.photo.read_bytes() == ORIGINAL
    assert not scene.aside.exists()
    assert signal.getsignal(signal.SIGURG) in (signal.SIG_DFL, None)


def test_an_edit_in_the_very_moment_of_a_restore_wins(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    scene.vault.purge(scene.photo, scene.proof)
    with at_step("exchange.rename", lambda: scene.photo.write_bytes(b"edited")), pytest.raises(Changed):
        scene.vault.replace_stand_in(scene.photo, b"a rebuilt copy", SMALL)
    assert scene.photo.read_bytes() == b"edited"


def test_on_a_network_mount_no_lease_is_held(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS gives its delegation back before it renames, and breaks the leases that stand on it: each photo took 45 seconds."""
    if not leases_work(scene.photo):
        pytest.skip("no leases here")
    monkeypatch.setattr(lease, "_file_system", lambda _: 0x6969)
    descriptor = os.open(scene.photo, os.O_RDONLY)
    with lease.lease_on(descriptor, "a.jpg") as held:
        assert not held.granted
        assert not held.broken()
        assert fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_UNLCK
    writer = os.open(scene.photo, os.O_WRONLY)
    with pytest.raises(Changed), lease.lease_on(descriptor, "a.jpg"):
        pass
    os.close(writer)
    os.close(descriptor)


def test_the_file_system_is_known_by_its_number(tmp_path: Path) -> None:
    with open("/proc/self/stat", "rb") as file:
        assert lease._file_system(file.fileno()) == 0x9FA0
    with open(tmp_path / "file", "wb") as file:
        assert lease._file_system(file.fileno()) not in (0, 0x9FA0)
