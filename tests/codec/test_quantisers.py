"""What both ways to make symbols of latents have to keep."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from codec import rans
from codec.network.constants import LATENTS
from codec.network.rows import LOWEST, ROWS, STEP, part_size
from codec.quantisers import Dependent, Quantiser, Rounding, Written
from codec.tokens import TOKENS, TokenTables
from codec.training import export
from codec.trellis import PLAIN, STATES

WIDTH = 8


def rounding() -> Quantiser:
    deviations = np.exp(LOWEST + STEP * np.arange(ROWS))
    freq = export.fitted(np.zeros((ROWS, TOKENS)), export.laplace(deviations))
    freq[:3] = 0
    freq[:3, 0] = 4096
    return Rounding(TokenTables(freq), np.full(ROWS, 0.05, np.float32))


def dependent() -> Quantiser:
    return Dependent(TokenTables(export.fitted_pair(np.zeros((2 * ROWS, TOKENS)))), STATES, export.SPACING / 2, export.PRICE)


MAKERS = pytest.mark.parametrize("make", [rounding, dependent])


def residuals(bands: int = 3) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Of some bands, and the first part's rows, which fit them."""
    rng = np.random.default_rng(7)
    rows = rng.integers(0, 40, (4 * bands, WIDTH, LATENTS))
    deviations = np.exp(LOWEST + STEP * rows)
    i, j, c = np.indices(rows.shape)
    return (rng.laplace(size=rows.shape) * deviations / 2**0.5).astype(np.float32), rows[(i + j + c) % 2 == 0].astype(np.uint16)


def written(quantiser: Quantiser, residual: NDArray[np.float32], rows: NDArray[np.uint16]) -> tuple[Written, NDArray[np.int32]]:
    part, cut = quantiser.part(rows), np.empty((len(residual) // 4, WIDTH // 4), np.int32)
    for number in range(len(residual) // 4):
        first = part_size((4 * number, WIDTH, LATENTS), 0)
        part.band(residual[4 * number : 4 * number + 4], 0, first, cut[number])
    return part, cut


@MAKERS
def test_a_decoder_reads_the_levels_that_the_encoder_goes_on_with(make: Callable[[], Quantiser]) -> None:
    quantiser, (residual, rows) = make(), residuals()
    part, _ = written(quantiser, residual, rows)
    stream = rans.Decoder(rans.encode([part.coded(), part.coded()]))
    for _ in range(2):  # a second part begins as the first did
        assert (quantiser.read(stream, rows) == part.levels).all()
    stream.finish()


@MAKERS
def test_levels_are_near_what_was_given(make: Callable[[], Quantiser]) -> None:
    quantiser, (residual, rows) = make(), residuals()
    part, cut = written(quantiser, residual, rows)
    i, j, c = np.indices(residual.shape)
    error = residual[(i + j + c) % 2 == 0] - quantiser.unit * part.levels
    codable = quantiser.tables.reach[rows] > 0
    assert not part.levels[~codable].any()
    assert np.abs(error[codable]).max() < 4
    assert float(np.mean(error[codable] ** 2)) < 1 / 12
    assert cut.max() <= 3


@MAKERS
def test_it_may_begin_again(make: Callable[[], Quantiser]) -> None:
    """An encoder that finds that z misleads quantises the first part anew."""
    quantiser, (residual, rows) = make(), residuals()
    part, _ = written(quantiser, residual, rows)
    once = [array.copy() for array in (part.levels, *part.coded()[:2])]
    for number in range(3):
        part.band(residual[4 * number : 4 * number + 4], 0, part_size((4 * number, WIDTH, LATENTS), 0), np.empty(WIDTH // 4, np.int32))
    for before, after in zip(once, (part.levels, *part.coded()[:2]), strict=True):
        assert (before == after).all()


@MAKERS
def test_what_a_row_can_not_code_is_told_by_cell(make: Callable[[], Quantiser]) -> None:
    quantiser = make()
    residual, rows = np.zeros((4, WIDTH, LATENTS), np.float32), np.full(2 * WIDTH * LATENTS, 30, np.uint16)
    reach = int(quantiser.tables.reach[30])
    spacing = 2 * quantiser.unit if isinstance(quantiser, Dependent) else 1.0
    residual[1, 5, 0] = -spacing * (reach + 20)
    part, cut = written(quantiser, residual, rows)
    assert cut[0, 0] <= 0
    assert 19 <= cut[0, 1] <= 21
    assert quantiser.unit * part.levels.min() == pytest.approx(-spacing * reach, abs=spacing / 2)


def test_two_quantisers_are_surely_zero_in_the_same_rows() -> None:
    freq = export.fitted_pair(np.zeros((2 * ROWS, TOKENS)))
    for states, unit, price in ((PLAIN, 0.7, 0.04), (STATES, 0.0, 0.04), (STATES, np.nan, 0.04), (STATES, 0.7, -1), (STATES, 0.7, np.inf)):
        with pytest.raises(ValueError, match="quantisers"):
            Dependent(TokenTables(freq), states, unit, price)
    freq[ROWS + 20] = 0
    freq[ROWS + 20, 0] = 4096
    with pytest.raises(ValueError, match="quantisers"):
        Dependent(TokenTables(freq), STATES, 0.7, 0.04)
