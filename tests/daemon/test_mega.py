"""A folder that MEGA's desktop program carries: told by its files, refused before it is meant so, and the vault kept here by its rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import mega, settings
from daemon.everywhere import is_bin
from daemon.sync_guard import Guard, guard
from daemon.sync_roots import SyncRoot, Tool, sync_roots
from storage.layout import VAULT_NAME

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
DEFAULT = "\ufeff-:Thumbs.db\n-:desktop.ini\n-:~*\n-:.*\n-:*~.*\n-:*.crdownload\n-:*.sb-????????-??????\n-:*.tmp\n"
"""As it writes it into every folder that has none."""


def seen(home: Home) -> Guard:
    (gallery,) = settings.read(home.places.config_file).galleries
    return guard(home.root, gallery)


@pytest.mark.parametrize("where", ["", "a/b", "a/gallery/deep/down"])
@pytest.mark.parametrize(("marker", "folder"), [(mega.IGNORE_FILE, False), (mega.DEBRIS, True)])
def test_its_folders_are_told_by_what_it_leaves(tmp_path: Path, where: str, marker: str, folder: bool) -> None:
    place = tmp_path / where
    gallery = place if where == "a/b" else tmp_path / "a/gallery"
    for each in (gallery, place):
        each.mkdir(parents=True, exist_ok=True)
    (place / marker).mkdir() if folder else (place / marker).write_text(DEFAULT)
    assert [each for each in sync_roots(gallery) if each.folder.is_relative_to(tmp_path)] == [SyncRoot(Tool.MEGA, place, marker)]


def test_what_is_none_of_its_files(tmp_path: Path) -> None:
    (tmp_path / mega.IGNORE_FILE).mkdir()
    (tmp_path / mega.DEBRIS).write_bytes(b"")
    assert not [each for each in sync_roots(tmp_path) if each.folder == tmp_path]


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (DEFAULT, True),
        (DEFAULT.replace("\n", "\r\n"), True),
        (DEFAULT + f"+:{VAULT_NAME}\n", False),
        (DEFAULT + f"+f:{VAULT_NAME}\n", True),
        (f"-:{VAULT_NAME}\n", True),
        (f"-:{VAULT_NAME.upper()}\n", True),
        (f"-G:{VAULT_NAME.upper()}\n", False),
        (f"-d:{VAULT_NAME}\n+:.g*\n", False),
        (f"+:.g*\n-dnG:{VAULT_NAME}", True),
        (f"# -:{VAULT_NAME}\n -:{VAULT_NAME}\n", False),
        ("-f:.*\n-s:.*\n", False),
        ("-N:.*\n", False),
        ("-p:DCIM/.*\n", True),
        (f"-:DCIM/{VAULT_NAME}\n", True),
        ("-p:*\n", False),
        ("-:*\n+p:DCIM*\n", False),
        (r"-nr:\.gallery-.*" + "\n", True),
        (r"-r:\.gallery" + "\n", False),
        ("-r:(\n", False),
        ("-r:a{99999999999999999999}\n", False),
        ("-r:" + "(" * 20_000 + ")" * 20_000, False),
        ("exclude-larger:8M\n+sync:.megaignore\n", False),
        ("", False),
    ],
)
def test_what_its_rules_say_of_a_vault(tmp_path: Path, rules: str, kept: bool) -> None:
    """The folder above the gallery is synced."""
    vault = tmp_path / "DCIM" / VAULT_NAME
    vault.parent.mkdir()
    (tmp_path / mega.IGNORE_FILE).write_text(rules, newline="")
    assert (mega.ignored(vault) == "") is kept
    (vault.parent / mega.IGNORE_FILE).write_text("-N:.*\n")
    assert mega.ignored(vault) == "", "what stands nearer counts"
    (vault.parent / mega.IGNORE_FILE).write_text("-N:.*\n+:.gal*\n")
    assert str(vault.parent / mega.IGNORE_FILE) in mega.ignored(vault)


@given(st.text(max_size=40))
def test_no_rule_makes_it_fail(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("mega")
    (folder / mega.IGNORE_FILE).write_text(text + "\n-r:" + text, errors="replace", newline="")
    mega.ignored(folder / VAULT_NAME)


@pytest.mark.parametrize("rules", [DEFAULT, "-:*.tmp\n+:.*", "", None])
def test_nothing_is_written_before_it_is_confirmed_and_the_vault_stays(home: Home, photo: Photo, rules: str | None) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    (home.root.parent / mega.DEBRIS).mkdir()
    file = home.root.parent / mega.IGNORE_FILE
    if rules is not None:
        file.write_text(rules)
    (said,) = home.optimize().gone
    assert "two_way_sync" in said
    assert "MEGA" in said
    home.configure('two_way_sync = "stand-ins travel"')
    assert bool(seen(home).refusals) is (rules != DEFAULT)
    for line in seen(home).lines:
        if not line.in_effect:
            line.write()
    assert file.read_text() == (rules if rules == DEFAULT else f"{rules or ''}{chr(10) if rules else ''}-:{VAULT_NAME}\n")
    assert seen(home).refusals == ()
    assert home.optimize().archived == 1


def test_what_it_throws_away_is_in_a_bin() -> None:
    for path in (b"/photos/.debris", b"/photos/.sync/Archive", b"/photos/.stversions"):
        assert is_bin(path)
    for path in (b"/photos/debris", b"/photos/Archive", b"/photos/.sync"):
        assert not is_bin(path)
