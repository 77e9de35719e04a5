"""Dependent quantisation: two quantisers, and a state that says which of them the next symbol belongs to.

    first quantiser    ... -4     -2      0      2      4 ...       levels that a symbol k stands for: 2 k
    second quantiser   ...    -3     -1   0   1      3    ...       2 k - sign(k)

Each by itself is coarse, and cheap; together they are twice as fine. A symbol's parity moves the state, so an encoder that plans ahead
(Viterbi's algorithm) reaches most levels at the bits of a coarse quantiser: trellis-coded quantisation (Marcellin and Fischer 1990; part 2
of JPEG 2000), with two quantisers that both have a 0, as in VVC. Every chain of symbols has a state of its own, which begins at 0 and
which symbols of surely-zero rows leave as it is.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled, read_only, types
from codec.vectors import load, plus, smaller, spread, store, times, where_smaller

CHAINS: Final = 16
"""Symbol n of a part belongs to chain n mod CHAINS: what lies side by side in the stream can be decoded without waiting."""

MOST_STATES: Final = 1 << 12

FAR: Final = 255
"""Beyond this magnitude a symbol is taken to cost what one of this magnitude costs; only an encoder looks."""

_I32, _I64, _F32, _U16 = types.int32, types.int64, types.float32, types.uint16


@dataclass(frozen=True, slots=True, eq=False)
class Trellis:
    """The states. `follow` uint16 (states, 2): the state after a symbol, by its parity; `second` uint8 (states,): 1 where symbols of that
    state belong to the second quantiser. Raises ValueError for what is no such thing."""

    follow: NDArray[np.uint16]
    second: NDArray[np.uint8]

    def __post_init__(self) -> None:
        states = len(self.second)
        if self.follow.dtype != np.uint16 or self.second.dtype != np.uint8 or self.follow.shape != (states, 2) or self.second.ndim != 1:
            raise ValueError("a trellis has a row of two states, uint16, and a quantiser, uint8, for each state")
        if not 1 <= states <= MOST_STATES or int(self.follow.max()) >= states or int(self.second.max()) > 1:
            raise ValueError("a trellis leads to states or quantisers that it does not have")

    @property
    def quantisers(self) -> int:
        """How many there are."""
        return int(self.second.max()) + 1

    def ways(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The two states that lead to each state, (states, 2), and 2 quantiser + parity of those two ways. Raises ValueError where there
        are other than two."""
        states, parities = np.divmod(np.argsort(self.follow, axis=None, kind="stable"), 2)
        if (np.sort(self.follow, axis=None) != np.repeat(np.arange(len(self.second)), 2)).any():
            raise ValueError("a trellis to plan with has two ways to each state")
        return states.reshape(-1, 2), (2 * self.second[states].astype(np.int64) + parities).reshape(-1, 2)


PLAIN: Final = Trellis(np.zeros((1, 2), np.uint16), np.zeros(1, np.uint8))
"""One quantiser, whose levels are its symbols: no dependence."""


def convolutional(of_parity: int, of_quantiser: int) -> Trellis:
    """The trellis of a systematic convolutional code by its two parity checks, in the manner of Ungerboeck ("Channel coding with
    multilevel/phase signals", 1982): at every step the bits of `of_parity` over the last parities and those of `of_quantiser` over the
    last quantisers have an even sum. Zeros never leave state 0."""
    states = np.arange(1 << of_quantiser.bit_length() - 1)
    even = states >> 1 ^ (of_quantiser >> 1) * (states & 1)
    return Trellis(np.stack([even, even ^ of_parity >> 1], 1).astype(np.uint16), (states & 1).astype(np.uint8))


STATES: Final = convolutional(0o532, 0o1523)
"""What new models are given: 512 states, the best of 1,451 such codes at what m7 makes of training crops. Ungerboeck's 256 (0o362, 0o515)
take 0.7 % more bits there, the best found with 256 0.4, with 1,024 0.2 less."""

_RESTED: Final = 64
"""Steps after which the least cost is taken off all, so that float32 holds them."""

_COSTS, _PICKS = _F32[:, :, ::1], _I32[:, :, ::1]


@compiled(
    types.void(
        read_only(_F32), read_only(types.uint16), read_only(_F32, 2), read_only(_I32), _F32, _COSTS, _PICKS, types.int64[:, ::1],
        types.int64[::1],
    )
)  # fmt: skip
def _offer(values: Any, rows: Any, bits: Any, reach: Any, price: Any, costs: Any, picks: Any, places: Any, lengths: Any) -> None:
    """For each codable symbol, in the order of its chain: the cheapest symbol of each quantiser and parity, and its cost, both at
    [step, 2 quantiser + parity, chain]; where it is, places[step, chain], and how many a chain has."""
    per = reach.size // 2
    lengths[:] = 0
    for n in range(values.size):
        if reach[rows[n]] == 0:
            continue
        chain = n % CHAINS
        step = lengths[chain]
        lengths[chain] = step + 1
        places[step, chain] = n
        size = np.float32(abs(values[n]))
        sign = 1 if values[n] >= 0 else -1
        for q in range(2):
            row = rows[n] + q * per
            half = np.float32(0.5 * q)
            even, odd = size * size + price * bits[row, FAR], np.float32(np.inf)
            of_even = of_odd = 0
            middle = int(min(float(size + half), 131000.0))
            for near in range(-1, 2):
                k = int(min(max(middle + near, 1), reach[row]))
                off = size - (np.float32(k) - half)
                symbol = sign * k
                cost = off * off + price * bits[row, FAR + min(max(symbol, -FAR), FAR)]
                if k & 1:
                    if cost < odd:
                        odd, of_odd = cost, symbol
                elif cost < even:
                    even, of_even = cost, symbol
            if q == 1 and size < np.float32(0.5):  # half a spacing away on the other side
                off = size + np.float32(0.5)
                cost = off * off + price * bits[row, FAR - sign]
                if cost < odd:
                    odd, of_odd = cost, -sign
            costs[step, 2 * q, chain], costs[step, 2 * q + 1, chain] = even, odd
            picks[step, 2 * q, chain], picks[step, 2 * q + 1, chain] = of_even, of_odd


