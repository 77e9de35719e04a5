"""Where a gallery's archives and set-aside originals live: ``.gallery-optimizer/`` in the gallery's root.

    .gallery-optimizer/          mode 0700
      README .nomedia lock
      archives/ab/<sha256 of the original>.nphoto
      originals/<sha256 of the original>-<16 hex of the path's digest>.original
      models/<name>              weight files that the archives name
      staging/                   temp files; whatever is here after a crash is expendable

A path gets its own set-aside original, even where two paths hold the same bytes, since each has its own dates and attributes.
The archive is shared. All paths given to a Vault are absolute and inside the gallery.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from storage.attributes import Attributes
from storage.fingerprint import Fingerprint
from storage.proof import Proof

VAULT_NAME = ".gallery-optimizer"


class AtPath(StrEnum):
    """What stands under a photo's name, by digest."""

    ORIGINAL = "original"
    STAND_IN = "stand-in"
    COPY = "copy"
    OTHER = "other"
    MISSING = "missing"


class Holding(StrEnum):
    """What the vault holds under one of its names, by digest."""

    INTACT = "intact"
    STAND_IN = "stand-in"
    """Our stand-in lies where a set-aside original would: an exchange did not happen, or was undone. Expendable."""
    CHANGED = "changed"
    """Other bytes than expected: a damaged archive, or a late writer's version of the photo. Kept."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Survey:
    """The facts that recovery decides on, all read from the disk just now."""

    at_path: AtPath
    at_path_sha256: str | None
    at_path_fingerprint: Fingerprint | None
    archive: Holding
    archive_sha256: str | None
    aside: Holding


@dataclass(frozen=True, slots=True)
class Retired:
    """What retiring did."""

    aside: Path
    """The original, in the vault."""
    stand_in_sha256: str | None
    stand_in_bytes: int
    stand_in_fingerprint: Fingerprint | None
    differences: tuple[str, ...]
    """Attributes of the original that the stand-in could not be given, e.g. ('owner',)."""
    leased: bool
    """The kernel vouched that nobody had the original open for writing during the exchange."""


class Vault:
    def __init__(self, root: Path) -> None:
        """`root`: the gallery's root, absolute. Nothing is created before `prepare`."""

    def prepare(self) -> None:
        """Make the folders, ``.nomedia`` and ``README`` where missing. Raises ReadOnly, NoSpace, Missing (no root)."""

    # Archives
    def stage_archive(self, data: bytes) -> Path:
        """Write and fsync a temp file in ``staging/``; the verifier reads it back from there."""

    def commit_archive(self, staged: Path, sha256: str) -> Path:
        """Give it its final name (of the original's digest), durably. AlreadyThere if there is one (verify and use that one)."""

    def archive_path(self, sha256: str) -> Path:
        """Where the archive of an original is or would be."""

    def archive_name(self, sha256: str) -> str:
        """The same relative to the vault, for the catalogue."""

    def open_archive(self, sha256: str) -> bytes:
        """Whole archive. Raises Missing."""

    def archives(self) -> Iterator[tuple[str, Path]]:
        """(digest of the original, path) of every archive, in the order of the digests."""

    def discard_archive(self, sha256: str, original: Path) -> None:
        """Remove an archive that no row needs, while `original` still holds the very bytes it was made of (else Refused)."""

    # Originals
    def retire(
        self,
        path: Path,
        proof: Proof,
        stand_in: bytes | None,
        attributes: Attributes | None = None,
    ) -> Retired:
        """Exchange the original and the stand-in (None: just move the original aside); `attributes` default to the original's own.

        Raises Refused (proof of other bytes, symbolic link, several hard links, not in this gallery), Damaged (archive is not the
        proven one), Changed (somebody wrote meanwhile or has it open for writing; the file is back in place), Missing, NoSpace,
        ReadOnly. After any of them the original is in place, or, if somebody replaced it, in ``originals/``.
        """

    def put_back(self, path: Path, sha256: str, stand_in_sha256: str | None) -> Fingerprint:
        """The set-aside original goes back in place, over our own unchanged stand-in or where nothing is.

        Raises Missing (not in grace), Damaged (set-aside original is not the one), Changed (not our stand-in; nothing was touched).
        """

    def replace_stand_in(self, path: Path, data: bytes, stand_in_sha256: str, attributes: Attributes | None = None) -> Fingerprint:
        """A rebuilt copy goes in place over our own unchanged stand-in (or where nothing is), with `attributes`, or the stand-in's.

        Raises Changed (not our stand-in; nothing was touched), NoSpace, ReadOnly.
        """

    def purge(self, path: Path, proof: Proof) -> int:
        """Remove the set-aside original of `path`; bytes freed. Reads and checks archive and original first.

        Raises Damaged (archive), Changed (the set-aside original was written to: it is a new version, and is kept), Missing.
        """

    def aside_path(self, path: Path, sha256: str) -> Path:
        """Where the set-aside original of `path` is or would be."""

    def drop_aside_stand_in(self, path: Path, sha256: str, stand_in_sha256: str) -> None:
        """Remove our own stand-in where a set-aside original would be (Holding.STAND_IN). Anything else there: Refused."""

    # Recovery
    def survey(
        self,
        path: Path,
        *,
        sha256: str | None,
        archive_sha256: str | None = None,
        stand_in_sha256: str | None = None,
        copy_sha256: str | None = None,
    ) -> Survey:
        """Facts about one photo. archive_sha256 None: any archive of that original counts as INTACT and its digest is told."""

    def clear_staging(self) -> int:
        """Remove what a crash left in ``staging/``; how many. Only while no other instance works on this vault."""

    # Models
    def keep_model(self, name: str, data: bytes) -> Path:
        """Keep the weight file that archives name; a file of that name with the same bytes is fine, with others Refused."""

    def models(self) -> dict[str, Path]:
        """Kept weight files by name."""
