"""Tags, stars, captions and orientation that somebody gives to a stand-in come back with the photo; the stand-in stays one."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from codec.labels import Labels, labelled, labels_of, merged, picture_digest
from codec.rating import read_rating
from daemon import restorer
from daemon.access.view import Source, View
from daemon.cli.main import cli
from daemon.ejection import eject
from daemon.marking import has_own_labels, original_of
from daemon.ports import Silence
from storage.catalog import Catalog
from storage.digest import sha256_of
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
WHEN = 1_500_000_000_987_654_321
HEAD = (
    "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Another'>"
    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:xmp='http://ns.adobe.com/xap/1.0/'"
    " xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'>"
)
TAIL = "</rdf:RDF></x:xmpmeta><?xpacket end='w'?>"


def packet(text: str) -> bytes:
    return f"{HEAD}{text}{TAIL}".encode()


def rated(data: bytes, stars: int = 5) -> bytes:
    """As digiKam or exiftool do it: the packet grows, everything else stays."""
    own = labels_of(data).xmp.decode()
    at = own.index("<rdf:Description") + len("<rdf:Description")
    words = f" xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='{stars}'"
    return labelled(data, Labels(xmp=(own[:at] + words + own[at:]).encode()))


def turned(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
    exif[0x0112] = 3
    return labelled(data, Labels(exif=exif.tobytes().removeprefix(b"Exif\0\0")))


def test_what_came_back_is_called_what_it_is(home: Home, run: Callable[..., Result], archived: Path, tmp_path: Path) -> None:
    archived.write_bytes(rated(archived.read_bytes()))
    for options in (["--to", str(tmp_path / "out")], []):
        said = run("restore", str(archived), *options).stdout
        assert "the original with the labels of its stand-in" in said
        assert "the original, bit" not in said


def restore(home: Home, path: Path, to: Path | None = None) -> restorer.Restoration:
    with home.shop(reading=to is not None) as shop:
        (done,) = restorer.restore(shop, [path], to, None, Silence())
    assert not done.trouble
    return done


def crowded(home: Home, photo: Photo) -> Path:
    """Archived, with EXIF that leaves no room for a label more; and one was given to its stand-in."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = bytes(65_400)
    path = home.root / "IMG_1.jpg"
    path.write_bytes(labelled(photo(), Labels(exif=exif.tobytes().removeprefix(b"Exif\0\0"))))
    home.configure(limits='min_saving = "off"')
    os.utime(path, ns=(WHEN, WHEN))
    assert home.optimize().archived == 1
    tags = Image.Exif()
    tags[0x010E] = "At the sea " * 30
    path.write_bytes(rated(labelled(path.read_bytes(), Labels(exif=tags.tobytes().removeprefix(b"Exif\0\0"))), 4))
    return path


def test_a_label_without_room_is_told_and_the_photo_is_given_back(
    home: Home, photo: Photo, run: Callable[..., Result], tmp_path: Path
) -> None:
    path = crowded(home, photo)
    for place in (tmp_path / "out" / path.name, path):
        done = run("restore", str(path), "--json", *(["--to", str(tmp_path / "out")] if place != path else []))
        (told,) = json.loads(done.stdout)["results"]
        assert (told["from"], told["left_out"], told["trouble"]) == ("labelled", ["EXIF"], None)
        assert "IMG_1.jpg: It came back without what was written on its stand-in as EXIF" in done.stderr
        assert (done.exit_code, "1 photo came back without all labels" in done.stderr) == (1, True)
        assert picture_digest(place.read_bytes()) == picture_digest(photo())
        assert read_rating(place.read_bytes()).stars == 4, "what has room is there"


def test_a_label_without_room_is_told_by_a_run_that_was_asked_for_it(home: Home, photo: Photo, caplog: pytest.LogCaptureFixture) -> None:
    path = crowded(home, photo)
    (home.root / "Restore").mkdir()
    path.rename(home.root / "Restore/IMG_1.jpg")
    done = home.optimize()
    assert done.requested == ["Restore/IMG_1.jpg"]
    assert [name for name, why in done.failed if "as EXIF" in why] == ["Restore/IMG_1.jpg"]
    assert "without what was written on its stand-in as EXIF" in caplog.text


