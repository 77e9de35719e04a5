"""The catalogue is expendable, and what is not in its place is told."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from PIL import Image

from codec.labels import Labels, labelled
from codec.rating import read_rating
from daemon import restorer
from daemon.cli.main import cli
from daemon.doctor import Grade, examine
from daemon.exits import ExitCode
from daemon.marking import original_of
from daemon.ports import Silence
from daemon.rebuilding import set_catalogue_aside
from storage.catalog import Catalog
from storage.digest import Snapshot, read_once, sha256_of_bytes
from storage.errors import ReadOnly
from storage.states import State
from tests.daemon.homes import lose_and_rebuild, put, tell

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


@pytest.fixture
def told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch)


def test_photos_that_are_back_are_not_counted_as_archived_alone(home: Home, photo: Photo) -> None:
    for name, seed in (("a.jpg", 0), ("b.jpg", 1)):
        put(home, name, photo(seed))
    home.optimize()
    with home.shop() as shop:
        restorer.restore(shop, [home.root / "a.jpg"], None, None, Silence())
        (told,) = [each.text for each in examine(shop, Silence()) if "in its place" in each.text]
    assert told == f"{home.root}: 2 archived photos, 1 of them restored, everything is in its place"


@pytest.mark.usefixtures("told")
def test_a_photo_that_came_back_with_other_labels_is_no_stand_in(home: Home, photo: Photo) -> None:
    """It has its stand-in's date, and its original is set aside under its name; whatever takes the name must not take the photo."""
    path = put(home, "a.jpg", photo(0))
    home.optimize()
    stand_in = path.read_bytes()
    path.write_bytes(labelled(stand_in, Labels(exif=b"MM\0*\0\0\0\x08\0\x01\x47\x46\0\x03\0\0\0\x01\0\x05\0\0\0\0\0\0")))
    with home.shop() as shop:
        restorer.restore(shop, [path], None, None, Silence())
    tagged = path.read_bytes()
    assert original_of(tagged) is None
    found = lose_and_rebuild(home)
    assert (found.photos, found.edited, found.troubles) == (1, 0, [])
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        (row,) = catalog.rows()
        assert (row.state, row.kept_since_at is not None, row.purge_after_at is not None) == (State.RESTORED, True, True)
    home.optimize()
    with home.shop() as shop:
        assert [each.came for each in restorer.restore(shop, [path], None, None, Silence())] == [restorer.Came.NOT]
    assert path.read_bytes() == tagged
    assert [each.name for each in home.root.glob("*.jpg")] == ["a.jpg"], "no second file"
    home.clock.forward(days=31)
    assert home.optimize().archived == 1, "it is put away like any photo that was restored, and its original is purged"
    assert not list((home.root / ".gallery-optimizer/originals").iterdir())
    with home.shop() as shop:
        restorer.restore(shop, [path], None, None, Silence())
    assert read_rating(path.read_bytes()).stars == 5


@pytest.mark.usefixtures("told")
def test_a_photo_of_which_more_than_labels_was_changed_is_taken_for_an_edit(home: Home, photo: Photo) -> None:
    """Its original is set aside, and what the catalogue knew is lost: the photo goes beside it, and nothing of it is taken back."""
    path = put(home, "a.jpg", photo(0))
    home.optimize()
    software = b"MM\0*\0\0\0\x08\0\x01\x01\x31\0\x02\0\0\0\x03abc\0\0\0\0\0"
    path.write_bytes(labelled(photo(0), Labels(exif=software)))
    os.utime(path, (1.5e9, 1.5e9))
    changed = path.read_bytes()
    assert lose_and_rebuild(home).edited == 1
    home.optimize()
    with home.shop() as shop:
        restorer.restore(shop, [path], None, None, Silence())
    assert path.read_bytes() == changed
    assert (home.root / "a (original).jpg").read_bytes() == photo(0)


