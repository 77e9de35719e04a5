from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from daemon import composition, settings
from daemon.cli.main import cli
from daemon.composition import Workshop
from daemon.dry_run import dry_run
from daemon.errors import WrongPath
from daemon.forecast import Forecast
from daemon.messages import EncodeJob
from daemon.ports import Silence
from storage.errors import ReadOnly
from storage.lock import InstanceLock
from storage.vault import Vault

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def traces(folder: Path, *, atime: bool = True) -> dict[str, tuple[object, ...]]:
    """All that can be seen of every file and folder: bytes, kind, mode, owner, times. A folder's own access time is not among them: listing
    it is what `ls` does, too."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        seen = path.lstat()
        facts: tuple[object, ...] = (seen.st_ino, seen.st_mode, seen.st_uid, seen.st_nlink, seen.st_mtime_ns, seen.st_ctime_ns)
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
            with open(descriptor, "rb") as file:
                facts = (*facts, seen.st_atime_ns if atime else None, hashlib.sha256(file.read()).hexdigest())
        found[str(path)] = facts
    return found


def forecast(home: Home, *paths: Path, **budget: float) -> Forecast:
    with Workshop(home.places, settings.read(home.places.config_file), home.clock, lambda _: home.codec, rehearsal=True) as shop:
        return dry_run(shop, list(paths), Silence(), **budget)  # type: ignore[arg-type]


def call(home: Home, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """The command itself, with this process's codec."""
    monkeypatch.setattr(composition, "SystemClock", lambda: home.clock)
    monkeypatch.setattr(Workshop.__init__, "__defaults__", (None, lambda _: home.codec))
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    return CliRunner().invoke(cli, [*options, *arguments], catch_exceptions=False)


@pytest.fixture
def full(home: Home, photo: Photo) -> Home:
    """A gallery that was worked on once, with something of every kind since: archived, out of grace, left, failed, new."""

    def put(name: str, data: bytes) -> None:
        (home.root / name).write_bytes(data)
        os.utime(home.root / name, ns=(10**18, 11 * 10**17))  # long not read: reading would show

    home.configure('grace = "0 days"\nkeep = ["kept*"]')
    put("old.jpg", photo(seed=1))
    put("left.jpg", photo(seed=2, wish="refuse:cmyk"))
    home.optimize()
    home.configure('keep = ["kept*"]')
    put("retired.jpg", photo(seed=3))
    home.optimize()
    (home.root / "sub").mkdir()
    for number in range(4):
        put(f"sub/new{number}.jpg", photo(seed=10 + number))
    put("cmyk.jpg", photo(seed=20, wish="refuse:cmyk"))
    put("kept.jpg", photo(seed=21))
    put("empty.jpg", b"")
    home.clock.forward(days=8)
    home.codec.jobs.clear()
    return home


