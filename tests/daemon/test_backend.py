"""The real codec behind the seam that the worker processes use."""

import hashlib
import io
import math
from collections.abc import Callable

import pytest
from PIL import Image

from codec.errors import Corrupt
from daemon.messages import EncodeJob


@pytest.fixture(scope="module")
def photo(make_jpeg: Callable[..., bytes]) -> bytes:
    return make_jpeg(192, 256, quality=96)


def job(data: bytes, rate: float | None) -> EncodeJob:
    return EncodeJob(data, hashlib.sha256(data).hexdigest(), b"a.jpg", 0, 0o644, "compact", -math.inf, -math.inf, stand_in=False, rate=rate)


def test_archive_examine_restore(photo: bytes) -> None:
    from daemon.backend import load

    backend = load()
    assert backend.megapixels(photo) == pytest.approx(192 * 256 / 1e6)
    assert backend.megapixels(b"not a picture") > 0
    made = backend.archive(job(photo, 0.5), 0)
    assert (made.lane, made.width, made.height) == ("neural", 256, 192)
    seen = backend.examine(made.archive, photo)
    assert seen.metadata_equal
    assert seen.original_sha256 == hashlib.sha256(photo).hexdigest()
    assert seen.archive_sha256 == hashlib.sha256(made.archive).hexdigest()
    assert (seen.lane, seen.model) == (made.lane, made.model)
    assert seen.whole == pytest.approx(made.whole, abs=0.01)
    for kind in (None, "jpeg", "png"):
        with Image.open(io.BytesIO(backend.restore(made.archive, kind))) as copy:
            assert copy.size == (256, 192)
            assert copy.getexif()[0x0112] == 6
    with pytest.raises(Corrupt):
        backend.restore(made.archive[:-1], None)
