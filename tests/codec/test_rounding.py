"""How a new model's encoder rounds: by what bits and error cost together."""

import numpy as np

from codec.tokens import TOKENS, TokenTables
from codec.training import export


def test_symbols_are_rounded_to_what_bits_and_error_cost_least() -> None:
    """By trying both symbols on either side of the border of each row."""
    tables = TokenTables(export.fitted(np.zeros((4, TOKENS)), export.laplace(np.array([0.2, 0.6, 1.5, 20.0])), sure=False))
    zones = export.dead_zones(tables, 0.05)
    assert 0 <= zones[3] < zones[2] < zones[1] < zones[0] <= export.MOST
    bits = -np.log2(np.maximum(tables.freq, 0.02) / 4096)
    for row in (1, 2):
        for beyond, better in ((-0.01, 0), (0.01, 1)):
            t = 0.5 + float(zones[row]) + beyond
            costs = [(t - symbol) ** 2 + 0.05 * (bits[row, 0] if symbol == 0 else bits[row, 1:3].mean()) for symbol in (0, 1)]
            assert int(np.argmin(costs)) == better
    assert not export.dead_zones(tables, 0).any()
