"""A run that finds no photo says what it found instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon import unseen
from daemon.exits import ExitCode

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]


@pytest.fixture
def heic(home: Home) -> Home:
    """A gallery as an iPhone fills it by default."""
    (home.root / "2024").mkdir()
    for name in ("2024/IMG_1.HEIC", "2024/IMG_2.HEIC", "clip.mp4", ".hidden.jpg", "x.jpg.part"):
        (home.root / name).write_bytes(b"bytes")
    return home


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--now",)])
def test_a_gallery_of_other_files(run: Run, heic: Home, words: tuple[str, ...]) -> None:
    done = run("optimize", *words)
    assert done.exit_code == ExitCode.NOTHING_TO_DO
    first, *lines = done.stderr.splitlines()
    assert first.startswith("gallery-optimizer: ")
    assert lines == [
        f"There is no photo in {heic.root}.",
        "3 files (2 .heic, 1 .mp4), such as clip.mp4: not looked at: its name ends in neither .jpg, .jpeg, .jpe, .jfif, .mpo nor .png.",
        "1 file, .hidden.jpg: not looked at: it is hidden, or lies in a hidden folder.",
        "1 file, x.jpg.part: not looked at: by its name it has not arrived yet.",
    ]


def test_status_does_not_send_to_optimize_whoever_comes_from_there(run: Run, heic: Home) -> None:
    assert "Start with: gallery-optimizer optimize" in run("status").stdout
    heic.optimize()
    said = run("status").stdout
    assert "Start with" not in said
    assert "No photo is known in the galleries; " in said


def test_one_file_that_was_named(run: Run, heic: Home) -> None:
    lines = run("optimize", heic.root / "clip.mp4").stderr.splitlines()
    assert lines[1:] == ["1 file, clip.mp4: not looked at: its name ends in neither .jpg, .jpeg, .jpe, .jfif, .mpo nor .png."]


def test_where_there_are_photos_nothing_is_added(run: Run, heic: Home, photo: Photo) -> None:
    (heic.root / "a.jpg").write_bytes(photo())
    run("optimize")
    assert run("optimize").stderr == "gallery-optimizer: nothing to do.\n"
    assert "There is no photo in" in run("optimize", heic.root / "2024").stderr


def test_a_gallery_of_links(run: Run, home: Home, photo: Photo) -> None:
    """As git-annex keeps its files, and who gathers an album from elsewhere."""
    (home.root.parent / "real.jpg").write_bytes(photo())
    for name in ("a.jpg", "b.jpg"):
        (home.root / name).symlink_to(home.root.parent / "real.jpg")
    assert "2 files, such as a.jpg: it is not an ordinary file but, for example, a symbolic link" in run("optimize").stderr


def test_an_empty_gallery(run: Run, home: Home) -> None:
    assert run("optimize").stderr.splitlines()[1:] == [f"There is no photo in {home.root}."]


def test_it_looks_at_so_many_names_and_no_more(run: Run, heic: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "MOST", 2)
    assert "1 file, clip.mp4" in run("optimize").stderr


def test_many_endings_are_summed_up() -> None:
    names = ["a.HEIC", "b.heic", "README", *(f"c.{letter}" for letter in "uvwxyz")]
    (line,) = unseen.not_looked_at_lines({"other-name": names})
    assert line.startswith("9 files (2 .heic, 1 without an ending, 1 .u, 1 .v, 4 others), such as a.HEIC: not looked at")
