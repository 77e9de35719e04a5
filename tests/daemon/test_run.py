"""A run over all galleries: what it looks at, what it passes by, and what one broken photo or gallery costs the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.errors import WorkerDied, WrongPath
from storage.digest import read_once
from storage.errors import Locked, NoSpace, ReadOnly
from storage.states import State
from storage.vault import Vault

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def test_a_missing_gallery_or_vault_forgets_nothing(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    away = home.root.rename(home.root.with_name("unplugged"))
    assert "is its disk mounted" in home.optimize().gone[0]
    home.root.mkdir()
    assert "the vault of " in home.optimize().gone[0]
    home.root.rmdir()
    away.rename(home.root)
    assert home.optimize().nothing_done
    assert home.state_of("a.jpg")[0] is State.RETIRED


def test_paths_choose_what_is_worked_on(home: Home, photo: Photo, tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (home.root / folder).mkdir()
        (home.root / folder / "a.jpg").write_bytes(photo(ord(folder)))
    assert home.optimize(home.root / "x").archived == 1
    assert home.optimize(home.root / "y" / "a.jpg").archived == 1
    with pytest.raises(WrongPath, match="in no configured gallery"):
        home.optimize(tmp_path)
    with pytest.raises(WrongPath, match="not there"):
        home.optimize(home.root / "nothing.jpg")


def test_a_photo_named_by_the_user_is_tried_again(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo(0, "refuse:graphic"))
    home.optimize()
    assert home.optimize(home.root).nothing_done
    assert dict(home.optimize(home.root / "a.jpg").left) == {"graphic": 1}


def test_a_second_instance_is_refused(home: Home) -> None:
    with home.shop(), pytest.raises(Locked), home.shop():
        pass


def test_a_missing_gallery_does_not_stop_the_others(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    here = home.places.config_file.read_text()
    home.places.config_file.write_text(f'[[gallery]]\npath = "{home.root.parent / "unplugged"}"\n{here}')
    done = home.optimize()
    assert (done.archived, len(done.gone)) == (1, 1)


def test_an_unreadable_photo_fails_and_the_next_goes_on(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    from daemon import optimizer
    from storage.errors import StorageError

    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        (home.root / name).write_bytes(photo(seed))
    troubles: dict[str, Exception] = {"a.jpg": ReadOnly("a.jpg may not be read"), "b.jpg": StorageError("b.jpg: input/output error")}

    def reading(path: Path) -> object:
        if path.name in troubles:
            raise troubles[path.name]
        return read_once(path)

    with monkeypatch.context() as patch:
        patch.setattr(optimizer, "read_once", reading)
        done = home.optimize()
    assert done.archived == 1
    assert [name for name, _ in done.failed] == ["a.jpg", "b.jpg"]
    assert home.state_of("a.jpg") == (State.FAILED, "not-permitted")
    assert home.state_of("b.jpg") == (State.FAILED, "disk-error")
    assert home.optimize().archived == 2


def test_a_photo_taken_away_is_no_longer_counted(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo(0, "refuse:graphic"))
    (home.root / "b.jpg").write_bytes(photo(1))
    home.optimize()
    (home.root / "a.jpg").unlink()
    assert home.optimize().nothing_done
    assert home.state_of("a.jpg") == (State.LEFT, "gone")
    (home.root / "a.jpg").write_bytes(photo(2))
    assert home.optimize().archived == 1


def test_another_grace_holds_for_what_was_set_aside_before(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.clock.forward(days=6)
    home.configure('grace = "30 days"')
    home.clock.forward(days=6)
    assert home.optimize().nothing_done
    home.configure('grace = "11 days"')
    assert home.optimize().purged == 1


def test_a_disk_that_stays_full_for_days_costs_no_photo(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Path:
        raise NoSpace("the disk is full")

    (home.root / "a.jpg").write_bytes(photo())
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "stage_archive", full)
        for _ in range(4):
            assert len(home.optimize().failed) == 1
    assert home.optimize().archived == 1


def test_a_worker_that_is_killed_is_tried_again_but_not_for_ever(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(job: object) -> object:
        raise WorkerDied("the encoding process ended unexpectedly (by signal SIGKILL)")

    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    with monkeypatch.context() as patch:
        patch.setattr(home.codec, "encode", killed)
        assert len(home.optimize(home.root / "a.jpg").failed) == 1
    assert home.optimize(home.root / "a.jpg").archived == 1
    with monkeypatch.context() as patch:
        patch.setattr(home.codec, "encode", killed)
        assert [len(home.optimize().failed) for _ in range(4)] == [1, 1, 1, 0]
    assert home.state_of("b.jpg") == (State.LEFT, "worker-died")


def test_a_gallery_that_can_not_be_written_does_not_stop_the_others(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    other = home.root.parent / "other"
    other.mkdir()
    for root in (home.root, other):
        (root / "a.jpg").write_bytes(photo())
    home.places.config_file.write_text(f'[[gallery]]\npath = "{other}"\n' + home.places.config_file.read_text())
    prepare = Vault.prepare

    def read_only(self: Vault, known: str = "") -> object:
        if self.root == other:
            raise ReadOnly(f"{other} is on a read-only file system")
        return prepare(self, known)

    with monkeypatch.context() as patch:
        patch.setattr(Vault, "prepare", read_only)
        done = home.optimize()
    assert done.archived == 1
    assert "read-only file system" in done.gone[0]
    assert (other / "a.jpg").read_bytes() == photo()
