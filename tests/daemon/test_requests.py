"""The folder `Restore`: a stand-in in it asks for its photo."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.marking import original_of
from daemon.requests import Act, decide, serve_requests
from daemon.restorer import Came
from storage.catalog import Catalog
from storage.digest import sha256_of
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
WHEN = 1_500_000_000_987_654_321


@pytest.fixture
def archived(home: Home, photo: Photo) -> Path:
    path = home.root / "IMG_1.jpg"
    path.write_bytes(photo())
    path.chmod(0o640)
    os.utime(path, ns=(WHEN, WHEN))
    home.optimize()
    (home.root / "Restore").mkdir()
    return path


def test_the_table(home: Home, archived: Path) -> None:
    row = home.rows()["IMG_1.jpg"]
    ours = row.stand_in_sha256 or ""
    assert decide(None, ours, [row], lambda _: True) == (Act.COPY, row)
    assert decide(None, ours, [row], lambda _: False) == (Act.BRING, row)
    assert decide(row, ours, [row], lambda _: True)[0] is Act.NOTHING, "it lives here"
    assert decide(None, "0" * 64, [row], lambda _: True)[0] is Act.NOTHING, "an edit, or half of it"
    assert decide(None, ours, [], lambda _: True)[0] is Act.NOTHING, "no archive here"
    purged = replace(row, state=State.PURGED, id=row.id + 1)
    assert decide(None, ours, [purged, row], lambda _: True) == (Act.COPY, row), "the one with its original"
    assert decide(None, ours, [replace(row, superseded_at=1)], lambda _: True)[0] is Act.NOTHING
    assert decide(replace(row, archive_sha256=None, state=State.LEFT), ours, [row], lambda _: True)[0] is Act.COPY


@pytest.mark.parametrize("in_grace", [True, False])
def test_a_stand_in_that_is_moved_there_brings_its_photo(home: Home, photo: Photo, archived: Path, in_grace: bool) -> None:
    if not in_grace:
        home.purge()
    asked = home.root / "Restore" / "IMG_1.jpg"
    archived.rename(asked)
    assert home.optimize().requested == ["Restore/IMG_1.jpg"]
    assert (asked.read_bytes() == photo()) == in_grace
    assert original_of(asked.read_bytes()) is None
    assert (asked.stat().st_mtime_ns, asked.stat().st_mode & 0o777) == (WHEN, 0o640)
    row = home.rows()["Restore/IMG_1.jpg"]
    assert (row.state, row.came_from) == (State.RESTORED, b"IMG_1.jpg")
    before = home.files()
    assert home.optimize().nothing_done
    assert home.files() == before


@pytest.mark.parametrize("in_grace", [True, False])
def test_of_a_copy_both_are_there(home: Home, photo: Photo, archived: Path, in_grace: bool) -> None:
    if not in_grace:
        home.purge()
    asked = home.root / "Restore" / "from the phone.jpg"
    shutil.copy(archived, asked)
    assert home.optimize().requested == ["Restore/from the phone.jpg"]
    assert (asked.read_bytes() == photo()) == in_grace
    assert original_of(archived.read_bytes()) is not None, "what was copied stays"
    found = home.rows()
    assert [found[name].state for name in ("IMG_1.jpg", "Restore/from the phone.jpg")] == [
        State.RETIRED if in_grace else State.PURGED,
        State.RESTORED,
    ]
    assert found["IMG_1.jpg"].archive_sha256 == found["Restore/from the phone.jpg"].archive_sha256
    assert home.optimize().nothing_done
    home.clock.forward(days=31)
    home.optimize()
    assert original_of(asked.read_bytes()) is not None, "archived again when it is idle, with the archive that it has"
    before = home.files()
    assert not home.optimize().requested, "what lives there asks for nothing"
    assert home.files() == before
    assert home.codec.encoded == 1


def test_a_copy_that_was_seen_before_as_a_stand_in_is_served_all_the_same(home: Home, archived: Path) -> None:
    (home.root / "Restore").rmdir()
    (home.root / "later").mkdir()
    shutil.copy(archived, home.root / "later" / "a.jpg")
    home.optimize()
    assert home.rows()["later/a.jpg"].reason == "stand-in"
    home.configure(gallery='requests = "later"')
    assert home.optimize().requested == ["later/a.jpg"]


def test_what_is_no_stand_in_or_was_edited_asks_for_nothing(home: Home, photo: Photo, archived: Path) -> None:
    (home.root / "Restore" / "photo.jpg").write_bytes(photo(5))
    (home.root / "Restore" / "half.jpg").write_bytes(archived.read_bytes()[:-200])
    assert not home.optimize().requested
    assert (home.root / "Restore" / "half.jpg").exists()


def test_another_vaults_stand_in_stays_with_a_warning(home: Home, archived: Path, caplog: pytest.LogCaptureFixture) -> None:
    home.purge()
    foreign = home.root / "Restore" / "theirs.jpg"
    digest = original_of(archived.read_bytes()) or ""
    foreign.write_bytes(archived.read_bytes().replace(digest.encode(), b"f" * 64))
    before = sha256_of(foreign)
    assert not home.optimize().requested
    assert "no archive of this gallery" in caplog.text
    assert sha256_of(foreign) == before


def test_a_missing_archive_is_told_and_the_request_stays(home: Home, archived: Path) -> None:
    home.purge()
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    archive.rename(home.root.parent / "away.nphoto")
    asked = home.root / "Restore" / "IMG_1.jpg"
    archived.rename(asked)
    with home.shop() as shop:
        (failed,) = serve_requests(shop, shop.galleries[0])
    assert (failed.came, "is not there" in failed.trouble) == (Came.NOT, True)
    (home.root.parent / "away.nphoto").rename(archive)
    assert home.optimize().requested == ["Restore/IMG_1.jpg"]


def test_a_copy_whose_archive_is_missing_is_tried_again(home: Home, archived: Path) -> None:
    home.purge()
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    archive.rename(home.root.parent / "away.nphoto")
    asked = Path(shutil.copy(archived, home.root / "Restore" / "a.jpg"))
    for _ in range(2):
        with home.shop() as shop:
            (failed,) = serve_requests(shop, shop.galleries[0])
        assert failed.came is Came.NOT
        assert original_of(asked.read_bytes()) is not None
    (home.root.parent / "away.nphoto").rename(archive)
    assert home.optimize().requested == ["Restore/a.jpg"]
    assert not home.optimize().requested


@pytest.mark.parametrize("stopped_at", ["restoring", "restored"])
def test_a_request_that_was_stopped_half_way_is_served(
    home: Home, archived: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: str
) -> None:
    """Between the row and the decoding, and between the copy in its place and the row that says so."""
    home.purge()
    asked = Path(shutil.copy(archived, home.root / "Restore" / "a.jpg"))
    with monkeypatch.context() as patched:
        patched.setattr(Catalog, stopped_at, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            home.optimize()
    assert home.rows()["Restore/a.jpg"].state is State.PURGED
    home.optimize()
    row = home.rows()["Restore/a.jpg"]
    assert (row.state, row.asked_at) == (State.RESTORED, None)
    assert original_of(asked.read_bytes()) is None
    assert original_of(archived.read_bytes()) is not None
    home.clock.forward(days=31)
    home.optimize()
    before = home.files()
    assert not home.optimize().requested, "archived again, it asks for nothing"
    assert home.files() == before


def test_a_request_that_was_taken_back_is_none(home: Home, archived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.purge()
    asked = Path(shutil.copy(archived, home.root / "Restore" / "a.jpg"))
    with monkeypatch.context() as patched:
        patched.setattr(Catalog, "restoring", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            home.optimize()
    asked.unlink()
    assert not home.optimize().requested
    assert not asked.exists()
    assert original_of(archived.read_bytes()) is not None


def test_a_folder_that_is_a_link_is_passed_by(home: Home, archived: Path, tmp_path: Path) -> None:
    (home.root / "Restore").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (home.root / "Restore").symlink_to(tmp_path / "elsewhere")
    asked = shutil.copy(archived, tmp_path / "elsewhere" / "a.jpg")
    before = sha256_of(asked)
    assert not home.optimize().requested
    assert sha256_of(asked) == before


def test_of_a_photo_whose_row_was_made_anew(home: Home, archived: Path) -> None:
    """`doctor --rebuild` has no proof to give."""
    home.purge()
    (row,) = home.rows().values()
    archive = ("archive_name", "archive_sha256", "archive_bytes", "copy_bytes", "lane", "quality", "model", "score_whole")
    home.places.catalog_file.unlink()
    with home.shop() as shop:
        shop.catalog.adopt(
            row.gallery,
            row.path,
            sha256=row.sha256 or "",
            size_bytes=row.size_bytes,
            fingerprint=row.fingerprint,
            archive={name: getattr(row, name) for name in archive},
            stand_in_sha256=row.stand_in_sha256,
            stand_in_fingerprint=row.stand_in_fingerprint,
            proof=None,
            purge_after_at=None,
        )
    shutil.copy(archived, home.root / "Restore" / "a.jpg")
    assert home.optimize().requested == ["Restore/a.jpg"]
    assert home.rows()["Restore/a.jpg"].quality == "high"


def test_switched_off(home: Home, archived: Path) -> None:
    home.configure(gallery='requests = "off"')
    shutil.copy(archived, home.root / "Restore" / "a.jpg")
    assert not home.optimize().requested
