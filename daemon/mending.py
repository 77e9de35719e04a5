"""What `verify` can do about damage: an archive computed anew out of its parity, or made anew while its original is in grace."""

from functools import partial

from daemon.composition import Workshop
from daemon.galleries import Gallery
from daemon.optimizer import Kind, Optimizer
from daemon.parity import keep_parity
from storage import durable
from storage.digest import sha256_of
from storage.errors import Missing, StorageError
from storage.records import PhotoRow
from storage.states import State


def repair(shop: Workshop, gallery: Gallery, digest: str) -> int:
    """Compute the damaged blocks of an archive anew, out of its parity; how many there were. `digest` of the original.

    Raises StorageError where it can't be done; then the archive is as it was.
    """
    gallery = _own(shop, gallery)
    shop.lock_vault(gallery)
    proven = next((row.archive_sha256 for row in shop.catalog.by_digest(digest, gallery.key) if row.has_archive), None)
    blocks = gallery.vault.repair_archive(digest, proven)
    shop.catalog.inspected(gallery.key, digest)
    return blocks


def mend(shop: Workshop, gallery: Gallery, row: PhotoRow) -> bool:
    """The original of a photo with a damaged archive goes back in place, and is archived anew at once; whether that was done.

    The damaged archive keeps its bytes under another name until the new one is proven. Raises StorageError, WorkerError; then the original
    is in place or set aside.
    """
    gallery = _own(shop, gallery)
    shop.lock_vault(gallery)
    if not is_still(shop, row) or not original_is_there(gallery, row):
        return False
    archive, old = gallery.vault.archive_path(row.sha256 or ""), None
    gallery.vault.put_back(row.location, row.sha256 or "", row.stand_in_sha256)
    shop.catalog.requeue(row.id)
    if archive.exists():
        old = durable.set_out_of_the_way(archive)
    outcome = Optimizer(gallery, shop.catalog, shop.codec, shop.clock, partial(shop.check_still, gallery)).step(row.id)
    if outcome is None or outcome.kind is not Kind.ARCHIVED:
        return False
    if old is not None:
        durable.remove(old)
    shop.catalog.inspected(gallery.key, row.sha256 or "")
    return True


def guard(shop: Workshop, gallery: Gallery, row: PhotoRow) -> bool:
    """Make the parity of a whole archive that has none; whether that was done. Raises StorageError."""
    gallery = _own(shop, gallery)
    shop.lock_vault(gallery)
    sha256, archive_sha256 = row.sha256 or "", row.archive_sha256 or ""
    if not is_still(shop, row) or sha256_of(gallery.vault.archive_path(sha256)) != archive_sha256:
        return False
    return keep_parity(gallery, shop.catalog, sha256, archive_sha256)


def is_still(shop: Workshop, row: PhotoRow) -> bool:
    """Whether nobody has worked on the photo since its row was read."""
    try:
        now = shop.catalog.get(row.id)
    except Missing:
        return False
    return (now.state, now.archive_sha256, now.superseded_at) == (row.state, row.archive_sha256, row.superseded_at)


def original_is_there(gallery: Gallery, row: PhotoRow) -> bool:
    """By the disk, not by the state: somebody may act on the answer."""
    place = gallery.vault.aside_path(row.location, row.sha256 or "") if row.state is State.RETIRED else row.location
    try:
        return sha256_of(place) == row.sha256
    except StorageError:
        return False


def _own(shop: Workshop, gallery: Gallery) -> Gallery:
    """The same gallery of this workshop, whose vault it may lock."""
    return next(each for each in shop.galleries if each.key == gallery.key)
