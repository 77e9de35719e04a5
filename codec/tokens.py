"""Symbols as tokens, and the frequency tables that tokens are coded with.

An int32 symbol s becomes v = 0, 1, 2, 3, 4 ... for s = 0, -1, 1, -2, 2 ... Below 16, v is the token. Above, the token holds the
octave of v and the two bits below its leading one; the remaining low bits are raw.

The tables belong to the format: whatever reads an archive must have exactly those that it was written with.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TOTAL: Final = 4096
"""Every row of frequencies sums to this."""

TOKENS: Final = 72
"""Tokens 0..15 are values, then four an octave up to 2^18 - 1."""

LARGEST: Final = (1 << 17) - 1
"""Symbols lie in -LARGEST - 1 .. LARGEST."""

REACH: Final = 8
"""`fit` gives a frequency of at least 1 to this many tokens beyond the highest one that was counted."""

MAX_ROWS: Final = 1 << 16

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TokenTables:
    """Frequencies of the tokens, a row for each kind of symbol.

    `freq` is uint16 (rows, TOKENS), 1 to 65536 rows, each summing to TOTAL. A token with frequency 0 can't be coded. A row whose
    token 0 has all of TOTAL means 'surely zero': nothing is sent for its symbols. Raises ValueError where this does not hold.
    """

    freq: NDArray[np.uint16]
    spans: NDArray[np.uint32] = field(init=False, repr=False)  # (rows, TOKENS): frequency << 16 | start
    slots: NDArray[np.uint8] = field(init=False, repr=False)  # (rows, TOTAL): the token that owns each slot
    reach: NDArray[np.int32] = field(init=False, repr=False)  # (rows,): magnitudes up to this can be coded, with either sign

    def __post_init__(self) -> None:
        freq = np.array(self.freq)
        if freq.ndim != 2 or freq.shape[1] != TOKENS or not 1 <= freq.shape[0] <= MAX_ROWS or not np.issubdtype(freq.dtype, np.integer):
            raise ValueError(f"frequencies must be integers of shape (1..{MAX_ROWS}, {TOKENS}), not {freq.dtype} {freq.shape}")
        if freq.min() < 0 or freq.max() > TOTAL or (freq.sum(axis=1, dtype=np.int64) != TOTAL).any():
            raise ValueError(f"every row of frequencies must be non-negative and sum to {TOTAL}")
        wide = freq.astype(np.uint32)
        owners = np.tile(np.arange(TOKENS, dtype=np.uint8), len(freq))
        gaps = np.concatenate([freq == 0, np.ones((len(freq), 1), bool)], axis=1)
        values = _MAGNITUDES[gaps.argmax(axis=1)]
        for name, table in (
            ("freq", freq.astype(np.uint16)),
            ("spans", wide << 16 | (np.cumsum(wide, axis=1, dtype=np.uint32) - wide)),
            ("slots", np.repeat(owners, wide.ravel()).reshape(len(freq), TOTAL)),
            ("reach", values),
        ):
            table.flags.writeable = False
            object.__setattr__(self, name, table)

    def clamp(self, symbols: Integers, rows: Integers) -> NDArray[np.int32]:
        """The symbols moved to the nearest that their rows can code, int32 (n,). Meant for outliers, before `encode`."""
        limit = self.reach[rows]
        return np.clip(symbols, -limit, limit).astype(np.int32)


def _magnitudes() -> NDArray[np.int32]:
    """For each count of usable tokens from the first on, the largest magnitude that both signs of can be coded with them."""
    below = [*range(16), *((4 + step) << (2 + octave) for octave in range(14) for step in range(4)), 1 << 18]
    return np.array([max(0, (count - 1) // 2) for count in below], dtype=np.int32)


_MAGNITUDES: Final = _magnitudes()


def tokens_of(symbols: Integers) -> NDArray[np.uint8]:
    """The token of each symbol, any shape. Raises ValueError for a symbol beyond LARGEST."""
    wide = np.asarray(symbols).astype(np.int64)
    values = (wide << 1) ^ (wide >> 63)
    if values.size and values.max() >= 2 * (LARGEST + 1):
        raise ValueError(f"symbols must lie in {-LARGEST - 1}..{LARGEST}")
    octave = np.frexp(values)[1] - 1  # exact: these integers are far below 2^53
    low_bits = np.maximum(octave - 2, 0)
    return np.where(values < 16, values, 8 + 4 * low_bits + ((values >> low_bits) & 3)).astype(np.uint8)


def bits_of(symbols: Integers, tables: TokenTables) -> NDArray[np.float32]:
    """What each of symbols (n,) costs in each row, float32 (rows, n); about 18 for one that its row can't code."""
    tokens = tokens_of(symbols).astype(np.int64)
    raw = np.where(tokens < 16, 0, 2 + (tokens - 16) // 4)
    shares = np.maximum(tables.freq[:, tokens].astype(np.float64), 1 / 64) / TOTAL
    bits: NDArray[np.float32] = np.ascontiguousarray(raw - np.log2(shares), np.float32)
    return bits


def count(symbols: Integers, rows: Integers, row_count: int) -> NDArray[np.int64]:
    """How often each token occurs in each row: symbols (n,), rows (n,) below row_count -> (row_count, TOKENS), for `fit`."""
    cells = np.asarray(rows).astype(np.int64) * TOKENS + tokens_of(symbols)
    return np.bincount(cells, minlength=row_count * TOKENS).reshape(row_count, TOKENS)


def fit(histograms: Integers, *, reach: int = REACH) -> NDArray[np.uint16]:
    """Frequencies (rows, TOKENS) for TokenTables that code counts (rows, TOKENS) in the fewest bits.

    Every token up to `reach` beyond the highest one counted in its row gets at least 1, so that it can be coded; beyond, callers
    clamp (TokenTables.clamp). A row without a count is taken for one that saw only zeros. With reach=0, a row that saw only zeros
    becomes surely zero. Integer arithmetic with a fixed order of ties: equal counts give equal tables everywhere.
    """
    histograms = np.asarray(histograms)
    if histograms.ndim != 2 or histograms.shape[1] != TOKENS or not np.issubdtype(histograms.dtype, np.integer):
        raise ValueError(f"counts must be integers of shape (rows, {TOKENS}), not {histograms.dtype} {histograms.shape}")
    if reach < 0 or (histograms.size and histograms.min() < 0):
        raise ValueError("counts and reach must not be negative")
    freq = np.zeros(histograms.shape, np.uint16)
    for row, histogram in enumerate(histograms):
        counts = [int(count) for count in histogram]
        highest = max((token for token, count in enumerate(counts) if count), default=0)
        fitted = _fit_row(counts[: highest + 1 + reach])
        freq[row, : len(fitted)] = fitted
    return freq


def _fit_row(counts: list[int]) -> list[int]:
    """Largest remainder, with at least 1 for each; what is less than 1 is lifted first, the others share what is left."""
    if not any(counts):
        counts = [1] + [0] * (len(counts) - 1)
    lifted: set[int] = set()
    while True:
        budget = TOTAL - len(lifted)
        mass = sum(count for token, count in enumerate(counts) if token not in lifted)
        small = {token for token, count in enumerate(counts) if token not in lifted and count * budget < mass}
        if not small:
            break
        lifted |= small
    fitted = [1 if token in lifted else count * budget // mass for token, count in enumerate(counts)]
    remainders = sorted((-(count * budget % mass), token) for token, count in enumerate(counts) if token not in lifted)
    for _, token in remainders[: TOTAL - sum(fitted)]:
        fitted[token] += 1
    return fitted
