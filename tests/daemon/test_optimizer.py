"""One run over a gallery: what is archived, what is left, and that a second run changes nothing."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from daemon.marking import original_of
from daemon.ports import Silence
from daemon.restorer import restore
from storage.catalog import Catalog
from storage.digest import sha256_of_bytes
from storage.errors import Damaged, NoSpace
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def test_a_photo_is_archived_and_a_stand_in_takes_its_place(home: Home, photo: Photo) -> None:
    path = home.root / "2021" / "IMG_1.jpg"
    path.parent.mkdir()
    path.write_bytes(photo())
    os.utime(path, ns=(1, 1_600_000_000_123_456_789))
    path.chmod(0o640)
    done = home.optimize()
    assert (done.archived, done.original_bytes) == (1, len(photo()))
    assert done.saving_bytes > len(photo()) * 0.2
    assert original_of(path.read_bytes()) == sha256_of_bytes(photo())
    assert path.stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert path.stat().st_mode & 0o777 == 0o640
    with Image.open(path) as stand_in:
        assert stand_in.getexif()[0x0112] == 6
    assert home.state_of("2021/IMG_1.jpg") == (State.RETIRED, None)
    asides = list((home.root / ".gallery-optimizer/originals").iterdir())
    assert [aside.read_bytes() for aside in asides] == [photo()]
    assert asides[0].stat().st_mtime_ns == 1_600_000_000_123_456_789


def test_a_second_run_changes_no_byte(home: Home, photo: Photo) -> None:
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    (home.root / "no.jpg").write_bytes(photo(9, "refuse:cmyk"))
    home.optimize()
    before, encoded = home.files(), home.codec.encoded
    assert home.optimize().nothing_done
    assert home.files() == before
    assert home.codec.encoded == encoded


def test_originals_are_purged_after_the_grace(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.clock.forward(days=6)
    assert home.optimize().purged == 0
    home.clock.forward(days=2)
    done = home.optimize()
    assert (done.purged, done.freed_bytes) == (1, len(photo()))
    assert not list((home.root / ".gallery-optimizer/originals").iterdir())
    assert home.state_of("a.jpg") == (State.PURGED, None)


def test_no_grace_purges_in_the_same_run(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().purged == 1


def test_no_stand_ins_where_none_are_wanted(home: Home, photo: Photo) -> None:
    home.configure('stand_in = "none"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    assert not (home.root / "a.jpg").exists()
    assert home.optimize().nothing_done


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"Dear diary, this is no picture.\n" * 9, "not-a-picture"),
        ("cut.jpg", None, "corrupt"),
    ],
)
def test_what_is_no_photo_is_left_and_told(home: Home, photo: Photo, name: str, data: bytes | None, reason: str) -> None:
    data = photo()[: len(photo()) // 2] if data is None else data
    (home.root / name).write_bytes(data)
    (home.root / "good.jpg").write_bytes(photo())
    done = home.optimize()
    assert done.archived == 1
    assert dict(done.left) == {reason: 1}
    assert (home.root / name).read_bytes() == data
    assert home.state_of(name) == (State.LEFT, reason)


@pytest.mark.parametrize("wish", ["forged", "seams", "foreign"])
def test_without_a_proof_nothing_is_retired(home: Home, photo: Photo, wish: str) -> None:
    data = photo(0, wish)
    (home.root / "a.jpg").write_bytes(data)
    assert dict(home.optimize().left) == {"proof-failed": 1}
    assert (home.root / "a.jpg").read_bytes() == data
    assert not [path for path in home.files() if "nphoto" in path or "staging/" in path]


def test_an_unforeseen_error_fails_one_photo_and_the_next_goes_on(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo(0, "raise"))
    (home.root / "b.jpg").write_bytes(photo(1))
    done = home.optimize()
    assert done.archived == 1
    assert [name for name, _ in done.failed] == ["a.jpg"]
    assert home.state_of("a.jpg") == (State.FAILED, "unforeseen")


def test_a_full_disk_fails_the_photo_and_keeps_the_original(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    from storage import durable

    def full(*_: object, **__: object) -> Path:
        raise NoSpace("the archive could not be written: the disk is full")

    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    with monkeypatch.context() as patch:
        patch.setattr(durable, "stage", full)
        with home.shop() as shop:  # the vault is there already, only the archives find no space
            patch.undo()
            shop.lock_vault(shop.galleries[0])
            patch.setattr(durable, "stage", full)
            from daemon.ports import Silence
            from daemon.run import optimize

            done = optimize(shop, [], Silence())
    assert len(done.failed) == 1, "the next photo would meet the same disk"
    assert "disk is full" in done.failed[0][1]
    assert "1 photo still to be archived" in done.full[0]
    assert (home.root / "a.jpg").read_bytes() == photo()
    assert home.state_of("a.jpg") == (State.FAILED, "no-space")
    assert home.optimize().archived == 2


def test_no_gain_is_left(home: Home, photo: Photo) -> None:
    home.configure(limits='min_saving = "99%"')
    (home.root / "a.jpg").write_bytes(photo())
    assert dict(home.optimize().left) == {"no-gain": 1}
    home.configure()
    assert home.optimize().archived == 1, "other settings try again what was left"


def test_links_pipes_hidden_and_excluded_files_are_not_touched(
    home: Home, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.jpg").write_bytes(photo(1))
    (home.root / "link.jpg").symlink_to(outside / "o.jpg")
    (home.root / "folder").symlink_to(outside)
    (home.root / "one.jpg").write_bytes(photo(2))
    os.link(home.root / "one.jpg", home.root / "two.jpg")
    os.mkfifo(home.root / "pipe.jpg")
    (home.root / "dir.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(home.root)
        listener.bind("sock.jpg")
    (home.root / ".hidden.jpg").write_bytes(photo(3))
    (home.root / ".trash").mkdir()
    (home.root / ".trash" / "t.jpg").write_bytes(photo(4))
    (home.root / "Screenshots").mkdir()
    (home.root / "Screenshots" / "s.jpg").write_bytes(photo(5))
    (home.root / "notes.txt").write_bytes(photo(6))
    (home.root / "late.jpg").write_bytes(photo(7))
    (home.root / ".syncthing.late.jpg.tmp").write_bytes(b"half")
    home.configure('exclude = ["**/Screenshots/**"]')
    done = home.optimize()
    assert (done.archived, dict(done.left)) == (0, {"hard-linked": 2})
    assert (outside / "o.jpg").read_bytes() == photo(1)
    assert (home.root / "two.jpg").read_bytes() == photo(2)


def test_every_name_that_a_disk_can_hold_is_handled(home: Home, photo: Photo) -> None:
    names = [b"-rf.jpg", b"line\nbreak.JPG", b"latin-\xe9.jpeg", "caf\u00e9.jpg".encode(), "cafe\u0301.jpg".encode(), b"x" * 250 + b".jpg"]
    for seed, name in enumerate(names):
        (home.root / os.fsdecode(name)).write_bytes(photo(seed))
    assert home.optimize().archived == len(names)
    assert sorted(os.listdir(os.fsencode(home.root))) == sorted([*names, b".gallery-optimizer"])


def test_twins_share_an_archive_and_keep_their_own_dates(home: Home, photo: Photo) -> None:
    for name, when in (("a.jpg", 10**18), ("b.jpg", 11 * 10**17)):
        (home.root / name).write_bytes(photo())
        os.utime(home.root / name, ns=(when, when))
    done = home.optimize()
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    assert (done.archived, home.codec.encoded) == (2, 1)
    assert done.archive_bytes == archive.stat().st_size, "once, as in `status`"
    with home.shop() as shop:
        assert shop.catalog.totals(shop.galleries[0].key, {}).retired.saving_bytes == done.saving_bytes
        assert shop.catalog.runs()[0].saving_bytes == done.saving_bytes
    assert (home.root / "b.jpg").stat().st_mtime_ns == 11 * 10**17


def test_an_archive_that_no_run_has_counted_counts(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())

    def broken(*_: object, **__: object) -> None:
        raise Damaged("the catalogue could not be written")

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "committed", broken)
        assert len(home.optimize().failed) == 1
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    done = home.optimize()
    assert (done.archived, home.codec.encoded, done.archive_bytes) == (1, 1, archive.stat().st_size)


def test_a_photo_that_changes_while_it_is_encoded_is_taken_up_again(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.root / "a.jpg"
    path.write_bytes(photo())
    encode = home.codec.encode

    def edited_meanwhile(job: object) -> object:
        path.write_bytes(photo(1))
        return encode(job)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(home.codec, "encode", edited_meanwhile)
        assert home.optimize().again == 1
    assert path.read_bytes() == photo(1)
    assert not list((home.root / ".gallery-optimizer/archives").rglob("*.nphoto"))
    assert home.optimize().archived == 1


def test_an_original_that_comes_back_uses_its_archive_again(home: Home, photo: Photo) -> None:
    home.configure('grace = "0 days"')
    path = home.root / "a.jpg"
    path.write_bytes(photo())
    home.optimize()
    path.write_bytes(photo())
    done = home.optimize()
    assert (done.archived, done.archive_bytes) == (1, 0), "its archive takes no further space"
    assert home.codec.encoded == 1
    assert original_of(path.read_bytes()) is not None
    path.write_bytes(photo())
    assert dict(home.optimize().left) == {"source-resends": 1}
    assert path.read_bytes() == photo()
    assert home.optimize().nothing_done


def test_an_original_that_comes_back_in_grace_is_not_kept_twice(home: Home, photo: Photo) -> None:
    path = home.root / "a.jpg"
    for _ in range(3):
        path.write_bytes(photo())
        home.optimize()
        assert len([name for name, digest in home.files().items() if digest == sha256_of_bytes(photo())]) == 1
    assert home.state_of("a.jpg") == (State.LEFT, "source-resends")


def test_an_edited_stand_in_is_a_photo_of_its_own_and_the_archive_stays(home: Home, photo: Photo) -> None:
    path = home.root / "a.jpg"
    path.write_bytes(photo())
    home.optimize()
    buffer = io.BytesIO()
    with Image.open(path) as stand_in:
        stand_in.rotate(90).save(buffer, "JPEG", quality=97)
    path.write_bytes(buffer.getvalue())
    home.optimize()
    assert list((home.root / ".gallery-optimizer/archives").rglob("*.nphoto"))
    assert path.read_bytes() == buffer.getvalue()
    assert (home.root / "a (original).jpg").read_bytes() == photo()


def test_a_lost_catalogue_does_not_archive_stand_ins(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    for file in home.places.state_folder.iterdir():
        file.unlink()
    assert dict(home.optimize().left) == {"stand-in": 1}


def test_an_archive_that_the_catalogue_does_not_know_stays(home: Home, photo: Photo) -> None:
    """The catalogue is lost, the phone sends the photo again into another folder, and another quality is wanted: the archive was discarded
    although the stand-in in the first folder had no other, and nothing took its place where that would not have saved enough."""
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.places.catalog_file.unlink()
    (home.root / "again").mkdir()
    (home.root / "again/a.jpg").write_bytes(photo())
    home.configure('quality = "visually-lossless"', 'min_saving = "99%"\nmin_saving_lossless = "99%"')
    (archive,) = home.archives()
    before = archive.read_bytes()
    assert home.optimize().left == {"stand-in": 1, "no-gain": 1}
    assert archive.read_bytes() == before
    archive.write_bytes(before[:-1])
    home.configure()
    assert home.optimize().archived == 1
    assert home.archives() == [archive]
    assert archive.read_bytes() == before, "the better one has its name"
    assert home.rows()["again/a.jpg"].archive_sha256 == sha256_of_bytes(archive.read_bytes())


def test_an_archive_that_a_copied_stand_in_needs_stays(home: Home, photo: Photo) -> None:
    home.configure('grace = "7 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    (home.root / "album.jpg").write_bytes((home.root / "a.jpg").read_bytes())
    home.optimize()
    with home.shop() as shop:
        restore(shop, [home.root / "a.jpg"], None, None, Silence())
    (archive,) = home.archives()
    home.configure('quality = "visually-lossless"', 'min_saving = "99%"\nmin_saving_lossless = "99%"')
    assert home.optimize(home.root / "a.jpg").left == {"no-gain": 1}
    assert archive.exists()
