"""Work that somebody asked the running service for: what `control` takes in, and `nightwork` does between two photos."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from daemon.composition import Workshop
from daemon.neighbours import restore_in_place
from daemon.ports import Progress
from daemon.restorer import Restoration
from daemon.run import optimize
from daemon.selection import Chosen
from daemon.summary import Summary

Result = TypeVar("Result")


@dataclass(slots=True)
class Asked(Generic[Result]):
    """`finished` is set when `result` or `error` is there; then `told` is called, by the thread that did it."""

    do: Callable[[Workshop, Progress], Result]
    progress: Progress | None = None
    told: Callable[[], None] = lambda: None
    finished: threading.Event = field(default_factory=threading.Event)
    result: Result | None = None
    error: Exception | None = None

    def finish(self) -> None:
        self.finished.set()
        self.told()


def to_optimize(
    paths: Iterable[Path], *, as_it_is: bool = False, progress: Progress | None = None, told: Callable[[], None] = lambda: None
) -> Asked[Summary]:
    """As `optimize PATH...` would."""
    named = list(paths)
    return Asked(lambda shop, seen: optimize(shop, named, seen, as_it_is=as_it_is), progress, told)


def to_restore(chosen: Chosen, *, progress: Progress | None = None, told: Callable[[], None] = lambda: None) -> Asked[list[Restoration]]:
    """As `restore` would, in place."""
    return Asked(lambda shop, seen: restore_in_place(shop, chosen, seen), progress, told)
