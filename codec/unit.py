"""One coding unit: a stretch of latents that is coded by itself. Coding and decoding mirror each other, step by step.

    z            with tables of its own, by quality and channel
    first part   rows from z; means from z
    second part  rows from z and the first part's symbols; means from z and the first part

All that the entropy coder sees is integers, so every machine reads the same symbols; the floats (means, steps) are only applied to what was
read.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec import kernels, rans
from codec.errors import Corrupt
from codec.inference import Cells
from codec.model import Model
from codec.network.constants import CELL, HYPER, STEPS
from codec.network.rows import Z_LIMIT, part_size, quantise, scatter
from codec.rowwise import Floats
from codec.tokens import TokenTables

UNIT_ROWS: Final = 16
"""Cells (64 pixels) in the height of a unit, fewer in the last: 1024 pixels."""

UNIT_COLUMNS: Final = 128
"""Cells in the width of a unit: 8192 pixels."""

Symbols = NDArray[np.int32]

Part = tuple[Symbols, NDArray[np.uint16], TokenTables]
"""Symbols, the row of each, and the tables that the rows belong to."""


def _z_rows(cells: Cells) -> NDArray[np.uint16]:
    anchors = (cells + STEPS // 2) // STEPS
    return (anchors[..., None] * HYPER + np.arange(HYPER)).astype(np.uint16).ravel()


def encode_unit(model: Model, y: Floats, cells: Cells) -> tuple[bytes, Floats]:
    """Latents times the gain (4h, 4w, LATENTS) from the analysis -> the unit's bytes, and the latents (same shape) that a decoder will
    have, in place of y."""
    return rans.encode(quantise_unit(model, y, cells)), y


def quantise_unit(model: Model, y: Floats, cells: Cells) -> list[Part]:
    """The same before entropy coding: z, first and second part. Row by row: a unit may be 8192 pixels wide."""
    networks, rows = model.networks, model.rows
    z_rows = _z_rows(cells)
    z = networks.hyper(y) - networks.z_mean
    z_symbols = np.clip(np.rint(z), -Z_LIMIT, Z_LIMIT).astype(np.int32)
    z_symbols = model.z_tables.clamp(z_symbols.ravel(), z_rows).reshape(z.shape)
    hidden, step, first_means = networks.hidden(z_symbols.astype(np.float32) + networks.z_mean, cells)
    y /= step

    sums = rows.sums(z_symbols, cells)
    first_rows = rows.first(sums)
    first_symbols, symbols = np.empty(first_rows.size, np.int32), np.zeros_like(sums)
    for number, means in enumerate(first_means):
        _quantise_row(model, y[number] - means, number, 0, first_rows, first_symbols)
    scatter(first_symbols, 0, symbols)
    second_rows = rows.second(sums, symbols)
    del sums

    second_symbols = np.empty(second_rows.size, np.int32)
    refined = networks.refined(hidden, first_means, _known(symbols, first_means), cells)
    for number, means in enumerate(refined):
        _quantise_row(model, y[number] - means, number, 1, second_rows, second_symbols)
        y[number] = means
    scatter(second_symbols, 1, symbols)  # between the first part's
    _dequantise(model, symbols, _known(symbols, first_means), y, step, cells, y)
    return [
        (z_symbols.ravel(), z_rows, model.z_tables),
        (first_symbols, first_rows, model.y_tables),
        (second_symbols, second_rows, model.y_tables),
    ]


def _quantise_row(model: Model, residual: Floats, number: int, part: int, rows: NDArray[np.uint16], out: Symbols) -> None:
    """One row's share of a part; residual (4w, LATENTS)."""
    shape = residual.shape
    first, last = part_size((number, *shape), part), part_size((number + 1, *shape), part)
    quantise(residual[None], rows[first:last], model.dead_zone, model.y_tables.reach, (part + number) % 2, out[first:last])


def read_unit(model: Model, data: bytes, cells: Cells) -> tuple[Symbols, Symbols, Symbols]:
    """The integers of a unit: z (h, w, HYPER); the symbols of the first and of the second part, each (4h, 4w, LATENTS) and 0 elsewhere.

    No float has a say in them. Raises Corrupt.
    """
    stream = rans.Decoder(data)
    z_symbols = stream.decode(_z_rows(cells), model.z_tables).reshape(*cells.shape, HYPER)
    sums = model.rows.sums(z_symbols, cells)
    first, second = np.zeros_like(sums), np.zeros_like(sums)
    scatter(stream.decode(model.rows.first(sums), model.y_tables), 0, first)
    scatter(stream.decode(model.rows.second(sums, first), model.y_tables), 1, second)
    stream.finish()
    return z_symbols, first, second


def decode_unit(model: Model, data: bytes, cells: Cells) -> Floats:
    """A unit's bytes -> latents (4h, 4w, LATENTS) for the synthesis. Raises Corrupt."""
    z_symbols, first, second = read_unit(model, data, cells)
    networks = model.networks
    with np.errstate(all="ignore"):  # symbols that no encoder writes may lead anywhere
        hidden, step, first_means = networks.hidden(z_symbols.astype(np.float32) + networks.z_mean, cells)
        means = networks.refined(hidden, first_means, _known(first, first_means), cells)
        _dequantise(model, second, _known(first, first_means), means, step, cells, step)
    if not np.isfinite(step).all():
        raise Corrupt("a unit decodes to numbers that no picture has")
    return step


def _known(symbols: Symbols, means: Floats) -> Iterator[Floats]:
    """Rows of the first part in steps, symbols and means together; 0 elsewhere. A row is good until the next one is asked for."""
    out = np.empty_like(means[0])
    for number, row in enumerate(symbols):
        kernels.add_means(row, means[number], number, out)
        yield out


def _dequantise(
    model: Model, second: Symbols, known: Iterable[Floats], means: Iterable[Floats], step: Floats, cells: Cells, out: Floats
) -> None:
    """Latents from both parts, into `out`, which may be the very array of the steps or of the means."""
    for number, (row, first) in enumerate(zip(means, known, strict=True)):
        scale = model.networks.scale(cells[number // CELL])
        kernels.dequantise(second[number], first, row, step[number], scale, number, out[number])
