"""PNGs of 16 bits for tests, which are only packed anew, and the real codec in this process."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from codec import pixel_exact
from codec.leads import PNG_SIGNATURE
from daemon import restorer
from daemon.backend import load
from daemon.messages import Encoded, EncodeJob
from daemon.ports import Silence
from daemon.restorer import Restoration
from storage.catalog import Catalog
from storage.records import PhotoRow
from tests.daemon.conftest import Home, InProcess


def sixteen_bits(seed: int = 0) -> bytes:
    """Too many bits for an archive, and packed badly: only packing anew will do."""
    y, x = np.mgrid[0:144, 0:128]
    buffer = io.BytesIO()
    Image.fromarray((x * 350 + y * 45 + seed).astype(np.uint16)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def same_picture(data: bytes, other: bytes) -> bool:
    return other[:8] == PNG_SIGNATURE and not pixel_exact.difference(pixel_exact.read(data), pixel_exact.read(other))


_packed: dict[tuple[object, ...], Encoded] = {}


class RealInProcess(InProcess):
    """A PNG is packed but once, for all tests: its packer has threads of its own, which a forked child would wait for in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = load()
        pack = self.backend.archive

        def archive(job: EncodeJob, allowance_bytes: int | None) -> Encoded:
            key = (job.original, job.level, job.min_saving, job.min_saving_lossless, job.repack)
            if key not in _packed:
                _packed[key] = pack(job, allowance_bytes)
            return _packed[key]

        self.backend.archive = archive


def row_of(home: Home, name: bytes = b"a.png") -> PhotoRow:
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        row = catalog.find(os.fsencode(home.root), name)
    assert row is not None
    return row


def restore(home: Home, *names: str, to: Path | None = None) -> list[Restoration]:
    with home.shop() as shop:
        return restorer.restore(shop, [home.root / name for name in names], to, None, Silence())


def with_a_png(home: Home) -> Home:
    """The same with one such PNG in its gallery, `a.png`, and the real codec."""
    home.codec = RealInProcess()
    (home.root / "a.png").write_bytes(sixteen_bits())
    os.chmod(home.root / "a.png", 0o640)
    os.utime(home.root / "a.png", ns=(10**18, 15 * 10**17 + 7))
    return home
