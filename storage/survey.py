"""What recovery needs to know about one photo, read from the disk."""

from dataclasses import dataclass
from enum import StrEnum

from storage.fingerprint import Fingerprint


class AtPath(StrEnum):
    """What stands under a photo's name, by digest."""

    ORIGINAL = "original"
    STAND_IN = "stand-in"
    COPY = "copy"
    OTHER = "other"
    """Somebody's file (or folder, or link): never touched."""
    MISSING = "missing"

    @classmethod
    def of(cls, placed: str | None, exists: bool, sha256: str | None, stand_in_sha256: str | None, copy_sha256: str | None) -> "AtPath":
        """`placed`: digest of the plain file that is there, if it is one; `exists`: whether anything is. The others: what is expected."""
        if placed is None:
            return cls.OTHER if exists else cls.MISSING
        if placed == sha256:
            return cls.ORIGINAL
        if placed == stand_in_sha256:
            return cls.STAND_IN
        return cls.COPY if placed == copy_sha256 else cls.OTHER


class Holding(StrEnum):
    """What the vault holds under one of its names, by digest."""

    INTACT = "intact"
    STAND_IN = "stand-in"
    """Our stand-in lies where an original or a copy is exchanged with it."""
    CHANGED = "changed"
    """Other bytes than expected: a damaged archive, or a late writer's version of the photo. Kept."""
    MISSING = "missing"

    @classmethod
    def of(cls, held: str | None, expected: str | None, stand_in_sha256: str | None) -> "Holding":
        """Digests: of what is there, of what should be, of our stand-in."""
        if held is None:
            return cls.MISSING
        if held == expected:
            return cls.INTACT
        return cls.STAND_IN if held == stand_in_sha256 else cls.CHANGED


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts about one photo, just read."""

    at_path: AtPath
    at_path_sha256: str | None
    at_path_fingerprint: Fingerprint | None
    archive: Holding
    archive_sha256: str | None
    aside: Holding
    """The set-aside original. STAND_IN: the exchange of retiring did not happen, or that of putting back did."""
    swap: Holding
    """What a killed restore left where copy and stand-in change places; `Vault.drop_swap` removes it. Never INTACT."""
