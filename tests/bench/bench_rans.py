"""Time and size of the entropy coder at the load of a 12-megapixel photo. By hand: OMP_NUM_THREADS=1 python -m tests.bench.bench_rans

Ratios are against zlib (level 1) on the same symbols as bytes, measured in the same run: they hold across machines better than seconds.
"""

import time
import zlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from codec.rans import TOTAL, Decoder, TokenTables, count, encode, fit, tokens_of

T = TypeVar("T")
SYMBOLS = 20_000_000
ROWS = 64


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The shortest of three runs, in seconds."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return result, best


def main() -> None:
    rng = np.random.default_rng(0)
    rows = np.minimum(ROWS - 1, rng.exponential(12, SYMBOLS)).astype(np.uint16)
    symbols = np.rint(rng.laplace(0, 0.05 * 1.09 ** rows.astype(np.float32))).astype(np.int32)
    tables = TokenTables(fit(count(symbols, rows, ROWS)))

    def decode() -> np.ndarray:
        decoder = Decoder(data)
        decoded = decoder.decode(rows, tables)
        decoder.finish()
        return decoded

    data, encoding = timed(lambda: encode([(symbols, rows, tables)]))
    decoded, decoding = timed(decode)
    assert (decoded == symbols).all()
    tokens = tokens_of(symbols)
    bits = -np.log2(tables.freq[rows, tokens] / np.float64(TOTAL)).sum() + np.where(tokens < 16, 0, tokens.astype(int) // 4 - 2).sum()
    plain = np.clip(symbols, -128, 127).astype(np.int8).tobytes()
    packed, deflating = timed(lambda: zlib.compress(plain, 1))
    _, inflating = timed(lambda: zlib.decompress(packed))
    print(f"{SYMBOLS} symbols, {8 * len(data) / SYMBOLS:.3f} bits each, {8 * len(data) / bits - 1:+.4%} over the entropy under the tables")
    print(f"encode {encoding / SYMBOLS * 1e9:5.1f} ns a symbol, {encoding / deflating:.2f} of zlib's time")
    print(f"decode {decoding / SYMBOLS * 1e9:5.1f} ns a symbol, {decoding / inflating:.2f} of zlib's time")
    print(f"size   {len(data) / len(packed):.2f} of zlib's")


if __name__ == "__main__":
    main()
