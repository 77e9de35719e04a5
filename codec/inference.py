"""The networks of a model as files are coded with: the same weights and the same sums as `codec.network`, laid out for speed.

Arrays are float32 (height, width, channels). `codec.network` is what is trained; a test holds the two together.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from codec import kernels
from codec.means import Means
from codec.network.constants import CELL, PATCH
from codec.network.network import Network
from codec.network.transforms import GREY
from codec.rowwise import Band, Floats, Linear, Residual, Table, array, bands_of, layer_of, over_latents, rounded
from codec.synthesis import Synthesis, half_pays

Cells = NDArray[np.int32]
"""The quality 0..TOP_QUALITY of each 64 x 64 cell, (h, w)."""

ANALYSIS_HALO: Final = 4
"""Patches beyond a border that a patch inside it can depend on: one for each block of the trunk."""


class Inference:
    """Immutable, but for buffers that belong to a call; may be used by several threads at a time."""

    def __init__(self, network: Network, unit: float = 1.0) -> None:
        """`unit`: steps that a level is worth (`codec.quantisers`)."""
        self._network = network
        self._half = half_pays()
        analysis = network.analysis
        self._linear, self._embed = _of_bytes(analysis.linear), _of_bytes(analysis.embed)
        self._blocks = analysis.trunk
        self._told_analysis, self._head = Table(analysis.told), Linear.of(analysis.head)
        self._log_gain = Table(network.log_gain)
        self._hyper = [layer_of(module) for module in network.hyper.net]
        self._z_mean = array(network.z_mean)
        self.means = Means(network, unit)

    @property
    def half(self) -> bool:
        """Whether to multiply in bfloat16 where that does no harm; may be set while no picture is coded."""
        return self._half

    @half.setter
    def half(self, half: bool) -> None:
        self._half = half
        for laid_out in ("_trunk", "synthesis"):
            self.__dict__.pop(laid_out, None)

    @cached_property
    def _trunk(self) -> list[Residual]:
        """In the precision that is faster: what it adds to the linear part is rounded to symbols anyway."""
        return [Residual(block, half=self.half) for block in self._blocks]

    @cached_property
    def synthesis(self) -> Synthesis:
        """In the precision that is faster."""
        return Synthesis(self._network.synthesis, half=self.half)

    def features(self, pixels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """RGB (64 h, 64 w, 3) -> what the analysis knows before it is told the quality: (4 h, 4 w, LATENTS) and (4 h, 4 w, 256)."""
        h, w = pixels.shape[0] // PATCH, pixels.shape[1] // PATCH
        linear = np.empty((h, w, self._linear.outputs), np.float32)
        trunk = np.empty((h, w, self._embed.outputs), np.float32)

        def embedded() -> Iterator[Band]:
            for first, out in zip(range(0, h, CELL), bands_of(linear), strict=True):
                strip = pixels[first * PATCH : (first + CELL) * PATCH].reshape(CELL, PATCH, w, PATCH * 3)
                patches = strip.transpose(0, 2, 1, 3).astype(np.float32, order="C").reshape(CELL * w, -1)
                self._linear(patches, out)
                x = self._embed(patches)
                yield x, rounded(x, half=self.half)

        bands: Iterator[Band] = embedded()
        for block in self._trunk:
            bands = block.bands(bands, w)
        for out, (band, _) in zip(bands_of(trunk), bands, strict=True):
            out[:] = band
        return linear, trunk

    def finish(self, linear: Floats, trunk: Floats, cells: Cells) -> Floats:
        """The latents at a quality, times the gain: (4 h, 4 w, LATENTS)."""
        out = np.empty_like(linear)
        for quality, y, base, band in zip(cells, bands_of(out), bands_of(linear), bands_of(trunk), strict=True):
            self._head(band * np.exp(over_latents(self._told_analysis(quality))), y)
            y += base
            y *= np.exp(over_latents(self._log_gain(quality)))
        return out

    def hyper(self, y: Floats) -> Floats:
        """Latents after the gain (4 h, 4 w, LATENTS) -> z (h, w, HYPER), its mean taken off."""
        x = np.empty_like(y)
        for band, out in zip(bands_of(y), bands_of(x), strict=True):
            kernels.asinh(band, out)
        for layer in self._hyper:
            x = layer(x)
        return x - self._z_mean


def _of_bytes(layer: nn.Conv2d) -> Linear:
    """A layer on patches, for levels 0..255 in the order (row, column, RGB) instead of amplitudes in the order (RGB, row, column)."""
    weight, bias = array(layer.weight).astype(np.float64)[:, :, 0, 0], array(layer.bias)
    moved = weight.reshape(-1, 3, PATCH, PATCH).transpose(0, 2, 3, 1).reshape(weight.shape)
    return Linear((moved / 255).astype(np.float32), (bias - GREY * weight.sum(1)).astype(np.float32))
