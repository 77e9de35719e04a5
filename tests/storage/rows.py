"""Rows of a catalogue for tests: one photo, taken as far as a test needs it."""

from dataclasses import replace

from storage.catalog import Catalog
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from tests.storage.scenes import ORIGINAL, STAND_IN, a_proof, sha256

GALLERY = b"/home/anna/Sync/DCIM"
SEEN = Fingerprint(device=7, inode=2**64 - 3, size_bytes=len(ORIGINAL), mtime_ns=4, ctime_ns=5, links=1, mode=0o100644)
SMALL = replace(SEEN, inode=9, size_bytes=len(STAND_IN))
PROOF = a_proof()


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.9

    def __call__(self) -> float:
        return self.now


def claimed(catalog: Catalog, path: bytes = b"IMG_1.jpg", seen: Fingerprint = SEEN) -> PhotoRow:
    row = catalog.claim(catalog.enqueue(GALLERY, path, seen).row.id)
    assert row is not None
    return catalog.digested(row.id, sha256(ORIGINAL), seen)


def committed(catalog: Catalog, path: bytes = b"IMG_1.jpg") -> PhotoRow:
    return catalog.committed(claimed(catalog, path).id, proof=PROOF, archive_name="archives/x", lane="neural")


def retired(catalog: Catalog, path: bytes = b"IMG_1.jpg", purge_after_at: int = 2_000_000_000) -> PhotoRow:
    row = committed(catalog, path)
    catalog.retiring(row.id, sha256(STAND_IN), len(STAND_IN))
    return catalog.retired(row.id, purge_after_at=purge_after_at, stand_in_fingerprint=SMALL)
