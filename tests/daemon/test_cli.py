"""The command line: what goes to stdout and what to stderr, JSON, exit codes, and that `status` is quick."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result

from daemon import keys
from daemon.cli.main import COMMANDS
from daemon.exits import MEANINGS, ExitCode
from daemon.places import Places
from daemon.settings import BOM
from storage.digest import sha256_of_bytes
from storage.layout import README

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


def as_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["version"] == 1
    assert isinstance(document, dict)
    return document


def test_a_whole_life(run: Run, home: Home, photo: Photo, tmp_path: Path) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1, "refuse:cmyk"))
    first = run("optimize")
    assert first.exit_code == 0
    assert "Archived: 1 photo" in first.stdout
    assert '"status" says from when on' in first.stdout
    assert "print colours" in first.stdout
    assert "[1/2] a.jpg: archived" in first.stderr
    status = run("status").stdout
    assert "2 photos" in status
    assert "1  the picture is in print colours" in status
    assert "Reclaimable:" in status
    assert "by the next run; the grace was over on 2026-03-08" in " ".join(status.split()), "by the clock on the wall"
    assert "Saved:" not in status
    assert "Quality:     1 photo coded with loss scores 85.0, its worst part 75.0 (100: identical to the original)" in status
    home.configure('grace = "2 days"')
    assert "on 2026-03-03" in run("status").stdout, "by the grace in force"
    assert "until 2026-03-03" in run("explain", home.root / "a.jpg").stdout
    home.configure()
    told = as_json(run("status", "--json"))
    assert told["command"] == "status"
    assert (told["by_state"]["retired"], told["by_state"]["left"], told["by_lane"]) == (1, 1, {"neural": 1})
    assert told["saved"]["bytes"] == 0
    assert told["scores"] == {"by_points": {"85": 1}, "lowest": 85.0, "lowest_tile": 75.0}
    assert told["reclaimable"]["bytes"] == len(photo()) - told["reclaimable"]["archive_bytes"] - told["reclaimable"]["stand_in_bytes"]
    assert told["galleries"][0]["photos"] == 2
    assert run("optimize").exit_code == ExitCode.NOTHING_TO_DO
    home.clock.forward(days=8)
    assert "Purged: the originals of 1 photo" in run("optimize").stdout
    assert "Saved:" in run("status").stdout
    assert "All good: 1 archive " in run("verify").stdout
    assert "a copy from the archive" in run("restore", home.root / "a.jpg", "--to", tmp_path / "out").stdout
    assert run("restore", home.root / "a.jpg").exit_code == 0
    assert run("restore", home.root / "a.jpg").exit_code == ExitCode.NOTHING_TO_DO
    assert "Restored:" in run("status").stdout


GUARDED = (
    "Second metric: PSNR-HVS-M 60.0 dB, worst tile 60.0 dB.",
    "Distortions: none beyond what high allows. Nearest to it: steps at the borders of the codec's patches: 0.50 levels (at most 1.1).",
)


def test_explain_says_why(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1, "refuse:cmyk"))
    os.link(home.root / "b.jpg", home.root / "c.jpg")
    assert "not looked at yet" in run("explain", home.root / "a.jpg").stdout
    assert "hard links" in run("explain", home.root / "c.jpg").stdout
    run("optimize")
    text = run("explain", home.root / "a.jpg").stdout
    parts = "original in grace", "neural lane, model fake", "whole photo 85.0 (at least 80.0)", "Proven on", "until 2026-03-08"
    for part in (*parts, *GUARDED):
        assert part in text
    told = as_json(run("explain", home.root / "a.jpg", "--json"))
    assert (told["checks"]["patches"], told["checks"]["second-metric"], told["findings"]) == (0.5, 60.0, [])
    told = as_json(run("explain", home.root / "c.jpg", "--json"))
    assert (told["state"], told["reason"]) == ("left", "hard-linked")
    home.configure('exclude = ["old/**"]')
    (home.root / "old").mkdir()
    for name, says in (("old/x.jpg", "excluded"), ("notes.txt", "neither"), (".x.jpg", "hidden"), ("n.jpg", "sync tool")):
        (home.root / name).write_bytes(b"x")
        (home.root / f".syncthing.{name}.tmp").write_bytes(b"x") if name == "n.jpg" else None
        assert says in run("explain", home.root / name).stdout
    result = run("explain", home.root / "gone.jpg")
    assert "no such file" in result.stdout
    assert result.exit_code == ExitCode.USAGE
    assert run("explain", "/etc/hostname").exit_code == ExitCode.USAGE


@pytest.mark.parametrize("arguments", [["optimize", ""], ["explain", ""], ["restore", "a.jpg", "--to", ""], ["restore", ""]])
def test_an_empty_path_is_refused(run: Run, home: Home, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == ExitCode.USAGE
    assert "is empty" in result.stderr


def test_links_in_a_circle_lead_nowhere(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "round").symlink_to("round")
    for command in ("optimize", "explain", "restore"):
        result = run(command, home.root / "round/a.jpg")
        assert result.exit_code == ExitCode.USAGE
        assert isinstance(result.exception, SystemExit)
    home.places.config_file.write_text(f'[[gallery]]\npath = "{home.root / "round"}"\n')
    assert "is not there" in run("config", "check").stderr
    assert run("status").exit_code == 0
    assert run("optimize").exit_code == ExitCode.FAILED


def test_a_catalogue_inside_a_gallery_is_warned_of(home: Home, run: Callable[..., Result]) -> None:
    assert "lies inside" not in run("config", "check").stderr
    home.places.config_file.write_text(f'[[gallery]]\npath = "{home.places.state_folder.parent}"\n')
    assert f"the catalogue in {home.places.state_folder} lies inside" in run("config", "check").stderr


def test_verify_finds_damage(run: Run, home: Home, photo: Photo) -> None:
    assert run("verify").exit_code == ExitCode.NOTHING_TO_DO
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    run("optimize")
    archives = sorted((home.root / ".gallery-optimizer/archives").rglob("*.nphoto"))
    archives[0].write_bytes(archives[0].read_bytes()[:-1])
    archives[1].unlink()
    aside = next(iter((home.root / ".gallery-optimizer/originals").iterdir()))
    aside.write_bytes(b"somebody wrote here")
    before = home.files()
    result = run("verify", "--no-repair")
    assert result.exit_code == ExitCode.DAMAGE
    assert "3 damaged" in result.stdout
    for part in (archives[0].name, archives[1].name, aside.name, "original is still there"):
        assert part in result.stderr
    assert home.files() == before, "looking changes nothing"


def test_verify_says_that_an_original_is_there_only_where_it_is(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    archive.unlink()
    assert "original is still there" in run("verify", "--no-repair").stderr
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    aside.unlink()
    assert "original is still there" not in run("verify").stderr


def test_explain_tells_of_an_earlier_version(run: Run, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    run("optimize")
    run("restore", home.root / "a.jpg")
    (home.root / "a.jpg").write_bytes(photo(1))
    run("optimize")
    archive = next((home.root / ".gallery-optimizer/archives").rglob(f"{sha256_of_bytes(photo())}.nphoto"))
    said = f'An earlier version was archived on 2026-03-01: "restore {archive} --to DIR" gives it'
    assert f"{said} out of its archive, which stays until 2026-03-31 at least.\n" in run("explain", home.root / "a.jpg").stdout


def test_encode_and_decode(run: Run, home: Home, photo: Photo, tmp_path: Path) -> None:
    source, archive = tmp_path / "a.jpg", tmp_path / "a.nphoto"
    source.write_bytes(photo())
    told = as_json(run("encode", source, "-o", archive, "--rate", "0.25", "--json"))
    assert told["rate"] == 0.25
    assert told["archive_bytes"] == archive.stat().st_size
    assert archive.stat().st_mode == source.stat().st_mode, "as any new file"
    again = run("encode", source, "-o", archive)
    assert again.exit_code == ExitCode.FAILED
    assert "--force" in again.stderr
    assert run("encode", source, "-o", archive, "--force", "--quality", "compact").exit_code == 0
    assert "bit for bit" not in run("encode", source, "-o", archive, "--force").stdout
    assert run("encode", source, "-o", tmp_path / "exact.nphoto", "--quality", "exact").exit_code == 0
    for name, magic in (("b.jpg", b"\xff\xd8"), ("b.PNG", b"\x89PNG")):
        assert run("decode", archive, "-o", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(magic)
    assert source.read_bytes() == photo()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["decode", "nothing.nphoto", "-o", "b.jpg"], ExitCode.USAGE, "not there"),
        (["decode", "a.jpg", "-o", "b.jpg"], ExitCode.FAILED, "no archive, or a damaged one"),
        (["decode", "a.jpg", "-o", "b.gif"], ExitCode.USAGE, "must end in"),
        (["encode", "nothing.jpg", "-o", "b.nphoto"], ExitCode.USAGE, "not there"),
        (["encode", "text.jpg", "-o", "b.nphoto"], ExitCode.FAILED, "neither a JPEG nor a PNG"),
        (["encode", "a.jpg", "-o", "no/folder/b.nphoto"], ExitCode.USAGE, "folder is not there"),
        (["encode", "a.jpg", "-o", "b.nphoto", "--rate", "0.5", "--quality", "high"], ExitCode.USAGE, "exclude each other"),
        (["encode", "a.jpg", "-o", "b.nphoto", "--rate", "2"], ExitCode.USAGE, "rate"),
        (["encode", "a.jpg", "-o", "b.nphoto", "--rate", "nan"], ExitCode.USAGE, "finite"),
        *((["optimize", "--dry-run", "--seconds", text], ExitCode.USAGE, "--seconds") for text in ("nan", "inf", "-1", "soon", "")),
        (["optimize", "--dry-run", "--sample", "0"], ExitCode.USAGE, "--sample"),
        (["history", "--last", "0"], ExitCode.USAGE, "--last"),
        (["verify", "--subset", "nan%"], ExitCode.USAGE, "--subset"),
        (["pause", "--for", "-2h"], ExitCode.USAGE, "--for"),
        (["pause", "--for", "9000 years"], ExitCode.USAGE, "at most 1000 years"),
        (["mount", "a", "b", "--cache-size", "-1 GB"], ExitCode.USAGE, "--cache-size"),
        (["mount", "a", "b", "--prefetch", "nan"], ExitCode.USAGE, "--prefetch"),
        (["thumbnail", "a.nphoto", "a.png", "nan"], ExitCode.USAGE, "SIZE"),
        (["encode", "a.jpg", "-o", "a.jpg", "--force"], ExitCode.USAGE, "such as a.nphoto"),
        (["encode", "a.jpg", "-o", "-"], ExitCode.USAGE, "such as a.nphoto"),
        (["encode", ".", "-o", "b.nphoto"], ExitCode.USAGE, "no plain file"),
        (["decode", "a.jpg", "-o", "a.jpg", "--force"], ExitCode.USAGE, "same file"),
        (["restore", "a.jpg", "--to", "/dev/null"], ExitCode.USAGE, "is no folder"),
        (["verify", "--subset", "off"], ExitCode.USAGE, 'such as "5%", up to "100%"'),
        (["mount", ".", "nowhere"], ExitCode.USAGE, "make that folder first"),
        (["--config", ".", "status"], ExitCode.USAGE, "can't be read: Is a directory."),
        (["--config", "my own.toml", "status"], ExitCode.NO_GALLERY, "my own.toml' config init FOLDER"),
        (["encode", "a.jpg", "-o", "b.nphoto", "--quality", "best"], ExitCode.USAGE, "quality"),
        (["restore"], ExitCode.USAGE, "Say what to restore"),
        (["restore", "x", "--to", "y", "--in-place"], ExitCode.USAGE, "exclude each other"),
        (["optimize", "nothing"], ExitCode.USAGE, "no configured gallery"),
        (["optimise"], ExitCode.USAGE, "optimize"),
    ],
)
def test_mistakes_are_told(
    run: Run, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: ExitCode, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(photo())
    (tmp_path / "text.jpg").write_text("hello " * 99)
    result = run(*arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert (tmp_path / "a.jpg").read_bytes() == photo()


@pytest.mark.parametrize("command", ["optimize", "status", "verify", "config check", "config show"])
def test_without_a_configuration_they_say_how_to_write_one(run: Run, home: Home, command: str) -> None:
    home.places.config_file.unlink()
    result = run(*command.split())
    assert result.exit_code == ExitCode.NO_GALLERY
    assert "config init" in result.stderr


def test_config_init_check_show(run: Run, home: Home) -> None:
    assert run("config", "init", home.root).exit_code == ExitCode.FAILED, "an existing file stays"
    home.places.config_file.unlink()
    assert run("config", "init", home.root).exit_code == 0
    assert "is fine" in run("config", "check").stdout
    assert 'grace = "7 days"' in run("config", "show").stdout
    home.configure('keep = ["Best of/**"]', 'min_saving_lossless = "7%"')
    said = run("config", "check").stdout
    assert "left as they are: Best of/**" in said
    assert "where that saves at least 20% of it; without any loss, where that saves at least 7% of it" in said
    assert "quality high: side by side no difference" in said
    home.configure()
    home.places.config_file.write_bytes(BOM + home.places.config_file.read_bytes())
    assert 'grace = "7 days"' in run("config", "show").stdout
    shown = as_json(run("config", "show", "--json"))
    assert shown["galleries"][0]["grace_seconds"] == 7 * 86400
    assert shown["keys"]["gallery"][0]["grace"] == "7 days"
    assert all(set(shown["keys"][table]) == set(keys.of_table(table)) for table in keys.TABLES if table != "gallery")
    home.places.config_file.write_text(f'[[gallery]]\npath = "{home.places.config_file}"\n')
    assert "is a file and not a folder" in run("config", "check").stderr
    home.places.config_file.write_text('[[gallery]]\npath = "/p"\ngarce = "1 day"\n')
    result = run("config", "check")
    assert result.exit_code == ExitCode.USAGE
    assert "line 3: unknown key garce; did you mean grace?" in result.stderr


def test_config_init_makes_the_folders_above(run: Run, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    place = home.root.parent / "new" / "home" / "config.toml"
    monkeypatch.setattr(home.places.__class__, "find", lambda *_: Places(place, home.places.state_folder))
    assert run("config", "init", home.root).exit_code == 0
    assert run("config", "check").exit_code == 0


def test_every_command_has_help(run: Run) -> None:
    assert "config init" in run("--help").stdout
    for name in COMMANDS:
        assert len(run(name, "--help").stdout.splitlines()) > 4


def test_exit_codes_are_those_of_the_table() -> None:
    assert {code.value for code in MEANINGS} == {0, 1, 2, 3, 10, 11, 12, 20}


def test_status_is_quick_and_imports_nothing_heavy(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    code = (
        "import sys\n"
        "from daemon.cli.main import cli\n"
        f"cli([*{options!r}, 'status'], standalone_mode=False)\n"
        "heavy = {'torch', 'numpy', 'numba', 'PIL', 'sqlite_utils', 'zstandard', 'multiprocessing'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        assert "Reclaimable" in done.stdout
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.3, "processor time, which a busy machine does not stretch"


def test_the_vaults_readme_names_only_commands_that_exist() -> None:
    named = set(re.findall(r"gallery-optimizer ([a-z]+)", README))
    assert {"restore", "decode"} <= named <= set(COMMANDS)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "originals wait 7 days before their space is given back"),
        ('grace = "0 days"', "originals go in the run that archived them"),
        ('backup_check = "/usr/bin/true -x"', "before that, /usr/bin/true has to say that the archive is in a backup"),
        ('two_way_sync = "stand-ins travel"', "originals wait for a backup_check, or for one_copy = true, whatever the time"),
        ('two_way_sync = "stand-ins travel"\none_copy = true', "the archives may become the only full copies (one_copy)"),
        ('trash = "90 days"', "who deletes a stand-in can have the photo back for 90 days"),
    ],
)
def test_config_check_says_what_an_original_waits_for(run: Run, home: Home, lines: str, says: str) -> None:
    home.configure(lines)
    assert says in " ".join(run("config", "check").stdout.split())
