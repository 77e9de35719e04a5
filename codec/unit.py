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
from codec.network.rows import Z_LIMIT, quantise, scatter
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
    have."""
    parts, latents = quantise_unit(model, y, cells)
    return rans.encode(parts), latents


def quantise_unit(model: Model, y: Floats, cells: Cells) -> tuple[list[Part], Floats]:
    """The same before entropy coding: z, first and second part."""
    networks, rows = model.networks, model.rows
    z_rows = _z_rows(cells)
    z = networks.hyper(y) - networks.z_mean
    z_symbols = np.clip(np.rint(z), -Z_LIMIT, Z_LIMIT).astype(np.int32)
    z_symbols = model.z_tables.clamp(z_symbols.ravel(), z_rows).reshape(z.shape)
    hidden, step, first_means = networks.hidden(z_symbols.astype(np.float32) + networks.z_mean, cells)
    y = y / step

    sums = rows.sums(z_symbols, cells)
    first_rows = rows.first(sums)
    first_symbols, first = np.empty(first_rows.size, np.int32), np.zeros_like(sums)
    quantise(y - first_means, first_rows, model.dead_zone, model.y_tables.reach, 0, first_symbols)
    scatter(first_symbols, 0, first)
    known = np.stack(list(_known(first, first_means)))
    means = np.stack(list(networks.refined(hidden, first_means, known, cells)))

    second_rows = rows.second(sums, first)
    second_symbols, second = np.empty(second_rows.size, np.int32), np.zeros_like(sums)
    quantise(y - means, second_rows, model.dead_zone, model.y_tables.reach, 1, second_symbols)
    scatter(second_symbols, 1, second)
    parts = [
        (z_symbols.ravel(), z_rows, model.z_tables),
        (first_symbols, first_rows, model.y_tables),
        (second_symbols, second_rows, model.y_tables),
    ]
    return parts, _dequantised(model, second, known, means, step, cells)


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
        known = np.stack(list(_known(first, first_means)))
        latents = _dequantised(model, second, known, networks.refined(hidden, first_means, known, cells), step, cells)
    if not np.isfinite(latents).all():
        raise Corrupt("a unit decodes to numbers that no picture has")
    return latents


def _known(symbols: Symbols, means: Floats) -> Iterator[Floats]:
    """Rows of the first part in steps, symbols and means together; 0 elsewhere."""
    for number, row in enumerate(symbols):
        out = np.empty_like(means[number])
        kernels.add_means(row, means[number], number, out)
        yield out


def _dequantised(model: Model, symbols: Symbols, known: Floats, means: Iterable[Floats], step: Floats, cells: Cells) -> Floats:
    """Latents, from both parts."""
    out = np.empty_like(known)
    for number, row in enumerate(means):
        scale = model.networks.scale(cells[number // CELL])
        kernels.dequantise(symbols[number], known[number], row, step[number], scale, number, out[number])
    return out