def test_nothing_changes_but_the_note_of_the_estimate(full: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = full.places.state_folder
    gallery, state = traces(full.root), traces(folder, atime=False)
    said = call(full, monkeypatch, "optimize", "--dry-run")
    assert said.exit_code == 0, said.output
    assert "Nothing was changed." in said.output
    assert traces(full.root) == gallery
    after = traces(folder, atime=False)
    assert after.pop(str(full.places.estimates_file), None) is not None
    assert after.pop(str(folder)) != state.pop(str(folder)), "the folder itself shows that something was written in it"
    assert after == state


def test_what_a_run_then_really_does(full: Home) -> None:
    found = forecast(full)
    assert found.complete
    assert found.due == 1
    assert {reason: counts["photos"] for reason, counts in found.skipped.items()} == {"cmyk": 1, "kept": 1, "empty": 1}
    assert [part.name for part in found.likely_left] == ["cmyk"]
    done = full.optimize()
    assert (done.archived, done.worked, done.purged) == (4, found.photos, 1)
    assert found.lanes[0].photos == done.archived
    assert done.saving_bytes == round(found.saving.total)
    assert done.worked_bytes == found.original_bytes


def test_before_the_first_run_nothing_is_made(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    before = traces(home.root)
    assert forecast(home).photos == 1
    assert traces(home.root) == before
    assert not home.places.state_folder.exists()
    assert not (home.root / ".gallery-optimizer").exists()


def test_while_another_instance_works(full: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with InstanceLock(full.places.lock_file), Vault(full.root).lock():
        assert call(full, monkeypatch, "optimize", "--dry-run", "--json").exit_code == 0


def test_a_sample_within_its_budget(home: Home, photo: Photo) -> None:
    for number in range(12):
        (home.root / f"{number}.jpg").write_bytes(photo(seed=number))
    assert len(forecast(home, sample=5).trials) == 5
    assert len(forecast(home, seconds=0).trials) == 1, "one at least"
    found = forecast(home, sample=5)
    assert not found.complete
    saving = found.saving
    assert saving.low is not None
    assert saving.high is not None
    with_all = forecast(home).saving
    assert saving.low <= with_all.total <= saving.high
    assert sum(isinstance(job, EncodeJob) for job in home.codec.jobs) == 5 + 1 + 5 + 12


def test_only_what_is_named(full: Home) -> None:
    found = forecast(full, full.root / "sub")
    assert (found.photos, dict(found.skipped)) == (4, {})
    with pytest.raises(WrongPath):
        forecast(full, Path("/nowhere"))


def test_no_photo_and_one_photo(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(home, monkeypatch, "optimize", "--dry-run").exit_code == 3
    (home.root / "a.jpg").write_bytes(photo())
    said = call(home, monkeypatch, "optimize", "--dry-run")
    assert said.exit_code == 0
    assert "It was encoded" in said.output
    (home.root / "a.jpg").unlink()
    (home.root / "empty.jpg").touch()
    said = call(home, monkeypatch, "optimize", "--dry-run")
    assert said.exit_code == 3
    assert "1 photo, 0 bytes: the file is empty" in said.output


def test_a_gallery_that_is_not_there_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.root.rmdir()
    said = call(home, monkeypatch, "optimize", "--dry-run")
    assert said.exit_code == 1
    assert "is its disk mounted?" in said.output


def test_an_archive_that_would_not_be_proven_saves_nothing(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo(wish="forged"))
    found = forecast(home)
    assert [part.name for part in found.likely_left] == ["proof-failed"]
    assert found.saving.total == 0
    assert home.optimize().left == {"proof-failed": 1}


def test_failures_of_the_codec_are_no_prediction(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo(wish="raise"))
    said = call(home, monkeypatch, "optimize", "--dry-run")
    assert said.exit_code == 1
    assert "1 photo of the sample could not be encoded" in said.output
    assert not home.places.estimates_file.exists()


def test_an_interrupt_leaves_nothing(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    before = traces(home.root)

    def stop(job: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(home.codec, "encode", stop)
    said = call(home, monkeypatch, "optimize", "--dry-run")
    assert said.exit_code == 130
    assert traces(home.root) == before
    assert not home.places.state_folder.exists()


def test_json_for_scripts(full: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    said = call(full, monkeypatch, "optimize", "--dry-run", "--sample", "3", "--json")
    found = json.loads(said.stdout)
    assert (found["version"], found["command"], found["dry_run"], found["photos"]) == (1, "optimize", True, 5)
    assert found["sample"]["photos"] == 3
    assert found["saving_bytes"]["low"] <= found["saving_bytes"]["estimate"] <= found["saving_bytes"]["high"]
    assert found["purge"]["photos"] == 1
    assert found["left"]["kept"]["photos"] == 1


def test_it_says_that_the_saving_comes_only_after_the_grace(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    said = call(home, monkeypatch, "optimize", "--dry-run").output
    assert "Space free:  after the grace (7 days), by the first run that then purges the originals. Until then" in said
    told = json.loads(call(home, monkeypatch, "optimize", "--dry-run", "--json").stdout)
    assert (told["grace_s"], told["purge_conditions"]) == ([7 * 86400] * 2, [])
    used = sum(path.stat().st_blocks for path in home.root.rglob("*"))
    done = home.optimize()
    assert told["beside_bytes"] == pytest.approx(done.archive_bytes + done.stand_in_bytes, abs=100), "but for the name of a vault"
    assert sum(path.stat().st_blocks for path in home.root.rglob("*")) > used, "more is taken than before"


def test_of_two_graces_both_are_named_and_none_at_all_is_said(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    (home.root.parent / "Second").mkdir()
    (home.root.parent / "Second" / "b.jpg").write_bytes(photo(1))
    second = f'[[gallery]]\npath = "{home.root.parent / "Second"}"\n'
    home.configure('grace = "0 days"\n' + second + 'grace = "12 hours"')
    assert "after the grace (0 days to 12 hours)" in call(home, monkeypatch, "optimize", "--dry-run").output
    home.configure('grace = "0 days"')
    said = call(home, monkeypatch, "optimize", "--dry-run").output
    assert "Space free:  in the same run (grace: 0 days).\n" in said
    home.configure('grace = "0 days"\nbackup_check = "/bin/true"')
    said = call(home, monkeypatch, "optimize", "--dry-run").output
    assert "in the same run (grace: 0 days); each of them waits for more: backup_check has to say" in said


def test_its_options_are_its_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(home, monkeypatch, "optimize", "--sample", "3").exit_code == 2


def test_what_may_not_be_changed_costs_no_encoding_and_is_told(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    def held_fast(path: Path) -> None:
        raise ReadOnly(f"{path.parent} may not be changed by this user")

    monkeypatch.setattr("daemon.dry_run.check_movable", held_fast)
    (home.root / "a.jpg").write_bytes(photo())
    said = call(home, monkeypatch, "optimize", "--dry-run", "--json")
    assert said.exit_code == 1
    assert "Would fail: a.jpg: " in said.stderr
    told = json.loads(said.stdout)
    assert told["unreadable"][0]["photo"] == "a.jpg"
    assert list(told["left_after_encoding"]) == ["not-permitted"]
    assert home.codec.encoded == 0
