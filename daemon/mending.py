"""What `verify` can do about damage: an archive computed anew out of its parity, or made anew while its original is in grace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from daemon.composition import Workshop
from daemon.copies import labels_given
from daemon.errors import GalleryGone, Stopped, WorkerError
from daemon.galleries import Gallery
from daemon.in_place import as_it_stands
from daemon.inspection import Inspection, is_still, original_is_there
from daemon.optimizer import Kind, Optimizer
from daemon.parity import keep_parity
from daemon.surprise import check_stop
from storage import durable
from storage.digest import sha256_of
from storage.errors import Changed, Damaged, Locked, Missing, StorageError, shown
from storage.records import PhotoRow


@dataclass(slots=True)
class Mended:
    """What was done about the findings of a `verify`; archives by their shown paths."""

    repaired: dict[str, int] = field(default_factory=dict)
    """Out of their parity, with the number of blocks that were damaged."""
    renewed: set[str] = field(default_factory=set)
    """Made anew from the originals."""
    guarded: int = 0
    """Archives that were given parity."""
    troubles: list[str] = field(default_factory=list)

    @property
    def files(self) -> set[str]:
        """Archives that are whole again."""
        return self.renewed | self.repaired.keys()


def mend_found(opened: Callable[[], Workshop], found: Inspection) -> Mended:
    """Do what can be done; a failure of one is told, and the next is tried. `opened` gives a workshop that may change things."""
    done = Mended()
    try:
        with opened() as shop:
            for gallery, digest in found.repairable:
                check_stop(shop.places, gallery)
                try:
                    done.repaired[shown(gallery.vault.archive_path(digest))] = repair(shop, gallery, digest)
                except (Damaged, Missing) as error:
                    done.troubles.append(f"its parity is no help: {error}")
            for gallery, row in found.mendable:
                name = shown(gallery.vault.archive_path(row.sha256 or ""))
                check_stop(shop.places, gallery)
                with _one(done, gallery.shown(row.location)):
                    if name not in done.repaired and mend(shop, gallery, row):
                        done.renewed.add(name)
            for gallery, row in found.unguarded:
                check_stop(shop.places, gallery)
                with _one(done, gallery.shown(row.location)):
                    done.guarded += guard(shop, gallery, row)
    except (StorageError, WorkerError, GalleryGone, Stopped) as error:
        done.troubles.append(str(error))
    return done


@contextmanager
def _one(done: Mended, name: str) -> Iterator[None]:
    """What goes wrong with one photo stops nothing but its own mending."""
    try:
        yield
    except Locked:
        raise
    except (StorageError, WorkerError) as error:
        done.troubles.append(f"{name}: {error}")


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
    is in place or set aside; Changed where its stand-in was given labels, which would go with it.
    """
    gallery = _own(shop, gallery)
    shop.lock_vault(gallery)
    if not is_still(shop, row) or not original_is_there(gallery, row):
        return False
    row = as_it_stands(shop.catalog, shop.catalog.get(row.id))
    if labels_given(row, row.location):
        raise Changed("its stand-in was given labels; restore it, and the photo comes back with them")
    archive, old = gallery.vault.archive_path(row.sha256 or ""), None
    gallery.vault.put_back(row.location, row.sha256 or "", row.stand_in_sha256)
    shop.catalog.requeue(row.id)
    if archive.exists():
        old = durable.set_out_of_the_way(archive)
    outcome = Optimizer(gallery, shop.catalog, shop.codec, shop.clock, partial(shop.check_still, gallery)).step(row.id)
    if outcome is None or outcome.kind is not Kind.ARCHIVED:
        if old is not None and not archive.exists():
            durable.commit(old, archive)  # for its twins: what is left of it is better than nothing
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


def _own(shop: Workshop, gallery: Gallery) -> Gallery:
    """The same gallery of this workshop, whose vault it may lock."""
    return next(each for each in shop.galleries if each.key == gallery.key)
