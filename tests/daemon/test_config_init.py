"""`config init`: folders that are found, the questions, the flags; `--set`; and what `config check` and `config show` say of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import config as config_command
from daemon.cli.main import cli
from daemon.likely import Likely, likely_folders
from daemon.settings import read

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, sealed_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("config", "init", answers="...")`, at a terminal where there are answers."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(sealed_home / ".config"))
    monkeypatch.setattr("daemon.likely._media", lambda: ())

    def invoke(*words: object, answers: str | None = None) -> Result:
        monkeypatch.setattr(config_command, "_at_a_terminal", lambda: answers is not None)
        options = ["--config", tmp_path / "c.toml", "--state", tmp_path / "state"]
        return CliRunner().invoke(cli, [str(word) for word in (*options, *words)], input=answers)

    return invoke


def photos(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number}.JPG").write_bytes(b"")
    return folder


def test_folders_with_photos_are_found(sealed_home: Path, tmp_path: Path) -> None:
    camera = photos(sealed_home / "Sync/phone/DCIM/Camera", 5)
    pictures = photos(sealed_home / "Bilder/2021", 3)
    card = photos(tmp_path / "media/CARD/DCIM/100APPLE", 9)
    photos(sealed_home / "Nextcloud/.hidden/DCIM", 4)
    (sealed_home / "Nextcloud/DCIM").mkdir(parents=True)
    (sealed_home / ".config").mkdir(exist_ok=True)
    (sealed_home / ".config/user-dirs.dirs").write_text('XDG_PICTURES_DIR="$HOME/Bilder"\n')
    (sealed_home / "Photos").symlink_to(pictures)
    found = likely_folders(sealed_home, (tmp_path / "media",))
    assert found[0] == Likely(card.parent, 9)
    assert Likely(camera.parent, 5) in found
    assert Likely(pictures.parent, 3) in found
    assert not [each for each in found if "Nextcloud" in str(each.folder)]


def test_no_time_finds_nothing_and_does_not_hang(sealed_home: Path) -> None:
    photos(sealed_home / "Sync/DCIM", 5)
    assert likely_folders(sealed_home, (), longest_s=-1) == []


def test_three_questions(run: Run, sealed_home: Path, tmp_path: Path) -> None:
    photos(sealed_home / "Sync/DCIM", 2)
    result = run("config", "init", answers="1\n2\n22:00-07:00\n")
    assert result.exit_code == 0, result.output
    assert "~/Sync/DCIM  (2 photos)" in result.output
    found = read(tmp_path / "c.toml")
    assert found.galleries[0].path == sealed_home / "Sync/DCIM"
    assert (found.galleries[0].quality, str(found.schedule.window)) == ("visually-lossless", "22:00-07:00")
    assert run("config", "init", answers="1\n1\n1\n").exit_code == 1, "the file stays"


def test_enter_takes_the_defaults_and_nonsense_is_asked_again(run: Run, sealed_home: Path, tmp_path: Path) -> None:
    other = photos(tmp_path / "elsewhere", 1)
    result = run("config", "init", answers=f"relative\n/nowhere\n{other}\n9\nbest\n\n25:00-26:00\n\n")
    assert result.exit_code == 0, result.output
    found = read(tmp_path / "c.toml")
    assert (found.galleries[0].path, found.galleries[0].quality, str(found.schedule.window)) == (other, "high", "01:00-06:00")


@pytest.mark.parametrize(("answer", "knows"), [("y", True), ("n", False), ("", False)])
def test_a_synced_folder_is_asked_about(run: Run, sealed_home: Path, tmp_path: Path, answer: str, knows: bool) -> None:
    photos(sealed_home / "Sync/DCIM", 2)
    (sealed_home / "Sync/.stfolder").mkdir()
    result = run("config", "init", answers=f"\n\n\n{answer}\n")
    assert "Syncthing carries this folder" in result.output
    assert read(tmp_path / "c.toml").galleries[0].two_way_sync is knows
    assert ("sync-guard --write-ignore" in result.output) is knows


def test_flags_answer_too(run: Run, tmp_path: Path) -> None:
    assert run("config", "init", tmp_path, "--window", "1-6").exit_code == 2
    assert run("config", "init", tmp_path, "--quality", "best").exit_code == 2
    assert run("config", "init", tmp_path, "--quality", "exact", "--window", "always", "--two-way-sync").exit_code == 0
    found = read(tmp_path / "c.toml")
    assert (found.galleries[0].quality, str(found.schedule.window), found.galleries[0].two_way_sync) == ("exact", "always", True)
    said = run("config", "check").output
    assert "the service works at any hour" in said


def test_a_folder_that_is_not_there_is_told_at_once(run: Run, tmp_path: Path) -> None:
    said = run("config", "init", tmp_path / "DCMI")
    assert said.exit_code == 0
    assert "is not there (yet)" in said.stderr


@pytest.mark.parametrize(("folder", "says"), [("/photos/caf\udce9", "no UTF-8"), ("~nobodyofthatname/DCIM", "home folder")])
def test_a_folder_that_no_configuration_can_name(run: Run, tmp_path: Path, folder: str, says: str) -> None:
    result = run("config", "init", folder)
    assert result.exit_code == 2
    assert says in result.output
    assert not (tmp_path / "c.toml").exists()


def test_mistakes_are_told_to_programs_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[[gallery]]\npath = "x"\nqualty = 1\n')
    result = run("config", "check", "--json")
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert told["understood"] is None
    assert len([line for line in told["mistakes"] if "c.toml, line" in line]) == 2


def test_another_value_for_one_call(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALLERY_OPTIMIZER_GALLERY_GRACE", "1 day")  # so that monkeypatch takes away what --set sets
    run("config", "init", tmp_path)
    shown = run("--set", "gallery.grace=3 days", "config", "show").stdout
    assert 'grace = "3 days"' in shown
    assert "# by GALLERY_OPTIMIZER_GALLERY_GRACE" in shown
    assert "did you mean schedule.window" in run("--set", "schedule.windw=always", "config", "show").output
    assert run("--set", "gallery.path=/x", "config", "show").exit_code == 2
    assert run("--set", "gallery.grace", "config", "show").exit_code == 2
