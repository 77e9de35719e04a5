"""Every n-th call fails, or is the last of a killed process: `sweep` says how. Here the part of it that every run of the tests affords."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import InProcess
from tests.daemon.faults import Counting, Killing, behind
from tests.daemon.power import KINDS, Forgetful
from tests.daemon.scenarios import SCENARIOS, in_child
from tests.daemon.sweep import ALL_FAULTS, ANY_SAVING, THOROUGH, Sweep, real_codec, real_photo, small_photo


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as folder:
        yield Sweep(Path(folder), small_photo(), InProcess(), ANY_SAVING)


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "copy aside"])
@pytest.mark.parametrize(
    "name",
    [
        *("optimize, retire and purge", "restore the original", "restore a copy", "restore a tagged original", "purge a tagged original"),
        *("put a copy away", "copy beside an edit", "migrate"),
    ],
)
def test_a_sample_of_all_points(sweep: Sweep, name: str, exchange: bool) -> None:
    """Another residue for each scenario and mount, so that together they meet the points that all runs share."""
    shift = list(SCENARIOS).index(name) + 3 * exchange
    faults = ["kill", "EIO", "power cut, all dropped", "power cut, some of it"]
    points = sweep.run(name, faults, exchange=exchange, every=14, first=1 + shift)
    assert sweep.losses == []
    assert points >= 6


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "copy aside"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_all_points(sweep: Sweep, name: str, exchange: bool) -> None:
    """Each 29th of them, which takes some minutes; THOROUGH=1: all, which takes hours."""
    every = 1 if THOROUGH else 29
    points = sweep.run(name, ALL_FAULTS, exchange=exchange, every=every, first=1 + list(SCENARIOS).index(name) % every)
    assert sweep.losses == []
    print(f"{points} points, 0 losses")


@pytest.mark.slow
def test_with_the_real_codec(sweep: Sweep) -> None:
    codec = real_codec()
    try:
        real = Sweep(sweep.base, real_photo(), codec, ANY_SAVING)
        for name in ("optimize, retire and purge", "restore a copy"):
            assert real.run(name, ["kill"]) > 20
        assert real.losses == []
    finally:
        codec.close()


def test_the_layer_sees_what_it_should(sweep: Sweep, tmp_path: Path) -> None:
    """A sweep over a layer that misses calls would pass without meaning anything."""
    from storage import durable

    layer = Counting(only_changes=True)
    with behind(layer):
        durable.write_new(tmp_path / "a", b"1")
        durable.replace(tmp_path / "a", tmp_path / "b")
        durable.remove(tmp_path / "b")
    assert layer.points == [
        *("open", "write", "fsync", "renameat2", "fsync"),
        *("replace", "fsync"),
        *("unlink", "fsync"),
    ]
    assert in_child(lambda: durable.write_new(tmp_path / "c", b"1234"), Killing(2)) == -signal.SIGKILL
    (torn,) = tmp_path.iterdir()
    assert torn.read_bytes() == b"12"


def test_what_a_power_cut_may_leave(tmp_path: Path) -> None:
    """A file that is written, renamed and removed, each waited for: whole, in part, empty, or not there, and nothing else."""
    from storage import durable

    root, state = tmp_path / "root", tmp_path / "state"
    root.mkdir()
    state.mkdir()
    (state / "catalog").write_bytes(b"rows")
    (root / "old").write_bytes(b"old")
    os.utime(root / "old", (1.5e9, 1.5e9))
    layer = Forgetful(root, state / "catalog")
    with behind(layer):
        durable.write_new(root / "a", b"1234")
        durable.remove(root / "old")
    assert layer.points == ["open", "write", "fsync", "renameat2", "fsync", "unlink", "fsync"]
    seen: dict[tuple[int, str], dict[str, bytes]] = {}
    for disk, cuts in layer.disks.items():
        disk.put()
        names = {path.name if "tmp" not in path.name else "tmp": path.read_bytes() for path in root.iterdir()}
        seen |= dict.fromkeys(cuts, names)
        assert (state / "catalog").read_bytes() == b"rows"
        assert "old" not in names or (root / "old").stat().st_mtime == 1.5e9
    assert len(seen) == 7 * len(KINDS)
    old = {"old": b"old"}
    assert [seen[nth, "all dropped"] for nth in (1, 5, 6, 7)] == [old, old, {"a": b"1234"} | old, {"a": b"1234"} | old]
    assert [seen[nth, "names without bytes"] for nth in (2, 3, 4)] == [{"tmp": b""} | old, {"tmp": b""} | old, {"tmp": b"1234"} | old]
    assert seen[7, "names without bytes"] == {"a": b"1234"}
    assert b"1234".startswith(seen[3, "torn"]["tmp"])


def test_points_in_turn_meet_every_kind(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """All turns together are what is tried without them."""
    tried: list[tuple[str, int]] = []
    monkeypatch.setattr(sweep, "_interrupt", lambda *told: tried.append((told[2], told[3])))
    monkeypatch.setattr(sweep, "_judge", lambda *_, **__: None)
    kinds = ("EIO", "ENOSPC", "EROFS")
    turns = [sweep.run("purge", kinds, turn=turn) for turn in range(3)]
    together, tried = tried, []
    assert sum(turns) == len(set(together)) == sweep.run("purge", kinds)
    assert sorted(nth for _, nth in together[: turns[0]]) == list(range(1, turns[0] + 1))
    assert set(together) == set(tried)


def test_a_loss_is_told(sweep: Sweep) -> None:
    """The judge itself: what was purged, and then its archive was damaged."""
    scenario = SCENARIOS["optimize, retire and purge"]
    home, _ = sweep._begin(scenario, None, exchange=True)
    scenario.act(home)
    assert sweep.holds(home)
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    archive.write_bytes(archive.read_bytes()[:-1])
    assert not sweep.holds(home)


def test_a_disk_that_is_not_waited_for_loses_photos(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer that forgets is no comfort unless it catches a vault that never asks for an fsync."""
    monkeypatch.setattr(Forgetful, "_synced", lambda *_: None)
    sweep.run("purge", ["power cut, names without bytes"], first=10)
    sweep.run("optimize, retire and purge", ["power cut, names without bytes"], first=70)
    assert any("lost" in loss for loss in sweep.losses)
