"""What can be asked of the catalogue. ``Catalog`` adds the moves."""

import os
from collections.abc import Iterator, Mapping, Sequence

from storage import folder_sums, summary
from storage.connection import translated_sqlite
from storage.findings import Findings
from storage.folders import Folders
from storage.inspections import Inspections
from storage.records import PhotoRow, Totals
from storage.runs import Runs
from storage.states import State


class Ledger(Folders, Findings, Inspections, Runs):
    """Questions, about photos and all of them together; `Catalog` adds the moves."""

    def get(self, photo_id: int) -> PhotoRow:
        """Raises Missing."""
        with translated_sqlite(self.path):
            return self._row(photo_id)

    def find(self, gallery: bytes, path: bytes) -> PhotoRow | None:
        """The current row of a path."""
        with translated_sqlite(self.path):
            return self._current(gallery, path)

    def by_digest(self, sha256: str, gallery: bytes | None = None) -> list[PhotoRow]:
        """Every row whose original has this digest, superseded ones too, those with an archive first."""
        return self._rows(
            "sha256 = ?1 AND (?2 IS NULL OR gallery = ?2) ORDER BY archive_sha256 IS NULL, superseded_at IS NOT NULL, id", (sha256, gallery)
        )

    def original_of_copy(self, sha256: str) -> str | None:
        """Digest of the original that bytes with this digest were rebuilt for by us; None where they are no copy of ours."""
        with translated_sqlite(self.path):
            found = self._connection.execute("SELECT original_sha256 FROM copies WHERE sha256 = ?", (sha256,)).fetchone()
        return None if found is None else str(found[0])

    def moved_from(self, gallery: bytes, path: bytes) -> list[PhotoRow]:
        """Current rows of photos that were archived under this path and have another one now."""
        return self._rows("superseded_at IS NULL AND gallery = ? AND came_from = ? ORDER BY id", (gallery, path))

    def without_stand_in(self, gallery: bytes) -> list[PhotoRow]:
        """Archived photos of which nothing stands in their place, since their gallery wanted no stand-ins."""
        return self._rows(
            "superseded_at IS NULL AND gallery = ? AND state IN ('retired', 'purged') AND stand_in_sha256 IS NULL "
            "AND archive_sha256 IS NOT NULL ORDER BY id",
            (gallery,),
        )

    def superseded(self, gallery: bytes, path: bytes) -> list[PhotoRow]:
        """Earlier photos of this path whose archives are kept, the latest first."""
        return self._rows(
            "superseded_at IS NOT NULL AND archive_sha256 IS NOT NULL AND gallery = ? AND path = ? ORDER BY id DESC", (gallery, path)
        )

    def earlier(self, gallery: bytes) -> list[PhotoRow]:
        """Every superseded row of a gallery that has an archive, the first superseded first."""
        return self._rows("superseded_at IS NOT NULL AND archive_sha256 IS NOT NULL AND gallery = ? ORDER BY superseded_at, id", (gallery,))

    def in_trash(self, gallery: bytes) -> list[PhotoRow]:
        """Photos that are missed."""
        return self._rows("superseded_at IS NULL AND missed_at IS NOT NULL AND gallery = ? ORDER BY id", (gallery,))

    def in_bins(self, gallery: bytes) -> list[PhotoRow]:
        """Photos in the trash whose stand-ins were found in a bin."""
        return [row for row in self.in_trash(gallery) if row.binned_as is not None]

    def rows(self, state: State | None = None, gallery: bytes | None = None) -> Iterator[PhotoRow]:
        """Current rows, the first seen first. Read in pages: moves may be made while iterating; rows added meanwhile are left out."""
        with translated_sqlite(self.path):
            last: int = self._connection.execute("SELECT IFNULL(MAX(id), 0) FROM photos").fetchone()[0]
        after = 0
        while page := self._rows(
            "superseded_at IS NULL AND (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR gallery = ?2) AND id > ?3 AND id <= ?4 "
            "ORDER BY id LIMIT 1000",
            (state, gallery, after, last),
        ):
            yield from page
            after = page[-1].id

    def expected(self, gallery: bytes) -> Iterator[tuple[bytes, int, bool]]:
        """(absolute path, bytes, whether it is a stand-in) of every file that was under a photo's name when it was last looked at."""
        with translated_sqlite(self.path):
            cursor = self._connection.execute(
                "SELECT path, CASE WHEN state IN ('retired', 'purged') THEN stand_in_bytes ELSE seen_bytes END, "
                "state = 'retired' OR (state = 'purged' AND archive_sha256 IS NOT NULL) FROM photos "
                "WHERE gallery = ? AND superseded_at IS NULL AND reason IS NOT 'gone' "
                "AND (state NOT IN ('retired', 'purged') OR stand_in_sha256 IS NOT NULL)",
                (gallery,),
            )
            for path, size_bytes, stands_in in cursor:
                yield os.path.join(gallery, path), size_bytes, bool(stands_in)

    def paths(self, gallery: bytes) -> Iterator[bytes]:
        """The path of every current row, relative to the gallery."""
        with translated_sqlite(self.path):
            yield from (
                path
                for (path,) in self._connection.execute("SELECT path FROM photos WHERE gallery = ? AND superseded_at IS NULL", (gallery,))
            )

    def away(self, gallery: bytes) -> set[bytes]:
        """Absolute paths of archived photos that are known not to be in their places: they are in the trash, or a file elsewhere is known
        to stand for them."""
        with translated_sqlite(self.path):
            found = self._connection.execute(
                "SELECT path FROM photos WHERE gallery = ?1 AND missed_at IS NOT NULL AND superseded_at IS NULL "
                "UNION SELECT photo.path FROM photos AS file JOIN photos AS photo ON photo.sha256 = file.stands_for "
                "WHERE file.state = 'left' AND file.stands_for IS NOT NULL AND file.superseded_at IS NULL AND photo.gallery = ?1 "
                "AND photo.state IN ('retired', 'purged') AND photo.superseded_at IS NULL",
                (gallery,),
            )
            return {os.path.join(gallery, path) for (path,) in found}

    def needs_vault(self, gallery: bytes) -> bool:
        """Whether any photo of the gallery has an archive, or an original that is set aside: whatever its state, superseded or not."""
        with translated_sqlite(self.path):
            found = self._connection.execute(
                "SELECT EXISTS (SELECT 1 FROM photos INDEXED BY photos_by_archive "
                "WHERE gallery = ?1 AND superseded_at IS NULL AND archive_sha256 IS NOT NULL) "
                "OR EXISTS (SELECT 1 FROM photos INDEXED BY photos_by_state WHERE state IN ('committed', 'retired') AND gallery = ?1) "
                "OR EXISTS (SELECT 1 FROM photos INDEXED BY photos_superseded "
                "WHERE gallery = ?1 AND superseded_at IS NOT NULL AND archive_sha256 IS NOT NULL)",
                (gallery,),
            ).fetchone()
        return bool(found[0])

    def unarchived(self, gallery: bytes) -> Iterator[tuple[int, bytes]]:
        """(id, absolute path) of every photo that has nothing in the vault: QUEUED, LEFT or FAILED, or packed anew and PURGED; but for
        those that are known to be gone. No moves while iterating."""
        with translated_sqlite(self.path):
            cursor = self._connection.execute(
                "SELECT id, path FROM photos WHERE gallery = ? AND superseded_at IS NULL AND reason IS NOT 'gone' "
                "AND (state IN ('queued', 'left', 'failed') "
                "OR (state = 'purged' AND lane IS NOT NULL AND archive_sha256 IS NULL AND stand_in_sha256 IS NOT NULL))",
                (gallery,),
            )
            for photo_id, path in cursor:
                yield photo_id, os.path.join(gallery, path)

    def trashable(self, gallery: bytes) -> Iterator[tuple[int, bytes, str, int, int | None, bool]]:
        """(id, absolute path, digest, size of the file in place, missed_at, whether it was packed anew) of every RETIRED, PURGED,
        RESTORED or LEFT photo with a file in its place and something in the vault. The digest is the original's, or the re-packed
        photo's. No moves while iterating."""
        packed = "state = 'retired' AND archive_sha256 IS NULL AND lane IS NOT NULL"
        with translated_sqlite(self.path):
            cursor = self._connection.execute(
                f"SELECT id, path, CASE WHEN {packed} THEN stand_in_sha256 ELSE sha256 END, "
                f"CASE WHEN state IN ('restored', 'left') THEN seen_bytes ELSE stand_in_bytes END, missed_at, {packed} FROM photos "
                f"WHERE gallery = ? AND superseded_at IS NULL AND bound_for IS NULL AND (archive_sha256 IS NOT NULL OR ({packed})) "
                "AND (state IN ('restored', 'left') OR (state IN ('retired', 'purged') AND stand_in_sha256 IS NOT NULL))",
                (gallery,),
            )
            for photo_id, path, sha256, size_bytes, missed_at, was_packed in cursor:
                yield photo_id, os.path.join(gallery, path), sha256, size_bytes, missed_at, bool(was_packed)

    def unfinished(self) -> list[PhotoRow]:
        """What a crash left behind: ENCODING and COMMITTED rows, and RETIRED or PURGED ones with an intent to restore."""
        working = "SELECT id FROM photos WHERE state IN ('encoding', 'committed')"
        restoring = "SELECT id FROM photos INDEXED BY photos_restoring WHERE copy_sha256 IS NOT NULL AND state IN ('retired', 'purged')"
        return self._rows(f"superseded_at IS NULL AND id IN ({working} UNION ALL {restoring}) ORDER BY id")

    def due_for_purge(self, now: float | None = None) -> list[PhotoRow]:
        """RETIRED rows whose grace is over at `now` (seconds; default: the clock), the oldest first.

        Never superseded ones: somebody's bytes have the path of such a photo, and its set-aside original is all that is left in full.
        """
        moment = self._now() if now is None else int(now)
        due = "SELECT id FROM photos INDEXED BY photos_due WHERE state = 'retired' AND purge_after_at <= ?"
        return self._rows(f"superseded_at IS NULL AND id IN ({due}) ORDER BY purge_after_at, id", (moment,))

    def kept(self, gallery: bytes) -> list[PhotoRow]:
        """Rows of photos that came back with other labels and whose originals are still set aside, superseded ones too; oldest first."""
        kept = "SELECT id FROM photos INDEXED BY photos_kept WHERE kept_since_at IS NOT NULL AND gallery = ?"
        return self._rows(f"id IN ({kept}) ORDER BY retired_at, id", (gallery,))

    def dated_since(self, gallery: bytes, since_ns: int, until_ns: int) -> tuple[int, int]:
        """(photos, bytes) of a gallery whose files are dated from `since_ns` on and before `until_ns`."""
        with translated_sqlite(self.path):
            photos, size_bytes = self._connection.execute(
                "SELECT COUNT(*), IFNULL(SUM(size_bytes), 0) FROM photos "
                "WHERE gallery = ? AND superseded_at IS NULL AND mtime_ns >= ? AND mtime_ns < ?",
                (gallery, since_ns, until_ns),
            ).fetchone()
        return int(photos), int(size_bytes)

    def queued_bytes(self, gallery: bytes) -> int:
        """Size of a gallery's photos that wait for their turn."""
        query = "SELECT IFNULL(SUM(original_bytes), 0) FROM sums WHERE gallery = ? AND state = 'queued'"
        with translated_sqlite(self.path):
            return int(self._connection.execute(query, (gallery,)).fetchone()[0])

    def archived_since(self, since_at: int, until_at: int = 2**62) -> tuple[int, int]:
        """(photos, bytes) archived from `since_at` on and before `until_at`: archives and what stands in place of the photos, also of
        killed runs."""
        with translated_sqlite(self.path):
            return summary.archived_since(self._connection, since_at, until_at)

    def shorten_log(self) -> None:
        """Bring what the log holds into the catalogue's file, and give back its space: up to 4 MB that SQLite keeps for what comes."""
        with translated_sqlite(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def complaints(self) -> list[str]:
        """What SQLite's own check of the whole file finds; empty where it is sound. Reads every page."""
        with translated_sqlite(self.path):
            found = [str(line[0]) for line in self._connection.execute("PRAGMA integrity_check(5)")]
        return [] if found == ["ok"] else found

    def miscounts(self) -> list[str]:
        """Where the sums that `totals` is made of differ from the rows; empty where they don't. Reads every row."""
        with translated_sqlite(self.path):
            return summary.miscounts(self._connection)

    def recount(self) -> None:
        """The sums are made anew from the rows."""
        with self._transaction():
            summary.recount(self._connection)

    def archived_by_gallery(self) -> dict[bytes, int]:
        """How many photos of each gallery have nothing but a stand-in in their place, whatever is configured now."""
        with translated_sqlite(self.path):
            return summary.archived_by_gallery(self._connection)

    def totals(self, gallery: bytes | Sequence[bytes] | None = None, graces_s: Mapping[bytes, int] | None = None) -> Totals:
        """What `status` shows, of one gallery, of several or of all, from one snapshot of the catalogue.

        `graces_s`: the grace in force of each gallery, in seconds; dates of others are as they were recorded.
        """
        with translated_sqlite(self.path):
            return summary.totals(self._connection, [gallery] if isinstance(gallery, bytes) else gallery, graces_s or {})

    def totals_below(self, gallery: bytes, folder: bytes, grace_s: int) -> Totals:
        """The same of the photos in one folder of a gallery (empty: the gallery), and below it."""
        with translated_sqlite(self.path):
            return folder_sums.totals_below(self._connection, gallery, folder, grace_s)
