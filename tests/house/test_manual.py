"""The man page and the completions are those of the parser as it is now, and can be read."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def manual(root: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location("make_manual", root / "scripts" / "make_manual.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_what_was_made_is_current(root: Path, manual: ModuleType) -> None:
    stale = [name for name, content in manual.files().items() if (root / name).read_text(encoding="utf-8") != content]
    assert not stale, "run `make manual`"


def test_the_page_has_every_command_key_and_exit_code(manual: ModuleType) -> None:
    page = manual.page().replace("\\-", "-")
    for path, command in manual._commands(manual.cli, manual.click.Context(manual.cli)):
        assert re.search(rf"^\.SS {re.escape(' '.join(path))}\b", page, re.MULTILINE), path
        for parameter in command.params:
            assert all(option in page for option in parameter.opts if option.startswith("--"))
    for key in manual.KEYS:
        assert f".B {key.name} =" in page
    for code in manual.MEANINGS:
        assert f".B {code.value}\n" in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_say_of_the_page(root: Path, manual: ModuleType) -> None:
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", root / manual.PAGE], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_can_read_its_completion(root: Path, manual: ModuleType) -> None:
    subprocess.run(["bash", "-n", root / manual.COMPLETIONS["bash"]], check=True)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_can_read_its_completion(root: Path, manual: ModuleType) -> None:
    subprocess.run(["zsh", "-n", root / manual.COMPLETIONS["zsh"]], check=True)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_what_fish_offers(root: Path, manual: ModuleType, tmp_path: Path) -> None:
    """Descriptions were cut at their first comma, and nothing was known that begins with ~ or stands behind "--to="."""
    program = tmp_path / "gallery-optimizer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m daemon.cli.main "$@"\n')
    program.chmod(0o755)
    (tmp_path / "Photos, all").mkdir()
    (tmp_path / "Photos.txt").touch()
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(root)}

    def offered(*lines: str) -> list[str]:
        asked = "; echo; ".join(f"complete --do-complete 'gallery-optimizer {line}'" for line in lines)
        command = ["fish", "--no-config", "-c", f"source {root / manual.COMPLETIONS['fish']}; {asked}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
        assert done.stderr == ""
        return done.stdout.split("\n\n")

    commands, photos, folders, at_home, behind = offered("rest", "restore Ph", "restore --to Ph", "restore ~/Ph", "restore --to=Ph")
    assert commands == "restore\tGive photos back, in place or elsewhere."
    assert photos.split("\n") == ["Photos, all/", "Photos.txt"]
    assert folders.split("\t")[0] == "Photos, all/"
    assert at_home.split("\n") == ["~/Photos, all/", "~/Photos.txt"]
    assert behind.rstrip("\n").split("\n") == ["--to=Photos, all/", "--to=Photos.txt"]
