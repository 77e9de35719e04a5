"""What lies in which folder of a gallery, by the catalogue."""

from collections.abc import Iterator

from storage.connection import translated_sqlite
from storage.records import PhotoRow
from storage.statements import Statements
from storage.states import State


def bounds(folder: bytes) -> tuple[bytes, bytes]:
    """Between which paths those below a folder lie, the second left out; empty: those of the whole gallery."""
    return (folder + b"/", folder + b"0") if folder else (b"", b"\xff" * 256)  # "0" follows "/", and a name has up to 255 bytes


class Folders(Statements):
    """Photos by their places, in the order of their paths."""

    def listed(self, gallery: bytes, folder: bytes | None = None) -> list[tuple[int, bytes]]:
        """(id, path) of every photo that is in its place, or stands to be given back there, in the order of the paths; `folder`: of those
        right in it alone (empty: in the gallery itself)."""
        below, beyond = bounds(folder or b"")
        with translated_sqlite(self.path):
            return self._connection.execute(
                "SELECT id, path FROM photos WHERE gallery = ?1 AND superseded_at IS NULL AND missed_at IS NULL AND reason IS NOT 'gone' "
                "AND path >= ?2 AND path < ?3 AND (?4 OR instr(substr(path, ?5), x'2f') = 0) ORDER BY path",
                (gallery, below, beyond, folder is None, len(below) + 1),
            ).fetchall()

    def knows_below(self, gallery: bytes, folder: bytes) -> bool:
        """Whether there is any photo in a folder, or below it."""
        with translated_sqlite(self.path):
            found = self._connection.execute(
                "SELECT EXISTS (SELECT 1 FROM photos WHERE superseded_at IS NULL AND gallery = ? AND path >= ? AND path < ?)",
                (gallery, *bounds(folder)),
            ).fetchone()
        return bool(found[0])

    def left_below(self, gallery: bytes, folder: bytes) -> Iterator[tuple[bytes, State, str, str]]:
        """(path, state, reason, detail) of every photo in a folder (empty: the gallery), and below it, that was left alone or failed, in
        the order of the paths. No moves while iterating."""
        with translated_sqlite(self.path):
            cursor = self._connection.execute(
                "SELECT path, state, IFNULL(reason, ''), IFNULL(detail, '') FROM photos WHERE superseded_at IS NULL AND gallery = ? "
                "AND path >= ? AND path < ? AND state IN ('left', 'failed') ORDER BY path",
                (gallery, *bounds(folder)),
            )
            for path, state, reason, detail in cursor:
                yield path, State(state), reason, detail

    def following(self, gallery: bytes, path: bytes, count: int) -> list[PhotoRow]:
        """The archived photos whose names follow that of `path` in its folder, up to `count` of them, in the order of the names."""
        folder = path[: path.rfind(b"/") + 1]
        return self._rows(
            "superseded_at IS NULL AND gallery = ?1 AND path > ?2 AND substr(path, 1, ?4) = ?3 AND instr(substr(path, ?4 + 1), x'2f') = 0 "
            "AND state IN ('retired', 'purged') AND archive_sha256 IS NOT NULL "
            "AND (?5 = x'' OR path < ?5) ORDER BY path LIMIT ?6",
            (gallery, path, folder, len(folder), folder[:-1] + b"0" if folder else b"", count),
        )
