"""Syncthing's ignore patterns, by the examples of its manual; and whether a folder only receives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import syncthing

MANUAL = [
    ("foo", "foo", True),
    ("foo", "subdir/foo", True),
    ("foo", "foo/anything/below", True),
    ("te*ne", "telephone", True),
    ("te*ne", "subdir/telephone", True),
    ("te*ne", "tele/phone", False),
    ("te**ne", "tele/sub/dir/phone", True),
    ("te??st", "tebest", True),
    ("te??st", "teabst", True),
    ("te??st", "te/bst", False),
    ("/foo", "foo", True),
    ("/foo", "subdir/foo", False),
    ("foo/bar", "subdir/foo/bar", True),
    ("**/foo", "foo", True),
    ("foo/", "foo/x", True),
    ("foo/", "foo", False),
    ("{banana,pineapple}", "pineapple", True),
    ("{banana,pineapple}", "cherry", False),
    ("[a-c]x", "bx", True),
    ("[!a-c]x", "bx", False),
    ("\\{banana\\}", "{banana}", True),
    ("(?i)FOO", "foo", True),
    ("FOO", "foo", False),
    ("// foo", "foo", False),
    ("", "foo", False),
]


@pytest.mark.parametrize(("line", "path", "matches"), MANUAL)
def test_the_manual(tmp_path: Path, line: str, path: str, matches: bool) -> None:
    (tmp_path / ".stignore").write_text(line + "\n")
    assert (syncthing.ignored(tmp_path, [path]) == "") is matches


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("!vault\nvault\n", "with !"),
        ("vault\n!vault\n", ""),
        ("(?d)vault\nvault\n", "(?d)"),
        ("(?i)(?d)VAULT\n", "(?d)"),
        ("#include more\n", ""),
        ("!/vault/models\n#include more\n", "with !"),
        ("#include none\nvault\n", "can't be read"),
        ("#include loop\n", "no line"),
        ("#include more\n#include ./more\n", "twice"),
        ("vault/archives\n", "no line"),
        ("[z-a]\nvault\n", "no pattern"),
    ],
)
def test_the_first_match_decides_and_nothing_may_be_removed(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / ".stignore").write_text(text)
    (tmp_path / "more").write_text("vault\n")
    (tmp_path / "loop").write_text("#include loop\n")
    said = syncthing.ignored(tmp_path, ["vault", "vault/models/m", "vault/archives/a"])
    assert why in said if why else said == ""


@pytest.mark.parametrize("name", ["plain", "with space", "st*r", "{a,b}", "[x]", "back\\slash", "!not", "ümläut"])
def test_the_line_that_is_proposed_is_in_effect(tmp_path: Path, name: str) -> None:
    (tmp_path / ".stignore").write_text(syncthing.line_for(f"{name}/vault") + "\n")
    assert syncthing.ignored(tmp_path, [f"{name}/vault", f"{name}/vault/x"]) == ""
    assert syncthing.ignored(tmp_path, [f"other/{name}/vault"]) == "no line of it matches"


def test_no_ignore_file(tmp_path: Path) -> None:
    assert syncthing.ignored(tmp_path, ["vault"]) == "no line of it matches"


@pytest.mark.parametrize(
    ("kind", "receives"), [("sendreceive", False), ("receiveonly", True), ("receiveencrypted", True), ("sendonly", False), ("", False)]
)
def test_a_folder_that_only_receives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, receives: bool) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "DCIM").mkdir()
    assert not syncthing.receives_only(tmp_path / "DCIM", tmp_path)
    config = tmp_path / ".local/state/syncthing/config.xml"
    config.parent.mkdir(parents=True)
    config.write_text(f'<configuration><folder id="a" path="~/DCIM" type="{kind}"/></configuration>')
    assert syncthing.receives_only(tmp_path / "DCIM", tmp_path) is receives
    assert not syncthing.receives_only(tmp_path, tmp_path)
    config.write_text("<configuration><folder")
    assert not syncthing.receives_only(tmp_path / "DCIM", tmp_path)


@given(st.lists(st.text("*?[]{}\\\\!^-(),/idr#.ab\n ", max_size=30), max_size=4))
def test_no_pattern_makes_it_fail(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("syncthing")
    (folder / syncthing.IGNORE_FILE).write_text("\n".join(lines))
    assert isinstance(syncthing.ignored(folder, ["a/.gallery-optimizer", "b"]), str)


def test_a_pattern_that_goes_too_deep_is_none(tmp_path: Path) -> None:
    (tmp_path / syncthing.IGNORE_FILE).write_text("{" * 20_000 + "a" + "}" * 20_000)
    assert "is no pattern" in syncthing.ignored(tmp_path, [".gallery-optimizer"])
