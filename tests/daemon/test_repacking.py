"""A PNG packed anew takes its original's place: as safe as an archive, and then simply the photo. The real codec, in this process."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.restorer import Came
from storage.catalog import Catalog
from storage.errors import Changed, Refused
from storage.states import State
from tests.daemon.conftest import Home
from tests.daemon.repacked import RealInProcess, restore, row_of, same_picture, sixteen_bits, with_a_png
from tests.daemon.scenarios import EDIT
from tests.daemon.sweep import ALL_FAULTS, Sweep

LIFE = (
    "optimize and retire",
    "optimize, retire and purge",
    "purge",
    "restore the original",
    "original beside an edit",
    "recover from a kill at 65% of optimize",
    "recover from a kill at 80% of restore the original",
)


class Repacking(Sweep):
    def holds(self, home: Home) -> bool:
        """The original, or the photo packed anew, which has all of its samples and chunks; and no edit is lost."""
        found = [path.read_bytes() for path in home.root.rglob("*") if path.suffix in (".jpg", ".original") and path.is_file()]
        edited = EDIT in {path.read_bytes() for path in (self.base / "template").rglob("*.jpg")}
        return any(data == self.photo or same_picture(self.photo, data) for data in found) and (not edited or EDIT in found)


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Repacking]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as folder:
        yield Repacking(Path(folder), sixteen_bits(), RealInProcess())


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "copy aside"])
@pytest.mark.parametrize("name", ["optimize, retire and purge", "restore the original", "original beside an edit"])
def test_nothing_is_lost_at_a_sample_of_all_points(sweep: Repacking, name: str, exchange: bool) -> None:
    faults = ["kill", "EIO", "power cut, all dropped"]
    assert sweep.run(name, faults, exchange=exchange, every=29, first=1 + 3 * LIFE.index(name) + 11 * exchange) >= 2
    assert sweep.losses == []


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "copy aside"])
@pytest.mark.parametrize("name", LIFE)
def test_nothing_is_lost_at_any_point(sweep: Repacking, name: str, exchange: bool) -> None:
    points = sweep.run(name, ALL_FAULTS, exchange=exchange)
    assert sweep.losses == []
    print(f"{points} points, 0 losses")


@pytest.fixture
def real(home: Home) -> Home:
    return with_a_png(home)


def test_the_whole_life_of_a_re_packed_photo(real: Home) -> None:
    photo, data = real.root / "a.png", sixteen_bits()
    done = real.optimize()
    again = photo.read_bytes()
    assert (done.archived, done.archive_bytes, done.stand_in_bytes) == (1, 0, len(again))
    assert same_picture(data, again)
    assert len(again) < 0.95 * len(data)
    assert (photo.stat().st_mode & 0o7777, photo.stat().st_mtime_ns) == (0o640, 15 * 10**17 + 7)
    row = row_of(real)
    assert (row.state, row.lane, row.choice, row.replaced, row.has_archive) == (State.RETIRED, "pixel-exact", "16-bit", True, False)
    assert row.choice_why
    assert "packed anew" in row.choice_why
    assert row.proof().archive_sha256 == hashlib.sha256(again).hexdigest()
    assert not list((real.root / ".gallery-optimizer/archives").rglob("*.nphoto"))
    assert len(list((real.root / ".gallery-optimizer/originals").iterdir())) == 1
    before = real.files()
    assert real.optimize().nothing_done
    assert real.files() == before  # promise 5
    real.clock.forward(days=8)
    purged = real.optimize()
    assert (purged.purged, purged.freed_bytes) == (1, len(data))
    assert photo.read_bytes() == again
    with Catalog(real.places.catalog_file, read_only=True) as catalog:
        totals = catalog.totals()
    assert totals.purged.saving_bytes == len(data) - len(again)
    assert dict(totals.by_lane) == {"pixel-exact": 1}
    before = real.files()
    assert real.optimize().nothing_done
    assert real.optimize(photo).nothing_done  # named, too: it is the photo now
    assert real.files() == before
    (told,) = restore(real, "a.png")
    assert (told.came, told.trouble) == (Came.NOT, "")
    assert "the photo itself" in told.note
    (given,) = restore(real, "a.png", to=real.root.parent / "out")
    assert given.came is Came.AS_IT_IS
    assert (real.root.parent / "out/a.png").read_bytes() == again


def test_in_grace_the_original_comes_back(real: Home) -> None:
    real.optimize()
    (out,) = restore(real, "a.png", to=real.root.parent / "out")
    assert out.came is Came.ORIGINAL
    assert (real.root.parent / "out/a.png").read_bytes() == sixteen_bits()
    (done,) = restore(real, "a.png")
    assert done.came is Came.ORIGINAL
    assert (real.root / "a.png").read_bytes() == sixteen_bits()
    assert row_of(real).state is State.RESTORED
    assert real.optimize().nothing_done
    real.clock.forward(days=31)
    assert real.optimize().archived == 1
    assert row_of(real).replaced


def test_an_edit_in_grace_keeps_its_name_and_the_original_goes_beside_it(real: Home) -> None:
    real.optimize()
    edit = sixteen_bits(9)
    (real.root / "a.png").write_bytes(edit)
    done = real.optimize()
    assert [each.original for each in done.beside] == [True]
    assert (real.root / "a (original).png").read_bytes() == sixteen_bits()
    assert same_picture(edit, (real.root / "a.png").read_bytes())


def test_an_edit_after_the_purge_is_a_new_photo(real: Home) -> None:
    real.optimize()
    real.clock.forward(days=8)
    real.optimize()
    os.utime(real.root / "a.png")  # touched, not edited
    assert real.optimize().nothing_done
    assert row_of(real).state is State.PURGED
    edit = sixteen_bits(9)
    (real.root / "a.png").write_bytes(edit)
    done = real.optimize()
    assert (done.archived, done.beside) == (1, [])
    assert row_of(real).sha256 == hashlib.sha256(edit).hexdigest()
    assert sorted(path.name for path in real.root.glob("*.png")) == ["a.png"]


def test_a_re_packed_photo_that_its_user_deletes_is_gone_for_good(real: Home) -> None:
    for number in range(12):
        (real.root / f"{number}.png").write_bytes(sixteen_bits(20 + number))
    assert real.optimize().archived == 13
    real.clock.forward(days=8)
    assert real.optimize().purged == 13
    for number in range(12):
        (real.root / f"{number}.png").unlink()
    done = real.optimize(as_it_is=True)
    assert not done.failed
    rows = [row_of(real, b"%d.png" % number) for number in range(12)]
    assert {(row.state, row.reason) for row in rows} == {(State.LEFT, "gone")}
    assert real.optimize().nothing_done  # nobody misses them any longer


def test_a_re_packed_photo_that_is_not_in_its_place_keeps_its_original(real: Home) -> None:
    real.optimize()
    (real.root / "a.png").rename(real.root / "b.txt")
    real.clock.forward(days=8)
    with real.shop() as shop:
        row = row_of(real)
        with pytest.raises(Exception, match="not in its place"):
            shop.galleries[0].vault.purge(row.location, row.proof(), packed_at=row.location)
    assert len(list((real.root / ".gallery-optimizer/originals").iterdir())) == 1


def test_a_re_packed_photo_may_be_moved_while_its_original_is_in_grace(real: Home) -> None:
    real.optimize()
    (real.root / "album").mkdir()
    moved = (real.root / "a.png").rename(real.root / "album/b.png")
    again = moved.read_bytes()
    done = real.optimize()
    assert (done.missed, done.failed) == (0, [])
    real.clock.forward(days=8)
    done = real.optimize()
    assert (done.purged, done.failed, done.missed, done.thrown_away) == (1, [], 0, 0)
    assert not real.asides()
    assert real.optimize().followed == 1
    assert real.optimize().nothing_done
    assert moved.read_bytes() == again
    assert row_of(real, b"album/b.png").state is State.PURGED
    with Catalog(real.places.catalog_file, read_only=True) as catalog:
        assert catalog.totals().trash == 0


def test_a_re_packed_photo_that_is_deleted_in_grace_goes_through_the_trash(real: Home) -> None:
    (real.root / "other.png").write_bytes(sixteen_bits(7))
    real.optimize()
    (real.root / "a.png").unlink()
    assert real.optimize().missed == 1
    real.clock.forward(days=8)
    done = real.optimize()  # its grace is over, but nobody has its picture elsewhere
    assert (done.purged, done.failed) == (1, [])
    assert len(real.asides()) == 1
    with Catalog(real.places.catalog_file, read_only=True) as catalog:
        assert catalog.totals().trash == 1
    (back,) = restore(real, "a.png")
    assert back.came is Came.ORIGINAL
    assert (real.root / "a.png").read_bytes() == sixteen_bits()


def test_one_that_is_moved_and_then_edited_in_grace(real: Home) -> None:
    """The edit is its user's, of his own photo in full; the original waits all the same, as that of a deleted one does."""
    (real.root / "other.png").write_bytes(sixteen_bits(7))
    real.optimize()
    (real.root / "a.png").rename(real.root / "b.png").write_bytes(sixteen_bits(11))
    assert real.optimize().missed == 1
    real.clock.forward(days=29)
    assert real.optimize().thrown_away == 0
    (back,) = restore(real, "a.png")
    assert back.came is Came.ORIGINAL
    assert (real.root / "a.png").read_bytes() == sixteen_bits()
    real.clock.forward(days=29)
    real.optimize()
    assert (real.root / "a.png").read_bytes() == sixteen_bits()


