"""`service install`, `uninstall` and `status` against a made-up systemctl, and `optimize --scheduled`."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from daemon import composition, units, zone
from daemon.cli.main import cli
from daemon.errors import CommandFailed
from daemon.machine import Machine
from daemon.pausing import pause, resume
from daemon.places import CONFIG_VARIABLE, STATE_VARIABLE
from daemon.units import Unit
from storage.lock import InstanceLock

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Run = Callable[..., Result]
Photo = Callable[..., bytes]
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that notes what it was asked, and says of a unit what the file `answer` says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    answer = tmp_path / "answer"
    (folder / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ -e {answer} ] && cat {answer}\nexit 0\n')
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path / "calls"


@pytest.fixture
def run(home: Home, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(composition.Workshop.__init__, "__defaults__", (home.clock, lambda settings: home.codec))
    monkeypatch.setattr(zone, "get_localzone", lambda: BERLIN)

    def invoke(*arguments: object, given: bool = True) -> Result:
        options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)] if given else []
        return CliRunner().invoke(cli, [*options, *map(str, arguments)], prog_name="gallery-optimizer")

    return invoke


def test_install_writes_a_unit_and_has_it_started(run: Run, home: Home, calls: Path, sealed_home: Path) -> None:
    done = run("service", "install")
    assert done.exit_code == 0, done.stderr
    unit = sealed_home / ".config/systemd/user/gallery-optimizer.service"
    text = unit.read_text()
    assert f"ExecStart={units.program()} run" in text
    assert "Type=notify" in text
    assert f'Environment="{CONFIG_VARIABLE}={home.places.config_file}"' in text
    assert f'Environment="{STATE_VARIABLE}={home.places.state_folder}"' in text
    assert calls.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable gallery-optimizer.service",
        "--user restart gallery-optimizer.service",
    ]
    assert run("service", "install", "--no-start").exit_code == 0, "again, after an update"
    assert run("service", "uninstall").exit_code == 0
    assert not unit.exists()
    assert "disable --now gallery-optimizer.service" in calls.read_text()
    assert run("service", "uninstall").exit_code == 3


def test_without_options_the_usual_places_are_left_to_the_program(sealed_home: Path) -> None:
    text = Unit().text(Path("/opt/a b/100%/gallery-optimizer"), None)
    assert "ExecStart=/opt/a\\x20b/100%%/gallery-optimizer run" in text
    assert CONFIG_VARIABLE not in text


def test_where_the_environment_says_so_the_service_has_these_places_too(
    run: Run, home: Home, calls: Path, sealed_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(home.places.config_file))
    assert run("service", "install", given=False).exit_code == 0
    text = (sealed_home / ".config/systemd/user/gallery-optimizer.service").read_text()
    assert f'Environment="{CONFIG_VARIABLE}={home.places.config_file}"' in text
    assert run("--set", "schedule.window=always", "service", "install").exit_code == 2, "it would not reach the service"


@pytest.fixture
def anna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's units, and a user whose home is not below /home."""
    monkeypatch.setattr(units, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr(units, "system_config", lambda user: tmp_path / f"{user}.toml")
    monkeypatch.setattr(units, "_home_of", lambda user: str(tmp_path / "homes" / user))
    monkeypatch.setattr(units, "try_as", lambda unit, program, config: None)  # there is no such user
    return tmp_path


def test_the_systems_unit_serves_several_users(run: Run, home: Home, calls: Path, anna: Path) -> None:
    assert run("service", "install", "--system", "--user", "anna", given=False).exit_code == 10, "no configuration of hers"
    (anna / "anna.toml").write_text('[[gallery]]\npath = "~/DCIM"\n')
    assert run("service", "install", "--system", "--user", "anna", given=False).exit_code == 0
    unit, own = anna / "system/gallery-optimizer@.service", anna / "system/gallery-optimizer@anna.service.d/gallery-optimizer.conf"
    assert "Environment=" + CONFIG_VARIABLE + "=/etc/gallery-optimizer/%i.toml" in unit.read_text()
    assert own.read_text().splitlines()[1:] == ["[Service]", f"ReadWritePaths=-{anna}/homes/anna/DCIM"]
    before = unit.read_text()
    assert run("service", "install", "--system", "--user", "bob").exit_code == 0
    assert unit.read_text() == before, "bob's places are none of anna's business"
    his = (anna / "system/gallery-optimizer@bob.service.d/gallery-optimizer.conf").read_text()
    assert f'Environment="{CONFIG_VARIABLE}={home.places.config_file}"' in his
    assert f"ReadWritePaths=-{home.places.state_folder}\n" in his
    assert f"ReadWritePaths=-{home.root}\n" in his
    assert run("service", "uninstall", "--system", "--user", "anna").exit_code == 0
    assert not own.exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_program_that_its_user_can_not_start_is_not_installed(tmp_path: Path) -> None:
    """systemd said "203/EXEC", and tried again five times: the program lay in root's home folder."""
    tmp_path.chmod(0o755)
    for folder in (each for each in tmp_path.parents if each != Path("/")):
        folder.chmod(folder.stat().st_mode | 0o001)
    program, config = tmp_path / "bin" / "gallery-optimizer", tmp_path / "nobody.toml"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ncat $2\n")
    program.chmod(0o755)
    config.touch()
    units.try_as(Unit("nobody"), program, config)
    config.chmod(0o600)
    with pytest.raises(CommandFailed, match=r"started as nobody, would end at once: .*Permission denied"):
        units.try_as(Unit("nobody"), program, config)
    program.parent.chmod(0o700)
    with pytest.raises(CommandFailed, match="nobody can't start"):
        units.try_as(Unit("nobody"), program, config)


def test_what_lies_at_home_needs_nothing_of_its_own() -> None:
    assert Unit("anna").drop_in(None, [Path("/home/anna/DCIM")]) == ""


def test_where_systemd_can_not_be_reached_the_way_on_is_said(run: Run, calls: Path, sealed_home: Path) -> None:
    (calls.parent / "bin/systemctl").write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    done = run("service", "install")
    assert done.exit_code == 1
    assert "is written, but the service could not be started. systemctl --user daemon-reload failed: no bus" in done.stderr
    assert "Try again with: systemctl --user daemon-reload && systemctl --user enable --now gallery-optimizer.service" in done.stderr


def test_after_su_or_sudo_it_says_what_is_missing(run: Run, calls: Path, sealed_home: Path) -> None:
    (calls.parent / "bin/systemctl").write_text("#!/bin/sh\necho Failed to connect to bus: No medium found >&2\nexit 1\n")
    assert "su and sudo begin no session" in run("service", "install").stderr


def test_a_service_that_would_end_at_once_is_not_installed(run: Run, home: Home, calls: Path, sealed_home: Path) -> None:
    home.places.config_file.unlink()
    assert run("service", "install").exit_code == 10
    assert not (sealed_home / ".config/systemd").exists()
    assert not calls.exists()


@pytest.mark.parametrize("arguments", [("--system",), ("--user", "anna"), ("--system", "--user", "nobody-of-that-name")])
def test_install_says_what_is_wrong(run: Run, calls: Path, arguments: tuple[str, ...]) -> None:
    done = run("service", "install", *arguments)
    assert done.exit_code in (1, 2)
    assert "user" in done.stderr


def test_never_as_root(run: Run, calls: Path) -> None:
    assert "not run as root" in run("service", "install", "--system", "--user", "root").stderr


def test_status(run: Run, home: Home, calls: Path) -> None:
    assert run("service", "status").exit_code == 3
    (calls.parent / "answer").write_text(
        "ActiveState=active\nSubState=running\nUnitFileState=enabled\nStatusText=12/340, 3.1 GB saved\nResult=success\nNRestarts=2\n"
    )
    done = run("service", "status")
    assert done.exit_code == 0
    assert "active (running), enabled: 12/340, 3.1 GB saved" in done.stdout
    told = run("service", "status", "--json")
    assert '"doing": "12/340, 3.1 GB saved"' in told.stdout
    assert '"restarts": 2' in told.stdout


def test_status_knows_of_a_service_that_systemd_did_not_start(run: Run, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    home.places.state_folder.mkdir()
    with InstanceLock(home.places.service_lock_file):
        done, again = run("service", "status"), run("run")
    assert done.exit_code == 0
    assert f"process {os.getpid()}" in done.stdout
    assert again.exit_code == 11
    assert f"the service runs already as process {os.getpid()}" in again.stderr
    assert "pause" not in again.stderr, "that would not let a second one in"


def test_scheduled_keeps_to_the_hours_and_the_idle_photos(run: Run, home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    home.clock.time = datetime(2035, 5, 1, 12, tzinfo=BERLIN)
    home.configure('idle_for = "30 days"', schedule="max_load = 1.0\nnightly_files = 1")
    for seed, age_days in enumerate((100, 200, 3)):
        path = home.root / f"{seed}.jpg"
        path.write_bytes(photo(seed))
        moment = home.clock.time.timestamp() - age_days * 86400
        os.utime(path, (moment, moment))
    done = run("optimize", "--scheduled")
    assert (done.exit_code, "hours of work" in done.stderr, "01:00-06:00" in done.stderr) == (3, True, True)
    home.clock.time = datetime(2035, 5, 2, 2, tzinfo=BERLIN)
    pause(home.places)
    assert "told to pause" in run("optimize", "--scheduled").stderr
    resume(home.places)
    facts = Machine.facts
    monkeypatch.setattr(Machine, "facts", lambda self, **_: facts(self).__class__(on_ac_power=False))
    assert "battery" in run("optimize", "--scheduled").stderr
    monkeypatch.setattr(Machine, "facts", lambda self, **_: facts(self).__class__(on_ac_power=True))
    done = run("optimize", "--scheduled")
    assert done.exit_code == 0, done.stderr
    assert "Archived: 1 photo" in done.stdout
    assert "1.jpg: archived" in done.stderr, "the one that was left alone for longest"
    assert run("optimize", "--scheduled").exit_code == 3, "one photo a night"
    home.clock.forward(days=1)
    assert "Archived: 1 photo" in run("optimize", "--scheduled").stdout
    home.clock.forward(days=1)
    assert run("optimize", "--scheduled").exit_code == 3, "the third is not idle yet"
    assert run("optimize", "--scheduled", "--dry-run").exit_code == 2
