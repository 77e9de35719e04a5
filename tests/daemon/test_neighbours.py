"""`restore_ahead`: the next photos of a folder come back with the one that is restored."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon.marking import original_of

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

NAMES = ("trip/IMG_1.jpg", "trip/IMG_2.jpg", "trip/IMG_3.jpg", "trip/IMG_4.jpg", "trip/inner/IMG_2.jpg", "trip0.jpg", "IMG_9.jpg")


@pytest.fixture
def archived(home: Home, photo: Callable[..., bytes]) -> Home:
    for number, name in enumerate(NAMES):
        path = home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number))
        os.utime(path, (1.5e9, 1.5e9))
    assert home.optimize().archived == len(NAMES)
    return home


def back(home: Home) -> set[str]:
    return {name for name in NAMES if (home.root / name).exists() and original_of((home.root / name).read_bytes()) is None}


def test_off_unless_asked_for(archived: Home, run: Callable[..., Result]) -> None:
    assert run("restore", str(archived.root / NAMES[0])).exit_code == 0
    assert back(archived) == {NAMES[0]}


@pytest.mark.parametrize("purged", [True, False])
def test_the_next_of_its_folder_and_no_others(archived: Home, run: Callable[..., Result], purged: bool) -> None:
    archived.configure(gallery="restore_ahead = 2")
    if purged:
        archived.clock.forward(days=8)
        archived.optimize()
    done = run("restore", str(archived.root / NAMES[0]))
    assert done.exit_code == 0
    assert back(archived) == {"trip/IMG_1.jpg", "trip/IMG_2.jpg", "trip/IMG_3.jpg"}
    assert done.stdout.count(".jpg: ") == 3, "each is told"
    assert run("restore", str(archived.root / "IMG_9.jpg")).exit_code == 0
    assert back(archived) == {"trip/IMG_1.jpg", "trip/IMG_2.jpg", "trip/IMG_3.jpg", "IMG_9.jpg", "trip0.jpg"}


def test_what_was_edited_or_deleted_stays_so(archived: Home, run: Callable[..., Result]) -> None:
    archived.configure(gallery="restore_ahead = 20")
    (archived.root / NAMES[1]).unlink()
    (archived.root / NAMES[2]).write_bytes(b"an edit")
    assert run("restore", str(archived.root / NAMES[0])).exit_code == 0
    assert back(archived) == {NAMES[0], NAMES[2], NAMES[3]}
    assert (archived.root / NAMES[2]).read_bytes() == b"an edit"
    assert not list(archived.root.rglob("*(original)*"))


def test_what_is_written_elsewhere_brings_nothing_along(archived: Home, run: Callable[..., Result], tmp_path: Path) -> None:
    archived.configure(gallery="restore_ahead = 2")
    assert run("restore", str(archived.root / NAMES[0]), "--to", str(tmp_path / "out")).exit_code == 0
    assert back(archived) == set()


def test_asked_for_from_the_phone(archived: Home) -> None:
    archived.configure(gallery="restore_ahead = 1")
    (archived.root / "Restore").mkdir()
    shutil.copy(archived.root / NAMES[1], archived.root / "Restore" / "IMG_2.jpg")
    assert archived.optimize().requested == ["Restore/IMG_2.jpg", "trip/IMG_3.jpg"]
    assert back(archived) == {"trip/IMG_3.jpg"}
    assert not archived.optimize().requested
