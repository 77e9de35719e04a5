"""Calls into libraries written in Rust: whatever goes wrong there becomes one named error.

A panic arrives as an exception that is no Exception, so that the usual handlers let it through to the top of the process. And memory that
can't be had ends the process at once: `reserve` asks for it beforehand, where Python can still say no.
"""

import mmap
from collections.abc import Callable
from typing import TypeVar

_R = TypeVar("_R")


class Refusal(Exception):
    """The library said no, or panicked; the text is its own, one line."""


def call(function: Callable[..., _R], *arguments: object) -> _R:
    """The function's answer. Raises Refusal for every error and panic, MemoryError as it is."""
    try:
        return function(*arguments)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001 - PyO3's PanicException inherits from BaseException alone
        text = str(error).strip() or type(error).__name__
        raise Refusal(text.splitlines()[0]) from None


def reserve(size_bytes: int) -> None:
    """Raise MemoryError where so much private memory is not to be had now (a limit of the process, or of the machine)."""
    try:
        mmap.mmap(-1, max(size_bytes, mmap.PAGESIZE), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError(f"{size_bytes} bytes are not to be had") from error
