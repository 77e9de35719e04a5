"""Dependent quantisation: what a plan may choose, that it chooses the best, and that a decoder follows it."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec import rans
from codec.tokens import TOKENS, TOTAL, TokenTables, bits_of
from codec.trellis import CHAINS, FAR, PLAIN, STATES, Plan, Trellis, convolutional

FOUR = convolutional(0o2, 0o5)
SURE, NARROW, WIDE = 0, 1, 2
"""Rows of the tables below."""


def tables() -> TokenTables:
    """Three rows for each quantiser: surely zero, mostly zero, and flat up to 3 either way."""
    freq = np.zeros((6, TOKENS), np.uint16)
    freq[[0, 3], 0] = TOTAL
    freq[1, :5] = (3696, 150, 150, 50, 50)
    freq[4, :5] = (2696, 650, 650, 50, 50)
    freq[[2, 5], :7] = 585
    freq[[2, 5], 0] += TOTAL - 7 * 585
    return TokenTables(freq)


def planned(
    trellis: Trellis, values: NDArray[np.float32], rows: NDArray[np.uint16], price: float, stretches: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint16]]:
    plan, found, own = Plan(trellis), [], tables()
    bits = bits_of(np.arange(-FAR, FAR + 1), own)
    for part_values, part_rows in zip(np.split(values, stretches), np.split(rows, stretches), strict=True):
        found.append(plan.stretch(part_values, part_rows, bits, own.reach, price))
    levels, symbols, coded = (np.concatenate(part) for part in zip(*found, strict=True))
    return levels, symbols, coded


def followed(trellis: Trellis, symbols: NDArray[np.int32], rows: NDArray[np.uint16]) -> tuple[list[int], list[int]]:
    """Levels, and rows of both quantisers' tables, that symbols of these rows stand for."""
    states, levels, coded = [0] * CHAINS, [], []
    for n, (symbol, row) in enumerate(zip(symbols.tolist(), rows.tolist(), strict=True)):
        state = states[n % CHAINS]
        second = int(trellis.second[state])
        levels.append(2 * symbol - second * ((symbol > 0) - (symbol < 0)))
        coded.append(row + 3 * second if row != SURE else levels[-1] + row)
        if row != SURE:
            states[n % CHAINS] = int(trellis.follow[state, symbol % 2])
    return levels, coded


@pytest.mark.parametrize(
    ("follow", "second"),
    [
        (np.zeros((1, 2), np.uint16), np.array([2], np.uint8)),
        (np.full((1, 2), 1, np.uint16), np.zeros(1, np.uint8)),
        (np.zeros((2, 2), np.uint16), np.zeros(1, np.uint8)),
        (np.zeros((1, 3), np.uint16), np.zeros(1, np.uint8)),
        (np.zeros((1, 2), np.int64), np.zeros(1, np.uint8)),
        (np.zeros((0, 2), np.uint16), np.zeros(0, np.uint8)),
        (np.zeros((1, 2), np.uint16), np.zeros((1, 1), np.uint8)),
    ],
)
def test_what_is_no_trellis_is_refused(follow: Any, second: Any) -> None:
    with pytest.raises(ValueError, match="trellis"):
        Trellis(follow, second)


@pytest.mark.parametrize("trellis", [FOUR, convolutional(0o4, 0o13), STATES])
def test_each_state_has_two_ways_in_and_zeros_stay_where_a_chain_begins(trellis: Trellis) -> None:
    sources, kinds = trellis.ways()
    assert len(sources) == len(trellis.second)
    for state in range(len(sources)):
        ways = [(int(source), int(kind)) for source, kind in zip(sources[state], kinds[state], strict=True)]
        assert len(set(ways)) == 2
        for source, kind in ways:
            assert trellis.follow[source, kind & 1] == state
            assert trellis.second[source] == kind >> 1
    assert trellis.follow[0, 0] == 0
    assert trellis.second[0] == 0
    assert trellis.quantisers == 2


def test_the_four_states_are_those_of_the_code_with_checks_2_and_5() -> None:
    assert FOUR.follow.tolist() == [[0, 1], [2, 3], [1, 0], [3, 2]]
    assert FOUR.second.tolist() == [0, 1, 0, 1]


