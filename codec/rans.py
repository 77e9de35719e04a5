"""Entropy coder on integers: table-driven rANS with interleaved lanes. It knows no network.

A symbol (int32) becomes a token and raw bits. Tokens are coded with 12-bit frequencies from a row of a table that the caller
chooses for each symbol; raw bits are uniform. docs/bitstream.md gives the byte layout; what is written there is frozen.

All of it is integer arithmetic, so the bytes are the same on every machine.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled, read_only, types
from codec.errors import Corrupt
from codec.tokens import LARGEST, MAX_ROWS, REACH, TOKENS, TOTAL, Integers, TokenTables, count, fit, tokens_of
from codec.trellis import CHAINS, PLAIN, Trellis

__all__ = ["LARGEST", "MAX_ROWS", "REACH", "TOKENS", "TOTAL", "Decoder", "Integers", "TokenTables", "count", "encode", "fit", "tokens_of"]

MAX_LANES: Final = 64
_LOWEST_STATE: Final = 1 << 16
_SYMBOLS_A_LANE: Final = 4096

# What the kernels share: a lane's state is an int64 in 2^16 .. 2^32 - 1 (int64 throughout, since numba makes floats of uint64 mixed
# with int64); `rows` were checked against the table before; `spans` holds frequency << 16 | start for each row and token.
_ROWS = read_only(types.uint16)
_SPANS = read_only(types.uint32, 2)
_STATES = types.int64[::1]


@compiled(types.int64(read_only(types.int32), _ROWS, _SPANS, types.int64[::1]))
def _survey(symbols: Any, rows: Any, spans: Any, counts: Any) -> int:
    """Return the index of the first symbol that can't be coded, else -1; add to `counts` the words at most and the symbols sent."""
    steps = 0
    sent = 0
    for i in range(symbols.size):
        symbol = np.int64(symbols[i])
        value = (symbol << 1) ^ (symbol >> 63)
        if value >= 1 << 18:
            return i
        token = value
        if value >= 16:
            low_bits = 2
            while (value >> low_bits) >= 8:
                low_bits += 1
            token = 16 + ((low_bits - 2) << 2) + ((value >> low_bits) & 3)
            steps += 1 + (low_bits > 12)
        frequency = spans[rows[i], token] >> 16
        if frequency == 0:
            return i
        coded = frequency != 4096
        steps += coded
        sent += coded
    counts[0] += steps
    counts[1] += sent
    return -1