def test_its_original_is_thrown_away_with_the_trash(real: Home) -> None:
    (real.root / "other.png").write_bytes(sixteen_bits(7))
    real.optimize()
    again = (real.root / "a.png").read_bytes()
    (real.root / "a.png").unlink()
    real.optimize()
    real.clock.forward(days=31)
    (real.root / "b.png").write_bytes(again)  # it was only elsewhere for a while
    done = real.optimize()
    assert (done.purged, done.thrown_away, done.failed) == (2, 0, [])
    assert not real.asides()
    (real.root / "c.png").write_bytes(sixteen_bits(11))
    real.optimize()
    (real.root / "c.png").unlink()
    assert real.optimize().missed == 1
    real.clock.forward(days=31)
    done = real.optimize()
    assert (done.thrown_away, done.failed) == (1, [])
    assert not real.asides()
    row = row_of(real, b"c.png")
    assert (row.state, row.reason) == (State.LEFT, "gone")
    assert real.optimize().nothing_done


def test_no_edit_under_a_deleted_name_costs_the_original(real: Home) -> None:
    """The vault itself refuses, whatever it is told."""
    real.optimize()
    row = row_of(real)
    with real.shop() as shop, pytest.raises(Refused, match="there is a file again"):
        shop.galleries[0].vault.throw_away_original(row.location, row.sha256 or "")
    real.asides()[0].write_bytes(b"a late writer's version")
    row.location.unlink()
    with real.shop() as shop, pytest.raises(Changed):
        shop.galleries[0].vault.throw_away_original(row.location, row.sha256 or "")
    assert len(real.asides()) == 1
