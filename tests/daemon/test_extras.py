"""What is said where a package of an extra is missing."""

from __future__ import annotations

import re
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from daemon import extras


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program, with these requirements."""
    lines = ["click>=8.2", 'mfusepy>=3.1; extra == "mount"', 'starlette>=1.0; extra == "serve"', 'jinja2>=3.1 ; extra == "serve"']
    monkeypatch.setattr(extras, "requires", lambda name: lines)


@pytest.mark.usefixtures("installed")
def test_it_is_a_command_for_this_very_environment() -> None:
    """`pip install "gallery-optimizer[serve]"` found nothing, or whatever a stranger gave that name."""
    said = extras.how_to_install("serve")
    assert said == f'install it where this program is: {sys.executable} -m pip install "starlette>=1.0" "jinja2>=3.1"'


@pytest.mark.usefixtures("installed")
def test_a_system_that_installs_its_packages_itself_is_told_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert extras.how_to_install("mount") == f'install "mfusepy>=3.1" as your system installs packages for {sys.executable}.'


@pytest.mark.usefixtures("installed")
def test_an_extra_that_the_installation_does_not_know() -> None:
    assert 'pip install ".[parity]"' in extras.how_to_install("parity")


def test_the_extras_that_are_named_are_those_of_the_project(root: Path) -> None:
    known = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    code = "\n".join(path.read_text() for path in (root / "daemon").rglob("*.py"))
    named = set(re.findall(r"how_to_install\([\"'](\w+)[\"']\)", code))
    assert named
    assert named <= set(known)
