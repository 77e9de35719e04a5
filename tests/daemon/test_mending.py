"""What verify does about damage: each photo by itself, and never at the cost of what its user did to a stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from codec.errors import Unsupported
from codec.labels import Labels, labelled, labels_of
from daemon.exits import ExitCode
from storage.digest import sha256_of

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]


@pytest.fixture
def damaged(home: Home, photo: Photo) -> Home:
    """Three photos in grace, whose archives are damaged."""
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    for archive in home.archives():
        data = bytearray(archive.read_bytes())
        data[-5] ^= 1
        archive.write_bytes(data)
    return home


def tagged(data: bytes) -> bytes:
    own = labels_of(data).xmp
    at = own.index(b"</rdf:RDF>")
    return labelled(data, Labels(xmp=own[:at] + b"<rdf:Description xmp:Rating='5' xmlns:xmp='http://ns.adobe.com/xap/1.0/'/>" + own[at:]))


def test_one_that_can_not_be_mended_is_no_obstacle_to_the_next(damaged: Home, photo: Photo, run: Run) -> None:
    edit = photo(7)
    (damaged.root / "0.jpg").write_bytes(edit)
    result = run("verify")
    assert result.exit_code == ExitCode.DAMAGE
    assert "Not repaired: 0.jpg: " in result.output
    assert result.output.count("Mended: ") == 2
    assert (damaged.root / "0.jpg").read_bytes() == edit
    assert sorted(path.name for path in (damaged.root / ".gallery-optimizer/originals").iterdir())


def test_nothing_is_mended_against_the_stop_file(damaged: Home, run: Run) -> None:
    (damaged.root / ".gallery-optimizer/stop").touch()
    before = damaged.files()
    result = run("verify")
    assert result.exit_code == ExitCode.DAMAGE
    assert "says stop" in result.output
    assert damaged.files() == before


@pytest.mark.parametrize("noted", [False, True])
def test_labels_of_a_stand_in_are_not_mended_away(damaged: Home, run: Run, noted: bool) -> None:
    place = damaged.root / "1.jpg"
    place.write_bytes(tagged(place.read_bytes()))
    before = place.read_bytes()
    if noted:
        damaged.optimize()
    result = run("verify")
    assert result.exit_code == ExitCode.DAMAGE
    assert "Not repaired: 1.jpg: its stand-in was given labels; restore it" in result.output
    assert result.output.count("Mended: ") == 2
    assert place.read_bytes() == before
    assert run("restore", str(place)).exit_code == ExitCode.DONE
    assert b"xmp:Rating='5'" in place.read_bytes() or b'xmp:Rating="5"' in place.read_bytes()


def test_where_it_can_not_be_archived_anew_the_damaged_archive_keeps_its_name(
    damaged: Home, photo: Photo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Unsupported("no-gain", "as the test wanted")

    before = {path: sha256_of(path) for path in damaged.archives()}
    monkeypatch.setattr(damaged.codec.backend, "archive", refuse)
    assert run("verify").exit_code == ExitCode.DAMAGE
    assert {path: sha256_of(path) for path in damaged.archives()} == before
    assert [(damaged.root / f"{seed}.jpg").read_bytes() for seed in range(3)] == [photo(seed) for seed in range(3)]
