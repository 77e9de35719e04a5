"""A picture made of strips, by a few threads, without ever holding more than a few strips.

Strips (rows of units) are read in any order, then pass through the synthesis from top to bottom, cut into columns: one for each thread.
"""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from codec import kernels
from codec.inference import Cells
from codec.network.constants import CELL, PATCH
from codec.rowwise import Floats
from codec.synthesis import HALO, Synthesis

_A = TypeVar("_A")
_B = TypeVar("_B")

_MOST_THREADS: Final = 8
_NARROWEST: Final = 48
"""Latents in the width of a thread's columns, at least: each is computed with a halo on both sides."""


def each(function: Callable[[_A], _B], items: Iterable[_A], most: int = _MOST_THREADS) -> list[_B]:
    """`function` of every item, by as many threads as torch was given, or `most`; each of them then multiplies alone."""
    todo = list(items)
    threads = min(torch.get_num_threads(), _MOST_THREADS, most, len(todo))
    if threads <= 1:
        return [function(item) for item in todo]
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(function, todo))


def columns_of(width: int, threads: int | None = None) -> list[tuple[int, int]]:
    """A width in cells cut into columns (first, last + 1), one for each thread."""
    threads = torch.get_num_threads() if threads is None else threads
    count = max(1, min(threads, _MOST_THREADS, width * CELL // _NARROWEST))
    borders = [width * number // count for number in range(count + 1)]
    return list(itertools.pairwise(borders))


Strip = Callable[[int, int], Iterable[Floats]]
"""Gives its latents, four rows at a time (4, right - left, LATENTS), between two columns, left and right, which are multiples of CELL."""


class Strips:
    """Strips of latents, made by whoever needs one first, and let go when every reader has passed."""

    def __init__(self, make: Callable[[int], Strip], count: int, readers: int, ahead: int) -> None:
        """`make` gives strip 0 to count - 1; each of the readers asks for all of them, in order. So many strips there are at the same time,
        made or in the making, as `ahead` says."""
        self._make, self._count, self._readers, self._ahead = make, count, readers, ahead
        self._changed = threading.Condition()
        self._ready: dict[int, Strip] = {}
        self._begun: set[int] = set()
        self._passed = dict.fromkeys(range(count), 0)
        self._failure: BaseException | None = None

    def bands(self, left: int, right: int) -> Iterator[Floats]:
        """All of the picture, cut to columns of latents; to be asked for by one reader."""
        try:
            for number in range(self._count):
                yield from self._strip(number)(left, right)
                self._pass(number)
        except BaseException as error:
            self._fail(error)
            raise

    def _strip(self, number: int) -> Strip:
        while True:
            with self._changed:
                if self._failure is not None:
                    raise self._failure
                if number in self._ready:
                    return self._ready[number]
                mine = self._next(number)
                if mine is None:
                    self._changed.wait()
                    continue
                self._begun.add(mine)
            made = self._make(mine)
            with self._changed:
                self._ready[mine] = made
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        """Let the other readers out, who would wait for ever."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _next(self, number: int) -> int | None:
        """The first strip that nobody makes yet, and for which there is room."""
        slowest = min((k for k, passed in self._passed.items() if passed < self._readers), default=self._count)
        ahead = range(number, min(slowest + self._ahead, self._count))
        return next((k for k in ahead if k not in self._begun), None)

    def _pass(self, number: int) -> None:
        with self._changed:
            self._passed[number] += 1
            if self._passed[number] == self._readers:
                del self._ready[number]
                self._changed.notify_all()


def paint(
    synthesis: Synthesis, make: Callable[[int], Strip], count: int, cells: Cells, out: NDArray[np.uint8], ahead: int = _MOST_THREADS
) -> None:
    """Fill out (H, W, channels) from `count` strips of latents; a single channel is grey, the mean of three. Raises what `make` raises."""
    parts = columns_of(cells.shape[1])
    strips = Strips(make, count, len(parts), min(ahead, len(parts)))

    def column(part: tuple[int, int]) -> None:
        left, right = part
        first, last = max(0, left - HALO // CELL), min(cells.shape[1], right + HALO // CELL)
        values = synthesis.values(strips.bands(first * CELL, last * CELL), cells[:, first:last])
        pixels = out[:, left * CELL * PATCH : right * CELL * PATCH]
        with np.errstate(all="ignore"):  # as in `codec.unit.Unit`
            for number, row in enumerate(values):
                rows = pixels[number * PATCH : (number + 1) * PATCH]
                if len(rows):
                    kernels.to_pixels(row, synthesis.bias, (left - first) * CELL, rows)

    each(column, parts)
