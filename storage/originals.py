"""The originals that a vault keeps for a while: where they are, and when they go for good. Vault adds how they come and go back."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from storage import durable, layout
from storage.digest import opened, sha256_of, sha256_of_open, sha256_or_none
from storage.errors import Changed, Damaged, Missing, Refused, shown, translated
from storage.fingerprint import Fingerprint
from storage.lease import lease_on
from storage.proof import Proof
from storage.shelf import Shelf


class Originals(Shelf):
    """The vault's folder with its originals. Every method may raise NoSpace, ReadOnly and, for an input/output error, StorageError."""

    def aside_path(self, path: Path, sha256: str) -> Path:
        """Where the set-aside original of `path` is or would be."""
        return self.folder / layout.aside_name(layout.relative_to_gallery(self.root, path), sha256)

    def swap_path(self, path: Path) -> Path:
        """Where a copy and the stand-in of `path` change places."""
        return self.folder / layout.swap_name(layout.relative_to_gallery(self.root, path))

    def mark_of(self, path: Path) -> str:
        """What the name of a set-aside original says of its path."""
        return layout.mark(layout.relative_to_gallery(self.root, path))

    def asides(self, sha256: str) -> list[Path]:
        """Set-aside originals of these bytes by their names, whatever paths they had: for one who has lost the catalogue."""
        return sorted((self.folder / "originals").glob(f"{layout.checked_digest(sha256)}-*{layout.ORIGINAL_SUFFIX}"))

    def all_asides(self) -> Iterator[tuple[str, Path]]:
        """(digest by its name, path) of every set-aside original."""
        for path in sorted((self.folder / "originals").glob(f"*{layout.ORIGINAL_SUFFIX}")):
            with suppress(Refused):
                yield layout.checked_digest(path.name[:64]), path

    def purge(self, path: Path, proof: Proof, *, packed_at: Path | None = None, aside: Path | None = None) -> int:
        """Remove the set-aside original of `path`; bytes freed. Reads and checks archive and original first.

        `aside`: where it is, if `path` is not the one that it had when it was set aside; one of `asides`.
        `packed_at`: there is no archive; the photo packed anew has to lie there, whole: in its place, or where its user moved it within
        the gallery. Raises Damaged (archive), Changed (somebody wrote to the set-aside original, or has it open for writing: it is a new
        version of the photo, and is kept), Missing (archive, or none set aside, or no re-packed photo there).
        """
        if packed_at is None:
            self._check_archive(proof, from_disk=True)
        elif self._digest_at(packed_at, from_disk=True) != proof.archive_sha256:
            raise Missing(f"the re-packed {shown(path)} is not in its place, so its original is kept in the vault")
        if aside is not None and aside not in self.asides(proof.original_sha256):
            raise Refused(f"{shown(aside)} is no set-aside original of {shown(path)}")
        aside = aside or self.aside_path(path, proof.original_sha256)
        with opened(aside) as original, lease_on(original, shown(aside)) as lease, translated(aside):
            if sha256_of_open(original) != proof.original_sha256:
                raise Changed(f"{shown(aside)} is not the original of {shown(path)} any more: a new version of it, kept")
            if lease.broken():
                raise Changed(f"somebody is about to write to {shown(aside)}")
            size_bytes = os.fstat(original).st_size
            durable.remove(aside)
        return size_bytes

    def throw_away_original(self, path: Path, sha256: str) -> int:
        """Remove the set-aside original of a re-packed photo that its user deleted; bytes freed.

        Raises Refused where there is a file under its name again, Changed where it is another version than the one that was set aside.
        """
        aside = self.aside_path(path, sha256)
        if os.path.lexists(path):
            raise Refused(f"the original of {shown(path)} stays: there is a file again")
        held = sha256_or_none(aside)
        if held is None:
            return 0
        if held != sha256:
            raise Changed(f"{shown(aside)} is not the original of {shown(path)} any more: a new version of it, kept")
        with translated(aside):
            size_bytes = aside.stat().st_size
        durable.remove(aside)
        return size_bytes

    def _check_archive(self, proof: Proof, *, from_disk: bool = False) -> None:
        path = self.archive_path(proof.original_sha256)
        if sha256_of(path, from_disk=from_disk) != proof.archive_sha256 or Fingerprint.of(path).size_bytes != proof.archive_bytes:
            raise Damaged(f"{shown(path)} is not the archive that was proven")

    def _digest_at(self, path: Path, *, from_disk: bool = False) -> str | None:
        """Of the file under a photo's name; None where there is none, or something that is no plain file."""
        layout.relative_to_gallery(self.root, path)
        try:
            return sha256_of(path, from_disk=from_disk)
        except (Missing, Refused):
            return None
