"""What is known of a gallery's vault: which it is, what `verify` last read in it, and what has parity."""

from storage.connection import translated_sqlite
from storage.errors import Refused
from storage.rows import signed, unsigned
from storage.statements import Statements


class Inspections(Statements):
    """Notes about vaults; photos are known by their originals' digests."""

    def vault_of(self, gallery: bytes) -> tuple[str, int] | None:
        """Identity of the vault that was last worked on, and the device that it was on (`st_dev`)."""
        with translated_sqlite(self.path):
            query = "SELECT identity, device FROM vaults WHERE gallery = ?"
            found = self._connection.execute(query, (gallery,)).fetchone()
        return None if found is None else (str(found[0]), unsigned(found[1]))

    def noted_vault(self, gallery: bytes, identity: str, device: int) -> None:
        """From now on this is the gallery's vault."""
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO vaults VALUES (?, ?, ?)", (gallery, identity, signed(device)))

    def forgot(self, gallery: bytes) -> None:
        """A gallery whose vault its user deleted begins anew: nothing is known of its photos. Refused where one may be archived
        only there."""
        with self._transaction():
            query = (
                "SELECT COUNT(*) FROM photos WHERE gallery = ? AND superseded_at IS NULL "
                "AND state NOT IN ('restored', 'queued', 'left', 'failed')"
            )
            (count,) = self._connection.execute(query, (gallery,)).fetchone()
            if count:
                raise Refused(f"{count} photos of that gallery may be archived only in its vault")
            for table in ("photos", "vaults", "parities", "inspections"):
                self._connection.execute(f"DELETE FROM {table} WHERE gallery = ?", (gallery,))  # names of ours

    def noted_parity(self, gallery: bytes, sha256: str, parity_bytes: int) -> None:
        """The archive of this original has parity of that size; 0: none any more."""
        with self._transaction():
            if parity_bytes:
                self._connection.execute(
                    "INSERT INTO parities VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET parity_bytes = excluded.parity_bytes",
                    (gallery, sha256, parity_bytes),
                )
            else:
                self._connection.execute("DELETE FROM parities WHERE gallery = ? AND sha256 = ?", (gallery, sha256))

    def parity_bytes(self, gallery: bytes, sha256: str) -> int:
        """Of the archive of this original; 0 where it has none."""
        with translated_sqlite(self.path):
            query = "SELECT parity_bytes FROM parities WHERE gallery = ? AND sha256 = ?"
            found = self._connection.execute(query, (gallery, sha256)).fetchone()
        return 0 if found is None else int(found[0])

    def inspected(self, gallery: bytes, sha256: str, damage: str = "") -> None:
        """The archive of this original was read again just now; `damage` says what was wrong with it."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO inspections (gallery, sha256, inspected_at, damage) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET inspected_at = excluded.inspected_at, damage = excluded.damage",
                (gallery, sha256, self._now(), damage),
            )

    def not_inspected(self, gallery: bytes, sha256: str) -> None:
        """What was known of the archive of this original, and of the original, holds no longer: it is read again before others."""
        with self._transaction():
            self._connection.execute("DELETE FROM inspections WHERE gallery = ? AND sha256 = ?", (gallery, sha256))

    def compared(self, gallery: bytes, sha256: str, damage: str = "") -> None:
        """A set-aside original was read again just now; `damage` says what was wrong with it."""
        with self._transaction():
            if damage:
                self._connection.execute(
                    "INSERT INTO inspections (gallery, sha256, inspected_at, original_damage) VALUES (?, ?, 0, ?) "
                    "ON CONFLICT DO UPDATE SET original_damage = excluded.original_damage",
                    (gallery, sha256, damage),
                )
            else:
                self._connection.execute(
                    "UPDATE inspections SET original_damage = '' WHERE gallery = ? AND sha256 = ? AND original_damage <> ''",
                    (gallery, sha256),
                )

    def inspections(self, gallery: bytes) -> dict[str, tuple[int, str]]:
        """By the original's digest: when its archive was last read, and what was wrong with it then."""
        with translated_sqlite(self.path):
            cursor = self._connection.execute("SELECT sha256, inspected_at, damage FROM inspections WHERE gallery = ?", (gallery,))
            return {sha256: (at, damage) for sha256, at, damage in cursor}

    def damage(self, gallery: bytes, sha256: str) -> tuple[str, str]:
        """What was wrong with the archive of this original, and with the set-aside original, when they were last read; empty where nothing
        was, or they were never read."""
        with translated_sqlite(self.path):
            query = "SELECT damage, original_damage FROM inspections WHERE gallery = ? AND sha256 = ?"
            found = self._connection.execute(query, (gallery, sha256)).fetchone()
        return ("", "") if found is None else (str(found[0]), str(found[1]))
