"""The tables that a new model gets."""

import numpy as np
import pytest

from codec.network.rows import LOWEST, ROWS, STEP
from codec.tokens import TOKENS, TokenTables
from codec.training import export


def test_rare_rows_keep_a_sane_shape() -> None:
    for second in (False, True):
        prior = export.laplace(np.array([0.1, 1.0, 30.0]), second=second)
        assert prior.sum(1) == pytest.approx([1, 1, 1])
    counts = np.zeros((2 * ROWS, TOKENS))
    counts[0, 0], counts[ROWS, 0], counts[20, 0] = 1e6, 1e6, 3
    freq = export.fitted_pair(counts)
    assert (freq[[0, ROWS], 0] == 4096).all()  # surely zero: nothing is sent
    assert (freq.sum(1) == 4096).all()
    assert (freq[20, :8] > 0).all()
    assert (export.fitted_pair(counts, sure=False)[:, 0] < 4096).all()


def test_a_row_is_surely_zero_in_both_quantisers_or_in_none() -> None:
    counts = np.zeros((2 * ROWS, TOKENS))
    counts[5, 0], counts[ROWS + 5, :3] = 1e7, 1e3
    certain = export.fitted_pair(counts)[:, 0] == 4096
    assert certain[5]
    assert (certain[:ROWS] == certain[ROWS:]).all()


def test_wide_rows_can_code_what_no_crop_had() -> None:
    reach = TokenTables(export.fitted_pair(np.zeros((2 * ROWS, TOKENS)))).reach.reshape(2, ROWS)
    wide = np.exp(LOWEST + STEP * np.arange(ROWS)) >= export.WIDE
    assert reach[:, wide].min() >= export.FAR
    assert reach[:, ~wide].max() < export.FAR
