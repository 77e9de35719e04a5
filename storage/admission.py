"""Whether a sighted file joins the queue: pure, so that every case stands in one table of tests."""

from dataclasses import dataclass
from enum import StrEnum

from storage.errors import Refused
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

MAX_ATTEMPTS = 3
"""How often a photo that fails by itself is tried; then it is left."""


class Standing(StrEnum):
    """What a sighting means for the row of its path."""

    NEW = "new"
    """No row yet: queued."""
    AGAIN = "again"
    """Same bytes, but the rules changed, the pin is over, it failed before, or the user names it: queued."""
    CHANGED = "changed"
    """Other bytes, and no archive depends on the row: the row starts anew, queued."""
    SUPERSEDES = "supersedes"
    """Other bytes over an archived photo: a new row is queued, the old one stays for the sake of its archive."""
    RETURNED = "returned"
    """The original came back over our stand-in: queued, with its archive at hand."""
    WAITING = "waiting"
    """In the queue already, or in work."""
    PINNED = "pinned"
    """Restored not long ago: left alone."""
    KNOWN = "known"
    """Nothing new: left alone."""


QUEUES = frozenset({Standing.NEW, Standing.AGAIN, Standing.CHANGED, Standing.SUPERSEDES, Standing.RETURNED})
"""Standings that put the photo into the queue."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Answer of ``Catalog.enqueue``."""

    row: PhotoRow
    standing: Standing

    @property
    def queued(self) -> bool:
        """Whether this call put it into the queue."""
        return self.standing in QUEUES


def judge(row: PhotoRow | None, fingerprint: Fingerprint, sha256: str | None, *, rules: str, by_name: bool, now: int) -> Standing:
    """Standing of a file seen now against the current row of its path.

    Raises Refused where only a digest can tell an edit from a harmless touch: the row has an archive, or is of a photo that was packed anew
    or restored, the fingerprint differs, and `sha256` is None.
    """
    if row is None:
        return Standing.NEW
    if row.state in (State.QUEUED, State.ENCODING, State.COMMITTED):
        return Standing.WAITING
    same = row.is_current(fingerprint)
    if not same and sha256 is None and (row.has_archive or row.replaced or row.state in (State.RETIRED, State.RESTORED)):
        raise Refused("the file differs from what the catalogue knows: its digest is needed to tell an edit from a touch")
    if not same and sha256 is not None:
        same = sha256 in _digests_in_place(row)
    if not same:
        if row.state in (State.RETIRED, State.PURGED) and sha256 == row.sha256:
            return Standing.RETURNED
        waiting = row.state is State.RETIRED  # its original is still in the vault, and has to be laid beside the edit
        return Standing.SUPERSEDES if row.has_archive or waiting else Standing.CHANGED
    match row.state:
        case State.RESTORED:
            pinned = row.pinned_until_at is not None and now < row.pinned_until_at
            return Standing.PINNED if pinned and not by_name else Standing.AGAIN
        case State.LEFT:
            back = row.reason == "gone"  # a disk that was away
            return Standing.AGAIN if by_name or back or rules != row.rules else Standing.KNOWN
        case State.FAILED:
            return Standing.AGAIN
        case _:
            return Standing.KNOWN


def _digests_in_place(row: PhotoRow) -> tuple[str | None, ...]:
    """What we ourselves may have put, or left, under the photo's name."""
    match row.state:
        case State.RETIRED | State.PURGED:
            return row.stand_in_sha256, row.copy_sha256  # a copy, where a restore was killed before it could say so
        case State.RESTORED:
            return row.copy_sha256 or row.sha256, row.sha256
        case _:
            return row.sha256, row.copy_sha256  # a restored copy that was left: coding it again would lose quality a second time