@pytest.mark.parametrize("in_grace", [True, False])
@pytest.mark.parametrize("moved", [True, False])
def test_a_tagged_stand_in_asks_for_its_photo_like_any_other(home: Home, archived: Path, in_grace: bool, moved: bool) -> None:
    """Tagged and put into the folder for requests before any run saw the tags."""
    if not in_grace:
        home.purge()
    (home.root / "Restore").mkdir()
    asked = home.root / "Restore" / "IMG_1.jpg"
    stand_in = archived.read_bytes()
    archived.write_bytes(rated(stand_in, 4))
    shutil.move(archived, asked) if moved else shutil.copy(archived, asked)
    if not moved:
        archived.write_bytes(stand_in)
    assert home.optimize().requested == ["Restore/IMG_1.jpg"]
    assert original_of(asked.read_bytes()) is None
    assert read_rating(asked.read_bytes()).stars == 4
    assert moved or archived.read_bytes() == stand_in
    assert not home.optimize().requested


def test_a_copy_that_was_tagged_becomes_a_photo_of_its_own(home: Home, archived: Path) -> None:
    home.purge()
    copy = home.root / "copy.jpg"
    copy.write_bytes(rated(archived.read_bytes(), 4))
    restore(home, copy)
    assert (original_of(copy.read_bytes()), read_rating(copy.read_bytes()).stars) == (None, 4)
    assert original_of(archived.read_bytes()) is not None
    assert {name: row.state for name, row in home.rows().items()} == {"IMG_1.jpg": State.PURGED, "copy.jpg": State.RESTORED}


def test_eject_tells_of_it_too(home: Home, photo: Photo) -> None:
    crowded(home, photo)
    with home.shop() as shop:
        done = eject(shop, shop.galleries[0], Silence())
    assert [name for name, why in done.troubles if "as EXIF" in why] == ["IMG_1.jpg"]


@pytest.fixture
def archived(home: Home, photo: Photo) -> Path:
    path = home.root / "IMG_1.jpg"
    path.write_bytes(photo())
    path.chmod(0o640)
    os.utime(path, ns=(WHEN, WHEN))
    home.optimize()
    return path


@pytest.mark.parametrize("in_grace", [True, False])
@pytest.mark.parametrize("noticed", [True, False])
def test_stars_come_back_with_the_photo(home: Home, photo: Photo, archived: Path, in_grace: bool, noticed: bool) -> None:
    if not in_grace:
        home.purge()
    archived.write_bytes(rated(archived.read_bytes()))
    if noticed:
        done = home.optimize()
        assert not done.beside
        assert home.rows()["IMG_1.jpg"].relabelled_at is not None
        assert home.optimize().nothing_done
    restore(home, archived)
    data = archived.read_bytes()
    assert read_rating(data).stars == 5
    assert original_of(data) is None, "no mark of ours in the photo"
    assert [path.name for path in home.root.glob("*.jpg")] == ["IMG_1.jpg"], "nothing beside it"
    assert archived.stat().st_mtime_ns == WHEN
    if in_grace:
        assert picture_digest(data) == picture_digest(photo()), "the original's picture, bit for bit"
        assert labels_of(data).exif == labels_of(photo()).exif
    assert home.rows()["IMG_1.jpg"].state is State.RESTORED
    assert home.optimize().nothing_done


def test_explain_tells_of_them(home: Home, archived: Path) -> None:
    archived.write_bytes(rated(archived.read_bytes()))
    home.optimize()
    done = CliRunner().invoke(
        cli, ["--config", str(home.places.config_file), "--state", str(home.places.state_folder), "explain", str(archived)]
    )
    assert "other labels on 2026-03-01" in done.output


