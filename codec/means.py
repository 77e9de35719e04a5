"""From z and symbols to latents, band by band: `codec.network.prior.Means` as files are coded with.

Three stages, each a chain of bands (four rows of latents, (4 w, channels)): the first part's means out of hidden features; from them and
the first part's levels the second part's; and both with the steps give the latents. A decoder runs all three at once and holds a few
bands; an encoder, which has to choose its symbols between them, one after the other.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec import kernels
from codec.network.constants import CELL
from codec.network.network import Network
from codec.rowwise import Band, Floats, Linear, Residual, Table, array, bands_of, layer_of, over_latents

HALO: Final = CELL
"""Latents beyond a border that a latent inside it can depend on, once the hidden features are known: one for each of three blocks, and one
to spare."""

Levels = NDArray[np.int32]
Cells = NDArray[np.int32]


class Means:
    """Immutable; may be used by several threads at a time.

    All of it multiplies in float32, on every machine: by what a decoder's means differ from the encoder's all latents of a patch are off,
    and smooth ground shows it. With bfloat16 in the blocks pixels moved by a mere 0.1 levels, but SSIMULACRA2 fell by up to five points.
    """

    def __init__(self, network: Network, unit: float = 1.0) -> None:
        """`unit`: steps that a level is worth (`codec.quantisers`)."""
        self._unit = np.float32(unit)
        means = network.means
        self._up = [layer_of(module) for module in means.up]
        self._told_hidden, self._told_second = Table(means.told_hidden), Table(means.told_second)
        self._step = Linear.of(means.step)
        first, second = list(means.first), list(means.second)
        self._first_blocks, self._first = [Residual(block) for block in first[:-1]], Linear.of(first[-1])
        self._second_blocks, self._second = [Residual(block) for block in second[:-1]], Linear.of(second[-1])
        self._second_in = Linear.of(means.second_in)
        self._log_gain, self._correction = Table(network.log_gain), Table(network.correction)
        self._z_mean = array(network.z_mean)

    def hidden(self, z: Levels, cells: Cells) -> Floats:
        """Symbols of z (h, w, HYPER) -> hidden features (4 h, 4 w, 128). Of a whole unit: they look far to all sides, and are cheap."""
        x = z.astype(np.float32) + self._z_mean
        for layer in self._up:
            x = layer(x)
        for number, band in enumerate(bands_of(x)):
            kernels.scale(band, np.exp(over_latents(self._told_hidden(cells[number]))), band)
        return x

    def steps(self, hidden: Floats, out: Floats | None = None) -> Floats:
        """Of a band: (n, 128) -> (n, LATENTS), 0.5 to 2."""
        out = np.empty((len(hidden), self._step.outputs), np.float32) if out is None else out
        self._step.product(hidden, out)
        kernels.steps(out, self._step.bias)
        return out

    def first(self, hidden: Floats) -> Iterator[Floats]:
        """Bands of the first part's means."""
        bands: Iterator[Band] = ((band, band) for band in map(np.copy, bands_of(hidden)))
        for block in self._first_blocks:
            bands = block.bands(bands, hidden.shape[1])
        for band, _ in bands:
            yield self._first(band)

    def second(self, hidden: Floats, levels: Levels, means: Iterable[Floats], cells: Cells) -> Iterator[Floats]:
        """Bands of what the second part's means have more than `means`, the first part's, but for `bias`; of the levels only the first
        part's are looked at."""
        width = hidden.shape[1]

        def joined() -> Iterator[Band]:
            for number, (features, coded, mean) in enumerate(zip(bands_of(hidden), bands_of(levels), means, strict=True)):
                both = np.empty((len(mean), features.shape[1] + mean.shape[1]), np.float32)
                kernels.join(features, coded, self._unit, mean, width, both)
                x = self._second_in(both)
                kernels.scale(x, np.exp(over_latents(self._told_second(cells[number]))), x)
                yield x, x

        bands: Iterator[Band] = joined()
        for block in self._second_blocks:
            bands = block.bands(bands, width)
        for band, _ in bands:
            yield self._second.product(band)

    @property
    def bias(self) -> Floats:
        """What bands of `second` lack."""
        return self._second.bias

    def latents(self, hidden: Floats, levels: Levels, cells: Cells) -> Iterator[Floats]:
        """Bands of latents out of hidden features and the levels of both parts, (4 h, 4 w, ...)."""
        waiting = deque[Floats]()

        def first() -> Iterator[Floats]:
            for means in self.first(hidden):
                waiting.append(means)
                yield means

        step = np.empty((CELL * levels.shape[1], levels.shape[2]), np.float32)
        more = self.second(hidden, levels, first(), cells)
        for number, (features, coded, extra) in enumerate(zip(bands_of(hidden), bands_of(levels), more, strict=True)):
            yield self.dequantised(coded, waiting.popleft(), extra, self.steps(features, step), cells[number])

    def dequantised(self, levels: Levels, means: Floats, more: Floats, steps: Floats, cells: Cells) -> Floats:
        """One band of latents; `cells` (w)."""
        out = np.empty_like(means)
        scale = over_latents(np.exp(self._correction(cells) - self._log_gain(cells)))
        kernels.dequantise(levels, self._unit, means, more, self._second.bias, steps, scale, CELL * len(cells), out)
        return out
