"""The gallery as it was: names, sizes, sources."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codec.labels import Labels, labelled
from daemon import restorer, settings
from daemon.access.view import Node, Source, View
from daemon.copies import rebuilt
from daemon.galleries import all_of
from daemon.ports import Silence
from storage.catalog import Catalog
from storage.digest import sha256_of_bytes

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
    assert home.optimize().archived == 1
    return path


@pytest.fixture
def view(home: Home) -> Iterator[Callable[[], View]]:
    opened: list[Catalog] = []

    def measure(node: Node) -> int:
        raise OSError(5, "nobody should have to decode")

    def make() -> View:
        opened.append(Catalog(home.places.catalog_file, read_only=True, any_thread=True))
        return View(all_of(settings.read(home.places.config_file))[0], opened[-1], measure)

    yield make
    for catalog in opened:
        catalog.close()


def test_in_grace_it_is_the_original_itself(view: Callable[[], View], photo: Photo, archived: Path) -> None:
    node = view().node("IMG_1.jpg")
    assert node.source is Source.ORIGINAL
    assert node.path.read_bytes() == photo()
    assert (node.size_bytes, node.status["st_mtime"], node.status["st_mode"] & 0o777) == (len(photo()), WHEN, 0o640)


def test_later_a_copy_whose_size_is_known(home: Home, view: Callable[[], View], archived: Path) -> None:
    home.purge()
    node = view().node("IMG_1.jpg")
    assert (node.source, node.status["st_mtime"], node.status["st_mode"] & 0o777) == (Source.COPY, WHEN, 0o640)
    assert node.row is not None
    assert node.size_bytes == len(rebuilt(home.codec, view().archive(node), node.row.archive_sha256).data)


def test_everything_else_is_what_it_is_and_the_vault_is_not_shown(home: Home, view: Callable[[], View], archived: Path) -> None:
    (home.root / "notes.txt").write_text("mine")
    (home.root / "folder").mkdir()
    (home.root / "link.jpg").symlink_to("IMG_1.jpg")
    (home.root / "picture.jpg").write_bytes(b"no picture")
    seen = view()
    assert seen.names("") == ["IMG_1.jpg", "folder", "link.jpg", "notes.txt", "picture.jpg"]
    for name in ("notes.txt", "folder", "link.jpg", "picture.jpg"):
        assert seen.node(name).source is Source.FILE
        assert seen.node(name).status["st_mode"] == os.lstat(home.root / name).st_mode
    for hidden in (".gallery-optimizer", ".gallery-optimizer/README"):
        with pytest.raises(FileNotFoundError):
            seen.node(hidden)


def test_a_deleted_stand_in_is_gone(view: Callable[[], View], archived: Path) -> None:
    archived.unlink()
    assert view().names("") == []
    with pytest.raises(FileNotFoundError):
        view().node("IMG_1.jpg")


def test_without_stand_ins_the_photos_are_there_all_the_same(home: Home, view: Callable[[], View], photo: Photo) -> None:
    home.configure(gallery='stand_in = "none"')
    (home.root / "day").mkdir()
    path = home.root / "day" / "IMG_1.jpg"
    path.write_bytes(photo())
    os.utime(path, ns=(WHEN, WHEN))
    assert home.optimize().archived == 1
    assert view().names("day") == ["IMG_1.jpg"]
    assert view().node("day/IMG_1.jpg").source is Source.ORIGINAL


def test_where_only_a_damaged_archive_tells_of_a_photo_a_warning_names_it(
    home: Home, view: Callable[[], View], photo: Photo, caplog: pytest.LogCaptureFixture
) -> None:
    home.configure(gallery='stand_in = "none"\ngrace = "0 days"')
    (home.root / "IMG_1.jpg").write_bytes(photo())
    home.optimize()
    caplog.clear()
    with pytest.raises(OSError, match="nphoto"):  # those of the fake codec tell nothing
        view().node("IMG_1.jpg")
    assert [text.partition(": ")[0] for text in caplog.messages] == ["IMG_1.jpg"]


def test_an_edit_is_shown_as_it_is(home: Home, view: Callable[[], View], archived: Path) -> None:
    seen = view()
    assert seen.node("IMG_1.jpg").source is Source.ORIGINAL
    archived.write_bytes(b"an edit")
    node = seen.node("IMG_1.jpg")
    assert (node.source, node.path) == (Source.FILE, archived)


def test_a_stand_in_with_other_labels_is_the_photo_with_them(home: Home, view: Callable[[], View], archived: Path) -> None:
    home.purge()
    data = labelled(archived.read_bytes(), Labels(xmp=b"<x/>"))
    archived.write_bytes(data)
    asked: list[Node] = []
    seen = view()

    def measure(node: Node) -> int:
        asked.append(node)
        return 4711

    seen._measure = measure
    for _ in range(2):
        node = seen.node("IMG_1.jpg")
        assert (node.source, node.size_bytes, node.relabelled) == (Source.COPY, 4711, sha256_of_bytes(data))
        home.optimize()
    assert len(asked) == 2, "nobody has noted its size"


def test_a_touched_stand_in_is_one_still(view: Callable[[], View], archived: Path) -> None:
    os.utime(archived, ns=(1, 1))
    assert view().node("IMG_1.jpg").source is Source.ORIGINAL


def test_a_stand_in_that_was_moved_or_copied_is_the_photo_wherever_it_is(home: Home, view: Callable[[], View], archived: Path) -> None:
    home.purge()
    (home.root / "album").mkdir()
    shutil.copy2(archived, home.root / "album" / "copied.jpg")
    archived.rename(home.root / "album" / "moved.jpg")
    assert [view().node(f"album/{name}.jpg").source for name in ("copied", "moved")] == [Source.COPY, Source.COPY]


def test_a_restored_photo_is_what_it_is(home: Home, view: Callable[[], View], archived: Path) -> None:
    with home.shop() as shop:
        restorer.restore(shop, [archived], None, None, Silence())
    assert view().node("IMG_1.jpg").source is Source.FILE


def test_without_its_original_a_photo_in_grace_is_its_copy(home: Home, view: Callable[[], View], archived: Path) -> None:
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    aside.unlink()
    assert view().node("IMG_1.jpg").source is Source.COPY


def test_extended_attributes_are_those_of_the_photo(home: Home, view: Callable[[], View], photo: Photo) -> None:
    path = home.root / "IMG_1.jpg"
    path.write_bytes(photo())
    try:
        os.setxattr(path, "user.album", b"Italy")
    except OSError:
        pytest.skip("no extended attributes here")
    home.optimize()
    seen = view()
    assert dict(seen.xattrs(seen.node("IMG_1.jpg"))) == {"user.album": b"Italy"}
    home.clock.forward(days=8)
    home.optimize()
    assert dict(seen.xattrs(seen.node("IMG_1.jpg"))) == {"user.album": b"Italy"}
