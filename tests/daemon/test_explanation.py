"""What `explain` says of files that are no photos but stand for some, and of copies."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.report import amount

if TYPE_CHECKING:
    from click.testing import Result

    from tests.daemon.conftest import Home

Run = Callable[..., "Result"]
Photo = Callable[..., bytes]


def told(run: Run, path: Path) -> tuple[str, dict[str, object]]:
    """For people, in one line, and for programs."""
    return " ".join(run("explain", path).stdout.split()), json.loads(run("explain", path, "--json").stdout)


@pytest.fixture
def stand_in(home: Home, photo: Photo, run: Run) -> Path:
    """Of an archived photo, a.jpg."""
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    return home.root / "a.jpg"


def test_a_copy_of_a_stand_in_is_not_called_an_original(home: Home, photo: Photo, run: Run, stand_in: Path) -> None:
    copy = home.root / "b.jpg"
    copy.write_bytes(stand_in.read_bytes())
    home.optimize()
    size, digest = copy.stat().st_size, json.loads(run("explain", stand_in, "--json").stdout)["sha256"]
    text, facts = told(run, copy)
    assert "It is a stand-in of a.jpg: archived, original in grace." in text
    assert f"This file: {amount(size)}." in text
    assert f"Its original: {amount(len(photo()))}, SHA-256 {digest}" in text
    assert (facts["original_bytes"], facts["stand_in_bytes"], facts["sha256"]) == (len(photo()), size, digest)


def test_one_of_another_gallery_names_its_photo_there(home: Home, photo: Photo, run: Run, stand_in: Path) -> None:
    other = home.root.parent / "Second"
    other.mkdir()
    home.configure(f'[[gallery]]\npath = "{other}"')
    (other / "a.jpg").write_bytes(stand_in.read_bytes())
    assert f"It is a stand-in of {stand_in}: archived, original in grace." in told(run, other / "a.jpg")[0], "before any run"
    home.optimize()
    text, facts = told(run, other / "a.jpg")
    assert f"It is a stand-in of {stand_in}: archived, original in grace." in text
    assert f"This file: {amount(stand_in.stat().st_size)}. Its original: {amount(len(photo()))}" in text
    assert facts["related"] == [{"photo": str(stand_in), "state": "retired"}]


def test_one_of_another_computer_has_an_original_that_nobody_knows_here(home: Home, photo: Photo, run: Run, stand_in: Path) -> None:
    """It was called an original of its own size."""
    text, facts = told(run, stand_in)
    sha256, foreign = facts["sha256"], stand_in.read_bytes()
    home.places.catalog_file.unlink()
    (home.root / ".gallery-optimizer").rename(home.root.parent / "elsewhere")
    stand_in.unlink()
    (home.root / "foreign.jpg").write_bytes(foreign)
    (home.root / "another.jpg").write_bytes(photo(1))
    unseen = told(run, home.root / "foreign.jpg")[0]
    home.optimize()
    text, facts = told(run, home.root / "foreign.jpg")
    assert f"This file: {amount(len(foreign))}." in text
    for said in (unseen, text):
        assert f"Its original: SHA-256 {sha256}. Its archive is in the vault " in said
        assert "which is none that is known here" in said
        assert "Original:" not in said
    assert (facts["original_bytes"], facts["stand_in_bytes"], facts["sha256"]) == (None, len(foreign), sha256)


def test_what_was_saved_over_a_stand_in_is_called_none(home: Home, photo: Photo, run: Run, stand_in: Path) -> None:
    hidden = stand_in.rename(home.root / ".a.jpg")
    (home.root / "another.jpg").write_bytes(photo(1))
    home.optimize()
    fresh = home.root / "fresh.tmp"
    fresh.write_bytes(photo(2))
    hidden.unlink()
    fresh.rename(hidden)
    home.optimize()
    text, _ = told(run, hidden)
    assert "It was a stand-in of a.jpg: archived, original in grace." in text
    assert "another picture was saved over the stand-in, whose archive stays as long as there is a file." in text
    assert "It is a stand-in of" not in text
    assert f"This file: {amount(len(photo(2)))};" in text


def test_a_copy_without_its_archive_is_not_called_an_original(home: Home, run: Run, stand_in: Path) -> None:
    home.clock.forward(days=8)
    home.optimize()
    assert run("restore", stand_in).exit_code == 0
    copy = stand_in.read_bytes()
    second = home.root.parent / "Second"
    second.mkdir()
    home.configure(f'[[gallery]]\npath = "{second}"')
    (second / "copy.jpg").write_bytes(copy)
    os.utime(second / "copy.jpg", (1, 1))
    home.optimize()
    text, facts = told(run, second / "copy.jpg")
    assert facts["reason"] == "restored-copy"
    assert f"This file: {amount(len(copy))}" in text
    assert "Original:" not in text
    assert facts["original_bytes"] is None
