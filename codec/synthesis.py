"""From latents to pixels, row by row: `codec.network.transforms.Synthesis` as files are decoded with.

What is held is a few rows of latents and never the picture, so a picture of any height takes little memory, and there are no tiles whose
borders could show. A wide picture may be cut into columns that overlap by HALO latents, one for each thread.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from codec import kernels
from codec.network import transforms
from codec.network.constants import CELL
from codec.rowwise import Band, Depthwise, Floats, Linear, Operand, Residual, Table, array, over_latents, room, rotating, rounded, windowed

HALO: Final = transforms.Synthesis.HALO
_FOLD: Final = 4
"""Positions of the finer level along a side of a latent; each is 4 x 4 pixels."""


class _Fine(NamedTuple):
    """A row of the finer level, each (16 positions for every latent, channels); adapt and mixed lack their bias."""

    content: Floats
    adapt: Operand
    mixed: Operand


class Synthesis:
    """Bands of latents in, rows of values out.

    With `half`, the non-linear branches multiply in bfloat16. Content, the last layer and what mixes the content never do: latents reach
    hundreds of steps, where bfloat16 is blind.
    """

    def __init__(self, network: transforms.Synthesis, *, half: bool = False) -> None:
        self._half = half
        self._content = _unfolded(network.content)
        body, *blocks = network.body
        self._body = Linear.of(body, factor=0.1, half=half)
        self._blocks = [Residual(block, half=half) for block in blocks]
        self._told = Table(network.told)
        self._condition = _unfolded(network.condition, half=half)
        self._adapt = Linear.of(network.adapt, half=half)
        self._mix1, self._mix2 = Linear.of(network.mix1), Linear.of(network.mix2, half=half)
        self._mix_dw = Depthwise(self._mix1, network.mix_dw, fine=True)
        self._near1 = Linear.of(network.near1, factor=8, half=half)
        self._near_dw = Depthwise(self._near1, network.near_dw, fine=True)
        self._near2 = Linear.of(network.near2, factor=0.125, half=half)
        self._near_bias = self._near2.bias * np.float32(0.125)
        self._out, self.bias = _last(network.out)

    def values(self, bands: Iterable[Floats], cells: NDArray[np.int32]) -> Iterator[Floats]:
        """Bands of latents (4, w, LATENTS), and the qualities (h / 4, w / 4) of all their cells -> rows of values (16 w, 48), four for each
        band, which `bias` and `kernels.to_pixels` turn into pixels. A row is good until the next one is asked for."""
        positions = cells.shape[1] * CELL * _FOLD**2
        overlap, more = self._near1.room(positions), self._near2.room(positions)
        out = np.empty((positions, self._out.outputs), np.float32)
        for above, (content, near), below in windowed(self._mixed(bands, cells)):
            self._near_dw(None if above is None else above[1], near, None if below is None else below[1], positions, overlap)
            kernels.add(content, self._near2.product(overlap, more), self._near_bias)
            self._out.product(content, out)
            yield out

    def _mixed(self, bands: Iterable[Floats], cells: NDArray[np.int32]) -> Iterator[tuple[Floats, Operand]]:
        """Content behind the first of the two 3 x 3 filters, and what the second one reads."""
        positions = cells.shape[1] * CELL * _FOLD**2
        filtered, mixed = room(positions, self._mix1.outputs, half=self._half), self._mix2.room(positions)
        copy = room(positions, self._mix2.outputs, half=True) if self._half else None
        nears = rotating(3, positions, self._near1.outputs, half=self._half)
        for above, here, below in windowed(self._fine(bands, cells)):
            self._mix_dw(None if above is None else above.mixed, here.mixed, None if below is None else below.mixed, positions, filtered)
            self._mix2.product(filtered, mixed)
            read = here.content if copy is None else copy
            kernels.add_gated(here.content, here.adapt, self._adapt.bias, mixed, self._mix2.bias, read)
            yield here.content, self._near1.product(read, next(nears))

    def _fine(self, bands: Iterable[Floats], cells: NDArray[np.int32]) -> Iterator[_Fine]:
        """All that a position of the finer level can know without its neighbours there, row by row: those of a band would not stay near."""
        w = cells.shape[1] * CELL
        positions, channels = w * _FOLD**2, self._content.outputs // _FOLD**2
        contents, adapts = rotating(2, CELL * w, self._content.outputs), rotating(2, positions, self._adapt.outputs, half=self._half)
        mixes, modulated = rotating(3, positions, self._mix1.outputs), np.empty((positions, channels), np.float32)
        condition, scaled = self._condition.room(CELL * w), self._body.room(CELL * w)
        waiting = deque[Floats]()
        for number, (body, _) in enumerate(self._body_bands(bands, waiting, w)):
            kernels.scale(body, np.exp(over_latents(self._told(cells[number]))), scaled)
            self._condition.active(scaled, condition)
            content_band = self._content(waiting.popleft(), next(contents))
            for row in range(0, CELL * w, w):
                content = content_band[row : row + w].reshape(positions, channels)
                adapt = self._adapt.product(condition[row : row + w].reshape(positions, -1), next(adapts))
                kernels.modulate(content, adapt, self._adapt.bias, modulated)
                yield _Fine(content, adapt, self._mix1.product(modulated, next(mixes)))

    def _body_bands(self, bands: Iterable[Floats], waiting: deque[Floats], width: int) -> Iterator[Band]:
        """The body at /16; it comes later than the latents, which meanwhile wait."""

        def first() -> Iterator[Band]:
            for band in bands:
                latents = np.ascontiguousarray(band).reshape(CELL * width, -1)
                waiting.append(latents)
                x = self._body(rounded(latents, half=self._half))
                yield x, rounded(x, half=self._half)

        body = first()
        for block in self._blocks:
            body = block.bands(body, width)
        return body


def _unfolded(layer: nn.Conv2d, *, half: bool = False) -> Linear:
    """A layer before a pixel shuffle by 4: its outputs, (channel, row, column) for training, in the order (row, column, channel), so that
    positions come out one behind the other and nothing has to be moved."""
    weight, bias = array(layer.weight)[:, :, 0, 0], array(layer.bias)
    split = weight.reshape(-1, _FOLD**2, weight.shape[1]).transpose(1, 0, 2).reshape(weight.shape)
    return Linear(split, bias.reshape(-1, _FOLD**2).T.ravel(), half=half)


def _last(layer: nn.Conv2d) -> tuple[Linear, Floats]:
    """The last layer in the order (row, column, RGB) of `kernels.to_pixels`, and its bias with the grey that the analysis took off."""
    linear = _unfolded(layer)
    return linear, linear.bias + np.float32(transforms.GREY)


_CPU: Final = Path("/proc/cpuinfo")
_HALF: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})
"""What a processor (x86, 64-bit Arm) calls its own multiplication of bfloat16."""


def half_pays(described: Path = _CPU) -> bool:
    """Whether this processor multiplies in bfloat16 by itself, which takes two thirds to four fifths of float32's time; one that emulates
    it takes ten times as long.

    The processor is asked and no clock: under load a measurement comes out either way, and what `restore` gives back has to be the same
    bytes each time on one machine.
    """
    try:
        lines = described.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    flags = [line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))]
    return bool(flags) and all(not _HALF.isdisjoint(each) for each in flags)
