"""The networks of a model as files are coded with: the same weights and the same sums as `codec.network`, laid out for speed.

Arrays are float32 (height, width, channels). `codec.network` is what is trained; a test holds the two together.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from codec.network.constants import CELL, PATCH
from codec.network.network import Network
from codec.network.transforms import GREY
from codec.rowwise import Floats, Linear, Residual, Table, array, over_latents
from codec.synthesis import Synthesis, synthesis_of

Cells = NDArray[np.int32]
"""The quality 0..TOP_QUALITY of each 64 x 64 cell, (h, w)."""

ANALYSIS_HALO: Final = 4
"""Patches beyond a border that a patch inside it can depend on: one for each block of the trunk."""


class Inference:
    """Immutable, but for buffers that belong to a call; may be used by several threads at a time."""

    def __init__(self, network: Network) -> None:
        self._network = network
        analysis, means = network.analysis, network.means
        self._linear, self._embed = _of_bytes(analysis.linear), _of_bytes(analysis.embed)
        self._trunk = [Residual(block) for block in analysis.trunk]
        self._told_analysis, self._head = Table(analysis.told), Linear.of(analysis.head)
        self.log_gain, self._correction = Table(network.log_gain), Table(network.correction)
        self._hyper = [_layer(module) for module in network.hyper.net]
        self.z_mean = array(network.z_mean)
        self._up = [_layer(module) for module in means.up]
        self._told_hidden, self._told_second = Table(means.told_hidden), Table(means.told_second)
        self._step = Linear.of(means.step)
        first, second = list(means.first), list(means.second)
        self._first_blocks, self._first = [Residual(block) for block in first[:-1]], Linear.of(first[-1])
        self._second_blocks, self._second = [Residual(block) for block in second[:-1]], Linear.of(second[-1])
        self._second_in = Linear.of(means.second_in)

    @cached_property
    def synthesis(self) -> Synthesis:
        """Chosen when it is first needed: an encoder that looks at no pixels, or a table of `status`, need not wait for the probe."""
        return synthesis_of(self._network.synthesis)

    def features(self, pixels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """RGB (16 h, 16 w, 3) -> what the analysis knows before it is told the quality: (h, w, LATENTS) and (h, w, 256)."""
        h, w = pixels.shape[0] // PATCH, pixels.shape[1] // PATCH
        linear = np.empty((h, w, self._linear.outputs), np.float32)
        trunk = np.empty((h, w, self._embed.outputs), np.float32)

        def embedded() -> Iterator[Floats]:
            for number in range(h):
                strip = pixels[number * PATCH : (number + 1) * PATCH].reshape(PATCH, w, PATCH * 3)
                patches = strip.transpose(1, 0, 2).astype(np.float32, order="C").reshape(w, -1)
                self._linear(patches, linear[number])
                yield self._embed(patches)

        rows: Iterator[Floats] = embedded()
        for block in self._trunk:
            rows = block.rows(rows)
        for number, row in enumerate(rows):
            trunk[number] = row
        return linear, trunk

    def finish(self, linear: Floats, trunk: Floats, cells: Cells) -> Floats:
        """The latents at a quality, times the gain: (h, w, LATENTS)."""
        out = np.empty_like(linear)
        for number, y in enumerate(out):
            quality = cells[number // CELL]
            self._head(trunk[number] * np.exp(over_latents(self._told_analysis(quality))), y)
            y += linear[number]
            y *= np.exp(over_latents(self.log_gain(quality)))
        return out

    def hyper(self, y: Floats) -> Floats:
        """Latents after the gain (4 h, 4 w, LATENTS) -> z (h, w, HYPER)."""
        x = np.stack([_asinh(row) for row in y])
        for layer in self._hyper:
            x = layer(x)
        return x

    def hidden(self, z: Floats, cells: Cells) -> tuple[Floats, Floats, Floats]:
        """z (h, w, HYPER) -> hidden (4 h, 4 w, 128), steps and first means, both (4 h, 4 w, LATENTS)."""
        x = z
        for layer in self._up:
            x = layer(x)
        step = np.empty((*x.shape[:2], self._step.outputs), np.float32)
        means = np.empty_like(step)
        for number, row in enumerate(x):
            row *= np.exp(over_latents(self._told_hidden(cells[number // CELL])))
            torch.from_numpy(self._step(row, step[number])).tanh_().mul_(0.7).exp_()
        rows: Iterator[Floats] = (row.copy() for row in x)
        for block in self._first_blocks:
            rows = block.rows(rows)
        for number, row in enumerate(rows):
            self._first(row, means[number])
        return x, step, means

    def refined(self, hidden: Floats, first_means: Floats, known: Iterable[Floats], cells: Cells) -> Iterator[Floats]:
        """Rows of the second part's means; `known` gives rows (w, LATENTS) of the decoded first part in steps, 0 elsewhere."""

        def joined() -> Iterator[Floats]:
            for number, row in enumerate(known):
                x = self._second_in(np.concatenate([hidden[number], _asinh(row)], 1))
                x *= np.exp(over_latents(self._told_second(cells[number // CELL])))
                yield x

        rows: Iterator[Floats] = joined()
        for block in self._second_blocks:
            rows = block.rows(rows)
        for number, row in enumerate(rows):
            means = self._second(row)
            means += first_means[number]
            yield means

    def scale(self, cells: Cells) -> Floats:
        """For a row of cells, what latents are multiplied with at the end: (4 w, LATENTS), or (1, LATENTS)."""
        return over_latents(np.exp(self._correction(cells) - self.log_gain(cells)))


class _Pointwise:
    def __init__(self, layer: nn.Conv2d) -> None:
        self._linear = Linear.of(layer)

    def __call__(self, x: Floats) -> Floats:
        return self._linear(x.reshape(-1, x.shape[2])).reshape(*x.shape[:2], -1)


class _Shuffle:
    """PixelShuffle(2), or its inverse: 2 x 2 positions for the four numbers of each channel."""

    def __init__(self, *, inverse: bool) -> None:
        self._inverse = inverse

    def __call__(self, x: Floats) -> Floats:
        h, w, channels = x.shape
        if self._inverse:
            moved = x.reshape(h // 2, 2, w // 2, 2, channels).transpose(0, 2, 4, 1, 3)
            return np.ascontiguousarray(moved).reshape(h // 2, w // 2, 4 * channels)
        moved = x.reshape(h, w, channels // 4, 2, 2).transpose(0, 3, 1, 4, 2)
        return np.ascontiguousarray(moved).reshape(2 * h, 2 * w, channels // 4)


def _layer(module: nn.Module) -> "_Pointwise | _Shuffle | Residual":
    if isinstance(module, nn.Conv2d):
        return _Pointwise(module)
    if isinstance(module, nn.PixelShuffle | nn.PixelUnshuffle):
        return _Shuffle(inverse=isinstance(module, nn.PixelUnshuffle))
    return Residual(module)


def _of_bytes(layer: nn.Conv2d) -> Linear:
    """A layer on patches, for levels 0..255 in the order (row, column, RGB) instead of amplitudes in the order (RGB, row, column)."""
    weight, bias = array(layer.weight).astype(np.float64)[:, :, 0, 0], array(layer.bias)
    moved = weight.reshape(-1, 3, PATCH, PATCH).transpose(0, 2, 3, 1).reshape(weight.shape)
    return Linear((moved / 255).astype(np.float32), (bias - GREY * weight.sum(1)).astype(np.float32))


def _asinh(x: Floats) -> Floats:
    """asinh, by a logarithm that is computed several at a time; off by no more than 1e-6."""
    t = torch.from_numpy(x)
    size = t.abs()
    found: Floats = torch.copysign((size * size).add_(1).sqrt_().add_(size).log_(), t).numpy()
    return found