def test_nobody_calls_it_an_edit_before_a_run_has_seen_it(home: Home, run: Callable[..., Result], archived: Path, photo: Photo) -> None:
    archived.write_bytes(rated(archived.read_bytes()))
    explained = run("explain", str(archived), "--json")
    assert json.loads(explained.stdout)["edited"] is False
    (home.root / "IMG_0.jpg").write_bytes(photo(1))
    home.optimize(home.root / "IMG_0.jpg")
    home.configure(gallery="restore_ahead = 1")
    assert run("restore", str(home.root / "IMG_0.jpg")).exit_code == 0
    assert read_rating(archived.read_bytes()).stars == 5
    assert original_of(archived.read_bytes()) is None, "it is restored ahead, like any stand-in"


def test_they_survive_being_archived_again(home: Home, archived: Path) -> None:
    home.purge()
    archived.write_bytes(rated(archived.read_bytes()))
    restore(home, archived)
    home.clock.forward(days=31)
    assert home.optimize().archived == 1
    assert home.codec.encoded == 1
    assert original_of(archived.read_bytes()) is not None
    assert has_own_labels(archived.read_bytes())
    assert read_rating(archived.read_bytes()).stars == 5
    restore(home, archived)
    assert read_rating(archived.read_bytes()).stars == 5


def test_orientation_comes_back(home: Home, archived: Path) -> None:
    home.purge()
    archived.write_bytes(turned(archived.read_bytes()))
    restore(home, archived)
    with Image.open(archived) as image:
        assert image.getexif()[0x0112] == 3


@pytest.mark.parametrize("in_grace", [True, False])
def test_elsewhere_too_and_without_writing_the_catalogue(home: Home, archived: Path, tmp_path: Path, in_grace: bool) -> None:
    if not in_grace:
        home.purge()
    archived.write_bytes(rated(archived.read_bytes(), 4))
    restore(home, archived, to=tmp_path / "out")
    assert read_rating((tmp_path / "out" / "IMG_1.jpg").read_bytes()).stars == 4


def test_a_stand_in_that_was_moved_and_rated(home: Home, archived: Path) -> None:
    home.purge()
    moved = home.root / "album.jpg"
    archived.rename(moved)
    moved.write_bytes(rated(moved.read_bytes()))
    restore(home, moved)
    assert read_rating(moved.read_bytes()).stars == 5


def test_in_grace_the_purge_goes_on_and_the_labels_wait_in_the_stand_in(home: Home, archived: Path) -> None:
    archived.write_bytes(rated(archived.read_bytes()))
    home.purge()
    assert home.rows()["IMG_1.jpg"].state is State.PURGED
    restore(home, archived)
    assert read_rating(archived.read_bytes()).stars == 5


@pytest.mark.parametrize("stopped", [False, True])
def test_the_original_without_them_stays_until_its_grace_is_over(
    home: Home, run: Callable[..., Result], photo: Photo, archived: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stopped: bool
) -> None:
    archived.write_bytes(rated(archived.read_bytes()))
    if stopped:
        with monkeypatch.context() as patched:
            patched.setattr(Catalog, "restored", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                restore(home, archived)
        home.optimize()
    else:
        restore(home, archived)
    assert home.rows()["IMG_1.jpg"].state is State.RESTORED
    (aside,) = home.asides()
    assert aside.read_bytes() == photo()
    assert "Kept:        1 original" in run("status").output
    assert "original without those labels stays in the vault until 2026-03-08" in run("explain", str(archived)).output.replace("\n", " ")
    assert run("export", "--originals", "--to", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "DCIM" / "IMG_1.jpg").read_bytes() == photo()
    home.clock.forward(days=6)
    home.optimize()
    assert aside.read_bytes() == photo()
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1] + bytes((whole[-1] ^ 1,)))
    home.clock.forward(days=2)
    assert "kept" in home.optimize().failed[0][1]
    assert aside.exists(), "never without a proven archive"
    archive.write_bytes(whole)
    assert home.optimize().purged == 1
    assert not aside.exists()
    assert read_rating(archived.read_bytes()).stars == 5
    assert "Kept" not in run("status").output
    assert home.optimize().nothing_done


