"""What is found of photos without moving them: where their files are, or are not."""

import os
from collections.abc import Collection

from storage.connection import translated_sqlite
from storage.errors import Refused
from storage.fingerprint import Fingerprint
from storage.rows import to_columns
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
            self._update(photo_id, {"missed_at": None if there else self._row(photo_id).missed_at or self._now()})

    def brought_back(self, photo_id: int, *, pinned_until_at: int, fingerprint: Fingerprint, copy_sha256: str | None) -> None:
        """The RESTORED photo was deleted, and is in its place again; its pin begins anew. `copy_sha256` as in `Catalog.restored`."""
        values = {**to_columns(fingerprint), "copy_sha256": copy_sha256, "pinned_until_at": pinned_until_at, "missed_at": None}
        with self._transaction():
            if self._row(photo_id).state is not State.RESTORED:
                raise Refused(f"photo {photo_id} was not restored")
            self._update(photo_id, {**values, "restored_at": self._now()})

    def standing_in(self, but: Collection[bytes]) -> list[tuple[str, bytes, bytes]]:
        """(digest of the original, gallery, absolute path) of every file that stands for one, in all galleries `but` those."""
        with translated_sqlite(self.path):
            found = self._connection.execute(
                "SELECT stands_for, gallery, path FROM photos WHERE stands_for IS NOT NULL AND superseded_at IS NULL"
            ).fetchall()
        return [(sha256, gallery, os.path.join(gallery, path)) for sha256, gallery, path in found if gallery not in but]
