"""A vault and a catalogue as an earlier version left them: schema 3, no id, stand-ins that tell nothing but their original.

`old_vaults/schema-3.tar.xz` was written by the program of 2026-11-23: three photos of 256 x 192 pixels in the neural lane (model m1), two
of them purged, one in grace. What decodes them is the real codec, and slow.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from daemon import restorer
from daemon.access.view import Node, Source, View
from daemon.composition import start_workers
from daemon.doctor import Grade, examine
from daemon.ejection import eject
from daemon.galleries import all_of
from daemon.inspection import verify
from daemon.marking import mark_of
from daemon.messages import RestoreJob
from daemon.places import Places
from daemon.ports import Codec, Silence
from daemon.rebuilding import rebuild, set_catalogue_aside
from storage.catalog import Catalog
from storage.connection import SCHEMA_VERSION
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

OLD = Path(__file__).parent / "old_vaults" / "schema-3.tar.xz"
IN_GRACE = "f0cab7682896aaa836dd6f22ef6ec141ec668d6f3396c069f417423a1a13dcfd"
NAMES = ("deleted-later.jpg", "grace.jpg", "purged.jpg")


@pytest.fixture(scope="module")
def codec() -> Iterator[Codec]:
    workers = start_workers()
    yield workers
    workers.close()


@pytest.fixture
def old(tmp_path: Path, codec: Codec) -> Home:
    from tests.daemon.conftest import Clockwork, Home

    with tarfile.open(OLD) as packed:
        packed.extractall(tmp_path, filter="data")
    (tmp_path / "state").mkdir()
    catalog = (tmp_path / "catalog.sqlite3").rename(tmp_path / "state" / "catalog.sqlite3")
    connection = sqlite3.connect(catalog)
    connection.execute("UPDATE photos SET gallery = ?", (os.fsencode(tmp_path / "gallery"),))
    connection.commit()
    connection.close()
    made = Home(
        tmp_path / "gallery",
        Places(tmp_path / "config.toml", tmp_path / "state"),
        Clockwork(datetime(2026, 11, 28, 12, tzinfo=UTC)),
        codec,  # type: ignore[arg-type]
    )
    made.configure(limits='min_saving = "off"')
    return made


def restored(home: Home, *names: str) -> None:
    with home.shop() as shop:
        done = restorer.restore(shop, [home.root / name for name in names], None, None, Silence())
    assert not [each.trouble for each in done if each.trouble]


def is_the_photo(path: Path) -> bool:
    with Image.open(path) as image:
        image.load()
        return (image.size, image.getexif()[0x0112], path.stat().st_mtime) == ((256, 192), 6, 1.5e9)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tells(path: Path) -> tuple[bool, bool]:
    """Whether a stand-in says what its picture is, and whose vault it belongs to."""
    mark = mark_of(path.read_bytes())
    assert mark is not None
    return bool(mark.picture), bool(mark.vault)


def test_in_grace_the_original_comes_back_and_nothing_else_changes(old: Home) -> None:
    before = {name: digest(old.root / name) for name in NAMES}
    assert not old.optimize().archived
    assert {name: digest(old.root / name) for name in NAMES} == before
    restored(old, "grace.jpg")
    assert digest(old.root / "grace.jpg") == IN_GRACE
    with Catalog(old.places.catalog_file, read_only=True) as catalog:
        assert catalog.totals().by_state[State.PURGED] == 2
        assert not catalog.miscounts()


@pytest.mark.slow
def test_everything_works_as_if_it_were_ours(old: Home, tmp_path: Path) -> None:
    assert tells(old.root / "purged.jpg") == (False, False)
    with old.shop() as shop:
        found = verify(shop, Silence())
        assert (found.archives, found.originals, found.damages) == (3, 1, [])
        assert not [each for each in examine(shop, Silence()) if each.grade is Grade.DAMAGE]
    connection = sqlite3.connect(old.places.catalog_file)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()
    before = {name: digest(old.root / name) for name in NAMES}
    assert not old.optimize().archived
    assert {name: digest(old.root / name) for name in NAMES} == before
    restored(old, *NAMES)
    assert all(is_the_photo(old.root / name) for name in NAMES)
    assert digest(old.root / "grace.jpg") == IN_GRACE
    old.clock.forward(days=40)
    done = old.optimize()
    assert (done.archived, done.failed) == (3, []), "the copies give their places to stand-ins again, by the archives there are"
    assert all(tells(old.root / name) == (True, True) for name in NAMES)


@pytest.mark.slow
def test_the_view_measures_what_nobody_measured(old: Home, codec: Codec) -> None:
    with old.shop():
        pass  # migrates the catalogue
    with old.shop(reading=True) as shop, Catalog(old.places.catalog_file, read_only=True, any_thread=True) as catalog:

        def measure(node: Node) -> int:
            assert node.row is not None
            answer = codec.restore(RestoreJob(gallery.vault.archive_path(node.row.sha256 or "")))
            return len(answer.data)  # type: ignore[union-attr]

        gallery = all_of(shop.settings)[0]
        view = View(gallery, catalog, measure)
        assert view.names("") == sorted(NAMES)
        assert [view.node(name).source for name in NAMES] == [Source.COPY, Source.ORIGINAL, Source.COPY]
        told = view.node("purged.jpg").size_bytes
    restored(old, "purged.jpg")
    assert (old.root / "purged.jpg").stat().st_size == told


@pytest.mark.slow
def test_without_its_catalogue(old: Home) -> None:
    set_catalogue_aside(old.places)
    with old.shop() as shop:
        found = rebuild(shop, shop.galleries[0], Silence())
    assert (found.photos, found.in_grace, found.edited, found.troubles) == (3, 1, 0, [])
    with old.shop() as shop:
        done = eject(shop, shop.galleries[0], Silence())
    assert (done.complete, done.originals, done.copies) == (True, 1, 2)
    assert digest(old.root / "grace.jpg") == IN_GRACE
    assert all(is_the_photo(old.root / name) for name in NAMES)


@pytest.mark.slow
def test_an_edit_of_an_old_stand_in_is_told_by_its_bytes(old: Home) -> None:
    """It says nothing of its picture, so that any change counts as one; the edit stays, and the photo goes beside it."""
    path = old.root / "purged.jpg"
    with Image.open(path) as image:
        image.load()
        comment = image.info["comment"]
        image.rotate(90).save(path, comment=comment)
    edit = digest(path)
    assert [each.name for each in old.optimize().beside] == ["purged.jpg"]
    assert is_the_photo(old.root / "purged (original).jpg")
    with Catalog(old.places.catalog_file, read_only=True) as catalog:
        row = catalog.find(os.fsencode(old.root), b"purged (original).jpg")
        assert row is not None
        assert row.state is State.RESTORED
    assert digest(path) == edit or mark_of(path.read_bytes()) is not None
