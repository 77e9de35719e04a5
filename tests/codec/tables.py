"""Tables of tokens for tests, and strategies that draw them."""

import numpy as np
from hypothesis import strategies as st

from codec.rans import TOKENS, TOTAL, TokenTables, fit


def sure_row() -> list[int]:
    return [TOTAL] + [0] * (TOKENS - 1)


@st.composite
def some_tables(draw: st.DrawFn) -> TokenTables:
    """Rows of any shape: full, short, lopsided, surely zero."""
    rows = draw(st.integers(1, 5))
    histograms = np.zeros((rows, TOKENS), np.int64)
    for row in range(rows):
        for token in draw(st.lists(st.integers(0, TOKENS - 1), max_size=6)):
            histograms[row, token] += draw(st.sampled_from([1, 7, 1000, 10**9]))
    return TokenTables(fit(histograms, reach=draw(st.sampled_from([0, 1, 8, TOKENS]))))
