"""Photos come back: the original while it is in grace, a copy later, never over anything of the user's."""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from codec.facts import Facts
from daemon import restorer
from daemon.errors import WrongPath
from daemon.marking import original_of
from daemon.messages import Format
from daemon.ports import Silence
from daemon.restorer import Came, Restoration
from storage.catalog import Catalog
from storage.digest import sha256_of, sha256_of_bytes
from storage.fingerprint import Fingerprint
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
WHEN = 1_500_000_000_987_654_321


def restore(home: Home, *paths: Path, to: Path | None = None, format: Format | None = None) -> list[Restoration]:
    with home.shop() as shop:
        return restorer.restore(shop, list(paths), to, format, Silence())


@pytest.fixture
def archived(home: Home, photo: Photo) -> Path:
    """A photo in a folder of the gallery, archived and in grace."""
    path = home.root / "2020" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(photo())
    path.chmod(0o640)
    os.utime(path, ns=(WHEN, WHEN))
    assert home.optimize().archived == 1
    return path


def test_in_grace_the_original_itself_comes_back(home: Home, photo: Photo, archived: Path) -> None:
    assert restore(home, archived) == [Restoration("2020/a.jpg", Came.ORIGINAL, archived)]
    assert archived.read_bytes() == photo()
    assert archived.stat().st_mtime_ns == WHEN
    assert archived.stat().st_mode & 0o777 == 0o640
    assert not list((home.root / ".gallery-optimizer/originals").iterdir())


def test_a_restored_photo_is_left_alone_until_its_pin_is_over_or_it_is_named(home: Home, photo: Photo, archived: Path) -> None:
    restore(home, archived)
    home.clock.forward(days=29)
    assert home.optimize().nothing_done
    home.clock.forward(days=2)
    assert home.optimize().archived == 1
    assert home.codec.encoded == 1, "its archive is used again"
    restore(home, archived)
    assert home.optimize(archived).archived == 1


def test_after_the_grace_a_copy_comes_back(home: Home, photo: Photo, archived: Path) -> None:
    home.purge()
    assert restore(home, archived)[0].came is Came.COPY
    with Image.open(archived) as copy, Image.open(io.BytesIO(photo())) as original:
        copy.load()
        assert copy.size == original.size
    assert archived.stat().st_mtime_ns == WHEN
    assert archived.stat().st_mode & 0o777 == 0o640


def test_a_restored_copy_gives_its_place_back_and_is_never_coded_again(home: Home, archived: Path) -> None:
    home.purge()
    restore(home, archived)
    copy = archived.read_bytes()
    assert home.optimize().nothing_done
    home.clock.forward(days=31)
    assert home.optimize().archived == 1
    assert home.codec.encoded == 1
    assert original_of(archived.read_bytes()) is not None
    assert archived.stat().st_mtime_ns == WHEN
    assert home.optimize().nothing_done
    restore(home, archived)
    assert archived.read_bytes() == copy, "no generation is lost"


def test_a_restored_copy_stays_where_its_archive_is_damaged_or_no_stand_in_is_wanted(home: Home, photo: Photo, archived: Path) -> None:
    home.purge()
    restore(home, archived)
    copy = archived.read_bytes()
    home.clock.forward(days=31)
    home.configure('stand_in = "none"')
    assert dict(home.optimize().left) == {"restored-copy": 1}
    home.configure()
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    archive.write_bytes(archive.read_bytes() + b"x")
    assert dict(home.optimize().left) == {"restored-copy": 1}
    assert archived.read_bytes() == copy


@pytest.mark.parametrize("purged", [False, True])
def test_to_a_folder_leaves_the_gallery_as_it_is(home: Home, photo: Photo, archived: Path, tmp_path: Path, purged: bool) -> None:
    if purged:
        home.purge()
    before = home.files()
    (done,) = restore(home, archived, to=tmp_path / "out")
    assert done.written == tmp_path / "out" / "a.jpg"
    assert (done.written.read_bytes() == photo()) is not purged
    assert done.written.stat().st_mtime_ns == WHEN
    assert done.written.stat().st_mode & 0o777 == 0o640
    assert home.files() == before
    assert home.optimize().nothing_done


