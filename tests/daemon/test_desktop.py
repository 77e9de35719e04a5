"""Entries of file managers: written, taken away again, and nobody else's touched."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from defusedxml.ElementTree import fromstring

from daemon import desktop
from daemon.cli.main import cli
from daemon.errors import CommandFailed, NothingToDo
from daemon.places import Places

PROGRAM = Path("/opt/photos of anna/bin/gallery-optimizer")
OTHERS = b"<?xml version='1.0'?><actions><action><name>Mine</name><unique-id>1-1</unique-id><command>x %f</command></action></actions>"


@pytest.fixture
def data(sealed_home: Path) -> Path:
    return sealed_home / ".local/share"


@pytest.fixture
def actions(sealed_home: Path) -> Path:
    return sealed_home / ".config/Thunar/uca.xml"


def test_everything_is_written_and_taken_away(data: Path, actions: Path) -> None:
    actions.parent.mkdir(parents=True)
    actions.write_bytes(OTHERS)
    told = desktop.install(PROGRAM)
    script = data / "nautilus/scripts/Restore the full photo"
    assert os.access(script, os.X_OK)
    assert [str(path) in "\n".join(told) for path, _, _ in desktop.files(PROGRAM, data)] == [True] * 4
    assert [each.findtext("name") for each in fromstring(actions.read_bytes())] == ["Mine", "Restore the full photo"]
    desktop.install(PROGRAM)
    assert len(list(fromstring(actions.read_bytes()))) == 2, "once, however often it is installed"
    desktop.uninstall()
    assert [each.findtext("name") for each in fromstring(actions.read_bytes())] == ["Mine"]
    assert not [path for path, _, _ in desktop.files(PROGRAM, data) if path.exists()]
    with pytest.raises(NothingToDo, match="no entries"):
        desktop.uninstall()


def test_a_list_of_actions_that_can_not_be_read_stays(actions: Path) -> None:
    actions.parent.mkdir(parents=True)
    actions.write_bytes(b"<actions><action>")
    with pytest.raises(CommandFailed, match="stays as it is"):
        desktop.install(PROGRAM)
    assert actions.read_bytes() == b"<actions><action>"


def test_desktop_files_say_what_the_specification_wants(data: Path) -> None:
    desktop.install(PROGRAM)
    menu = configparser.RawConfigParser(strict=True)
    menu.optionxform = str  # type: ignore[assignment, method-assign]
    menu.read(data / "kio/servicemenus/gallery-optimizer-restore.desktop")
    assert menu["Desktop Entry"]["Actions"] == "restore"
    assert menu["Desktop Action restore"]["Exec"] == f'"{data}/nautilus/scripts/Restore the full photo" %F'
    thumbnailer = (data / "thumbnailers/gallery-optimizer.thumbnailer").read_text()
    assert f'Exec="{PROGRAM}" thumbnail %i %o %s\nMimeType=application/x-nphoto;\n' in thumbnailer
    mime = fromstring((data / "mime/packages/gallery-optimizer.xml").read_bytes())
    assert mime[0].attrib["type"] == "application/x-nphoto"


def test_the_script_restores_what_is_selected(tmp_path: Path, data: Path) -> None:
    program = tmp_path / "a program"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@" > "$0.said"\nexit 7\n')
    program.chmod(0o755)
    desktop.install(program)
    script = data / "nautilus/scripts/Restore the full photo"
    done = subprocess.run([script, "/photos/it's one.jpg", "/photos/$two.jpg"], env={"PATH": "/bin:/usr/bin"}, check=False)
    assert done.returncode == 7
    assert Path(f"{program}.said").read_text() == "restore|--|/photos/it's one.jpg|/photos/$two.jpg|"


@pytest.mark.skipif(not shutil.which("update-mime-database"), reason="shared-mime-info is not installed")
def test_the_type_is_known(data: Path) -> None:
    desktop.install(PROGRAM)
    assert "application/x-nphoto:*.nphoto" in (data / "mime/globs").read_text()


def test_the_command(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("daemon.units.program", lambda: PROGRAM)
    base = ["--config", str(tmp_path / "none.toml"), "--state", str(tmp_path / "state"), "service"]
    done = CliRunner().invoke(cli, [*base, "install", "--desktop"])
    assert (done.exit_code, done.output.count("Written: ")) == (0, 5)
    assert CliRunner().invoke(cli, [*base, "uninstall", "--desktop"]).exit_code == 0
    assert CliRunner().invoke(cli, [*base, "uninstall", "--desktop"]).exit_code == 3


def test_the_entries_know_the_places_that_were_given(data: Path, tmp_path: Path) -> None:
    """Two set-ups live side by side: a right click has to reach the one whose photos they are. A photo may be called like an option."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 3\n")
    program.chmod(0o755)
    desktop.install(program, Places(tmp_path / "of anna.toml", tmp_path / "state"))
    script = data / "nautilus/scripts/Restore the full photo"
    script.write_text(script.read_text().replace("said=$(", "(").replace("2>&1)", ")"))
    done = subprocess.run([script, "--all.jpg", "a b.jpg"], capture_output=True, text=True, env={"PATH": "/nowhere"}, check=False)
    assert done.returncode == 3
    options = ["--config", str(tmp_path / "of anna.toml"), "--state", str(tmp_path / "state")]
    assert done.stdout.splitlines() == [*options, "restore", "--", "--all.jpg", "a b.jpg"]
    thumbnailer = (data / "thumbnailers/gallery-optimizer.thumbnailer").read_text()
    assert f'Exec={program} --config "{tmp_path}/of anna.toml" --state {tmp_path}/state thumbnail %i %o %s' in thumbnailer
