"""Somebody edited a stand-in: the edit keeps its name, the full photo goes beside it, and nothing of either is forgotten."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from PIL import Image

from codec.labels import Labels, labelled
from daemon import composition, restorer
from daemon.cli.main import cli
from daemon.marking import original_of
from daemon.ports import Silence
from daemon.restorer import Came, Restoration
from storage.catalog import Catalog
from storage.digest import sha256_of
from storage.errors import NoSpace
from storage.records import PhotoRow
from storage.states import State
from storage.vault import Vault

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
WHEN = 1_500_000_000_987_654_321
PACKET = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"<rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='5'/></rdf:RDF></x:xmpmeta>"
)


def restore(home: Home, *paths: Path, to: Path | None = None) -> list[Restoration]:
    with home.shop() as shop:
        return restorer.restore(shop, list(paths), to, None, Silence())


def turned(data: bytes, *, marked: bool = False) -> bytes:
    """An edit of a stand-in; most programs drop its comment, `marked` ones keep it."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        edit = image.rotate(90, expand=True).resize((900, 1200))
        edit.info = {"comment": image.info["comment"]} if marked else {}
        edit.save(buffer, "JPEG", quality=97)
    return buffer.getvalue()


@pytest.fixture
def archived(home: Home, photo: Photo) -> Path:
    path = home.root / "IMG_1.jpg"
    path.write_bytes(photo())
    path.chmod(0o640)
    os.utime(path, ns=(WHEN, WHEN))
    assert home.optimize().archived == 1
    return path


@pytest.fixture
def beside(archived: Path) -> Path:
    return archived.with_name("IMG_1 (original).jpg")


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "copy aside"])
@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_in_grace_the_original_itself_goes_beside_the_edit(
    home: Home, photo: Photo, archived: Path, beside: Path, monkeypatch: pytest.MonkeyPatch, marked: bool, exchange: bool
) -> None:
    monkeypatch.setattr(Vault, "exchange_works", exchange)
    edit = turned(archived.read_bytes(), marked=marked)
    archived.write_bytes(edit)
    done = home.optimize()
    assert [(each.name, each.place, each.original) for each in done.beside] == [("IMG_1.jpg", beside, True)]
    assert beside.read_bytes() == photo()
    assert (beside.stat().st_mtime_ns, beside.stat().st_mode & 0o777) == (WHEN, 0o640)
    known = home.rows()
    assert (known[beside.name].state, known[beside.name].came_from) == (State.RESTORED, b"IMG_1.jpg")
    if marked:
        assert archived.read_bytes() == edit
        assert (known["IMG_1.jpg"].state, known["IMG_1.jpg"].reason) == (State.LEFT, "stand-in")
        assert not home.asides()
    else:
        assert known["IMG_1.jpg"].state is State.RETIRED, "a photo like any other"
        assert [aside.read_bytes() for aside in home.asides()] == [edit]
    before = home.files()
    assert home.optimize().nothing_done
    assert home.files() == before
    home.clock.forward(days=31)
    home.optimize()
    assert known[beside.name].sha256 in [sha256_of(aside) for aside in home.asides()], "archived again, with the archive it has"
    assert home.codec.encoded == (1 if marked else 2)


def test_after_the_grace_a_copy_goes_beside_the_edit(home: Home, photo: Photo, archived: Path, beside: Path) -> None:
    home.clock.forward(days=8)
    assert home.optimize().purged == 1
    archived.write_bytes(turned(archived.read_bytes()))
    assert [each.original for each in home.optimize().beside] == [False]
    with Image.open(beside) as copy, Image.open(io.BytesIO(photo())) as original:
        assert copy.size == original.size
    assert (beside.stat().st_mtime_ns, beside.stat().st_mode & 0o777) == (WHEN, 0o640)
    assert home.rows()[beside.name].copy_sha256 == sha256_of(beside)
    home.clock.forward(days=31)
    home.optimize()
    assert original_of(beside.read_bytes()) is not None, "the copy was put away, not coded again"
    assert home.rows()[beside.name].state is State.PURGED


def test_no_purge_before_the_original_is_beside_the_edit(home: Home, photo: Photo, archived: Path, beside: Path) -> None:
    """A run over another folder purges too, and has not looked here."""
    archived.write_bytes(b"an edit")
    (home.root / "other").mkdir()
    home.clock.forward(days=8)
    done = home.optimize(home.root / "other")
    assert (done.purged, [each.place for each in done.beside]) == (0, [beside])
    assert beside.read_bytes() == photo()


def test_a_full_disk_keeps_the_original_in_the_vault(
    home: Home, photo: Photo, archived: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise NoSpace("the disk is full")

    archived.write_bytes(b"an edit")
    home.clock.forward(days=8)
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "put_back", full)
        done = home.optimize()
    assert not done.beside
    assert "disk is full" in done.failed[0][1]
    assert done.purged == 0
    assert archived.read_bytes() == b"an edit"
    assert [aside.read_bytes() for aside in home.asides()] == [photo()]
    assert [each.place for each in home.optimize().beside] == [beside]


def test_names_that_are_taken_are_passed_by(home: Home, photo: Photo, archived: Path, beside: Path) -> None:
    beside.write_bytes(b"mine")
    archived.write_bytes(b"an edit")
    (laid,) = home.optimize().beside
    assert laid.place == archived.with_name("IMG_1 (original 2).jpg")
    assert beside.read_bytes() == b"mine"
    assert laid.place.read_bytes() == photo()