def test_a_folder_comes_back_with_its_tree(home: Home, photo: Photo, tmp_path: Path) -> None:
    for name in ("x/1.jpg", "x/y/2.jpg", "z/3.jpg"):
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_bytes(photo(len(name)))
    home.optimize()
    restore(home, home.root, to=tmp_path / "all")
    out = tmp_path / "all"
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.jpg")) == ["x/1.jpg", "x/y/2.jpg", "z/3.jpg"]
    assert len(restore(home, home.root / "x")) == 2
    assert original_of((home.root / "z/3.jpg").read_bytes()) is not None


def test_nothing_is_ever_overwritten(home: Home, archived: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"mine")
    (done,) = restore(home, archived, to=tmp_path)
    assert "already there" in done.trouble
    assert (tmp_path / "a.jpg").read_bytes() == b"mine"
    archived.write_bytes(b"my edit of the stand-in")
    (done,) = restore(home, archived)
    assert (done.came, done.written) == (Came.ORIGINAL, archived.with_name("a (original).jpg"))
    assert "keeps the edit" in done.note
    assert archived.read_bytes() == b"my edit of the stand-in"


def test_another_format(home: Home, archived: Path, tmp_path: Path) -> None:
    (done,) = restore(home, archived, to=tmp_path, format="png")
    assert done.written == tmp_path / "a.png"
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
    with pytest.raises(WrongPath, match="--to"):
        restore(home, archived, format="png")


def test_a_deleted_stand_in_does_not_matter(home: Home, photo: Photo, archived: Path) -> None:
    archived.unlink()
    assert restore(home, archived)[0].came is Came.ORIGINAL
    assert archived.read_bytes() == photo()


