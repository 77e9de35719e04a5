"""A layer between `storage` and the system: every call passes a numbered point, and the chosen one fails, or is the last of a process.

Nothing is announced by the code under test, so that no call can be forgotten: the layer stands where the modules of `storage` look for
`os`, for the C library (`renameat2`) and for SQLite's connection.
"""

import ctypes
import errno
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from storage import durable

CHANGING = frozenset(
    {"write", "fsync", "rename", "replace", "link", "unlink", "rmdir", "mkdir", "renameat2", "utime", "chmod", "chown", "setxattr"}
)
READING = frozenset({"open", "read", "pread", "listdir", "scandir", "lstat", "stat"})
_SQLITE = {errno.ENOSPC: sqlite3.SQLITE_FULL, errno.EROFS: sqlite3.SQLITE_READONLY}


class Layer:
    """Counts points. `passing` is asked at each, and may raise OSError, or end the process; `after` hears of what was done."""

    def __init__(self) -> None:
        self.points: list[str] = []

    def passing(self, name: str, changes: bool) -> None:
        """About to make the call `name`."""

    def committed(self) -> None:
        """The catalogue has just committed a transaction."""

    def call(self, name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.passing(name, name in CHANGING or (name == "open" and bool(arguments[1] & os.O_CREAT)))
        return real(*arguments, **options)


class Counting(Layer):
    """Writes down every point; with `only_changes` those that change the disk."""

    def __init__(self, *, only_changes: bool = False) -> None:
        super().__init__()
        self._only_changes = only_changes

    def passing(self, name: str, changes: bool) -> None:
        if changes or not self._only_changes:
            self.points.append(name)


class Failing(Counting):
    """The n-th call (from 1) fails with an errno; `lasting`: all that follow too."""

    def __init__(self, nth: int, number: int, *, lasting: bool = False) -> None:
        super().__init__()
        self._nth, self._number, self._lasting = nth, number, lasting

    def passing(self, name: str, changes: bool) -> None:
        super().passing(name, changes)
        count = len(self.points)
        if count == self._nth or (self._lasting and count > self._nth):
            raise OSError(self._number, f"injected at {count}: {name}")


class Killing(Counting):
    """The process ends by SIGKILL just before its n-th change of the disk; in the midst of it, where that is a write."""

    def __init__(self, nth: int) -> None:
        super().__init__(only_changes=True)
        self._nth = nth

    def passing(self, name: str, changes: bool) -> None:
        super().passing(name, changes)
        if changes and len(self.points) == self._nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def call(self, name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if name == "write" and len(self.points) + 1 == self._nth:
            os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        return super().call(name, real, *arguments, **options)


class _Os:
    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return partial(self._layer.call, name, real) if name in CHANGING | READING else real


class _Library:
    def __init__(self, layer: Layer, real: Any) -> None:
        self._layer, self._real = layer, real

    def renameat2(self, *arguments: Any) -> int:
        try:
            return int(self._layer.call("renameat2", self._real.renameat2, *arguments))
        except OSError as error:
            ctypes.set_errno(error.errno or 0)
            return -1


class Connection(sqlite3.Connection):
    """Statements that write are points of `layer` too."""

    layer: Layer

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        word = statement.split(None, 1)[0].upper()
        if word in ("SELECT", "EXPLAIN", "WITH") or (word == "PRAGMA" and "=" not in statement):
            return super().execute(statement, *parameters)
        try:
            self.layer.passing(f"sqlite {word}", word in ("COMMIT", "PRAGMA"))
        except OSError as error:
            code = _SQLITE.get(error.errno or 0, sqlite3.SQLITE_IOERR)
            failure = sqlite3.OperationalError(str(error))
            failure.sqlite_errorcode = code
            raise failure from error
        cursor = super().execute(statement, *parameters)
        if word in ("COMMIT", "PRAGMA"):
            self.layer.committed()
        return cursor


@contextmanager
def exchanging(exchange: bool) -> Iterator[None]:
    """Inside the block, without `exchange`, the kernel knows no flag of renameat2; no layer."""
    with pytest.MonkeyPatch.context() as patch:
        if not exchange:
            patch.setattr(durable, "_libc", object())
        yield


@contextmanager
def behind(layer: Layer, *, exchange: bool = True) -> Iterator[None]:
    """Inside the block every call of `storage` goes through `layer`. Without `exchange` the kernel knows no flag of renameat2."""
    connect = sqlite3.connect
    factory = type("Watched", (Connection,), {"layer": layer})
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("storage.") and getattr(module, "os", None) is os:
                patch.setattr(module, "os", _Os(layer))
        if not exchange:
            patch.setattr(durable, "_libc", object())
        elif hasattr(durable._libc, "renameat2"):
            patch.setattr(durable, "_libc", _Library(layer, durable._libc))
        patch.setattr(sqlite3, "connect", partial(connect, factory=factory))
        yield
