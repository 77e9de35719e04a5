"""Has a file stopped changing? Nothing that is still being written is ever looked at by night. Pure, but for a small memory.

What counts is the ctime, which the kernel sets at every write, rename and change of attributes, and which no sync tool can set back: rsync
and Syncthing give a file its old mtime in the end, and that very act is what we wait after. Where the clock of a file server is ahead of
ours, only having seen the same file twice tells.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from storage.fingerprint import Fingerprint

MOST = 50_000
"""So many files are remembered at most; of others the ctime alone decides."""


def settled(fingerprint: Fingerprint, now_s: float, quiet_s: float, seen_first_s: float | None = None) -> bool:
    """Whether nothing changed for `quiet_s`. `seen_first_s`: when exactly this fingerprint was first seen."""
    if now_s - fingerprint.ctime_ns / 1e9 >= quiet_s:
        return True
    return seen_first_s is not None and now_s - seen_first_s >= quiet_s > 0


@dataclass(slots=True)
class Settling:
    """Remembers files that have not settled, from one look to the next."""

    now_s: Callable[[], float]
    _seen: dict[bytes, tuple[Fingerprint, float]] = field(default_factory=dict)

    def has_settled(self, path: bytes, fingerprint: Fingerprint, quiet_s: float) -> bool:
        """Whether this file has not changed for `quiet_s`; what has not is remembered."""
        now_s = self.now_s()
        earlier = self._seen.get(path)
        first_s = earlier[1] if earlier is not None and fingerprint.unchanged_since(earlier[0]) and earlier[1] <= now_s else None
        if settled(fingerprint, now_s, quiet_s, first_s):
            self._seen.pop(path, None)
            return True
        if first_s is None:
            if len(self._seen) >= MOST:
                self._seen.clear()
            self._seen[path] = (fingerprint, now_s)
        return False
