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
from daemon.messages import Encoded, EncodeJob
from daemon.ports import Silence
from daemon.restorer import Came, Restoration
from storage.catalog import Catalog
from storage.errors import Refused
from storage.records import PhotoRow
from storage.states import State
from tests.daemon.conftest import Home, InProcess
from tests.daemon.sweep import ALL_FAULTS, EDIT, Sweep

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
            shop.galleries[0].vault.purge(row.location, row.proof(), replaced=True)
    assert len(list((real.root / ".gallery-optimizer/originals").iterdir())) == 1


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
