"""Whether work may go on: from facts, and from the files that the facts are read from."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import machine
from daemon.gate import EASED, Facts, hold
from daemon.machine import Machine, Room
from daemon.settings import Schedule, parse
from daemon.waits import WAITS, Hold

SHARE = st.floats(0, 1)
FACTS = st.builds(
    Facts,
    on_ac_power=st.sampled_from([None, True, False]),
    battery=st.none() | SHARE,
    load=st.none() | SHARE,
    session_active=st.sampled_from([None, True, False]),
    hot_disk=st.sampled_from(["", "nvme, 80 °C"]),
)


def schedule(text: str = "") -> Schedule:
    return parse(f'[[gallery]]\npath = "/photos"\n[schedule]\n{text}', "c.toml").schedule


@given(FACTS)
def test_what_the_machine_does_not_say_is_no_reason(facts: Facts) -> None:
    assert hold(Facts(), schedule()) is None
    found = hold(facts, schedule())
    assert found is None or found.reason in WAITS


@given(FACTS, st.booleans())
def test_each_reason_needs_its_fact(facts: Facts, made_up: bool) -> None:
    found = hold(facts, schedule(), made_up=made_up)
    assert (found is not None) == (
        facts.on_ac_power is False
        or bool(facts.hot_disk)
        or (made_up and facts.session_active is True)
        or (facts.load is not None and facts.load > 0.7)
    )


@given(SHARE, st.none() | SHARE)
def test_on_battery_only_as_the_user_allows(least: float, battery: float | None) -> None:
    allowed = schedule(f"only_on_ac_power = false\nmin_battery = {least:.6f}")
    found = hold(Facts(on_ac_power=False, battery=battery), allowed)
    assert found == (Hold("battery-low", f"{battery:.0%}") if battery is not None and battery < allowed.min_battery else None)
    assert hold(Facts(on_ac_power=False, battery=battery), schedule()) == Hold("on-battery")
    assert hold(Facts(on_ac_power=True, battery=battery), schedule()) is None


@given(SHARE, SHARE)
def test_a_load_has_to_ease_before_work_goes_on(most: float, load: float) -> None:
    rules = schedule(f"max_load = {most:.6f}")
    fresh = hold(Facts(load=load), rules)
    waited = hold(Facts(load=load), rules, before=Hold("load"))
    if rules.max_load == 1:
        assert fresh is waited is None
    else:
        assert (fresh is not None) == (load > rules.max_load)
        assert (waited is not None) == (load > rules.max_load * EASED)


def test_somebody_at_the_screen() -> None:
    facts = Facts(session_active=True)
    assert hold(facts, schedule()) is None
    assert hold(facts, schedule("only_when_idle_session = true")) == Hold("session")
    assert hold(facts, schedule(), made_up=True) == Hold("session")


class Files:
    """A made-up /sys and /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.time = 1000.0
        self.own_s = 0.0
        self.write("proc/loadavg", "0.50 0.1 0.1 1/100 1")
        self.busy(0.0)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    def busy(self, seconds: float) -> None:
        ticks = round(seconds * 100)
        self.write("proc/stat", f"cpu {ticks} 0 0 999 7 0 0 0 0 0\ncpu0 1 0 0 0\ncpu1 1 0 0 0\nintr 5")

    def supply(self, name: str, **facts: str) -> None:
        for fact, text in facts.items():
            self.write(f"sys/class/power_supply/{name}/{fact}", text)

    def machine(self) -> Machine:
        return Machine(self.root / "sys", self.root / "proc", lambda: self.time, lambda: None, lambda: self.own_s)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_server_without_power_supplies_says_nothing(files: Files) -> None:
    facts = files.machine().facts()
    assert (facts.on_ac_power, facts.battery, facts.hot_disk, facts.session_active) == (None, None, "", None)


@pytest.mark.parametrize(
    ("online", "status", "expected"),
    [("1", "Charging", True), ("0", "Discharging", False), ("1", "Discharging", True), ("0", "Unknown", False)],
)
def test_a_laptop(files: Files, online: str, status: str, expected: bool) -> None:
    files.supply("AC", type="Mains", online=online)
    files.supply("BAT0", type="Battery", status=status, capacity="41")
    files.supply("hid-mouse", type="Battery", scope="Device", status="Discharging", capacity="3")
    facts = files.machine().facts()
    assert (facts.on_ac_power, facts.battery) == (expected, 0.41)


def test_a_desktop_with_empty_sockets_is_not_on_battery(files: Files) -> None:
    files.supply("ucsi-source-psy-1", type="USB", online="0")
    assert files.machine().facts().on_ac_power is None


def test_a_hot_disk(files: Files) -> None:
    for name, now in (("hwmon0", "41000"), ("hwmon1", "55000")):
        files.write(f"sys/class/hwmon/{name}/name", "drivetemp")
        files.write(f"sys/class/hwmon/{name}/temp1_input", now)
        files.write(f"sys/class/hwmon/{name}/temp1_max", "55000")
    assert files.machine().facts().hot_disk == "drivetemp, 55 °C"


def test_the_load_of_others_is_what_we_did_not_use(files: Files) -> None:
    found = files.machine()
    assert found.facts().load == 0.25, "at first by the average that the kernel keeps: half a core of two"
    files.time, files.own_s = files.time + 60, 50.0
    files.busy(80.0)
    assert found.facts().load == pytest.approx(30 / 60 / 2)
    files.time += 5
    files.busy(90.0)
    assert found.facts().load == pytest.approx(30 / 60 / 2), "too soon to tell anything new"
    files.time += 60
    files.own_s = 20.0
    assert 0 <= (found.facts().load or 0) <= 1, "a worker that ended took its seconds with it"


def test_numbers_that_are_none(files: Files) -> None:
    files.write("proc/stat", "cpu one two")
    files.supply("BAT0", type="Battery", status="Discharging", capacity="many")
    facts = files.machine().facts()
    assert (facts.load, facts.battery, facts.on_ac_power) == (None, None, False)


def test_room() -> None:
    room = Room(free_bytes=50, total_bytes=1000)
    assert not room.is_below(None)
    assert room.is_below(0.1)
    assert not room.is_below(0.05)
    assert room.is_below(51)
    assert Room.of(Path("/nowhere/at/all")) is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [("ActiveSession=3\nIdleHint=no\n", True), ("ActiveSession=3\nIdleHint=yes\n", False), ("ActiveSession=\nIdleHint=no\n", False)],
)
def test_who_is_at_the_screen(told: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "loginctl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{told}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.session_active() is expected
    program.write_text("#!/bin/sh\nexit 1\n")
    assert machine.session_active() is None
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert machine.session_active() is None
