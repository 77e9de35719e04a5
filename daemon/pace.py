"""How a run is held back: not at all by hand, by hours, machine and idleness at night. Asked by `run` between any two photos."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from daemon.eligibility import Sighting
from daemon.galleries import Gallery
from storage.records import PhotoRow

if TYPE_CHECKING:
    from daemon.summary import Summary


class Pace:
    """By hand: at once, and everything. A subclass says what else."""

    purges_first = False
    """Whether space is given back before it is taken: a night may be over before its queue is."""

    def check(self) -> None:
        """Asked before every photo and every purge. Raises Held where nothing further may be begun."""

    def early_s(self, gallery: Gallery) -> float:
        """How many seconds before the end of their grace originals may go for want of room; 0: never."""
        return 0.0

    def is_short(self, gallery: Gallery) -> bool:
        """Whether the gallery's disk has less room than the configuration wants."""
        return False

    def ready(self, sighting: Sighting) -> bool:
        """Whether a file may be looked at now; asked for each while walking, so it may also raise Held."""
        return True

    def choose(self, gallery: Gallery, rows: Sequence[PhotoRow]) -> list[PhotoRow]:
        """Those of a gallery's queue that are worked on now, in their order."""
        return list(rows)

    def before(self, gallery: Gallery, row: PhotoRow) -> None:
        """This photo is the next."""

    def after(self, total: "Summary") -> None:
        """A photo is done; what the run did so far."""
