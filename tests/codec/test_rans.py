"""The entropy coder: what comes back, in how many bits, and what damage does."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.errors import Corrupt
from codec.rans import LARGEST, TOKENS, TOTAL, Decoder, TokenTables, encode, fit, tokens_of
from tests.codec.tables import some_tables, sure_row

GOLDEN = Path(__file__).parent / "golden"
Part = tuple[NDArray[np.int32], NDArray[np.integer[Any]], TokenTables]


def laplace_tables(rows: int, reach: int = TOKENS) -> TokenTables:
    """Rows from nearly always zero to very wide, every token possible."""
    value = np.array([token if token < 16 else (4 + token % 4) << ((token - 8) // 4) for token in range(TOKENS)], float)
    width = np.array([max(value_after - value_before, 1) for value_before, value_after in zip(value, [*value[1:], 2.0**18])])
    histograms = [np.int64(1e6 * width * np.exp(-value / (0.2 * 1.35**row)) / 1.35**row) for row in range(rows)]
    return TokenTables(fit(np.array(histograms), reach=reach))


def reference_decode(data: bytes, parts: list[tuple[NDArray[Any], TokenTables]]) -> list[list[int]]:
    """The decoder as docs/bitstream.md tells it, in plain integers and without any of the module's tables."""
    lanes = data[0]
    states = [int.from_bytes(data[1 + 4 * lane : 5 + 4 * lane], "little") for lane in range(lanes)]
    words = iter([int.from_bytes(data[at : at + 2], "little") for at in range(1 + 4 * lanes, len(data), 2)])
    number = 0
    result = []
    for rows, tables in parts:
        out = []
        for row in rows:
            freq = [int(f) for f in tables.freq[row]]
            state = states[number % lanes]
            slot = state % 4096
            token = next(t for t in range(TOKENS) if sum(freq[: t + 1]) > slot)
            state = freq[token] * (state // 4096) + slot - sum(freq[:token])
            if state < 65536:
                state = state * 65536 + next(words)
            value = token
            if token >= 16:
                octave = 4 + (token - 16) // 4
                raw, have = 0, 0
                while have < octave - 2:
                    step = min(12, octave - 2 - have)
                    raw += (state % 2**step) << have
                    state >>= step
                    if state < 65536:
                        state = state * 65536 + next(words)
                    have += step
                value = ((4 + (token - 16) % 4) << (octave - 2)) + raw
            out.append(-(value + 1) // 2 if value % 2 else value // 2)
            states[number % lanes] = state
            number += 1
        result.append(out)
    assert next(words, None) is None
    assert set(states) == {65536}
    return result


def decode_all(data: bytes, parts: Sequence[Part]) -> list[NDArray[np.int32]]:
    decoder = Decoder(data)
    decoded = [decoder.decode(rows, tables) for _, rows, tables in parts]
    decoder.finish()
    return decoded


def ideal_bits(parts: Sequence[Part]) -> float:
    bits = 0.0
    for symbols, rows, tables in parts:
        tokens = tokens_of(symbols)
        bits -= np.log2(tables.freq[rows, tokens] / TOTAL).sum()
        bits += np.where(tokens < 16, 0, tokens.astype(int) // 4 - 2).sum()  # the raw ones
    return bits


@st.composite
def some_parts(draw: st.DrawFn) -> Sequence[Part]:
    parts: list[Part] = []
    for _ in range(draw(st.integers(0, 3))):
        tables = draw(some_tables())
        length = draw(st.integers(0, 60))
        rows = np.array(draw(st.lists(st.integers(0, len(tables.freq) - 1), min_size=length, max_size=length)), np.int64)
        scale = draw(st.sampled_from([1, 3, 40, 5000, LARGEST]))
        wanted = np.array(draw(st.lists(st.integers(-scale, scale), min_size=length, max_size=length)), np.int32)
        parts.append((tables.clamp(wanted, rows), rows, tables))
    return parts


@given(some_parts())
def test_symbols_come_back_here_and_in_the_documented_decoder(parts: Sequence[Part]) -> None:
    data = encode(parts)
    for decoded, (symbols, _, _) in zip(decode_all(data, parts), parts, strict=True):
        assert decoded.dtype == np.int32
        np.testing.assert_array_equal(decoded, symbols)
    expected = reference_decode(data, [(rows, tables) for _, rows, tables in parts])
    assert expected == [symbols.tolist() for symbols, _, _ in parts]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 5, 4095, 8192, 60_000, 300_000]))