@compiled(types.int64(read_only(types.int32), _ROWS, _SPANS, types.uint16[::1], _STATES, types.int64, types.int64))
def _encode(symbols: Any, rows: Any, spans: Any, words: Any, states: Any, lane: int, position: int) -> int:
    """Code from the last symbol, which belongs to `lane`, to the first; fill `words` downwards from `position`, return where it got."""
    for i in range(symbols.size - 1, -1, -1):
        symbol = np.int64(symbols[i])
        value = (symbol << 1) ^ (symbol >> 63)
        x = states[lane]
        token = value
        if value >= 16:
            low_bits = 2
            while (value >> low_bits) >= 8:
                low_bits += 1
            token = 16 + ((low_bits - 2) << 2) + ((value >> low_bits) & 3)
            low = value & ((1 << low_bits) - 1)
            left = low_bits
            while left > 0:
                step = left - 12 if left > 12 else left
                left -= step
                if (x >> (32 - step)) != 0:
                    position -= 1
                    words[position] = x & 0xFFFF
                    x >>= 16
                x = (x << step) | ((low >> left) & ((1 << step) - 1))
        span = spans[rows[i], token]
        frequency = np.int64(span >> 16)
        if x >= frequency << 20:
            position -= 1
            words[position] = x & 0xFFFF
            x >>= 16
        quotient = np.int64(np.uint32(x) // np.uint32(frequency))
        states[lane] = (quotient << 12) + (x - quotient * frequency) + np.int64(span & 0xFFFF)
        lane = lane - 1 if lane > 0 else states.size - 1
    return position


@compiled(
    types.int64(
        types.int32[::1], _ROWS, read_only(types.uint8, 2), _SPANS, read_only(types.uint16), _STATES, types.int64, types.int64,
        read_only(types.uint16, 2), read_only(types.uint8), types.int64,
    )
)  # fmt: skip
def _decode(
    out: Any, rows: Any, slots: Any, spans: Any, words: Any, states: Any, lane: int, position: int, follow: Any, second: Any, per: int
) -> int:
    """Fill `out` with levels, `lane` being the first symbol's; return the new position in `words`, or -1 where they end too early.

    `words` holds one more than is valid, so that reading before checking stays inside. `per` rows are the first quantiser's; with 0 there
    is no second one, and levels are symbols.
    """
    valid = words.size - 1
    lanes = states.size
    finer = np.int64(per > 0)
    chains = np.zeros(CHAINS, np.int64)
    for i in range(out.size):
        chain = i % CHAINS
        at = chains[chain]
        other = np.int64(second[at])
        row = rows[i] + other * per
        x = states[lane]
        slot = x & 4095
        token = slots[row, slot]
        span = spans[row, token]
        x = np.int64(span >> 16) * (x >> 12) + slot - np.int64(span & 0xFFFF)
        due = x < 65536  # without a branch: whether a word is due is what the processor can't guess
        x = ((x << 16) | words[position]) if due else x
        position += due
        value = np.int64(token)
        if token >= 16:
            low_bits = 2 + ((token - 16) >> 2)
            low = np.int64(0)
            done = 0
            while done < low_bits:
                if position > valid:
                    return -1
                step = min(low_bits - done, 12)
                low |= (x & ((1 << step) - 1)) << done
                x >>= step
                if x < 65536:
                    x = (x << 16) | words[position]
                    position += 1
                done += step
            value = (np.int64(4 + (token & 3)) << low_bits) | low
        if position > valid:
            return -1
        states[lane] = x
        symbol = (value >> 1) ^ -(value & 1)
        sign = np.int64(symbol > 0) - np.int64(symbol < 0)
        out[i] = (symbol << finer) - other * sign
        chains[chain] = follow[at, symbol & 1] if (span >> 16) != 4096 else at
        lane += 1
        if lane == lanes:
            lane = 0
    return position


def _checked_rows(rows: Integers, count: int) -> NDArray[np.uint16]:
    rows = np.asarray(rows)
    if rows.ndim != 1 or not (np.issubdtype(rows.dtype, np.integer) or rows.size == 0):
        raise ValueError(f"rows must be integers of shape (n,), not {rows.dtype} {rows.shape}")
    if rows.size and (int(rows.min()) < 0 or int(rows.max()) >= count):
        raise ValueError(f"a row lies outside of the {count} rows of its table")
    return np.ascontiguousarray(rows, dtype=np.uint16)


def _checked_symbols(symbols: Integers) -> NDArray[np.int32]:
    symbols = np.asarray(symbols)
    if symbols.ndim != 1 or not (np.issubdtype(symbols.dtype, np.integer) or symbols.size == 0):
        raise ValueError(f"symbols must be integers of shape (n,), not {symbols.dtype} {symbols.shape}")
    if symbols.dtype != np.int32 and symbols.size and max(int(symbols.max()), -int(symbols.min()) - 1) > LARGEST:
        raise ValueError(f"symbols must lie in {-LARGEST - 1}..{LARGEST}")
    return np.ascontiguousarray(symbols, dtype=np.int32)


def encode(parts: Sequence[tuple[Integers, Integers, TokenTables]]) -> bytes:
    """Code (symbols (n,), rows (n,), tables) one part after the other into one stream.

    Raises ValueError for a symbol that its row has no token for, beyond LARGEST, or other than 0 where the row is surely zero.
    """
    counts = np.zeros(2, np.int64)
    checked = []
    total = 0
    for number, (symbols, rows, tables) in enumerate(parts):
        part = _checked_symbols(symbols), _checked_rows(rows, len(tables.freq)), tables.spans
        if part[0].size != part[1].size:
            raise ValueError(f"part {number} has {part[0].size} symbols and {part[1].size} rows")
        bad = _survey(*part, counts)
        if bad >= 0:
            raise ValueError(f"part {number}: symbol {part[0][bad]} at {bad} has no token in row {part[1][bad]}")
        checked.append(part)
        total += part[0].size
    lanes = min(max(int(counts[1]) // _SYMBOLS_A_LANE, 2), MAX_LANES)
    states = np.full(lanes, _LOWEST_STATE, np.int64)
    words = np.empty(int(counts[0]), np.uint16)
    position = words.size
    for symbols, rows, spans in reversed(checked):
        position = int(_encode(symbols, rows, spans, words, states, (total - 1) % lanes, position))
        total -= symbols.size
    return bytes([lanes]) + states.astype("<u4").tobytes() + words[position:].astype("<u2").tobytes()


class Decoder:
    """Reads what `encode` wrote: `decode` once for each part, in order, then `finish`.

    No stream, however crafted, makes it read outside of `data`, loop, or take memory beyond the size of the rows asked for.
    Not for use by two threads at a time.
    """

    def __init__(self, data: bytes) -> None:
        """Raises Corrupt where the head of the stream can't be right."""
        lanes = data[0] if data else 0
        head = 1 + 4 * lanes
        if not 1 <= lanes <= MAX_LANES or len(data) < head or (len(data) - head) % 2:
            raise Corrupt("the head of a coded stream is damaged")
        self._states = np.frombuffer(data, "<u4", lanes, 1).astype(np.int64)
        if int(self._states.min()) < _LOWEST_STATE:
            raise Corrupt("a coded stream starts in a state that no encoder leaves")
        self._words = np.zeros((len(data) - head) // 2 + 1, np.uint16)
        self._words[:-1] = np.frombuffer(data, "<u2", offset=head)
        self._position = 0
        self._decoded = 0

    def decode(self, rows: Integers, tables: TokenTables, trellis: Trellis = PLAIN) -> NDArray[np.int32]:
        """The next symbols, int32 (n,), one for each of rows (n,). With a trellis of two quantisers, rows lie in the first half of the
        tables, and levels come out in place of symbols. Raises Corrupt where the stream ends before them."""
        per = len(tables.freq) // 2 if trellis.quantisers > 1 else 0
        checked = _checked_rows(rows, per or len(tables.freq))
        if self._position < 0:
            raise Corrupt("a coded stream ends too early")
        out = np.empty(checked.size, np.int32)
        lane = self._decoded % self._states.size
        stream = self._words, self._states, lane, self._position
        self._position = int(_decode(out, checked, tables.slots, tables.spans, *stream, trellis.follow, trellis.second, per))
        self._decoded += checked.size
        if self._position < 0:
            raise Corrupt("a coded stream ends too early")
        return out

    def finish(self) -> None:
        """Raises Corrupt unless every word was used and every lane is back where the encoder started."""
        if self._position != self._words.size - 1 or (self._states != _LOWEST_STATE).any():
            raise Corrupt("a coded stream does not end where its symbols do")
