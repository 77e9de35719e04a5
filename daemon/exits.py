"""The exit codes: one table, which docs/reference.md repeats and the tests compare."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; scripts may rely on every number."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    NO_GALLERY = 10
    LOCKED = 11
    NO_SPACE = 12
    DAMAGE = 20


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed: at least one photo or the whole command could not be handled; the message says why",
    ExitCode.USAGE: "usage: an unknown option, a wrong argument, or a configuration that can't be understood",
    ExitCode.NOTHING_TO_DO: "nothing to do",
    ExitCode.NO_GALLERY: "no gallery configured",
    ExitCode.LOCKED: "another instance holds the lock",
    ExitCode.NO_SPACE: "the disk is full, or too full for what was asked",
    ExitCode.DAMAGE: "verification found damage",
}
