"""The one hook of this package: tests stop or fail the work at any named step.

Every call that changes the disk is announced just before it is made. The default does nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Hook = Callable[[str], None]


def _pass(name: str) -> None:
    """Let the step happen."""


_hook: Hook = _pass


def checkpoint(name: str) -> None:
    """About to do `name`, e.g. 'stage.fsync'. The hook may raise OSError, as the system call would, or end the process."""
    _hook(name)


@contextmanager
def observed_by(hook: Hook) -> Iterator[None]:
    """Use `hook` inside the block; for tests only."""
    global _hook
    before, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = before
