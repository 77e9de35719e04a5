"""systemd reads the unit files without a complaint, and they name the program that is installed."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def units(root: Path) -> list[Path]:
    return sorted((root / "systemd").iterdir())


def test_systemd_understands_them(root: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "program"
    program.touch(mode=0o755)  # systemd looks whether it is there, which depends on the computer
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in units(root):
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={program}", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (folder / unit.name.replace("@.", "@anna.")).write_text(text, encoding="utf-8")  # an instance, as it would run
    for unit in sorted(folder.iterdir()):
        result = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
        )
        complaints = [line for line in result.stderr.splitlines() if "gallery-optimizer" in line or "rogram" in line]
        assert not complaints
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["gallery-optimizer@.service"])
def test_the_system_unit_has_little_to_lose(root: Path, name: str) -> None:
    """systemd's own score, from 0 to 10: at most 2.0."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", str(root / "systemd" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze can't judge a unit that is not loaded")
    assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()[-1:]


def test_they_start_what_is_installed(root: Path) -> None:
    scripts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    for unit in units(root):
        for line in re.findall(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
            assert any(line.endswith(f"/{name} run") for name in scripts)


def test_every_hardening_is_explained(root: Path) -> None:
    """A block of settings without a comment above it is one that nobody dares to change."""
    for unit in units(root):
        if unit.suffix != ".service":
            continue
        text = unit.read_text(encoding="utf-8").split("[Service]", 1)[1].split("[Install]", 1)[0].rstrip()
        for block in text.split("\n\n")[1:]:
            assert block.lstrip().startswith("#"), f"{unit.name}: {block[:60]}"


def test_a_stop_while_it_starts_is_no_failure(root: Path) -> None:
    """Seen under a system manager: SIGTERM before the service had its own handler left the unit "failed"."""
    stopped = "import os, signal, sys; from daemon.cli import main; sys.argv[1:] = ['run']; "
    stopped += "main.Places.find = lambda *_: os.kill(os.getpid(), signal.SIGTERM); main.main()"
    done = subprocess.run([sys.executable, "-c", stopped], capture_output=True, check=False, cwd=root)
    assert done.returncode > 0, done.stderr
    for unit in units(root):
        if unit.suffix == ".service":
            assert f"\nSuccessExitStatus={done.returncode}\n" in unit.read_text(encoding="utf-8")
