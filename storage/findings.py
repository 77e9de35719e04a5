"""What is found of photos without moving them: where their files are, or are not, and whose copies they are."""

import os
from collections.abc import Collection

from storage.connection import translated_sqlite
from storage.errors import Refused
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.rows import OF_AN_ARCHIVE, to_columns
from storage.statements import Statements
from storage.states import State


class Findings(Statements):
    """Notes about photos that move nothing."""

    def standing_for(self, photo_id: int, sha256: str) -> None:
        """The file, which has no archive of its own, is a stand-in of this original, or was made from one."""
        with self._transaction():
            self._update(photo_id, {"stands_for": sha256})

    def kept_no_longer(self, photo_id: int) -> None:
        """The original of a photo that came back with other labels is not set aside any more."""
        with self._transaction():
            self._update(photo_id, {"kept_since_at": None, "purged_at": self._now()})

    def missed(self, photo_id: int, *, there: bool = False) -> None:
        """What stood in its place is not there now (or, `there`, is again). The first time counts."""
        with self._transaction():
            since_at = self._row(photo_id).missed_at
            if there or since_at is None:
                self._update(photo_id, {"missed_at": None if there else self._now(), "binned_as": None})

    def binned(self, photo_id: int, path: bytes | None) -> None:
        """The stand-in of a missed photo lies in a bin under this absolute path; None: not, or no longer."""
        with self._transaction():
            self._update(photo_id, {"binned_as": path})

    def superseded_anew(self, photo_id: int) -> None:
        """The time for which the archive of a superseded row is kept begins anew."""
        with self._transaction():
            if self._row(photo_id).superseded_at is None:
                raise Refused(f"photo {photo_id} is the current one of its path")
            self._update(photo_id, {"superseded_at": self._now()})

    def brought_back(self, photo_id: int, *, pinned_until_at: int, fingerprint: Fingerprint, copy_sha256: str | None) -> None:
        """The RESTORED photo, or one that is LEFT and has an archive, was deleted, and is in its place again; its pin begins anew.
        `copy_sha256` as in `Catalog.restored`."""
        values = {**to_columns(fingerprint), "copy_sha256": copy_sha256, "pinned_until_at": pinned_until_at, "missed_at": None}
        with self._transaction():
            row = self._row(photo_id)
            if row.state is State.LEFT and row.has_archive:
                self._move(photo_id, State.RESTORED, {"reason": None, "detail": None})
            elif row.state is not State.RESTORED:
                raise Refused(f"photo {photo_id} was not restored")
            self._update(photo_id, {**values, "restored_at": self._now()})

    def relabelled(self, photo_id: int, stand_in_sha256: str, fingerprint: Fingerprint) -> PhotoRow:
        """Somebody gave the stand-in of a RETIRED or PURGED photo other labels, and it is its stand-in still."""
        values = {**to_columns(fingerprint, "stand_in_"), "stand_in_sha256": stand_in_sha256, "copy_bytes": None}
        with self._transaction():
            if self._row(photo_id).state not in (State.RETIRED, State.PURGED):
                raise Refused(f"photo {photo_id} has no stand-in")
            self._update(photo_id, {**values, "relabelled_at": self._now()})
            return self._row(photo_id)

    def shared_archive(self, photo_id: int, source_id: int, copy_sha256: str, *, relabelled: bool = False) -> PhotoRow:
        """The ENCODING photo is a copy of ours, and the archive of photo `source_id` is its archive, too: it has another name, or
        (`relabelled`) was given other labels in its place.

        From here on it is like any restored copy (see `put_away`). Refused where it has another archive of its own, or the source has none.
        """
        with self._transaction():
            row, source = self._row(photo_id), self._row(source_id)
            other = row.has_archive and source_id != photo_id
            if row.state is not State.ENCODING or other or not source.has_archive or row.gallery != source.gallery:
                raise Refused(f"photo {photo_id} can't take over the archive of photo {source_id}")
            columns = ", ".join(OF_AN_ARCHIVE)
            self._connection.execute(
                f"UPDATE photos SET ({columns}) = (SELECT {columns} FROM photos WHERE id = ?2), copy_sha256 = ?3 WHERE id = ?1",
                (photo_id, source_id, copy_sha256),
            )
            relabelled_at = self._now() if relabelled else source.relabelled_at
            if relabelled_at is not None:  # or its labels would not be those that it comes back with
                self._update(photo_id, {"relabelled_at": relabelled_at, "copy_bytes": None})
            return self._row(photo_id)

    def regrace(self, gallery: bytes, grace_s: int) -> int:
        """The grace of a gallery is `grace_s` seconds from now on, also for what was retired before; how many rows that changed."""
        with self._transaction():
            cursor = self._connection.execute(
                "UPDATE photos SET purge_after_at = retired_at + ?2 "
                "WHERE state = 'retired' AND gallery = ?1 AND purge_after_at IS NOT retired_at + ?2",
                (gallery, grace_s),
            )
            return cursor.rowcount

    def noted_copy(self, sha256: str, original_sha256: str) -> None:
        """Bytes with this digest are, or may at any time become, a copy that was rebuilt for the original.

        Wherever they turn up later, they are no new photo: coding them would lose quality a second time.
        """
        if sha256 == original_sha256:  # a lossless lane gives the original itself
            return
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO copies VALUES (?, ?, ?)", (sha256, original_sha256, self._now()))

    def measured_copy(self, photo_id: int, copy_bytes: int) -> None:
        """A copy of this photo has so many bytes."""
        with self._transaction():
            self._update(photo_id, {"copy_bytes": copy_bytes})

    def standing_in(self, but: Collection[bytes]) -> list[tuple[str, bytes, bytes]]:
        """(digest of the original, gallery, absolute path) of every file that stands for one, in all galleries `but` those."""
        with translated_sqlite(self.path):
            found = self._connection.execute(
                "SELECT stands_for, gallery, path FROM photos WHERE stands_for IS NOT NULL AND superseded_at IS NULL"
            ).fetchall()
        return [(sha256, gallery, os.path.join(gallery, path)) for sha256, gallery, path in found if gallery not in but]
