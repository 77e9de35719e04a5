"""What both ends of the service's socket know: the protocol's version, and how a socket in a deep folder is reached."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = 1
"""Of the lines that go over it. Keys may be added under the same number, never changed or taken away."""
_SHORT = 100
"""Bytes; the kernel knows names of 108 for a socket."""


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for the socket `path` that is short enough, however deep its folder lies."""
    if len(os.fsencode(path)) < _SHORT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
