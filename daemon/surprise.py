"""Refusing mass surprise: a gallery that is suddenly half gone or half different is a wrong disk, or something worse, before it is a wish.

Told by looking at names and sizes alone. Few photos may be all deleted or edited by their user; of many, only so many at once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import GalleryGone, Stopped
from daemon.galleries import Gallery
from daemon.places import Places, is_there
from daemon.strays import is_held_back
from storage.catalog import Catalog
from storage.errors import StorageError, shown
from storage.fingerprint import Fingerprint

FEW = 10
"""Below so many nothing is a mass."""
PART_DELETED = 0.2
"""Of the stand-ins: from here on nothing is purged."""
PART_STRANGE = 0.5
"""Of all photos, missing or with other bytes: from here on nothing is touched."""

STOP_NAME = "stop"
AS_IT_IS = 'Nothing was changed or forgotten. If it is meant to be so, say "optimize --as-it-is".'


@dataclass(slots=True)
class Look:
    """How many photos of the catalogue were expected on the disk, and what was found instead."""

    expected: int = 0
    missing: int = 0
    different: int = 0
    stand_ins: int = 0
    stand_ins_missing: int = 0

    def deleted_in_mass(self) -> bool:
        """Whether so many stand-ins are gone that nobody should purge what they stand for."""
        return self.stand_ins_missing >= FEW and self.stand_ins_missing >= PART_DELETED * self.stand_ins

    def no_purge(self, gallery: Gallery) -> str:
        """What to say where so many are gone."""
        return (
            f"{self.stand_ins_missing} of {self.stand_ins} stand-ins in {shown(gallery.root)} were deleted, so nothing is purged. "
            'If it is meant to be so, say "optimize --as-it-is".'
        )


def look_around(gallery: Gallery, catalog: Catalog, elsewhere: Collection[bytes] = ()) -> Look:
    """Every photo of the catalogue, by its name and size, but for what is in the trash already, or known to be elsewhere; `elsewhere`:
    absolute paths of those that were just found under another name.

    Raises GalleryGone where half of many are gone or different.
    """
    look = Look()
    lost: dict[bytes, bool] = {}
    for path, size_bytes, stands_in in catalog.expected(gallery.key):
        look.expected += 1
        look.stand_ins += stands_in
        try:
            found = Fingerprint.of(path)
        except StorageError:
            if path in elsewhere or is_held_back(path):
                continue
            lost[path] = stands_in
            continue
        look.different += found.size_bytes != size_bytes
    if len(lost) >= FEW:  # what was seen to before is no surprise
        known = lost.keys() & catalog.away(gallery.key)
        look.expected -= len(known)
        look.stand_ins -= sum(lost.pop(path) for path in known)
    look.missing, look.stand_ins_missing = len(lost), sum(lost.values())
    for count, what in ((look.missing, "are no longer there"), (look.different, "suddenly have other bytes")):
        if count >= FEW and count >= PART_STRANGE * look.expected:
            raise GalleryGone(
                f"{count} of {look.expected} photos of the gallery {shown(gallery.root)} {what}; is it the right disk? {AS_IT_IS}"
            )
    return look


def check_stop(places: Places, gallery: Gallery) -> None:
    """Raise Stopped where a person has put the file `stop` into the state folder or the vault: between any two photos."""
    for place in stop_files(places, gallery):
        raise Stopped(f"the file {shown(place)} says stop; remove it to go on. Nothing is lost.")


def stop_files(places: Places, gallery: Gallery) -> list[Path]:
    """Those of the files by which a person stops all work that are there."""
    return [place for place in (places.state_folder / STOP_NAME, gallery.vault.folder / STOP_NAME) if is_there(place)]
