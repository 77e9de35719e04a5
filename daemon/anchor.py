"""The folder that a run began with: a disk that is taken away in the middle of it leaves an empty folder under the same name.

What is then missing was not deleted, and nothing may be concluded from it; asked before and after every step that would.
"""

from pathlib import Path

from daemon.errors import GalleryGone
from storage.errors import shown


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
