"""Why work waits, or was broken off: each reason's slug and its sentence."""

from dataclasses import dataclass

WAITS: dict[str, str] = {
    "window": "the hours of work are over",
    "paused": "it was told to pause",
    "stop-file": "a file named stop says so",
    "on-battery": "the computer runs on its battery",
    "battery-low": "the battery is low",
    "load": "others need the processor",
    "session": "somebody is at the screen",
    "hot": "a disk is hot",
    "no-room": "the disk has too little room for archives beside the originals in grace",
    "budget": "what may be written in one night is written",
    "locked": "another instance is at work",
    "asked": "work that somebody asked for goes first",
    "reload": "the configuration was read again",
    "stopping": "the service was told to stop",
}
"""Why work waits or was broken off: the outcome of a run, and its sentence."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why no further photo is begun. `reason` is a key of WAITS, `detail` says more for people."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return WAITS[self.reason] + (f" ({self.detail})" if self.detail else "")
