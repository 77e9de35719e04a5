"""What else keeps PNGs that are packed anew safe: verify, eject and doctor --rebuild know their originals; a bad packing is refused."""

import hashlib
import io
import os

import numpy as np
import pytest
from PIL import Image

from codec import pixel_exact
from daemon.ejection import FOUND_FOLDER, eject
from daemon.inspection import Inspection, verify
from daemon.ports import Silence
from daemon.rebuilding import Rebuilt, rebuild, set_catalogue_aside
from daemon.restorer import Came
from storage.catalog import Catalog
from storage.errors import Refused
from storage.fingerprint import Fingerprint
from storage.rows import to_columns
from storage.states import State
from tests.daemon.conftest import Home
from tests.daemon.repacked import restore, row_of, same_picture, sixteen_bits, with_a_png


@pytest.fixture
def real(home: Home) -> Home:
    return with_a_png(home)


def look_again(home: Home) -> Inspection:
    with home.shop(reading=True) as shop:
        return verify(shop, Silence())


def test_verify_reads_the_originals_of_re_packed_photos(real: Home) -> None:
    real.optimize()
    found = look_again(real)
    assert (found.archives, found.originals, found.damages) == (0, 1, [])
    (aside,) = real.asides()
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
    assert not real.asides()
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