@compiled(types.void(_COSTS, types.int64[::1], read_only(_I64, 2), read_only(_I64, 2), types.int64[::1], _U16[:, ::1]))
def _advance(costs: Any, lengths: Any, sources: Any, kinds: Any, states: Any, ways: Any) -> None:
    """Viterbi's algorithm, all chains side by side. sources (states, 2): the two states that lead to one; kinds: the 2 quantiser + parity
    of that way. Bit `chain` of ways[step, state]: whether the second way is the cheaper. states: where each chain begins, then where it
    ends for the least."""
    count = sources.shape[0]
    now, then = np.full((count, CHAINS), np.float32(1e30)), np.empty((count, CHAINS), np.float32)
    for chain in range(CHAINS):
        now[states[chain], chain] = 0
    longest = lengths.max()
    for step in range(longest + 1):
        for chain in range(CHAINS):
            if lengths[chain] == step:
                states[chain] = np.argmin(now[:, chain])
        if step == longest:
            break
        for state in range(count):
            one = plus(load(now, sources[state, 0], 0), load(costs[step], kinds[state, 0], 0))
            other = plus(load(now, sources[state, 1], 0), load(costs[step], kinds[state, 1], 0))
            store(then, state, 0, smaller(one, other))
            ways[step, state] = where_smaller(one, other)
        now, then = then, now
        if step % _RESTED == 0:
            least = load(now, 0, 0)
            for state in range(count):
                least = smaller(least, load(now, state, 0))
            for state in range(count):
                store(now, state, 0, plus(load(now, state, 0), times(least, spread(np.float32(-1)))))


@compiled(
    types.void(
        read_only(types.uint16), _I64, _PICKS, types.int64[:, ::1], types.int64[::1], read_only(_I64, 2), read_only(_I64, 2),
        types.int64[::1], _U16[:, ::1], _I32[::1], _I32[::1], types.uint16[::1],
    )
)  # fmt: skip
def _settle(
    rows: Any, per: Any, picks: Any, places: Any, lengths: Any, sources: Any, kinds: Any, ends: Any, ways: Any, levels: Any, symbols: Any,
    coded: Any,
) -> None:  # fmt: skip
    """The chosen paths from their ends back, into levels, symbols and rows of both quantisers' tables."""
    levels[:] = 0
    symbols[:] = 0
    coded[:] = rows
    at = ends.copy()
    for step in range(lengths.max() - 1, -1, -1):  # all chains together: what they look at lies together
        for chain in range(CHAINS):
            if step < lengths[chain]:
                state = at[chain]
                place = places[step, chain]
                way = np.int64(ways[step, state] >> chain) & 1
                kind = kinds[state, way]
                symbol = picks[step, kind, chain]
                second = kind >> 1
                sign = 1 if symbol > 0 else -1 if symbol < 0 else 0
                levels[place], symbols[place], coded[place] = 2 * symbol - second * sign, symbol, rows[place] + second * per
                at[chain] = sources[state, way]


class Plan:
    """The symbols of a part, stretch by stretch, of least squared error and bits together."""

    def __init__(self, trellis: Trellis) -> None:
        self._ways = trellis.ways()
        self._states = np.zeros(CHAINS, np.int64)

    def stretch(
        self, values: NDArray[np.float32], rows: NDArray[np.uint16], bits: NDArray[np.float32], reach: NDArray[np.int32], price: float
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint16]]:
        """Of the next symbols: values (n,) in spacings, n a multiple of CHAINS; rows (n,); bits (2 rows, 2 FAR + 1) of each symbol in each
        row of both quantisers; reach (2 rows,), 0 for surely-zero rows -> levels, symbols, and the row of both quantisers' tables that
        each symbol is coded with. A stretch ends where it is cheapest to end, not where the next one would like it to."""
        steps = values.size // CHAINS
        costs, picks = np.empty((steps, 4, CHAINS), np.float32), np.empty((steps, 4, CHAINS), np.int32)
        places, lengths = np.empty((steps, CHAINS), np.int64), np.empty(CHAINS, np.int64)
        _offer(values, rows, bits, reach, np.float32(price), costs, picks, places, lengths)
        sources, kinds = self._ways
        ways = np.empty((steps, len(sources)), np.uint16)
        _advance(costs, lengths, sources, kinds, self._states, ways)
        levels, symbols, coded = np.empty(values.size, np.int32), np.empty(values.size, np.int32), np.empty(values.size, np.uint16)
        _settle(rows, reach.size // 2, picks, places, lengths, sources, kinds, self._states, ways, levels, symbols, coded)
        return levels, symbols, coded