@settings(max_examples=15)
def test_size_is_the_entropy(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    tables = laplace_tables(24)
    rows = rng.integers(0, 24, size)
    symbols = np.clip(np.rint(rng.laplace(0, 0.1 * 1.35**rows)), -LARGEST, LARGEST).astype(np.int32)
    parts = [(symbols, rows, tables)]
    data = encode(parts)
    assert data[0] == min(max(size // 4096, 2), 64)
    assert len(data) <= 1.01 * ideal_bits(parts) / 8 + 1 + 4 * data[0]
    np.testing.assert_array_equal(decode_all(data, parts)[0], symbols)


def test_every_magnitude_has_a_token() -> None:
    edges = [value for power in range(18) for value in (2**power - 1, 2**power, 2**power + 1) if value <= LARGEST]
    symbols = np.array(sorted({*edges, *(-value for value in edges), -LARGEST - 1, *range(-40, 41)}), np.int32)
    tables = laplace_tables(1)
    rows = np.zeros(len(symbols), np.int64)
    np.testing.assert_array_equal(decode_all(encode([(symbols, rows, tables)]), [(symbols, rows, tables)])[0], symbols)
    assert tokens_of(np.array([0, -1, 1, -8, 8, -9, -16, -LARGEST - 1])).tolist() == [0, 1, 2, 15, 16, 16, 19, 71]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_rows_and_symbols_may_be_any_integers(dtype: type) -> None:
    tables = laplace_tables(3)
    rows: NDArray[Any] = np.array([0, 1, 2, 1], dtype)
    symbols: NDArray[Any] = np.array([1, 0, 2, 3], dtype)
    decoder = Decoder(encode([(symbols, rows, tables)]))
    assert decoder.decode(rows[:3], tables).tolist() == [1, 0, 2]  # a part may be asked for in pieces
    assert decoder.decode(rows[3:], tables).tolist() == [3]
    decoder.finish()


def test_surely_zero_costs_nothing() -> None:
    tables = TokenTables(np.array([sure_row()]))
    zeros, rows = np.zeros(100_000, np.int32), np.zeros(100_000, np.uint16)
    data = encode([(zeros, rows, tables)])
    assert len(data) == 1 + 2 * 4
    assert not decode_all(data, [(zeros, rows, tables)])[0].any()


@pytest.mark.parametrize(
    ("symbols", "rows"),
    [
        ([1], [1]),  # surely zero
        ([8], [0]),  # no token there
        ([LARGEST + 1], [2]),
        ([-LARGEST - 2], [2]),
        ([2**31 - 1], [2]),
        ([-(2**31)], [2]),
        ([2**40], [2]),
        ([-(2**63)], [2]),
        ([0], [3]),
        ([0], [-1]),
        ([0], [65536]),
        ([0, 0], [0]),
        ([[0]], [[0]]),
        ([0.5], [0]),
        ([0], [0.5]),
    ],
)
def test_what_can_not_be_coded_is_refused(symbols: list[Any], rows: list[Any]) -> None:
    wide = laplace_tables(1).freq[0]
    tables = TokenTables(np.array([[TOTAL // 2, TOTAL // 2] + [0] * (TOKENS - 2), sure_row(), wide]))
    with pytest.raises(ValueError):
        encode([(np.array(symbols), np.array(rows), tables)])


# ---- damage


def damaged_is_noticed_or_differs(data: bytes, parts: Sequence[Part]) -> None:
    """The decoder may not tell, then the symbols differ and the CRC around the stream tells; it may neither crash nor hang."""
    with contextlib.suppress(Corrupt):
        decoded = decode_all(data, parts)
        assert any((one != symbols).any() for one, (symbols, _, _) in zip(decoded, parts, strict=True))


@given(some_parts(), st.data())
def test_any_altered_byte_is_noticed_or_differs(parts: Sequence[Part], data: st.DataObject) -> None:
    stream = bytearray(encode(parts))
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    damaged_is_noticed_or_differs(bytes(stream), parts)


def test_every_altered_byte_of_one_stream_is_noticed_or_differs() -> None:
    rng = np.random.default_rng(3)
    tables = laplace_tables(8)
    rows = rng.integers(0, 8, 300)
    parts = [(np.rint(rng.laplace(0, 3, 300)).astype(np.int32), rows, tables)]
    stream = encode(parts)
    for at in range(len(stream)):
        for change in (1, 0x80, 0xFF):
            damaged_is_noticed_or_differs(stream[:at] + bytes([stream[at] ^ change]) + stream[at + 1 :], parts)


@given(some_parts(), st.data())
def test_cut_or_lengthened_streams_are_corrupt(parts: Sequence[Part], data: st.DataObject) -> None:
    stream = encode(parts)
    for altered in (stream[: data.draw(st.integers(0, len(stream) - 1))], stream + data.draw(st.binary(min_size=1, max_size=9))):
        with pytest.raises(Corrupt):
            decode_all(altered, parts)


@given(st.binary(max_size=400), some_parts())
def test_any_bytes_decode_or_are_corrupt(data: bytes, parts: Sequence[Part]) -> None:
    with contextlib.suppress(Corrupt):
        decode_all(data, parts)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\x02" + b"\xff" * 7, b"\x41" + b"\xff" * 260, b"\x01" + b"\0\0\1\0" + b"\0", b"\x01\xff\xff\0\0"]
)
def test_a_damaged_head_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        Decoder(data)


def test_a_decoder_that_failed_stays_failed() -> None:
    tables = laplace_tables(20)
    rows = np.full(1000, 19)
    stream = encode([(np.full(1000, 60_000), rows, tables)])
    decoder = Decoder(stream[: len(stream) // 4 * 2 + 1])
    for _ in range(2):
        with pytest.raises(Corrupt):
            decoder.decode(rows, tables)
        with pytest.raises(Corrupt):
            decoder.finish()


# ---- what is frozen


def golden_parts() -> Sequence[Part]:
    """The same on every machine: no random generator, no float."""
    state, draws = 1, []
    for _ in range(15_000):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        draws.append(state >> 8)
    values = np.array(draws, np.int64)
    histograms = np.array([[1_000_000 >> min(20, token * 8 // (row + 1)) for token in range(TOKENS)] for row in range(8)])
    tables = TokenTables(np.concatenate([fit(histograms), np.array([sure_row()], np.uint16)]))
    rows = values % 9
    symbols = tables.clamp((values >> 4) % (2 << rows) - (1 << rows), rows)
    first = symbols[:14_000], rows[:14_000], tables
    every = TokenTables(fit(histograms[7:], reach=TOKENS))
    rest = (values[14_000:] % (2 * LARGEST + 2) - LARGEST - 1).astype(np.int32), np.zeros(1_000, np.int64), every
    return [first, rest]


def test_golden_stream() -> None:
    golden = (GOLDEN / "rans_v1.bin").read_bytes()
    parts = golden_parts()
    assert encode(parts) == golden
    for decoded, (symbols, _, _) in zip(decode_all(golden, parts), parts, strict=True):
        np.testing.assert_array_equal(decoded, symbols)
