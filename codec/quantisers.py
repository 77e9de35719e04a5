"""How latents become symbols: two ways, one for each format of weight files. Both give *levels*, what the networks go on with.

    format 1   Rounding     a level is a symbol, and worth a step
    format 2   Dependent    a symbol is one of two quantisers' (`codec.trellis`), a level half of their spacing

An encoder gives a part's residuals band by band and gets its levels and what to code; a decoder reads levels. No float has a say in
what a decoder reads.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec.network.rows import gather, quantise
from codec.rans import Decoder
from codec.rowwise import Floats
from codec.tokens import TokenTables, bits_of
from codec.trellis import FAR, Plan, Trellis

Levels = NDArray[np.int32]
Coded = tuple[NDArray[np.int32], NDArray[np.uint16], TokenTables]
"""Symbols, the row of each, and the tables that the rows belong to."""


class Written(ABC):
    """One part of a unit while an encoder makes it. `levels` (n,) int32 in coding order, filled band by band."""

    def __init__(self, rows: NDArray[np.uint16]) -> None:
        self.rows = rows
        self.levels = np.empty(rows.size, np.int32)

    @abstractmethod
    def band(self, residual: Floats, part: int, first: int, cut: Levels) -> None:
        """Quantise the part's share of the residuals (4, 4 w, LATENTS), in steps, from symbol `first` on. The bands of a part come one
        after the other, from the top. `cut` (w): the most steps by which a row was too short for a symbol."""

    @abstractmethod
    def coded(self) -> Coded:
        """What goes into the stream."""


class Quantiser(ABC):
    """Immutable; may be shared by threads."""

    unit: float
    """Steps that a level is worth."""
    tables: TokenTables

    @property
    def frozen(self) -> list[NDArray[np.integer[Any]]]:
        """The integers that a stream depends on, for the model's self-test."""
        return [self.tables.freq]

    @abstractmethod
    def part(self, rows: NDArray[np.uint16]) -> Written:
        """A part to be made, whose symbols have these rows."""

    @abstractmethod
    def read(self, stream: Decoder, rows: NDArray[np.uint16]) -> Levels:
        """The levels of the next part. Raises Corrupt."""


@dataclass(frozen=True, slots=True, eq=False)
class Rounding(Quantiser):
    """To the nearest, and towards 0 by the dead zone of the row, float32 (rows,), which no decoder looks at."""

    tables: TokenTables
    dead_zone: NDArray[np.float32]
    unit: float = 1.0

    def part(self, rows: NDArray[np.uint16]) -> Written:
        return _Rounded(self, rows)

    def read(self, stream: Decoder, rows: NDArray[np.uint16]) -> Levels:
        return stream.decode(rows, self.tables)


class _Rounded(Written):
    def __init__(self, quantiser: Rounding, rows: NDArray[np.uint16]) -> None:
        super().__init__(rows)
        self._quantiser = quantiser

    def band(self, residual: Floats, part: int, first: int, cut: Levels) -> None:
        here = slice(first, first + residual.size // 2)
        quantiser = self._quantiser
        quantise(residual, self.rows[here], quantiser.dead_zone, quantiser.tables.reach, part, self.levels[here], cut)

    def coded(self) -> Coded:
        return self.levels, self.rows, self._quantiser.tables


@dataclass(frozen=True, slots=True, eq=False)
class Dependent(Quantiser):
    """By a trellis. `tables` hold the rows of the first quantiser, then those of the second; a spacing of either is two units; `price`,
    which no decoder looks at, is what a bit is worth in squared spacings.

    Raises ValueError where a row is surely zero in one of them only, or where there are other than two ways to a state.
    """

    tables: TokenTables
    states: Trellis
    unit: float
    price: float
    _bits: NDArray[np.float32] = field(init=False, repr=False)  # (2 rows, 2 FAR + 1)

    def __post_init__(self) -> None:
        first, second = np.split(self.tables.reach == 0, 2)
        if self.states.quantisers != 2 or (first != second).any() or not 0 < self.unit < 16 or not 0 <= self.price < 16:
            raise ValueError("two quantisers need two halves of tables, surely zero in the same rows, and sane numbers")
        self.states.ways()  # raises, where an encoder could not plan
        object.__setattr__(self, "_bits", bits_of(np.arange(-FAR, FAR + 1), self.tables))

    @property
    def frozen(self) -> list[NDArray[np.integer[Any]]]:
        return [self.tables.freq, self.states.follow, self.states.second]

    def part(self, rows: NDArray[np.uint16]) -> Written:
        return _Planned(self, rows)

    def read(self, stream: Decoder, rows: NDArray[np.uint16]) -> Levels:
        return stream.decode(rows, self.tables, self.states)

    def stretch(
        self, plan: Plan, residual: Floats, part: int, rows: NDArray[np.uint16], cut: Levels
    ) -> tuple[Levels, Levels, NDArray[np.uint16]]:
        """See `Plan.stretch`; residual (4, 4 w, LATENTS) in steps, `cut` as of `Written.band`."""
        values = np.empty(residual.size // 2, np.float32)
        gather(residual, rows, self.tables.reach, part, np.float32(2 * self.unit), values, cut)
        return plan.stretch(values, rows, self._bits, self.tables.reach, self.price)


class _Planned(Written):
    def __init__(self, quantiser: Dependent, rows: NDArray[np.uint16]) -> None:
        super().__init__(rows)
        self._quantiser = quantiser
        self._symbols, self._coded = np.empty(rows.size, np.int32), np.empty(rows.size, np.uint16)

    def band(self, residual: Floats, part: int, first: int, cut: Levels) -> None:
        if first == 0:
            self._plan = Plan(self._quantiser.states)
        here = slice(first, first + residual.size // 2)
        found = self._quantiser.stretch(self._plan, residual, part, self.rows[here], cut)
        self.levels[here], self._symbols[here], self._coded[here] = found

    def coded(self) -> Coded:
        return self._symbols, self._coded, self._quantiser.tables
