"""The command line on a terminal of 80 columns: nothing is cut, nothing is torn, and one archive is "1 archive"."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.main import cli
from daemon.cli.output import wrapped
from daemon.exits import ExitCode
from daemon.report import counted, photos

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
MANY = "photos|archives|archived photos|originals|set-aside originals|copies|stand-ins|files|days"
Run = Callable[..., Result]


def groups(command: click.Command, *path: str) -> list[tuple[tuple[str, ...], click.Group]]:
    if not isinstance(command, click.Group):
        return []
    context = click.Context(command)
    below = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [(path, command), *(each for name, child in below if child is not None for each in groups(child, *path, name))]


def listed(path: tuple[str, ...], columns: int) -> str:
    """What the help lists of commands."""
    shown = CliRunner().invoke(cli, [*path, "--help"], prog_name="gallery-optimizer", terminal_width=columns).stdout
    return shown.partition("Commands:\n" if path else "To begin:\n")[2]


@pytest.mark.parametrize("path", [path for path, _ in groups(cli)], ids=" ".join)
def test_no_sum_of_a_command_is_cut_on_a_narrow_terminal(path: tuple[str, ...]) -> None:
    wide, narrow = (listed(path, columns) for columns in (80, 40))
    assert "".join(narrow.split()) == "".join(wide.split())


@pytest.mark.parametrize("path", [path for path, _ in groups(cli)], ids=" ".join)
def test_every_command_is_summed_up_in_one_whole_sentence(path: tuple[str, ...]) -> None:
    lines = [line for line in listed(path, 80).splitlines() if line and not line.endswith(":")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"  [a-z-]+ +[A-Z].*\.", line), line
        assert not line.endswith("..."), line
        assert len(line) <= 80


def test_a_mistyped_command_is_guessed(run: Run) -> None:
    assert "Did you mean 'optimize'?" in run("optimze").stderr
    assert "Did you mean" not in run("xyzzy").stderr
    assert run("xyzzy").exit_code == ExitCode.USAGE


def test_one_is_not_many() -> None:
    assert [counted(count, "archive") for count in (0, 1, 2)] == ["0 archives", "1 archive", "2 archives"]
    assert [counted(count, "copy", "copies") for count in (1, 2)] == ["1 copy", "2 copies"]
    assert photos(1) == "1 photo"


def test_nothing_of_one_photo_is_told_in_the_plural(run: Run, home: Home, photo: Photo, tmp_path: Path) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    said = [run("optimize"), run("status"), run("verify"), run("doctor"), run("report"), run("history")]
    said.append(run("export", "--originals", "--to", tmp_path / "out"))
    (home.root / "a.jpg").unlink()
    said += [run("optimize"), run("status")]
    home.clock.forward(days=40)
    said += [run("optimize"), run("status")]
    (home.root / "b.jpg").write_bytes(photo(1))
    said += [run("optimize"), run("eject"), run("doctor", "--rebuild")]
    for each in said:
        assert not re.search(rf"\b1 ({MANY})\b|\b1 photo that were\b", each.output), each.output


def test_a_run_that_only_followed_a_rename_says_so(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    home.clock.forward(days=8)
    run("optimize")
    (home.root / "a.jpg").rename(home.root / "b.jpg")
    done = run("optimize")
    assert (done.exit_code, done.stdout) == (0, "Renamed or moved, and known by the new name: 1 photo.\n")


def test_verify_tells_of_photos_by_their_names(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "trip").mkdir()
    (home.root / "trip" / "a.jpg").write_bytes(photo())
    run("optimize")
    assert "trip/a.jpg: good" in run("verify").stderr
    (archive,) = (home.root / ".gallery-optimizer" / "archives").rglob("*.nphoto")
    archive.chmod(0o600)
    archive.write_bytes(archive.read_bytes()[:-1] + b"!")
    done = run("verify", "--no-repair", "--json")
    assert done.exit_code == ExitCode.DAMAGE
    (damage,) = json.loads(done.stdout)["damages"]
    assert (damage["photos"], damage["file"]) == (["trip/a.jpg"], str(archive))
    assert "gallery-optimizer: 1 file damaged." in done.stderr


@pytest.mark.parametrize("share", ["off", "0%", "200%", "x"])
def test_verify_wants_a_share_of_something(run: Run, share: str) -> None:
    done = run("verify", "--subset", share)
    assert done.exit_code == ExitCode.USAGE
    assert "must be a share" in done.stderr


def test_sync_guard_tells_of_a_gallery_that_is_not_there(run: Run, home: Home) -> None:
    assert run("sync-guard").exit_code == 0
    home.root.rename(home.root.with_name("away"))
    done = run("sync-guard")
    assert done.exit_code == ExitCode.FAILED
    assert f"{home.root}: not there" in done.stdout
    assert "is the disk mounted?" in done.stderr
    assert f'"missing_folders": [\n    "{home.root}"' in run("sync-guard", "--json").stdout


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    text = "519.72 KB of 5 photos: 73.43 KB archives, in 1 h 02 min"
    for columns in range(20, 60):
        lines = wrapped(text, columns)
        assert lines.replace("\n", " ") == text
        assert not re.search(r"\d$", lines, re.MULTILINE), lines


def test_sentences_are_wrapped_under_their_label() -> None:
    lines = wrapped("Failed: one two three four five six seven eight", 26).split("\n")
    assert lines == ["Failed: one two three four", "        five six seven eight"]
    assert wrapped("Stand-in: one two three four five six", 32) == "Stand-in: one two three four\n          five six"
    assert wrapped("Failed: one two three", None) == "Failed: one two three"
    assert wrapped("short\n\n  - kept", 24) == "short\n\n  - kept"


def test_a_name_that_the_locale_has_no_letters_for_is_told_all_the_same() -> None:
    """`explain FOLDER` ended with a traceback: what was made fit to be shown is looked at once more when it is printed."""
    code = "from daemon.cli.output import say; from storage.errors import shown; say(shown(b'M\\xc3\\xbcll/\\xe6\\xbc\\xa2\\xff.jpg'))"
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, encoding="utf-8", check=False)
    assert done.stdout == "Müll/漢\\xff.jpg\n", done.stderr


HOSTILE = "\a\x9b31m\u202egpj"
"""Rings the bell, makes a terminal red, and turns what follows around."""


@pytest.mark.parametrize("there", [True, False])
def test_no_name_of_a_folder_commands_the_terminal(run: Run, home: Home, photo: Photo, tmp_path: Path, there: bool) -> None:
    home.root = home.root.rename(home.root.with_name(f"DC{HOSTILE}IM"))
    odd = json.dumps(f"*{HOSTILE}.png")
    path, program = json.dumps(str(home.root)), json.dumps(f"/{HOSTILE}")
    table = f"[[gallery]]\npath = {path}\nexclude = [{odd}]\nkeep = [{odd}]\nbackup_check = {program}\n"
    home.places.config_file.write_text(f'{table}[safety]\nreserve = "off"\n')
    (home.root / f"a{HOSTILE}.jpg").write_bytes(photo())
    run("optimize")
    out = tmp_path / f"out{HOSTILE}"
    if not there:
        home.root.rename(home.root.with_name("away"))
    said = [run("config", "check"), run("config", "show"), run("optimize"), run("optimize", "--dry-run"), run("status"), run("verify")]
    said += [run("doctor"), run("explain", home.root / f"a{HOSTILE}.jpg"), run("sync-guard"), run("report"), run("history")]
    said += [run("export", "--originals", "--to", out), run("restore", home.root, "--to", out), run("eject"), run("doctor", "--rebuild")]
    said += [run("config", "init"), run("explain", out), run("encode", out, "-o", out), run("decode", out, "-o", out)]
    home.places.config_file.write_text(table + table)
    said.append(run("config", "check"))
    for each in said:
        assert not set("\a\x9b\u202e") & set(each.output), repr(each.output)
    assert "\\x07\\x9b31m\\u202egpj" in said[0].output


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=300), st.integers(20, 120))
def test_wrapping_loses_no_word(text: str, columns: int) -> None:
    assert wrapped(text, columns).split() == text.split()
