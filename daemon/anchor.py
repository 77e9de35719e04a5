"""The folder that a run began with: a disk that is taken away in the middle of it leaves an empty folder under the same name.

What is then missing was not deleted, and nothing may be concluded from it; asked before and after every step that would.
"""

from pathlib import Path

from daemon.errors import GalleryGone
from daemon.galleries import Gallery
from daemon.places import is_folder
from storage.catalog import Catalog
from storage.errors import shown
from storage.layout import VAULT_NAME


class Anchor:
    """One folder on one device."""

    def __init__(self, root: Path) -> None:
        """Raises GalleryGone where there is none."""
        self._root = root
        self._first = self._mark()

    def check(self) -> None:
        """Raise GalleryGone where another folder, or none, has the name now."""
        if self._mark() != self._first:
            raise GalleryGone(
                f"the gallery {shown(self._root)} went away meanwhile; was its disk unmounted? Nothing was changed since, or forgotten."
            )

    @property
    def device(self) -> int:
        """`st_dev` of the folder."""
        return self._first[0]

    def _mark(self) -> tuple[int, int]:
        try:
            found = self._root.stat()  # a descriptor would keep its disk from being unmounted
        except OSError as error:
            raise GalleryGone(f"the gallery {shown(self._root)} can't be reached ({error.strerror}); nothing was forgotten.") from error
        return found.st_dev, found.st_ino


def lacks_vault(gallery: Gallery, catalog: Catalog) -> bool:
    """Whether the catalogue knows of something in a vault that is not there: most likely its disk is not mounted."""
    return not gallery.vault.is_there and catalog.needs_vault(gallery.key)


def check_presence(gallery: Gallery, catalog: Catalog) -> None:
    """Raise GalleryGone where the gallery's folder is missing, or the catalogue knows of something in its vault, and that is not there."""
    if not is_folder(gallery.root):
        raise GalleryGone(f"the gallery {shown(gallery.root)} is not there; is its disk mounted? Nothing was changed or forgotten.")
    if lacks_vault(gallery, catalog):
        raise GalleryGone(
            f"the vault of {shown(gallery.root)} is not there, and by the catalogue it holds archives or originals; is the right disk "
            f"mounted? If {VAULT_NAME} was deleted, put it back from the bin or a backup, under the same name. Nothing was changed or "
            'forgotten. (If you deleted it after eject, with every photo in its place, "optimize --as-it-is" begins anew. If it is lost '
            'for good, and the photos are what a backup of before gave back, "doctor --rebuild --as-it-is" does.)'
        )
