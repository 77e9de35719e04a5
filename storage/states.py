"""The states of a photo and the legal moves between them, as one table. Pure.

QUEUED ─► ENCODING ─► COMMITTED ─► RETIRED ─► PURGED
   ▲          │           │           │          │
   │          ▼           ▼           └────┬─────┘
   └──── LEFT, FAILED ◄───┘                ▼
   └──────────────────────────────────  RESTORED
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from storage.errors import Refused


class State(StrEnum):
    """Where a photo is in its life; the value is what the catalogue stores."""

    QUEUED = "queued"
    """Settled and eligible; waits its turn."""
    ENCODING = "encoding"
    """Claimed by the optimizer; the original is in place."""
    COMMITTED = "committed"
    """A proven archive is in the vault; the original is still in place."""
    RETIRED = "retired"
    """The stand-in is in place; the original waits in the vault until its grace is over."""
    PURGED = "purged"
    """The original is gone; archive and stand-in remain."""
    RESTORED = "restored"
    """The original or a copy is back in place and pinned."""
    LEFT = "left"
    """Untouched, with a reason."""
    FAILED = "failed"
    """An error stopped it; tried again later."""


MOVES: Mapping[tuple[State | None, State], str] = MappingProxyType(
    {
        (None, State.QUEUED): "A photo that has settled is seen for the first time, or with new bytes.",
        (None, State.RETIRED): "The catalogue was lost: archive and set-aside original were found in the vault, and proven anew.",
        (None, State.PURGED): "The catalogue was lost: archive and stand-in were found.",
        (State.QUEUED, State.ENCODING): "The optimizer claims the oldest photo of the queue.",
        (State.QUEUED, State.LEFT): "A rule or the user says no before a byte was read, or the photo is gone.",
        (State.QUEUED, State.FAILED): "The photo can't be opened at all.",
        (State.ENCODING, State.QUEUED): "A crash, a stop, or a photo that changed while it was encoded: from the start.",
        (State.ENCODING, State.COMMITTED): "The archive was read back, proven by another process, and has its final name.",
        (State.ENCODING, State.PURGED): "It is still the copy that was restored: a stand-in takes its place, the archive is still there.",
        (State.ENCODING, State.LEFT): "No lane fits, or none saves enough: untouched, with a reason.",
        (State.ENCODING, State.FAILED): "Reading, encoding or proving went wrong.",
        (State.COMMITTED, State.QUEUED): "The photo changed after its archive was proven: from the start.",
        (State.COMMITTED, State.RETIRED): "Stand-in and original have been exchanged; the grace begins.",
        (State.COMMITTED, State.LEFT): "The archive stands, but the original may not be moved: left, with a reason.",
        (State.COMMITTED, State.FAILED): "The exchange went wrong; the original is in place.",
        (State.RETIRED, State.PURGED): "The grace is over, archive and set-aside original were checked, the original is removed.",
        (State.RETIRED, State.RESTORED): "The original itself goes back in place.",
        (State.RETIRED, State.QUEUED): "Somebody's bytes stand where the stand-in was: the original came back, or a late writer was found.",
        (State.RETIRED, State.LEFT): "A photo that was packed anew was deleted, and its time in the trash is over: its original goes.",
        (State.PURGED, State.RESTORED): "A copy is rebuilt from the archive and put in place.",
        (State.PURGED, State.QUEUED): "The original came back over the stand-in; its archive is used again.",
        (State.PURGED, State.LEFT): "Its stand-in was deleted, and its time in the trash is over: the archive is thrown away.",
        (State.RESTORED, State.QUEUED): "The pin is over and the photo is idle again, or the user names it.",
        (State.RESTORED, State.LEFT): "What was restored was deleted, and its time in the trash is over: the archive is thrown away.",
        (State.LEFT, State.RESTORED): "It had been archived before, was deleted, and comes back from its archive.",
        (State.LEFT, State.QUEUED): "Its bytes or the rules changed, or the user names it.",
        (State.FAILED, State.QUEUED): "Tried again.",
        (State.FAILED, State.LEFT): "Failed too often: left, with the reason.",
    }
)
"""Every legal move with the sentence that explains it; what is not here is refused."""


def check(before: State | None, after: State) -> str:
    """The sentence of a legal move; `before` None is a photo not yet known.

    Raises Refused for every other move.
    """
    try:
        return MOVES[before, after]
    except KeyError:
        raise Refused(f"a photo can't go from {before or 'unknown'} to {after}") from None
