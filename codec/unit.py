"""One coding unit: a stretch of latents that is coded by itself. Coding and decoding mirror each other, step by step.

    z            with tables of its own, by quality and channel
    first part   rows from z; means from z
    second part  rows from z and the first part's symbols; means from z and the first part

All that the entropy coder sees is integers, so every machine reads the same symbols; the floats (means, steps) are only applied to what was
read.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec import rans
from codec.errors import Corrupt
from codec.model import Model
from codec.network.constants import CELL, HYPER, LATENTS, STEPS
from codec.network.network import first_part
from codec.network.rows import Z_LIMIT, quantise, scatter
from codec.tokens import TokenTables

UNIT_ROWS: Final = 16
"""Cells (64 pixels) in the height of a unit, fewer in the last: 1024 pixels."""

UNIT_COLUMNS: Final = 128
"""Cells in the width of a unit: 8192 pixels."""

Cells = NDArray[np.int32]
"""The quality 0..TOP_QUALITY of each 64 x 64 cell, (h, w)."""


def at_cells(cells: Cells) -> Tensor:
    """Cell qualities as the networks want them at /64: (1, h, w), or (1, 1, 1) where all are equal (the same result, faster)."""
    if (cells == cells.flat[0]).all():
        cells = cells[:1, :1]
    return torch.from_numpy(cells.astype(np.float32) / np.float32(STEPS))[None]


def at_latents(cells: Cells) -> Tensor:
    """The same at /16: (1, 4h, 4w), or (1, 1, 1)."""
    quality = at_cells(cells)
    return quality if quality.numel() == 1 else quality.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)


def _to_numpy(x: Tensor) -> NDArray[np.float32]:
    """(1, C, h, w) -> contiguous (h, w, C)."""
    return np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())


def _to_torch(x: NDArray[np.int32]) -> Tensor:
    """(h, w, C) -> (1, C, h, w) of floats, channels last in memory."""
    return torch.from_numpy(x.astype(np.float32)).permute(2, 0, 1)[None]


def _z_rows(cells: Cells) -> NDArray[np.uint16]:
    anchors = (cells + STEPS // 2) // STEPS
    return (anchors[..., None] * HYPER + np.arange(HYPER)).astype(np.uint16).ravel()


Part = tuple[NDArray[np.int32], NDArray[np.uint16], TokenTables]
"""Symbols, the row of each, and the tables that the rows belong to."""


def encode_unit(model: Model, y: Tensor, cells: Cells) -> tuple[bytes, Tensor]:
    """Latents (1, LATENTS, 4h, 4w) from the analysis -> the unit's bytes, and the latents (same shape) that a decoder will have."""
    parts, latents = quantise_unit(model, y, cells)
    return rans.encode(parts), latents


def quantise_unit(model: Model, y: Tensor, cells: Cells) -> tuple[list[Part], Tensor]:
    """The same before entropy coding: z, first and second part."""
    network, rows, quality = model.network, model.rows, at_latents(cells)
    gain = network.log_gain(quality)
    y = y * torch.exp(gain)
    z_rows = _z_rows(cells)
    z = _to_numpy(network.hyper(y) - network.z_mean.view(1, -1, 1, 1))
    z_symbols = np.clip(np.rint(z), -Z_LIMIT, Z_LIMIT).astype(np.int32)
    z_symbols = model.z_tables.clamp(z_symbols.ravel(), z_rows).reshape(z.shape)
    hidden, step, first_means = network.means.hidden(_to_torch(z_symbols) + network.z_mean.view(1, -1, 1, 1), quality)
    y = y / step

    sums = rows.sums(z_symbols, cells)
    first_rows = rows.first(sums)
    first_symbols, symbols = np.empty(first_rows.size, np.int32), np.zeros_like(sums)
    quantise(_to_numpy(y - first_means), first_rows, model.dead_zone, model.y_tables.reach, 0, first_symbols)
    scatter(first_symbols, 0, symbols)
    known = _add_means(symbols, first_means, 0)
    means = network.means.refine(hidden, first_means, known, quality)

    second_rows = rows.second(sums, symbols)
    second_symbols = np.empty(second_rows.size, np.int32)
    quantise(_to_numpy(y - means), second_rows, model.dead_zone, model.y_tables.reach, 1, second_symbols)
    symbols.fill(0)
    scatter(second_symbols, 1, symbols)
    parts = [
        (z_symbols.ravel(), z_rows, model.z_tables),
        (first_symbols, first_rows, model.y_tables),
        (second_symbols, second_rows, model.y_tables),
    ]
    return parts, _dequantised(model, known + _add_means(symbols, means, 1), step, gain, quality)


def read_unit(model: Model, data: bytes, cells: Cells) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
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


def decode_unit(model: Model, data: bytes, cells: Cells) -> Tensor:
    """A unit's bytes -> latents (1, LATENTS, 4h, 4w) for the synthesis. Raises Corrupt."""
    z_symbols, first, second = read_unit(model, data, cells)
    network, quality = model.network, at_latents(cells)
    hidden, step, first_means = network.means.hidden(_to_torch(z_symbols) + network.z_mean.view(1, -1, 1, 1), quality)
    known = _add_means(first, first_means, 0)
    means = network.means.refine(hidden, first_means, known, quality)
    latents = _dequantised(model, known + _add_means(second, means, 1), step, network.log_gain(quality), quality)
    if not bool(torch.isfinite(latents).all()):
        raise Corrupt("a unit decodes to numbers that no picture has")
    return latents


def _add_means(symbols: NDArray[np.int32], means: Tensor, part: int) -> Tensor:
    """symbols + means at the positions of a part, 0 elsewhere."""
    mask = first_part(LATENTS, symbols.shape[0], symbols.shape[1])
    return torch.where(mask if part == 0 else ~mask, _to_torch(symbols) + means, 0)


def _dequantised(model: Model, y: Tensor, step: Tensor, gain: Tensor, quality: Tensor) -> Tensor:
    return y * step * torch.exp(model.network.correction(quality) - gain)
