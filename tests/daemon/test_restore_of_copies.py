"""Stand-ins that were copied, or came from another computer, asked for their photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon import restorer
from daemon.errors import WrongPath
from daemon.marking import original_of, vault_of
from daemon.ports import Silence
from daemon.restorer import Came, Restoration

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def restore(home: Home, *paths: Path, to: Path | None = None) -> list[Restoration]:
    with home.shop() as shop:
        return restorer.restore(shop, list(paths), to, None, Silence())


@pytest.fixture
def archived(home: Home, photo: Photo) -> Path:
    path = home.root / "a.jpg"
    path.write_bytes(photo())
    assert home.optimize().archived == 1
    return path


def test_a_copied_stand_in_is_filled_also_where_its_photo_is_back(home: Home, photo: Photo, archived: Path) -> None:
    copy, edit = home.root / "copy.jpg", home.root / "edit.jpg"
    copy.write_bytes(archived.read_bytes())
    edit.write_bytes(archived.read_bytes()[:-2] + b"an edit\xff\xd9")
    before = edit.read_bytes()
    assert restore(home, archived)[0].came is Came.ORIGINAL
    assert restore(home, copy)[0].written == copy
    assert copy.read_bytes() == photo(), "the original is at hand there"
    assert restore(home, copy)[0].came is Came.NOT
    assert restore(home, edit)[0].came is Came.NOT
    assert edit.read_bytes() == before


def test_a_copied_stand_in_becomes_a_photo_of_its_own_and_outside_gives_the_original_elsewhere(
    home: Home, photo: Photo, archived: Path, tmp_path: Path
) -> None:
    twin, outside = home.root / "twin.jpg", tmp_path / "mailed.jpg"
    for copy in (twin, outside):
        copy.write_bytes(archived.read_bytes())
    assert "say --to DIR" in restore(home, outside)[0].trouble
    for copy in (twin, outside):
        (done,) = restore(home, copy, to=tmp_path / "out")
        assert done.came is Came.ORIGINAL
        assert (tmp_path / "out" / copy.name).read_bytes() == photo()
    assert restore(home, twin)[0].came is Came.ORIGINAL
    assert twin.read_bytes() == photo()
    assert original_of(archived.read_bytes()) is not None
    assert home.optimize().nothing_done
    edited = home.root / "edited.jpg"
    edited.write_bytes(archived.read_bytes()[:-2] + bytes(9) + archived.read_bytes()[-2:])
    assert "restore that one" in restore(home, edited)[0].trouble


def test_a_stand_in_from_another_computer_says_where_its_archive_is(home: Home, archived: Path, tmp_path: Path) -> None:
    home.clock.forward(days=8)
    assert home.optimize().purged == 1
    foreign = home.root / "foreign.jpg"
    digest, vault = original_of(archived.read_bytes()) or "", vault_of(archived.read_bytes())
    assert vault
    for old, new, says in ((vault, "f" * 16, "another computer or disk.*ffffffffffffffff"), (vault, vault, "in no vault here")):
        data = archived.read_bytes().replace(digest.encode(), b"e" * 64).replace(old.encode(), new.encode())
        foreign.write_bytes(data)
        for to in (None, tmp_path):
            with pytest.raises(WrongPath, match=f"{says}.*--to DIR"):
                restore(home, foreign, to=to)
        assert foreign.read_bytes() == data
