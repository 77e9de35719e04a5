from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from daemon.cli.main import cli
from daemon.eligibility import walk
from daemon.ignoring import IGNORE_FILE, MOST_BYTES, Wishes, compiled
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

PHOTOS = (
    *("a.jpg", "keep.jpg", "sub/a.jpg", "sub/keep.jpg", "sub/deep/a.jpg", "sub/deep/keep.jpg", "foo/x.jpg", "foo/y.jpg"),
    "2021/Best of/k.jpg",
)


def ignored(root: Path, files: dict[str, str], keep: tuple[str, ...] = ()) -> set[str]:
    """Which of PHOTOS are left alone, by the walk over a gallery with these ignore files."""
    for photo in PHOTOS:
        (root / photo).parent.mkdir(parents=True, exist_ok=True)
        (root / photo).write_bytes(b"x")
    for folder, text in files.items():
        (root / folder / IGNORE_FILE).write_text(text)
    return {str(each.path.relative_to(root)) for each in walk(root, keep=keep) if each.reason is not None}


# What `git check-ignore` says of the same files as .gitignore.
GIT = [
    ({"": "*"}, set(PHOTOS)),
    ({"": "*\n!*/\n!keep.jpg"}, set(PHOTOS) - {"keep.jpg", "sub/keep.jpg", "sub/deep/keep.jpg"}),
    ({"": "foo/\n!foo/x.jpg"}, {"foo/x.jpg", "foo/y.jpg"}),
    ({"": "foo/*\n!foo/x.jpg"}, {"foo/y.jpg"}),
    ({"": "/a.jpg"}, {"a.jpg"}),
    ({"": "# a comment\n\nsub/**\n"}, {"sub/a.jpg", "sub/keep.jpg", "sub/deep/a.jpg", "sub/deep/keep.jpg"}),
    ({"": "Best of/"}, {"2021/Best of/k.jpg"}),
    ({"": "sub\n!sub/keep.jpg"}, {"sub/a.jpg", "sub/keep.jpg", "sub/deep/a.jpg", "sub/deep/keep.jpg"}),
    ({"": "a.jpg"}, {"a.jpg", "sub/a.jpg", "sub/deep/a.jpg"}),
    ({"sub": "a.jpg"}, {"sub/a.jpg", "sub/deep/a.jpg"}),
    ({"sub": "/a.jpg"}, {"sub/a.jpg"}),
    ({"": "*.jpg", "sub": "!keep.jpg"}, set(PHOTOS) - {"sub/keep.jpg", "sub/deep/keep.jpg"}),
    ({"": "a.jpg", "sub": "!a.jpg", "sub/deep": "a.jpg"}, {"a.jpg", "sub/deep/a.jpg"}),
    ({"": "sub/", "sub": "!*"}, {"sub/a.jpg", "sub/keep.jpg", "sub/deep/a.jpg", "sub/deep/keep.jpg"}),
    ({"": "\ufeffa.jpg\r\n"}, {"a.jpg", "sub/a.jpg", "sub/deep/a.jpg"}),
]


@pytest.mark.parametrize(("files", "expected"), GIT)
def test_ignore_files_mean_what_git_means(tmp_path: Path, files: dict[str, str], expected: set[str]) -> None:
    assert ignored(tmp_path, files) == expected
    for photo in PHOTOS:  # and a photo asked for by itself is judged as the walk judged it
        folder = photo.rpartition("/")[0]
        assert (Wishes.of(tmp_path, (), folder.encode()).reason(photo.encode()) is not None) == (photo in expected)
        (alone,) = walk(tmp_path, (), tmp_path / photo)
        assert (alone.reason == "ignored") == (photo in expected)


def test_keep_is_named_before_ignored(tmp_path: Path) -> None:
    assert ignored(tmp_path, {"": "a.jpg"}, ("sub/deep/**",)) == {"a.jpg", "sub/a.jpg", "sub/deep/a.jpg", "sub/deep/keep.jpg"}
    reasons = {str(each.path.relative_to(tmp_path)): each.reason for each in walk(tmp_path, keep=("sub/deep/**",))}
    assert (reasons["sub/deep/a.jpg"], reasons["a.jpg"], reasons["keep.jpg"]) == ("kept", "ignored", None)


