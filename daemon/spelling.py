"""Disks that don't tell capitals from small letters (exFAT, FAT, NTFS as Windows has it, network shares): one file answers to several
spellings of its name. Its row has one of them, and what its user renames from `IMG_1.JPG` to `img_1.jpg` is still that photo.

Without it an edit under the other spelling would be a photo of its own beside an archived one of which nobody is told.
"""

import logging
import os
import unicodedata
from pathlib import Path

from daemon.galleries import Gallery
from daemon.reasons import STAND_INS
from storage.catalog import Catalog
from storage.errors import Missing, Refused
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)


class Spellings:
    """Rows of a gallery's files, whatever spelling the catalogue has; made anew for each look, since it remembers what folders hold."""

    def __init__(self, gallery: Gallery, catalog: Catalog) -> None:
        self._gallery, self._catalog = gallery, catalog
        self._names: dict[Path, frozenset[str]] = {}
        self._rows: dict[str, list[bytes]] | None = None

    def row_of(self, path: Path) -> PhotoRow | None:
        """The current row of a file, by this name, or by another spelling of it. Costs one lstat where the catalogue does not know it."""
        name = self._gallery.relative(path)
        row = self._catalog.find(self._gallery.key, name)
        if (row is not None and not (row.state is State.LEFT and row.reason in STAND_INS)) or not _answers_otherwise(path):
            return row
        for other in self._alike(name):
            if other != name and self._is_same(path, other):
                return self._catalog.find(self._gallery.key, other)
        return row

    def follow(self, path: Path) -> PhotoRow | None:
        """The same; the row is spelt like this from here on, but where an original, or work in hand, is named after the old spelling."""
        row = self.row_of(path)
        name = self._gallery.relative(path)
        if row is None or row.path == name:
            return row
        try:
            row = self._catalog.moved(row.id, name, None)
        except (Refused, Missing):
            return row
        _log.info("%s is spelt anew", self._gallery.shown(path))
        return row

    def _alike(self, name: bytes) -> list[bytes]:
        if self._rows is None:
            self._rows = {}
            for path in self._catalog.paths(self._gallery.key):
                self._rows.setdefault(_folded(path), []).append(path)
        return self._rows.get(_folded(name), [])

    def _is_same(self, path: Path, other: bytes) -> bool:
        """Whether the catalogue's name leads to the file at `path`: both are there, and no folder lists both. Neither inodes nor sizes can
        tell: on some FUSE file systems each spelling has its own, and those of a file that was replaced."""
        if not os.path.lexists(self._gallery.root / os.fsdecode(other)):
            return False
        return not (self._is_listed(self._gallery.relative(path)) and self._is_listed(other))

    def _is_listed(self, name: bytes) -> bool:
        folder = self._gallery.root
        for part in os.fsdecode(name).split("/"):
            if folder not in self._names:
                try:
                    self._names[folder] = frozenset(each.name for each in folder.iterdir())
                except OSError:
                    return True
            if part not in self._names[folder]:
                return False
            folder /= part
        return True


def _answers_otherwise(path: Path) -> bool:
    swapped = path.name.swapcase()
    return swapped != path.name and os.path.lexists(path.with_name(swapped))


def _folded(name: bytes) -> str:
    return unicodedata.normalize("NFC", os.fsdecode(name)).casefold()