@pytest.mark.usefixtures("told")
def test_a_lost_catalogue_comes_back_from_the_vault(home: Home, photo: Photo) -> None:
    """Photos in grace with a new proof, purged ones with their paths; then everything works as before."""
    put(home, "a.jpg", photo(0))
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    put(home, "trip/a.jpg", photo(1))
    home.optimize()
    before = home.files()
    found = lose_and_rebuild(home)
    assert (found.photos, found.in_grace, found.edited, found.without_place, found.troubles) == (2, 1, 0, 0, [])
    assert {name: digest for name, digest in home.files().items() if "bitstream" not in name} == {
        name: digest for name, digest in before.items() if "bitstream" not in name
    }
    assert home.optimize().nothing_done
    home.clock.forward(days=8)
    assert home.optimize().purged == 1
    with home.shop() as shop:
        done = restorer.restore(shop, [home.root / "a.jpg"], None, None, Silence())
    assert [each.came for each in done] == [restorer.Came.COPY]


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("goal", [".private/a.jpg", ".a.jpg", "a.jpg.bak", "album/.deep/er/a.jpg"])
def test_a_stand_in_that_its_user_hid_is_found_as_well(home: Home, photo: Photo, goal: str) -> None:
    """The trash knows them, and the catalogue made anew did not: the archive counted as one without a stand-in."""
    home.configure('grace = "0 days"')
    place = put(home, "a.jpg", photo())
    home.optimize()
    (home.root / goal).parent.mkdir(parents=True, exist_ok=True)
    place = place.rename(home.root / goal)
    (place.parent / ".notes").write_text("no picture")
    set_catalogue_aside(home.places)
    with home.shop() as shop:
        told = [finding.text for finding in examine(shop, Silence())]
        assert any("1 stand-in that the catalogue does not know" in text for text in told), told
    found = lose_and_rebuild(home)
    assert (found.photos, found.edited, found.without_place, found.troubles) == (1, 0, 0, [])
    assert home.state_of(goal) == (State.PURGED, None)
    for _ in range(8):
        assert home.optimize().thrown_away == 0
        home.clock.forward(days=7)
    with home.shop() as shop:
        (given,) = restorer.restore(shop, [place], None, None, Silence())
    assert (given.trouble, given.came) == ("", restorer.Came.COPY)


@pytest.mark.usefixtures("told")
def test_a_hidden_twin_keeps_the_archive_after_a_rebuild(home: Home, photo: Photo) -> None:
    """Tagged by a program that writes a new file, it has another size and no extended attribute: with its twin the archive went."""
    home.configure('grace = "0 days"')
    for name in ("a.jpg", "b.jpg"):
        put(home, name, photo())
    home.optimize()
    tagged = labelled((home.root / "b.jpg").read_bytes(), Labels(xmp=b"<x/>"))
    (home.root / "b.jpg").unlink()
    put(home, ".private/b.jpg", tagged)
    found = lose_and_rebuild(home)
    assert (found.photos, found.without_place, found.troubles) == (1, 0, []), "its photo has a place; it is noted"
    assert home.state_of(".private/b.jpg") == (State.LEFT, "stand-in")
    (home.root / "a.jpg").unlink()
    for _ in range(8):
        assert home.optimize(as_it_is=True).thrown_away == 0
        home.clock.forward(days=7)
    with home.shop() as shop:
        (given,) = restorer.restore(shop, [home.root / ".private/b.jpg"], home.root.parent / "out", None, Silence())
    assert given.trouble == ""


@pytest.mark.usefixtures("told")
def test_a_hidden_file_that_can_not_be_read_is_told(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home, "a.jpg", photo())
    home.optimize()
    put(home, ".closed/b.jpg", b"")
    put(home, ".closed/notes", b"")

    def closed(path: Path) -> Snapshot:
        if ".closed" in path.parts:
            raise ReadOnly(f"{path} can't be read by this user")
        return read_once(path)

    monkeypatch.setattr("daemon.everywhere.read_once", closed)
    found = lose_and_rebuild(home)
    assert found.photos == 1
    ((_, why),) = found.troubles
    assert "b.jpg can't be read" in why


@pytest.mark.usefixtures("told")
def test_an_original_without_a_stand_in_is_found_by_its_mark(home: Home, photo: Photo) -> None:
    home.configure('stand_in = "none"')
    put(home, "a.jpg", photo(0))
    home.optimize()
    assert lose_and_rebuild(home).in_grace == 1
    with home.shop() as shop:
        restorer.restore(shop, [home.root / "a.jpg"], None, None, Silence())
    assert (home.root / "a.jpg").read_bytes() == photo(0)