def test_the_longest_name_leaves_room_for_the_label(home: Home, photo: Photo) -> None:
    path = home.root / ("\u00e9" * 125 + ".jpg")
    path.write_bytes(photo())
    home.optimize()
    path.write_bytes(b"an edit")
    (laid,) = home.optimize().beside
    assert laid.place.read_bytes() == photo()
    assert laid.place.name.endswith("\u00e9 (original).jpg")


def test_an_edit_of_what_was_archived_again_gets_a_short_name(home: Home, photo: Photo, archived: Path, beside: Path) -> None:
    archived.write_bytes(b"an edit")
    home.optimize()
    home.clock.forward(days=31)
    assert home.optimize().archived == 1
    beside.write_bytes(b"another edit")
    (laid,) = home.optimize().beside
    assert laid.place == archived.with_name("IMG_1 (original 2).jpg")
    assert laid.place.read_bytes() == photo()


@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_restore_gives_the_full_photo_and_never_calls_the_edit_the_original(
    home: Home, photo: Photo, archived: Path, beside: Path, tmp_path: Path, marked: bool
) -> None:
    edit = turned(archived.read_bytes(), marked=marked)
    archived.write_bytes(edit)
    (done,) = restore(home, archived, to=tmp_path / "before")
    assert (done.came, (tmp_path / "before/IMG_1.jpg").read_bytes()) == (Came.ORIGINAL, photo())
    home.optimize()
    given = {done.written.name: done.came for done in restore(home, archived, to=tmp_path / "after") if done.written}
    expected = {beside.name: Came.ORIGINAL} if marked else {"IMG_1.jpg": Came.AS_IT_IS, beside.name: Came.ORIGINAL}
    assert given == expected
    assert (tmp_path / "after" / beside.name).read_bytes() == photo()
    if not marked:
        assert (tmp_path / "after/IMG_1.jpg").read_bytes() == edit
    assert any("IMG_1 (original).jpg" in done.note for done in restore(home, archived))
    beside.unlink()
    (done,) = [done for done in restore(home, archived, to=tmp_path / "late") if done.written and done.written.name == beside.name]
    assert done.came is Came.COPY, "the archive still has it"


def test_the_commands_say_so(home: Home, archived: Path, beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition.Workshop.__init__, "__defaults__", (home.clock, lambda settings: home.codec))

    def run(*arguments: object) -> str:
        options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
        return CliRunner().invoke(cli, [*options, *map(str, arguments)], prog_name="gallery-optimizer").stdout

    archived.write_bytes(turned(archived.read_bytes()))
    assert "is not its stand-in" in run("explain", archived)
    text = run("optimize")
    assert "Edited: IMG_1.jpg keeps the edit of its stand-in; the full photo is beside it: IMG_1 (original).jpg" in text
    assert "archived under this name before is IMG_1 (original).jpg: restored." in run("explain", archived)
    assert "It was IMG_1.jpg before: its stand-in there was edited" in run("explain", beside)
    assert "1  restored" in run("status")
    home.clock.forward(days=31)
    run("optimize")
    moved = beside.rename(home.root / "renamed.jpg")
    assert "It is a stand-in of IMG_1 (original).jpg: archived, original in grace." in run("explain", moved)


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("in_grace", [True, False])
def test_a_second_try_finds_what_the_first_one_brought(
    home: Home, archived: Path, monkeypatch: pytest.MonkeyPatch, tagged: bool, in_grace: bool
) -> None:
    """The catalogue's disk is full when the photo is in its place already; room is made, and it is tried once more."""
    if not in_grace:
        home.clock.forward(days=8)
        home.optimize()
    if tagged:
        archived.write_bytes(labelled(archived.read_bytes(), Labels(xmp=PACKET)))
    stand_in, real, tries = archived.read_bytes(), Catalog.restored, iter([True])

    def full(self: Catalog, *arguments: object, **named: object) -> PhotoRow:
        if next(tries, False):
            raise NoSpace("full")
        return real(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Catalog, "restored", full)
    (done,) = restore(home, archived)
    assert done.trouble == ""
    assert next(tries, None) is None
    home.optimize()
    ((name, row),) = home.rows().items()
    assert (name, row.state) == ("IMG_1.jpg", State.RESTORED)
    assert [path.name for path in home.root.glob("*.jpg")] == ["IMG_1.jpg"]
    assert archived.read_bytes() != stand_in


@pytest.mark.parametrize("edited", [True, False])
def test_what_a_lossless_lane_gives_is_called_the_original(
    home: Home, photo: Photo, archived: Path, monkeypatch: pytest.MonkeyPatch, edited: bool
) -> None:
    home.clock.forward(days=8)
    home.optimize()
    monkeypatch.setattr(home.codec.backend, "restore", lambda archive, format: photo())
    if edited:
        archived.write_bytes(turned(archived.read_bytes()))
    (done,) = restore(home, archived)
    place = archived.with_name("IMG_1 (original).jpg") if edited else archived
    assert (done.came, done.written) == (Came.ORIGINAL, place)
    assert place.read_bytes() == photo()
