"""Who may import whom, and what an import may cost."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("codec", "storage", "daemon")


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=root, capture_output=True, text=True, check=False)


def test_import_rules_hold(root: Path) -> None:
    result = run(root, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_the_three_names_are_ours_alone(package: str) -> None:
    # python-daemon, for one, also installs a `daemon`; whichever came last would win, silently.
    owners = {name.lower().replace("_", "-") for name in importlib.metadata.packages_distributions().get(package, [])}
    assert owners == {"gallery-optimizer"}, f"{package} belongs to {owners or 'no installed distribution: run make test'}"


def loaded_by(root: Path, statement: str) -> set[str]:
    result = run(root, "-c", f"import sys; {statement}; print('\\n'.join(sys.modules))")
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["codec", "storage", "daemon", "daemon.cli.main"])
def test_importing_is_cheap(root: Path, module: str) -> None:
    """`status` must answer at once, so nothing heavy is loaded before a command asks for it."""
    heavy = {"torch", "numba", "scipy"} & loaded_by(root, f"import {module}")
    assert not heavy, f"importing {module} loads {sorted(heavy)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_published(root: Path, package: str) -> None:
    assert (root / package / "py.typed").is_file()