def turned(stand_in: bytes) -> bytes:
    """As an editor saves it that keeps comments."""
    image, buffer = Image.open(io.BytesIO(stand_in)), io.BytesIO()
    image.rotate(180).save(buffer, "JPEG", comment=image.info["comment"])
    return buffer.getvalue()


@pytest.mark.usefixtures("told")
def test_an_edited_stand_in_stays_the_users(home: Home, photo: Photo) -> None:
    path = put(home, "a.jpg", photo(0))
    home.optimize()
    edit = turned(path.read_bytes())
    path.write_bytes(edit)
    assert lose_and_rebuild(home).edited == 1
    home.optimize()
    assert path.read_bytes() == edit
    assert (home.root / "a (original).jpg").read_bytes() == photo(0)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("attributes", [True, False])
def test_twins_keep_each_its_own_date(home: Home, photo: Photo, attributes: bool) -> None:
    """They share an archive, which tells one date: the other photo was given that."""
    home.configure('grace = "0 days"')
    paths = [put(home, name, photo(0)) for name in ("a.jpg", "sent/a.jpg", "tagged.jpg", "rounded.jpg")]
    for path, date in zip(paths[1:], (1.2e9 + 0.5, 1.3e9, 1.5e9), strict=True):
        os.utime(path, (date, date))
    home.optimize()
    shutil.copy(paths[0], home.root / "copied.jpg")
    tags = Image.Exif()
    tags[0x010E] = "a day out"
    paths[2].write_bytes(labelled(paths[2].read_bytes(), Labels(exif=tags.tobytes().removeprefix(b"Exif\0\0"))))
    os.utime(paths[3], (1.5e9 - 0.7, 1.5e9 - 0.7))
    for path in paths if not attributes else paths[3:]:
        os.removexattr(path, "user.gallery-optimizer.original")
    assert lose_and_rebuild(home).photos == 5
    with home.shop() as shop:
        assert not [each.trouble for each in restorer.restore(shop, [home.root], None, None, Silence()) if each.trouble]
    dates = {path.name: path.stat().st_mtime for path in (*paths[2:], home.root / "copied.jpg", paths[0])}
    assert dates == {"a.jpg": 1.5e9, "tagged.jpg": 1.5e9, "rounded.jpg": 1.5e9, "copied.jpg": 1.5e9}
    assert paths[1].stat().st_mtime == 1.2e9 + 0.5


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("grace", ["0 days", "7 days"])
def test_without_a_catalogue_twins_have_each_its_own_date_and_tags(home: Home, photo: Photo, tmp_path: Path, grace: str) -> None:
    """They had the date of the first, and tags that somebody wrote on a stand-in stayed behind."""
    home.configure(f'grace = "{grace}"')
    paths = [put(home, name, photo(0)) for name in ("a.jpg", "sent.jpg", "tagged.jpg")]
    os.utime(paths[1], (1.2e9, 1.2e9))
    home.optimize()
    tags = Image.Exif()
    tags[0x010E] = "a day out"
    paths[2].write_bytes(labelled(paths[2].read_bytes(), Labels(exif=tags.tobytes().removeprefix(b"Exif\0\0"))))
    home.places.catalog_file.unlink()
    with home.shop(reading=True) as shop:
        given = restorer.restore(shop, [home.root], tmp_path / "given", None, Silence())
    assert [each.trouble for each in given] == ["", "", ""]
    assert {path.name: path.stat().st_mtime for path in (tmp_path / "given").iterdir()} == {
        "a.jpg": 1.5e9,
        "sent.jpg": 1.2e9,
        "tagged.jpg": 1.5e9,
    }
    with Image.open(tmp_path / "given/tagged.jpg") as tagged:
        assert tagged.getexif()[0x010E] == "a day out"


@pytest.mark.usefixtures("told")
def test_the_old_catalogue_is_kept_and_a_damaged_one_is_no_obstacle(home: Home, photo: Photo) -> None:
    put(home, "a.jpg", photo(0))
    home.optimize()
    home.places.catalog_file.write_bytes(b"not a database at all" * 500)
    assert lose_and_rebuild(home).photos == 1
    assert home.places.catalog_file.with_name("catalog.sqlite3.old-1").read_bytes().startswith(b"not a database")
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        assert [row.state for row in catalog.rows()] == [State.RETIRED]


