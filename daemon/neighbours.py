"""Restored ahead: whoever wants a photo back often wants the next ones of that folder, too. Off, unless `restore_ahead` says how many."""

import os

from daemon.composition import Workshop
from daemon.galleries import Gallery, holding
from daemon.in_place import is_edited
from daemon.ports import Progress
from daemon.restorer import Came, Restoration, restore
from daemon.selection import Chosen
from storage.errors import StorageError
from storage.records import PhotoRow


def restored_behind(shop: Workshop, gallery: Gallery, path: bytes, progress: Progress) -> list[Restoration]:
    """Give the archived photos back, in place, that follow the one of `path` (relative to the gallery) in its folder, by their names.

    Whose stand-in was edited or deleted is passed by: nobody asked for that one.
    """
    count = gallery.settings.restore_ahead
    rows = shop.catalog.following(gallery.key, path, count) if count else []
    places = [row.location for row in rows if _waits_in_its_place(row)]
    return restore(shop, places, None, None, progress) if places else []


def _waits_in_its_place(row: PhotoRow) -> bool:
    try:
        return (row.stand_in_sha256 is None or os.path.lexists(row.location)) and not is_edited(row)
    except StorageError:
        return False


def restore_in_place(shop: Workshop, chosen: Chosen, progress: Progress) -> list[Restoration]:
    """All that is `chosen`, in place, and what is restored ahead behind photos and folders that were named. Raises WrongPath, Locked."""
    done = restore(shop, chosen, None, None, progress)
    return done if chosen.albums or chosen.since else done + restored_behind_all(shop, done, progress)


def restored_behind_all(shop: Workshop, done: list[Restoration], progress: Progress) -> list[Restoration]:
    """The same behind each that was just put in its place, but for those that are `done` themselves."""
    more: list[Restoration] = []
    for each in done:
        gallery = None if each.written is None or each.came is Came.NOT else holding(shop.galleries, each.written)
        if gallery is not None and each.written is not None:
            more += restored_behind(shop, gallery, gallery.relative(each.written), progress)
    return more