def test_one_quantiser_can_not_be_planned_with() -> None:
    assert PLAIN.quantisers == 1
    with pytest.raises(ValueError, match="two ways"):
        Plan(Trellis(np.zeros((2, 2), np.uint16), np.zeros(2, np.uint8)))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_plan_is_what_a_decoder_follows(data: st.DataObject) -> None:
    """Whatever the values and rows, in one stretch or several: levels follow from symbols alone, and come out of the stream."""
    stretches, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    count = CHAINS * steps * stretches
    values = (rng.laplace(size=count) * data.draw(st.sampled_from([0.1, 1.0, 1e6]))).astype(np.float32)
    rows = rng.integers(0, 3, count).astype(np.uint16)
    trellis = data.draw(st.sampled_from([FOUR, STATES]))
    levels, symbols, coded = planned(trellis, values, rows, data.draw(st.sampled_from([0.0, 0.05, 2.0])), stretches)
    expected, of_tables = followed(trellis, symbols, rows)
    assert levels.tolist() == expected
    assert coded.tolist() == of_tables
    assert (np.abs(symbols) <= tables().reach[coded]).all()
    stream = rans.Decoder(rans.encode([(symbols, coded, tables())]))
    assert (stream.decode(rows, tables(), trellis) == levels).all()
    stream.finish()


@pytest.mark.parametrize("price", [0.0, 0.05, 0.3])
def test_a_plan_is_the_best_of_all(price: float) -> None:
    """Against every sequence of symbols that could be coded, five to a chain."""
    rng, own = np.random.default_rng(4), tables()
    bits = bits_of(np.arange(-FAR, FAR + 1), own)
    values = (rng.laplace(size=5 * CHAINS) * 1.2).astype(np.float32)
    rows = np.full(values.size, WIDE, np.uint16)
    rows[: 2 * CHAINS] = NARROW
    levels, symbols, coded = planned(FOUR, values, rows, price)

    def cost(of: Any, at: Any, level: Any, symbol: Any) -> Any:
        return (of - level / 2) ** 2 + price * bits[at, FAR + symbol]

    paid = cost(values.astype(float), coded, levels, symbols)
    for chain in range(CHAINS):
        mine = values[chain::CHAINS].astype(float)
        best = np.inf
        for path in itertools.product(range(-3, 4), repeat=5):
            state, total = 0, 0.0
            for of, row, symbol in zip(mine, rows[chain::CHAINS].tolist(), path, strict=True):
                second = int(FOUR.second[state])
                row += 3 * second
                if abs(symbol) > own.reach[row]:
                    total = np.inf
                    break
                total += cost(of, row, 2 * symbol - second * np.sign(symbol), symbol)
                state = int(FOUR.follow[state, symbol % 2])
            best = min(best, total)
        assert paid[chain::CHAINS].sum() == pytest.approx(best, rel=1e-5)


def test_it_errs_less_than_a_quantiser_of_the_same_bits() -> None:
    """Values spread far wider than a step: rounding errs by 1/12 in the mean, and every state added brings a little."""
    values = (np.random.default_rng(1).laplace(size=2048 * CHAINS) * 30).astype(np.float32)
    free = np.zeros((2, 2 * FAR + 1), np.float32)
    decibels = []
    for trellis in (FOUR, STATES):
        levels, symbols, coded = Plan(trellis).stretch(values, np.zeros(values.size, np.uint16), free, np.full(2, 999, np.int32), 0.0)
        decibels.append(10 * np.log10(12 * float(np.mean((values - levels / 2) ** 2))))
        by_quantiser = [np.unique(symbols[coded == q], return_counts=True)[1] for q in (0, 1)]
        bits = -sum(float((n * np.log2(n / n.sum())).sum()) for n in by_quantiser) / values.size
        whole = np.unique(np.rint(values), return_counts=True)[1] / values.size
        assert bits == pytest.approx(-float((whole * np.log2(whole)).sum()), abs=0.05)
    assert decibels[0] < -0.95
    assert decibels[1] < -1.3


def test_a_stretch_may_hold_nothing_that_is_coded() -> None:
    values = np.full(CHAINS, 5, np.float32)
    levels, symbols, coded = planned(STATES, values, np.full(CHAINS, SURE, np.uint16), 0.05)
    assert not levels.any()
    assert not symbols.any()
    assert (coded == SURE).all()
