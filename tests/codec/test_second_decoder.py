"""A second decoder, up to the symbols, written from docs/bitstream.md in plain Python: what stands there is enough, and is what happens."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from codec.model import Model, weight_file
from codec.neural import Analysed, Pixels, _unit_cells, _units, read_head
from codec.unit import read_unit


class Coder:
    """The coded stream; one symbol at a time."""

    def __init__(self, data: bytes) -> None:
        self.lanes = data[0]
        self.states = [int.from_bytes(data[1 + 4 * lane :][:4], "little") for lane in range(self.lanes)]
        self.words = iter([int.from_bytes(data[at : at + 2], "little") for at in range(1 + 4 * self.lanes, len(data), 2)])
        self.number = 0

    def _refill(self, x: int) -> int:
        return x * 65536 + next(self.words) if x < 65536 else x

    def symbol(self, freq: list[int]) -> int:
        lane = self.number % self.lanes
        self.number += 1
        x = self.states[lane]
        slot, token, start = x % 4096, 0, 0
        while not start <= slot < start + freq[token]:
            start += freq[token]
            token += 1
        x = self._refill(freq[token] * (x // 4096) + slot - start)
        v = token
        if token >= 16:
            e = 4 + (token - 16) // 4
            left, done, low = e - 2, 0, 0
            while left:
                k = min(left, 12)
                low += (x % 2**k) << done
                x = self._refill(x >> k)
                left, done = left - k, done + k
            v = (4 + (token - 16) % 4 << e - 2) + low
        self.states[lane] = x
        return -(v + 1) // 2 if v % 2 else v // 2

    def is_at_end(self) -> bool:
        return next(self.words, None) is None and set(self.states) == {65536}


def clip(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


def units_of(stream: bytes) -> Iterator[tuple[list[list[int]], bytes]]:
    """Qualities of the cells and payload of each unit."""
    version, flags, width, height, quality = struct.unpack_from("<BBHHB", stream)
    assert (version, flags & ~3) == (1, 0)
    rows, columns, at = -(-height // 64), -(-width // 64), 15
    offsets = bytes(rows * columns)
    if flags & 2:
        length = struct.unpack_from("<I", stream, at)[0]
        offsets = zlib.decompress(stream[at + 4 : at + 4 + length])
        at += 4 + length
    signed = [offset - 256 if offset > 127 else offset for offset in offsets]
    cells = [[clip(quality + signed[row * columns + column], 0, 250) for column in range(columns)] for row in range(rows)]
    covered = stream[:at]
    assert struct.unpack_from("<I", stream, at)[0] == zlib.crc32(covered)
    at += 4
    for row in range(0, rows, 16):
        for column in range(0, columns, 128):
            end = at + 4 + struct.unpack_from("<I", stream, at)[0]
            covered += stream[at:end]
            assert struct.unpack_from("<I", stream, end)[0] == zlib.crc32(covered)
            yield [line[column : column + 128] for line in cells[row : row + 16]], stream[at + 4 : end]
            at = end + 4
    assert at == len(stream)


def decode(payload: bytes, cells: list[list[int]], t: dict[str, Any]) -> tuple[Any, Any]:
    """z and all symbols of a unit."""
    coder, h, w = Coder(payload), len(cells), len(cells[0])
    z = [[[coder.symbol(t["tables.z"][96 * ((q + 12) // 25) + c]) for c in range(96)] for q in line] for line in cells]
    sums = np.zeros((4 * h, 4 * w, 320), object)
    for i, j, c in np.ndindex(sums.shape):
        k, q = 16 * c + 4 * (i % 4) + j % 4, cells[i // 4][j // 4]
        low = min(q // 25, 9)
        part = q - 25 * low
        base = (t["rows.base"][low][c] * (25 - part) + t["rows.base"][low + 1][c] * part) // 25
        product = sum(weight * clip(value, -127, 127) for weight, value in zip(t["rows.weight"][k], z[i // 4][j // 4], strict=True))
        sums[i, j, c] = product + t["rows.bias"][k] + base
    symbols = np.zeros_like(sums)
    places = list(np.ndindex(sums.shape))
    for i, j, c in (place for place in places if sum(place) % 2 == 0):
        symbols[i, j, c] = coder.symbol(t["tables.y"][clip(sums[i, j, c] >> 7, 0, 63)])
    for i, j, c in (place for place in places if sum(place) % 2 == 1):
        near = 0
        for weight, (y, x) in zip(t["rows.neighbours"][c], ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)), strict=True):
            if 0 <= y < 4 * h and 0 <= x < 4 * w:
                near += weight * t["rows.sizes"][min(abs(symbols[y, x, c]), 255)]
        clipped = clip(sums[i, j, c], *t["rows.limits"])
        row = (sums[i, j, c] + (clipped * t["rows.shrink"][c] >> 12) + (near >> 6) + t["rows.offset"][c]) >> 7
        symbols[i, j, c] = coder.symbol(t["tables.y"][clip(row, 0, 63)])
    assert coder.is_at_end()
    return z, symbols


@pytest.fixture(scope="module")
def tensors() -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in load(weight_file()).items() if name.startswith(("rows.", "tables."))}


@pytest.mark.parametrize(("quality", "mapped"), [(0, False), (137, True), (250, False)])
def test_both_decoders_read_the_same_symbols(model: Model, photo: Pixels, tensors: dict[str, Any], quality: int, mapped: bool) -> None:
    pixels = photo[100:164, 200:300] if mapped else photo[100:150, 200:264]
    offsets = np.array([[-50, 113]], np.int8) if mapped else None
    stream = Analysed(pixels, model).encode(quality, offsets).stream
    head = read_head(stream)
    own = [read_unit(model, payload, _unit_cells(head.cells, row, column)) for row, column, payload in _units(stream, head)]
    for (cells, payload), (z, first, second) in zip(units_of(stream), own, strict=True):
        other_z, other_symbols = decode(payload, cells, tensors)
        assert z.tolist() == other_z
        assert (first + second == other_symbols).all()