@pytest.mark.parametrize("trouble", ["link", "folder", "long", "pattern"])
def test_an_ignore_file_that_cannot_be_used_keeps_its_folder_alone(tmp_path: Path, trouble: str) -> None:
    (tmp_path / "sub").mkdir()
    place = tmp_path / "sub" / IGNORE_FILE
    match trouble:
        case "link":
            place.symlink_to(tmp_path / "elsewhere")
        case "folder":
            place.mkdir()
        case "long":
            place.write_bytes(b"#" * (MOST_BYTES + 1))
        case "pattern":
            place.write_text("good.jpg\n!\n")
    assert ignored(tmp_path, {}) == {photo for photo in PHOTOS if photo.startswith("sub/")}


def test_a_pattern_that_is_none_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2: '!' is no pattern"):
        compiled(["*.png", "!"])


def states(home: Home) -> dict[str, tuple[State, str | None]]:
    with home.shop() as shop:
        return {row.path.decode(): (row.state, row.reason) for row in shop.catalog.rows()}


def test_left_alone_as_long_as_the_user_wants_it(home: Home, photo: Callable[..., bytes]) -> None:
    home.configure('keep = ["best/**"]')
    (home.root / "best").mkdir()
    for name in ("best/a.jpg", "b.jpg", "c.jpg"):
        (home.root / name).write_bytes(photo(seed=len(name)))
    (home.root / IGNORE_FILE).write_text("b.jpg\n")
    before = home.files()
    done = home.optimize()
    assert (done.archived, dict(done.left)) == (1, {"kept": 1, "ignored": 1})
    assert states(home) == {"best/a.jpg": (State.LEFT, "kept"), "b.jpg": (State.LEFT, "ignored"), "c.jpg": (State.RETIRED, None)}
    assert {name: digest for name, digest in home.files().items() if name in ("best/a.jpg", "b.jpg", IGNORE_FILE)} == {
        name: digest for name, digest in before.items() if name != "c.jpg"
    }
    assert home.optimize(home.root / "b.jpg").left == {"ignored": 1}, "also where it is named"
    assert home.optimize().nothing_done
    home.configure()
    (home.root / IGNORE_FILE).unlink()
    assert home.optimize().archived == 2


def test_what_was_left_for_another_reason_comes_under_the_users_word(home: Home, photo: Callable[..., bytes]) -> None:
    (home.root / "a.jpg").write_bytes(photo(wish="refuse:cmyk"))
    home.optimize()
    assert states(home) == {"a.jpg": (State.LEFT, "cmyk")}
    home.configure('keep = ["*.jpg"]')
    encoded = home.codec.encoded
    home.optimize()
    assert states(home) == {"a.jpg": (State.LEFT, "kept")}
    assert home.codec.encoded == encoded


def test_an_archived_photo_stays_archived_and_explain_says_so(home: Home, photo: Callable[..., bytes]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.configure('keep = ["*.jpg"]')
    assert home.optimize().nothing_done
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    said = CliRunner().invoke(cli, [*options, "explain", str(home.root / "a.jpg")]).output
    assert "Were it new, it would be left alone: your configuration keeps it" in said
    (home.root / "new.jpg").write_bytes(photo(seed=2))
    assert "your configuration keeps it" in CliRunner().invoke(cli, [*options, "explain", str(home.root / "new.jpg")]).output


def test_a_pattern_that_is_none_is_a_mistake_in_the_configuration(home: Home) -> None:
    home.configure('keep = ["*.jpg", "!"]')
    said = CliRunner().invoke(cli, ["--config", str(home.places.config_file), "config", "check"])
    assert said.exit_code == 2
    assert "config.toml, line 3: keep" in said.output
    assert "'!' is no pattern" in said.output
