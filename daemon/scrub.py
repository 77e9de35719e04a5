"""The nightly look at what is kept: some archives, those that were not read for longest, read again and mended where that can be done."""

from collections.abc import Callable
from dataclasses import dataclass

from daemon.composition import Workshop
from daemon.inspection import Damage, Later, verify
from daemon.mending import mend_found
from daemon.ports import Progress


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What one such look came to."""

    archives: int
    mended: int
    damages: tuple[Damage, ...]
    """What is still damaged."""
    later: tuple[Later, ...] = ()
    """What this version can't read."""


def scrub(
    reading: Callable[[], Workshop], writing: Callable[[], Workshop], progress: Progress, share: float, go_on: Callable[[], bool]
) -> Scrubbed:
    """Verify `share` of every vault while `go_on` says so, and mend what was found. Raises Locked where another instance is at work."""
    with reading() as shop:
        found = verify(shop, progress, share, go_on)
    done = mend_found(writing, found).files if found.needs_hands else set()
    return Scrubbed(found.archives, len(done), tuple(each for each in found.damages if each.file not in done), tuple(found.later))
