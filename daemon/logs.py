"""Logging: to stderr, one line each, warnings by default, more with --verbose."""

import logging
import sys


def configure(verbosity: int) -> None:
    """0 shows warnings, 1 what is done, 2 every detail. Results never go through the log: they go to stdout."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    for name in ("daemon", "storage", "codec"):  # not the root: libraries' own chatter is not ours to show
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False