def test_what_is_wrong_is_told(home: Home, photo: Photo) -> None:
    put(home, "a.jpg", photo(0))
    put(home, "b.jpg", photo(1))
    home.optimize()

    def grades() -> set[Grade]:
        with home.shop() as shop:
            return {each.grade for each in examine(shop, Silence())}

    assert grades() == {Grade.FINE}
    (home.root / ".gallery-optimizer/bitstream.md").unlink(missing_ok=True)
    assert Grade.MENDED in grades()
    assert grades() == {Grade.FINE}
    (first, second) = sorted((home.root / ".gallery-optimizer/archives").rglob("*.nphoto"))
    first.unlink()
    assert Grade.DAMAGE in grades()
    for file in home.places.state_folder.glob("catalog*"):
        file.unlink()
    assert grades() == {Grade.FINE, Grade.NOTE}
    assert second.exists()


def test_a_photo_that_can_not_be_read_hides_nothing_else(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    archived, closed = put(home, "a.jpg", photo(0)), put(home, "b.jpg", photo(1))
    home.optimize(archived)
    set_catalogue_aside(home.places)

    def read(path: Path) -> Snapshot:
        if path == closed:
            raise ReadOnly(f"{path} can't be read by this user")
        return read_once(path)

    monkeypatch.setattr("daemon.doctor.read_once", read)
    with home.shop() as shop:
        notes = [finding.text for finding in examine(shop, Silence()) if finding.grade is Grade.NOTE]
    assert any("1 stand-in that the catalogue does not know" in text for text in notes)


def test_the_command(home: Home, photo: Photo) -> None:
    put(home, "a.jpg", photo(0))
    home.optimize()
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    result = CliRunner().invoke(cli, [*options, "doctor"])
    assert (result.exit_code, "fine" in result.output) == (ExitCode.DONE, True)
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    aside.unlink()
    (archive,) = (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")
    archive.unlink()
    assert CliRunner().invoke(cli, [*options, "doctor"]).exit_code == ExitCode.DAMAGE


def test_archives_that_nothing_names_are_told(home: Home, photo: Photo) -> None:
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        put(home, name, photo(seed))
    home.configure('grace = "0 days"')
    home.optimize()
    (home.root / "b.jpg").unlink()
    set_catalogue_aside(home.places)
    with home.shop() as shop:
        said = [each.text for each in examine(shop, Silence()) if "does not know" in each.text or "no stand-in names" in each.text]
    gone = next(path for path in home.archives() if path.stem == sha256_of_bytes(photo(1)))
    assert len(said) == 2
    assert "1 stand-in that the catalogue does not know" in said[0]
    assert f"1 archive ({gone.stat().st_size / 1000:.2f} KB)" in said[1]
    assert str(gone) in said[1]


def test_a_lost_catalogue_is_told_before_anybody_asks(home: Home, photo: Photo) -> None:
    put(home, "a.jpg", photo(0))
    home.optimize()
    set_catalogue_aside(home.places)
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    assert "doctor --rebuild" in CliRunner().invoke(cli, [*options, "status"]).output
    assert home.optimize().left == {"stand-in": 1}
    with home.shop(reading=True) as shop:
        (row,) = shop.catalog.rows()
    assert "doctor --rebuild" in (row.detail or "")


@pytest.mark.usefixtures("told")
def test_a_catalogue_with_holes_says_what_helps(home: Home, photo: Photo) -> None:
    put(home, "a.jpg", photo(0))
    home.optimize()
    data = bytearray(home.places.catalog_file.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 600] = bytes(600)
    home.places.catalog_file.write_bytes(data)
    options = ["--config", str(home.places.config_file), "--state", str(home.places.state_folder)]
    for command in ("status", "optimize", "doctor"):
        answer = CliRunner().invoke(cli, [*options, command])
        assert answer.exit_code == ExitCode.FAILED
        assert "doctor --rebuild" in answer.output
    assert lose_and_rebuild(home).photos == 1