def test_it_waits_for_a_backup_like_any_other_and_the_trash_waits_with_it(home: Home, archived: Path) -> None:
    for number in range(5):
        (home.root / f"{number}.txt.jpg").write_bytes(b"no photo")
    home.configure(gallery='backup_check = "/bin/false"')
    archived.write_bytes(rated(archived.read_bytes()))
    restore(home, archived)
    archived.unlink()
    for _ in range(2):
        home.clock.forward(days=40)
        done = home.optimize()
        assert (done.thrown_away, done.failed, list(done.waiting.values())) == (0, [], [1])
        assert len(home.asides()) == 1
    home.configure(gallery='backup_check = "/bin/true"')
    done = home.optimize()
    assert (done.purged, done.thrown_away, home.asides()) == (1, 1, [])


def test_it_follows_a_grace_that_is_changed_and_a_photo_that_is_moved(home: Home, archived: Path) -> None:
    archived.write_bytes(rated(archived.read_bytes()))
    restore(home, archived)
    for name in ("a.jpg", "b.jpg"):
        archived = archived.rename(home.root / name)
        home.optimize()
    assert home.rows()["b.jpg"].came_from == b"a.jpg"
    home.configure(gallery='grace = "20 days"')
    home.clock.forward(days=19)
    home.optimize()
    assert len(home.asides()) == 1
    home.clock.forward(days=2)
    assert home.optimize().purged == 1
    assert not home.asides()


def test_of_two_photos_with_the_same_bytes_each_keeps_its_own(home: Home, archived: Path) -> None:
    twin = home.root / "twin.jpg"
    restore(home, archived)
    twin.write_bytes(archived.read_bytes())
    os.utime(twin, ns=(WHEN, WHEN))
    home.clock.forward(days=31)
    home.optimize()
    archived.write_bytes(rated(archived.read_bytes()))
    restore(home, archived)
    archived.rename(home.root / "elsewhere.jpg")
    home.optimize()
    assert len(home.asides()) == 2
    restore(home, twin)
    assert sha256_of(twin) == home.rows()["twin.jpg"].sha256
    home.clock.forward(days=8)
    assert home.optimize().purged == 1
    assert not home.asides()


def test_archived_again_while_its_original_is_kept_it_is_given_back_from_that(home: Home, photo: Photo, archived: Path) -> None:
    home.configure(gallery='grace = "60 days"')
    archived.write_bytes(rated(archived.read_bytes()))
    restore(home, archived)
    assert home.optimize(archived).archived == 1
    assert home.rows()["IMG_1.jpg"].state is State.PURGED
    assert len(home.asides()) == 1
    with home.shop(reading=True) as shop, Catalog(home.places.catalog_file, read_only=True, any_thread=True) as catalog:
        node = View(shop.galleries[0], catalog, lambda _: pytest.fail("measured")).node("IMG_1.jpg")
    assert (node.source, node.path) == (Source.ORIGINAL, home.asides()[0]), "the view decodes nothing while the original is there"
    restore(home, archived)
    assert picture_digest(archived.read_bytes()) == picture_digest(photo())
    assert read_rating(archived.read_bytes()).stars == 5


def test_labels_that_were_taken_back_leave_the_original_itself(home: Home, photo: Photo, archived: Path) -> None:
    stand_in = archived.read_bytes()
    archived.write_bytes(labelled(stand_in, labels_of(photo())))
    restore(home, archived)
    assert archived.read_bytes() == photo()
    assert not home.asides()


def test_what_only_the_photo_says_stays(make_jpeg: Callable[..., bytes]) -> None:
    said = "xmp:Label='mine'><dc:source>x</dc:source></rdf:Description>"
    photo = make_jpeg(96, 128, xmp=packet(f"<rdf:Description GCamera:MotionPhoto='1' {said}"))
    stand_in = make_jpeg(64, 64, xmp=packet(f"<rdf:Description xmp:Rating='3' {said}"))
    data = merged(photo, stand_in).data
    assert read_rating(data).stars == 3
    assert b"MotionPhoto" in labels_of(data).xmp
    assert b"GCamera:" in labels_of(data).xmp, "by the prefix that phones look for"
    assert picture_digest(data) == picture_digest(photo)
    same = make_jpeg(64, 64, xmp=packet(f"<rdf:Description {said}"))
    assert merged(photo, same).data == photo
