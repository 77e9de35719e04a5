"""`restore --to` and `export --to` into a gallery, or into a vault."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Run = Callable[..., Result]
Photo = Callable[..., bytes]


@pytest.fixture(params=[("restore", "a.jpg"), ("export", "--originals")], ids=["restore", "export"])
def give(request: pytest.FixtureRequest, home: Home, photo: Photo, run: Run) -> Callable[[str], Result]:
    """The command with `--to` a folder of the gallery; a photo is in grace."""
    home.configure('exclude = ["out/**"]\nkeep = ["best/**"]')
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "ignored").mkdir()
    (home.root / "ignored/.gallery-optimizer-ignore").write_text("*\n")
    home.optimize()
    command, what = request.param
    return lambda folder: run(command, what if what.startswith("-") else home.root / what, "--to", home.root / folder)


@pytest.mark.parametrize("folder", [".gallery-optimizer", ".gallery-optimizer/originals", "album/.gallery-optimizer/new"])
def test_nothing_is_put_into_a_vault(home: Home, give: Callable[[str], Result], folder: str) -> None:
    before = home.files()
    done = give(folder)
    assert (done.exit_code, "is in a vault" in done.stderr) == (2, True)
    assert home.files() == before


def test_in_a_gallery_it_is_told_what_becomes_of_them(home: Home, give: Callable[[str], Result], photo: Photo) -> None:
    done = give("book")
    assert done.exit_code == 0
    assert "archived again like every other photo" in done.stderr
    assert photo() in {path.read_bytes() for path in (home.root / "book").rglob("*.jpg")}


@pytest.mark.parametrize("folder", ["out", "best", "ignored", ".hidden", "../elsewhere"])
def test_where_nothing_is_archived_nothing_is_said(give: Callable[[str], Result], folder: str) -> None:
    done = give(folder)
    assert done.exit_code == 0
    assert "archived again" not in done.stderr
