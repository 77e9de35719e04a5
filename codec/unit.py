"""One coding unit: a stretch of latents that is coded by itself. Coding and decoding mirror each other, step by step.

    z            with tables of its own, by quality and channel
    first part   rows from z; means from z
    second part  rows from z and the first part's levels; means from z and the first part

All that the entropy coder sees is integers, so every machine reads the same symbols; the floats (means, steps) are only applied to what was
read.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec import rans
from codec.errors import Corrupt
from codec.inference import Cells
from codec.means import HALO, Levels
from codec.model import Model
from codec.network.constants import CELL, HYPER, STEPS
from codec.network.rows import Z_LIMIT, part_size, scatter
from codec.quantisers import Coded, Written
from codec.rowwise import Floats, bands_of

UNIT_ROWS: Final = 16
"""Cells (64 pixels) in the height of a unit, fewer in the last: 1024 pixels."""

UNIT_COLUMNS: Final = 128
"""Cells in the width of a unit: 8192 pixels."""

TOO_SHORT: Final = 8
"""Steps. Where a symbol loses more than that because its row can't code it, z misleads: no training crop looked like this cell."""

CALMER: Final = 0.25
"""What z of such a cell is multiplied with, again and again: towards 0, which says that it is a cell like most."""


def _z_rows(cells: Cells) -> NDArray[np.uint16]:
    anchors = (cells + STEPS // 2) // STEPS
    return (anchors[..., None] * HYPER + np.arange(HYPER)).astype(np.uint16).ravel()


def encode_unit(model: Model, y: Floats, cells: Cells) -> tuple[bytes, Floats]:
    """Latents times the gain (4h, 4w, LATENTS) from the analysis -> the unit's bytes, and the latents (same shape) that a decoder will
    have, in place of y."""
    return rans.encode(quantise_unit(model, y, cells)), y


def quantise_unit(model: Model, y: Floats, cells: Cells) -> list[Coded]:
    """The same before entropy coding: z, first and second part. Band by band: a unit may be 8192 pixels wide."""
    rows, means = model.rows, model.networks.means
    z_rows = _z_rows(cells)
    z = np.clip(np.rint(model.networks.hyper(y)), -Z_LIMIT, Z_LIMIT).astype(np.int32)
    z = model.z_tables.clamp(z.ravel(), z_rows).reshape(z.shape)
    steps, first_means, cut = np.empty_like(y), np.empty_like(y), np.empty(cells.shape, np.int32)
    bands = list(zip(bands_of(y), bands_of(steps), bands_of(first_means), strict=True))
    while True:
        hidden, sums = means.hidden(z, cells), rows.sums(z, cells)
        first = model.quantiser.part(rows.first(sums))
        for number, (features, mean) in enumerate(zip(bands_of(hidden), means.first(hidden), strict=True)):
            latents, step, kept = bands[number]
            kept[:] = mean
            latents /= means.steps(features, step)
            _quantise_band(first, latents - mean, y.shape, number, 0, cut[number])
        misled = (cut > TOO_SHORT) & z.any(2)
        if not misled.any():
            break
        z[misled] = np.trunc(z[misled] * CALMER).astype(np.int32)
        y *= steps
    levels = np.zeros_like(sums)
    scatter(first.levels, 0, levels)
    second = model.quantiser.part(rows.second(sums, levels))
    del sums

    for number, more in enumerate(means.second(hidden, levels, bands_of(first_means), cells)):
        latents, _, mean = bands[number]
        _quantise_band(second, latents - (mean + (more + means.bias)), y.shape, number, 1, cut[number])
        latents[:] = more
    scatter(second.levels, 1, levels)  # between the first part's
    for coded, quality, (latents, step, mean) in zip(bands_of(levels), cells, bands, strict=True):
        latents[:] = means.dequantised(coded, mean, latents, step, quality)
    return [(z.ravel(), z_rows, model.z_tables), first.coded(), second.coded()]


def _quantise_band(written: Written, residual: Floats, shape: tuple[int, ...], number: int, part: int, cut: Levels) -> None:
    """A band's share of a part of a unit of that shape; residual (4 4w, LATENTS). `cut` (w): see `Written.band`."""
    written.band(residual.reshape(CELL, *shape[1:]), part, part_size((number * CELL, *shape[1:]), part), cut)


def read_unit(model: Model, data: bytes, cells: Cells) -> tuple[Levels, Levels]:
    """The integers of a unit: z (h, w, HYPER), and the levels of both parts (4h, 4w, LATENTS).

    No float has a say in them. Raises Corrupt.
    """
    stream = rans.Decoder(data)
    z = stream.decode(_z_rows(cells), model.z_tables).reshape(*cells.shape, HYPER)
    sums = model.rows.sums(z, cells)
    levels = np.zeros_like(sums)
    scatter(model.quantiser.read(stream, model.rows.first(sums)), 0, levels)
    scatter(model.quantiser.read(stream, model.rows.second(sums, levels)), 1, levels)
    stream.finish()
    return z, levels


class Unit:
    """A unit after reading, ready to give its latents."""

    def __init__(self, model: Model, data: bytes, cells: Cells) -> None:
        """Raises Corrupt."""
        z, self._levels = read_unit(model, data, cells)
        self._cells, self._means = cells, model.networks.means
        with np.errstate(all="ignore"):  # symbols that no encoder writes may lead anywhere
            self._hidden = self._means.hidden(z, cells)

    def bands(self, left: int, right: int) -> Iterator[Floats]:
        """Latents for the synthesis, four rows at a time (4, right - left, LATENTS), between two columns of latents that are multiples of
        CELL. Raises Corrupt for numbers that no picture has."""
        first, last = max(0, left - HALO), min(self._levels.shape[1], right + HALO)
        columns = slice(first, last)
        cells = self._cells[:, first // CELL : last // CELL]
        for band in self._means.latents(self._hidden[:, columns], self._levels[:, columns], cells):
            if not np.isfinite(band).all():
                raise Corrupt("a unit decodes to numbers that no picture has")
            yield band.reshape(CELL, last - first, -1)[:, left - first : right - first]