def test_a_stand_in_without_a_catalogue_still_says_what_it_stands_for(
    home: Home, photo: Photo, archived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = archived.rename(home.root / "renamed.jpg")
    for file in home.places.state_folder.iterdir():
        file.unlink()
    facts = Facts(9, "0" * 64, b"a.jpg", WHEN, 0o640)
    monkeypatch.setattr(restorer, "facts_of", lambda archive: facts)  # the fake archive has none
    for to in (tmp_path, tmp_path / "folder"):
        (done,) = restore(home, moved if to == tmp_path else home.root, to=to)
        assert (done.came, done.written) == (Came.ORIGINAL, to / "renamed.jpg")
        assert (to / "renamed.jpg").read_bytes() == photo()
    for file in (home.root / ".gallery-optimizer/originals").iterdir():
        file.unlink()
    (done,) = restore(home, moved, to=tmp_path / "later")
    assert (done.came, done.written) == (Came.COPY, tmp_path / "later/renamed.jpg")
    assert (tmp_path / "later/renamed.jpg").stat().st_mtime_ns == WHEN
    assert "say --to" in restore(home, moved)[0].trouble


@pytest.mark.parametrize("looked", [False, True], ids=["at once", "after a run"])
@pytest.mark.parametrize("purged", [False, True], ids=["in grace", "purged"])
def test_a_renamed_stand_in_gives_the_photo_back(
    home: Home, photo: Photo, archived: Path, tmp_path: Path, purged: bool, looked: bool
) -> None:
    if purged:
        home.purge()
    (home.root / "album").mkdir()
    moved = archived.rename(home.root / "album" / "best.jpg")
    if looked:
        seen = home.optimize()
        assert (dict(seen.left), seen.followed) == (({}, 1) if purged else ({"stand-in": 1}, 0))
    (done,) = restore(home, moved, to=tmp_path)
    assert (done.came, done.written) == (Came.COPY if purged else Came.ORIGINAL, tmp_path / "best.jpg")
    assert ((tmp_path / "best.jpg").read_bytes() == photo()) is not purged
    (done,) = restore(home, moved)
    assert (done.came, done.written) == (Came.COPY if purged else Came.ORIGINAL, moved)
    assert (moved.read_bytes() == photo()) is not purged
    assert (moved.stat().st_mtime_ns, moved.stat().st_mode & 0o777) == (WHEN, 0o640)
    assert not list((home.root / ".gallery-optimizer/originals").iterdir())
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        (row,) = catalog.rows()
        assert (row.path, row.came_from, row.state) == (b"album/best.jpg", b"2020/a.jpg", State.RESTORED)
    assert home.optimize().nothing_done
    home.clock.forward(days=31)
    assert home.optimize().archived == 1
    assert home.codec.encoded == 1


def test_a_vault_of_an_earlier_version_gives_everything_back(home: Home, photo: Photo, archived: Path) -> None:
    """Without an id, its stand-ins marked as they were, its rows without what was measured later."""
    home.purge()
    (home.root / ".gallery-optimizer" / "id").unlink()
    old = re.sub(rb" in vault [0-9a-f]{16} with picture [0-9a-f]{32} and labels [0-9a-f]{32}", b"", archived.read_bytes())
    assert old != archived.read_bytes()
    assert original_of(old) == sha256_of_bytes(photo())
    with home.shop() as shop:
        (row,) = shop.catalog.rows()
        archived.write_bytes(old)
        shop.catalog.relabelled(row.id, sha256_of(archived), Fingerprint.of(archived))
    assert restore(home, archived)[0].came is Came.COPY
    assert home.optimize().nothing_done


def test_a_damaged_archive_is_told_and_nothing_is_written(home: Home, photo: Photo, archived: Path, tmp_path: Path) -> None:
    home.purge()
    archive = home.root / ".gallery-optimizer" / "archives" / sha256_of_bytes(photo())[:2] / f"{sha256_of_bytes(photo())}.nphoto"
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    for to in (None, tmp_path):
        (done,) = restore(home, archived, to=to)
        assert "can't be decoded" in done.trouble
    assert original_of(archived.read_bytes()) is not None
    assert not (tmp_path / "a.jpg").exists()


def test_what_has_no_archive_is_told(home: Home, photo: Photo, tmp_path: Path) -> None:
    (home.root / "plain.jpg").write_bytes(photo(0, "refuse:graphic"))
    (told,) = restore(home, home.root / "plain.jpg")
    assert (told.came, told.note) == (Came.NOT, f"{home.root / 'plain.jpg'} has no archive.")
    for path, says in ((home.root / "none.jpg", "not there"), (tmp_path, "no configured gallery")):
        with pytest.raises(WrongPath, match=says):
            restore(home, path)
    home.optimize()
    assert restore(home, home.root / "plain.jpg")[0].came is Came.NOT
    restore(home, home.root / "plain.jpg", to=tmp_path)
    assert (tmp_path / "plain.jpg").read_bytes() == photo(0, "refuse:graphic")


@pytest.mark.parametrize("looked", [False, True], ids=["before a run", "after a run"])
def test_a_restored_photo_that_was_saved_over(home: Home, photo: Photo, archived: Path, tmp_path: Path, looked: bool) -> None:
    """It was "in its place", although what stood there was another file and the archive was still there."""
    home.purge()
    restore(home, archived)
    archived.write_bytes(photo(7, "refuse:graphic"))
    if looked:
        home.optimize()
    told = restore(home, archived)[0]
    assert (told.came, told.written) == (Came.NOT, None)
    named = Path(words[1]) if (words := re.search(r'"restore (\S+) --to DIR"', told.note)) else archived
    assert (named != archived) == looked
    if looked:
        assert named.suffix == ".nphoto"
        assert named.exists()
    else:
        assert "was changed after it was restored" in told.note
        assert restore(home, named, to=tmp_path / "out")[0].came is Came.COPY
    assert archived.read_bytes() == photo(7, "refuse:graphic")


def test_the_catalogue_says_what_happened(home: Home, archived: Path) -> None:
    home.purge()
    restore(home, archived)
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        row = catalog.find(os.fsencode(home.root), b"2020/a.jpg")
        assert row is not None
        assert row.state is State.RESTORED
        assert row.copy_sha256 == sha256_of_bytes(archived.read_bytes())
        assert row.pinned_until_at == int(home.clock.now().timestamp()) + 30 * 86400


@pytest.mark.parametrize("missing", [False, True], ids=["written to", "missing"])
def test_where_the_original_is_no_use_the_archive_serves(home: Home, photo: Photo, archived: Path, tmp_path: Path, missing: bool) -> None:
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    damaged = photo()[:-1] + b"x"
    aside.unlink() if missing else aside.write_bytes(damaged)
    (done,) = restore(home, archived, to=tmp_path)
    assert done.came is Came.COPY
    assert "set-aside original is missing or was written to" in done.note
    (done,) = restore(home, archived)
    assert (done.came, done.written, done.trouble) == (Came.COPY, archived, "")
    assert original_of(archived.read_bytes()) is None
    assert missing or aside.read_bytes() == damaged, "it may be somebody's version: kept"
    home.clock.forward(days=8)
    assert home.optimize().nothing_done, "no purge fails for ever"


def test_a_touched_copy_that_was_left_is_not_coded_again(home: Home, archived: Path) -> None:
    home.purge()
    restore(home, archived)
    home.configure('stand_in = "none"')
    assert dict(home.optimize(archived).left) == {"restored-copy": 1}
    os.utime(archived)
    assert home.optimize().nothing_done
    assert home.codec.encoded == 1


def test_a_higher_quality_is_reached_once_the_original_is_back(home: Home, archived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codec.levels import LEVELS
    from daemon.messages import Examined, ExamineJob, Refused

    restore(home, archived)
    home.configure('quality = "visually-lossless"')
    examine, high = home.codec.examine, LEVELS["visually-lossless"]

    def better_the_second_time(job: ExamineJob) -> Examined | Refused:
        seen = examine(job)
        if isinstance(seen, Refused) or home.codec.encoded == 1:
            return seen
        return dataclasses.replace(seen, whole=high.whole, worst_tile=high.worst_tile, copy_whole=high.whole)

    monkeypatch.setattr(home.codec, "examine", better_the_second_time)
    assert home.optimize(archived).archived == 1
    assert home.codec.encoded == 2


def test_photos_come_back_while_another_instance_works(home: Home, photo: Photo, archived: Path, tmp_path: Path) -> None:
    with home.shop(), home.shop(reading=True) as shop:
        (done,) = restorer.restore(shop, [archived], tmp_path, None, Silence())
    assert done.came is Came.ORIGINAL


def test_a_damaged_catalogue_does_not_keep_photos_from_coming_back(home: Home, photo: Photo, archived: Path, tmp_path: Path) -> None:
    home.places.catalog_file.write_bytes(b"noise" * 999)
    for suffix in ("-wal", "-shm"):
        Path(f"{home.places.catalog_file}{suffix}").unlink(missing_ok=True)
    with home.shop(reading=True) as shop:
        (done,) = restorer.restore(shop, [archived], tmp_path, None, Silence())
    assert done.came is Came.ORIGINAL


def test_a_folder_that_was_renamed_comes_back(home: Home, photo: Photo, archived: Path, tmp_path: Path) -> None:
    album = archived.parent.rename(home.root / "album")
    (done,) = restore(home, album, to=tmp_path / "out")
    assert (tmp_path / "out/a.jpg").read_bytes() == photo()
    (done,) = restore(home, home.root, to=tmp_path / "all")
    assert (done.came, done.written) == (Came.ORIGINAL, tmp_path / "all/2020/a.jpg")
    (done,) = restore(home, album)
    assert (done.came, (album / "a.jpg").read_bytes()) == (Came.ORIGINAL, photo())


def test_a_vault_that_is_away_is_told_as_such(home: Home, archived: Path, tmp_path: Path) -> None:
    (home.root / ".gallery-optimizer").rename(home.root.parent / "away")
    (done,) = restore(home, archived, to=tmp_path / "out")
    assert "the vault of " in done.trouble


def test_a_stand_in_that_waits_for_its_turn_is_no_original(home: Home, photo: Photo, tmp_path: Path) -> None:
    """Moved over a photo that was given back: the catalogue has its digest, as that of a new photo, until a run looks into it."""
    home.configure('grace = "0 days"')
    for number in range(2):
        (home.root / f"{number}.jpg").write_bytes(photo(number))
    home.optimize()
    there = home.root / "1.jpg"
    restore(home, there)
    (home.root / "0.jpg").replace(there)
    with home.shop() as shop:
        shop.catalog.enqueue(shop.galleries[0].key, b"1.jpg", Fingerprint.of(there), sha256=sha256_of(there))
    (done,) = [each for each in restore(home, there, to=tmp_path / "to") if each.written and each.written.name == "1.jpg"]
    assert (done.came, done.trouble) == (Came.COPY, "")
    assert done.written is not None
    assert original_of(done.written.read_bytes()) is None
