"""What `--json` prints has the keys of docs/reference.md: no other, and no fewer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import Result

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Run = Callable[..., Result]
DOCUMENT = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()
ROWS = dict(re.findall(r"^\| ([a-z -]+) \| (.*`.*) \|$", DOCUMENT.partition("| `--json` of |")[2].partition("\n\n")[0], re.M))
ALWAYS = {"version", "command"}


def named(text: str) -> set[str]:
    """Keys of the object itself, without those of what is in it."""
    return set(re.findall(r"`([a-z0-9_]+)`", re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", "", text)))


def printed(result: Result) -> set[str]:
    found = json.loads(result.stdout)
    assert found["version"] == 1
    return set(found) - ALWAYS


def either(row: str) -> tuple[set[str], set[str]]:
    """A row that says of two outcomes what each has: before and behind these words."""
    for words in ("; after `--rebuild` instead ", ", or "):
        before, found, behind = row.partition(words)
        if found:
            return named(before), named(behind)
    raise AssertionError(row)


def test_a_photos_life(run: Run, home: Home, make_jpeg: Callable[..., bytes], tmp_path: Path) -> None:
    photo = home.root / "a.jpg"
    photo.write_bytes(make_jpeg(240, 320, 0, quality=97))
    assert printed(run("optimize", "--dry-run", "--json")) == named(ROWS["optimize --dry-run"])
    unknown, known = (named(part) for part in ROWS["explain"].split("; of a photo that the catalogue knows also "))
    assert printed(run("explain", str(photo), "--json")) == unknown
    assert printed(run("optimize", "--json")) == named(ROWS["optimize"])
    assert printed(run("explain", str(photo), "--json")) == unknown | known
    for words in ("status", "status --trash", "history", "report"):
        assert printed(run(*words.split(), "--json")) == named(ROWS[words]), words
    sums = named(ROWS["status"].partition(";")[0])
    assert printed(run("explain", str(home.root), "--json")) == named(ROWS["explain of a folder"]) | sums
    assert printed(run("explain", str(home.root / ".gallery-optimizer"), "--json")) == named(ROWS["explain of a vault"])
    assert printed(run("restore", str(photo), "--to", str(tmp_path / "out"), "--json")) == named(ROWS["restore"])
    assert printed(run("export", "--originals", "--to", str(tmp_path / "originals"), "--json")) == named(ROWS["export"])
    assert printed(run("verify", "--json")) == named(ROWS["verify"])
    assert printed(run("sync-guard", "--json")) == named(ROWS["sync-guard"])
    assert printed(run("pause", "--json")) == named(ROWS["pause"])
    assert printed(run("resume", "--json")) == named(ROWS["resume"])
    assert printed(run("config", "show", "--json")) == named(ROWS["config show"])
    findings, rebuilt = either(ROWS["doctor"])
    assert printed(run("doctor", "--json")) == findings
    assert printed(run("doctor", "--rebuild", "--json")) == rebuilt
    assert printed(run("eject", "--json")) == named(ROWS["eject"])
    right, wrong = either(ROWS["config check"])
    assert printed(run("config", "check", "--json")) == right
    home.places.config_file.write_text("colour = 1\n")
    assert printed(run("config", "check", "--json")) == {"file", "understood"} | wrong


def test_single_files(run: Run, make_jpeg: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(make_jpeg(240, 320, 0, quality=97))
    made = str(tmp_path / "a.nphoto")
    assert printed(run("encode", str(tmp_path / "a.jpg"), "-o", made, "--json")) == named(ROWS["encode"])
    assert printed(run("decode", made, "-o", str(tmp_path / "b.jpg"), "--json")) == named(ROWS["decode"])


def test_every_command_with_that_option_has_a_row() -> None:
    documented = {*ROWS} - {"optimize --dry-run", "status --trash", "explain of a folder", "explain of a vault"}
    sources = (Path(__file__).parents[2] / "daemon" / "cli").glob("*.py")
    assert {name for each in sources for name in re.findall(r'emit\(\s*"([a-z -]+)"', each.read_text())} == documented
