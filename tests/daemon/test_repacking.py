"""A PNG packed anew takes its original's place: as safe as an archive, and then simply the photo. The real codec, in this process."""

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec import pixel_exact
from daemon import restorer
from daemon.backend import load
from daemon.ejection import FOUND_FOLDER, eject
from daemon.inspection import Inspection, verify
from daemon.messages import Encoded, EncodeJob
from daemon.ports import Silence
from daemon.rebuilding import Rebuilt, rebuild, set_catalogue_aside
from daemon.restorer import Came, Restoration
from storage.catalog import Catalog
from storage.errors import Changed, Refused
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.rows import to_columns
from storage.states import State
from tests.daemon.conftest import Home, InProcess
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


def sixteen_bits(seed: int = 0) -> bytes:
    """Too many bits for an archive, and packed badly: only packing anew will do."""
    y, x = np.mgrid[0:72, 0:64]
    buffer = io.BytesIO()
    Image.fromarray((x * 700 + y * 90 + seed).astype(np.uint16)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def same_picture(data: bytes, other: bytes) -> bool:
    return other[:8] == pixel_exact.SIGNATURE and not pixel_exact.difference(pixel_exact.read(data), pixel_exact.read(other))


class RealInProcess(InProcess):
    """A PNG is packed but once: its packer has threads of its own, which a forked child would wait for in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = load()
        pack, packed = self.backend.archive, {}

        def archive(job: EncodeJob, allowance_bytes: int | None) -> Encoded:
            if job.original not in packed:
                packed[job.original] = pack(job, allowance_bytes)
            return packed[job.original]

        self.backend.archive = archive


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
    home.codec = RealInProcess()
    (home.root / "a.png").write_bytes(sixteen_bits())
    os.chmod(home.root / "a.png", 0o640)
    os.utime(home.root / "a.png", ns=(10**18, 15 * 10**17 + 7))
    return home


def row_of(home: Home, name: bytes = b"a.png") -> PhotoRow:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        row = catalog.find(os.fsencode(home.root), name)
    assert row is not None
    return row


def restore(home: Home, *names: str, to: Path | None = None) -> list[Restoration]:
    with home.shop() as shop:
        return restorer.restore(shop, [home.root / name for name in names], to, None, Silence())


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


def originals(home: Home) -> list[Path]:
    return list((home.root / ".gallery-optimizer/originals").iterdir())


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
    assert not originals(real)
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
    assert len(originals(real)) == 1
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
    assert not originals(real)
    (real.root / "c.png").write_bytes(sixteen_bits(11))
    real.optimize()
    (real.root / "c.png").unlink()
    assert real.optimize().missed == 1
    real.clock.forward(days=31)
    done = real.optimize()
    assert (done.thrown_away, done.failed) == (1, [])
    assert not originals(real)
    row = row_of(real, b"c.png")
    assert (row.state, row.reason) == (State.LEFT, "gone")
    assert real.optimize().nothing_done


def test_no_edit_under_a_deleted_name_costs_the_original(real: Home) -> None:
    """The vault itself refuses, whatever it is told."""
    real.optimize()
    row = row_of(real)
    with real.shop() as shop, pytest.raises(Refused, match="there is a file again"):
        shop.galleries[0].vault.throw_away_original(row.location, row.sha256 or "")
    originals(real)[0].write_bytes(b"a late writer's version")
    row.location.unlink()
    with real.shop() as shop, pytest.raises(Changed):
        shop.galleries[0].vault.throw_away_original(row.location, row.sha256 or "")
    assert len(originals(real)) == 1


def look_again(home: Home) -> Inspection:
    with home.shop(reading=True) as shop:
        return verify(shop, Silence())


def test_verify_reads_the_originals_of_re_packed_photos(real: Home) -> None:
    real.optimize()
    found = look_again(real)
    assert (found.archives, found.originals, found.damages) == (0, 1, ())
    (aside,) = originals(real)
    data = bytearray(aside.read_bytes())
    data[100] ^= 1
    aside.write_bytes(data)
    (damage,) = look_again(real).damages
    assert (damage.photos, damage.original_safe) == (("a.png",), False)
    aside.write_bytes(sixteen_bits())
    photo = real.root / "a.png"
    before, rotten = photo.stat(), bytearray(photo.read_bytes())
    rotten[-20] ^= 1
    with Catalog(real.places.catalog_file) as catalog:
        row = row_of(real)
        photo.write_bytes(rotten)
        os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
        catalog._update(row.id, to_columns(Fingerprint.of(photo), "stand_in_"))  # as if the disk had done it
    (damage,) = look_again(real).damages
    assert (damage.file, damage.original_safe) == (str(photo), True)
    photo.write_bytes(sixteen_bits(9))  # an edit is no damage
    assert not look_again(real).damages


def test_eject_gives_the_originals_of_re_packed_photos_back(real: Home) -> None:
    (real.root / "old.png").write_bytes(sixteen_bits(5))
    real.optimize(real.root / "old.png")
    real.clock.forward(days=8)
    assert real.optimize().purged == 1
    assert row_of(real).state is State.RETIRED
    with real.shop() as shop:
        done = eject(shop, shop.galleries[0], Silence())
    assert (done.photos, done.originals, done.copies, done.packed, done.troubles) == (1, 1, 0, 1, [])
    assert done.complete
    assert (real.root / "a.png").read_bytes() == sixteen_bits()
    assert same_picture((real.root / "old.png").read_bytes(), sixteen_bits(5))
    with real.shop() as shop:
        assert eject(shop, shop.galleries[0], Silence()).complete


def lose_the_catalogue(home: Home) -> Rebuilt:
    set_catalogue_aside(home.places)
    with home.shop() as shop:
        return rebuild(shop, shop.galleries[0], Silence())


def test_re_packed_photos_survive_the_loss_of_the_catalogue(real: Home) -> None:
    for name in ("edited.png", "moved.png"):
        (real.root / name).write_bytes(sixteen_bits(ord(name[0])))
    real.optimize()
    again, edit = (real.root / "a.png").read_bytes(), sixteen_bits(12)
    (real.root / "edited.png").write_bytes(edit)
    (real.root / "moved.png").rename(real.root / "elsewhere.png")
    done = lose_the_catalogue(real)
    assert (done.photos, done.in_grace, done.edited, done.originals_without_place, done.troubles) == (2, 2, 1, 1, [])
    row = row_of(real)
    assert (row.state, row.replaced, row.lane) == (State.RETIRED, True, "pixel-exact")
    assert row.proof().archive_sha256 == hashlib.sha256(again).hexdigest()
    real.optimize()
    assert (real.root / "edited (original).png").read_bytes() == sixteen_bits(ord("e"))
    with real.shop() as shop:
        out = eject(shop, shop.galleries[0], Silence())
    assert (out.found, out.troubles) == (1, [])
    (found,) = (real.root / FOUND_FOLDER).rglob("*.png")
    assert found.read_bytes() == sixteen_bits(ord("m"))
    assert (real.root / "a.png").read_bytes() == sixteen_bits()


def test_a_rebuilt_re_packed_photo_is_purged_by_its_new_proof(real: Home) -> None:
    real.optimize()
    assert lose_the_catalogue(real).in_grace == 1
    real.clock.forward(days=8)
    done = real.optimize()
    assert (done.purged, done.failed) == (1, [])
    assert not originals(real)
    assert real.optimize().nothing_done


def test_an_attribute_that_can_not_be_given_leaves_the_photo(real: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from storage.attributes import Attributes

    monkeypatch.setattr(Attributes, "differences", lambda *_: ("owner",))
    assert real.optimize().left == {"not-safe": 1}
    assert (real.root / "a.png").read_bytes() == sixteen_bits()
    assert not list((real.root / ".gallery-optimizer/originals").iterdir())
    assert "owner" in (row_of(real).detail or "")


def test_a_forged_packing_is_not_put_in_place(real: Home) -> None:
    honest = real.codec.backend.archive

    def forged(job: object, allowance: int | None) -> object:
        from dataclasses import replace

        made = honest(job, allowance)
        other = pixel_exact.repacked(pixel_exact.read(sixteen_bits(9)), 2)
        return replace(made, repacked=other)

    real.codec.backend.archive = forged
    assert real.optimize().left == {"proof-failed": 1}
    assert (real.root / "a.png").read_bytes() == sixteen_bits()
    with pytest.raises(Refused):
        row_of(real).proof()


def test_what_the_exact_lane_gives_back_is_called_the_original(real: Home) -> None:
    buffer = io.BytesIO()
    y, x = np.mgrid[0:256, 0:256]
    Image.fromarray((127 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7)).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    real.configure('quality = "exact"\nstand_in = "none"\ngrace = "0 days"')
    (real.root / "a.png").unlink()
    (real.root / "b.jpg").write_bytes(buffer.getvalue())
    os.utime(real.root / "b.jpg", (1.5e9, 1.5e9))
    done = real.optimize()
    assert (done.archived, done.purged) == (1, 1)
    (given,) = restore(real, "b.jpg", to=real.root.parent / "out")
    assert given.came is Came.ORIGINAL
    assert (real.root.parent / "out/b.jpg").read_bytes() == buffer.getvalue()
