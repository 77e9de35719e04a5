"""Logging: to stderr, one line each, warnings by default, more with --verbose."""

import logging
import sys

NAMES = ("daemon", "storage", "codec")


def configure(verbosity: int) -> None:
    """0 shows warnings, 1 what is done, 2 every detail. Results never go through the log: they go to stdout."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    for name in NAMES:  # not the root: libraries' own chatter is not ours to show
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False


def at_least(level: int) -> None:
    """Say as much as `level` asks for, or more where the user asked for more: a service's log is all that anybody sees of it."""
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.setLevel(min(logger.level or level, level))
