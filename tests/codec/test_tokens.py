"""The tables of the entropy coder: how they are fitted and checked, and the tokens that they are about."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.rans import LARGEST, TOKENS, TOTAL, TokenTables, count, fit, tokens_of
from tests.codec.tables import some_tables, sure_row


@pytest.mark.parametrize(
    "freq",
    [
        np.zeros((0, TOKENS), int),
        np.zeros((1, TOKENS), int),
        np.ones((1, TOKENS), int),
        np.full((1, TOKENS - 1), 1),
        np.array([sure_row()], float),
        np.array([[TOTAL + 1, -1] + [0] * (TOKENS - 2)]),
        np.array([[2**32 + TOTAL] + [0] * (TOKENS - 1)]),
        np.array(sure_row()),
    ],
)
def test_tables_are_checked(freq: NDArray[Any]) -> None:
    with pytest.raises(ValueError):
        TokenTables(freq)


def test_tables_keep_a_copy_that_nobody_changes() -> None:
    freq = np.array([sure_row()], np.uint16)
    tables = TokenTables(freq)
    freq[0, 0] = 0
    assert tables.freq[0, 0] == TOTAL
    with pytest.raises(ValueError):
        tables.slots[0, 0] = 1


@given(some_tables(), st.integers(-(2**31), 2**31 - 1))
def test_clamped_symbols_can_be_coded(tables: TokenTables, symbol: int) -> None:
    rows = np.arange(len(tables.freq))
    clamped = tables.clamp(np.full(len(rows), symbol, np.int32), rows)
    codable = tables.freq[rows, tokens_of(clamped)] > 0
    assert (codable | (tables.freq[:, 0] == 0)).all()


@given(some_tables())
def test_fitted_rows_are_whole(tables: TokenTables) -> None:
    assert (tables.freq.sum(axis=1, dtype=int) == TOTAL).all()


def test_fit_by_hand() -> None:
    histograms = np.zeros((4, TOKENS), np.int64)
    histograms[0, :2] = 3, 1
    histograms[1, :3] = 10**12, 1, 1
    histograms[3, 0] = 5
    assert fit(histograms, reach=0)[:, :4].tolist() == [[3072, 1024, 0, 0], [4094, 1, 1, 0], [TOTAL, 0, 0, 0], [TOTAL, 0, 0, 0]]
    assert fit(histograms, reach=1)[:, :4].tolist() == [[3071, 1024, 1, 0], [4093, 1, 1, 1], [4095, 1, 0, 0], [4095, 1, 0, 0]]
    assert (fit(histograms, reach=TOKENS) > 0).all()


def test_fit_is_close_to_the_counts() -> None:
    rng = np.random.default_rng(5)
    counts = (rng.random((20, TOKENS)) ** 6 * 1e6).astype(np.int64)
    freq = fit(counts)
    share = counts / counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(counts, share * np.log2(share), 0).sum(axis=1)
        cost = -np.where(counts, share * np.log2(freq / TOTAL), 0).sum(axis=1)
    assert (cost - entropy < 0.01).all()


@pytest.mark.parametrize(
    "histograms", [np.zeros((1, TOKENS - 1), int), np.zeros((1, TOKENS)), np.full((1, TOKENS), -1), np.zeros(TOKENS, int)]
)
def test_fit_checks_its_counts(histograms: NDArray[Any]) -> None:
    with pytest.raises(ValueError):
        fit(histograms)


def test_counting_tokens() -> None:
    symbols, rows = np.array([0, 0, -1, 1, 100, 0]), np.array([0, 0, 0, 1, 1, 2])
    histograms = count(symbols, rows, 4)
    assert histograms.shape == (4, TOKENS)
    assert histograms.sum(axis=1).tolist() == [3, 2, 1, 0]
    assert histograms[0, :2].tolist() == [2, 1]
    assert histograms[1, 16 + 4 * (math.floor(math.log2(200)) - 4) + 2] == 1
    with pytest.raises(ValueError):
        count(np.array([LARGEST + 1]), np.array([0]), 1)
