"""Photos that visitors ask for in their places: one after the other, on the way that `restore` takes, while the page says how far it is."""

import glob
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import DaemonError
from daemon.restore_report import in_words
from daemon.restorer import Restoration
from daemon.selection import Chosen, is_pattern
from daemon.web.trouble import busy, sentence
from storage.errors import StorageError

_log = logging.getLogger(__name__)

MOST = 50
"""Photos that wait for their turn."""
_TOLD = 200
_END_S = 10.0
"""So long the end of the program waits for the photo at hand; a restore that is broken off is finished by the next run."""


@dataclass(frozen=True, slots=True)
class Order:
    """`text` is a sentence, when it is over."""

    over: bool = False
    failed: bool = False
    text: str = ""


class GivingBack:
    """Any number of threads may ask; one works, from the first order on."""

    def __init__(self, restore: Callable[[Chosen], list[Restoration]]) -> None:
        self._restore = restore
        self._guard = threading.Condition()
        self._waiting: deque[tuple[int, Path]] = deque()
        self._orders: OrderedDict[int, Order] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closing = False

    def ask(self, photo: int, path: Path) -> None:
        """Nothing where it is asked for already. Raises Trouble where too many wait."""
        with self._guard:
            known = self._orders.get(photo)
            if known is not None and not known.over:
                return
            if len(self._waiting) >= MOST:
                raise busy()
            self._waiting.append((photo, path))
            self._note(photo, Order())
            if self._thread is None:
                self._thread = threading.Thread(target=self._works, name="giving back", daemon=True)
                self._thread.start()
            self._guard.notify()

    def order(self, photo: int) -> Order | None:
        """What became of it; None where nobody asked."""
        with self._guard:
            return self._orders.get(photo)

    def close(self) -> None:
        """Waits a little for the photo at hand; those that wait are forgotten."""
        with self._guard:
            self._closing = True
            self._waiting.clear()
            self._guard.notify()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _note(self, photo: int, order: Order) -> None:
        self._orders[photo] = order
        self._orders.move_to_end(photo)
        while len(self._orders) > _TOLD:
            self._orders.popitem(last=False)

    def _works(self) -> None:
        while True:
            with self._guard:
                while not self._waiting:
                    if self._closing:
                        return
                    self._guard.wait()
                photo, path = self._waiting.popleft()
            order = self._done(path)
            with self._guard:
                self._note(photo, order)

    def _done(self, path: Path) -> Order:
        try:
            done = self._restore(chosen(path))
        except (DaemonError, StorageError, OSError) as error:
            return Order(over=True, failed=True, text=sentence(str(error)))
        except Exception as error:  # noqa: BLE001  # whoever asked is told, and the next one is served
            _log.exception("a photo could not be given back")
            return Order(over=True, failed=True, text=f"An error that nobody foresaw: {error}.")
        return Order(over=True, failed=any(each.trouble for each in done), text=" ".join(sentence(in_words(each)) for each in done))


def chosen(path: Path) -> Chosen:
    """Exactly this photo, even where its name looks like a pattern, and nothing is in its place."""
    return Chosen([Path(glob.escape(str(path))) if is_pattern(path) else path])
