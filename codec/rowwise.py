"""Layers that work on a few rows of latents at a time, on float32 arrays (positions, channels).

Networks become chains of generators: a band of four rows, those of one row of cells, goes in, and what can be said of the bands behind it
comes out. Nothing larger than a few bands is ever held, so that everything stays near the processor and a picture of any height takes the
memory of a low one; one row at a time would read the weights too often. The products are torch's, on one thread of its own; the rest is in
`codec.kernels`.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from codec import kernels
from codec.network.blocks import Block, QualityTable
from codec.network.constants import ANCHORS, CELL, STEPS

Floats = NDArray[np.float32]

Band = tuple[Floats, "Operand"]
"""Some rows, one behind the other, (rows width, channels): what a block adds to, and the same as its products want it, which is the same
array or a rounded copy."""

_T = TypeVar("_T")


def array(tensor: torch.Tensor | None) -> Floats:
    """A tensor's numbers as an array of its own."""
    assert tensor is not None
    return np.array(tensor.detach().float().numpy(), dtype=np.float32, order="C")


Operand = NDArray[np.float32] | NDArray[np.uint16]
"""What goes into a product or comes out of one: float32, or bfloat16 as uint16."""


def room(positions: int, channels: int, *, half: bool) -> Operand:
    """A new array of a layer's operands."""
    return np.empty((positions, channels), np.uint16) if half else np.empty((positions, channels), np.float32)


def rotating(count: int, positions: int, channels: int, *, half: bool = False) -> Iterator[Any]:
    """The same few arrays again and again: each is good until `count` - 1 others were taken."""
    return itertools.cycle([room(positions, channels, half=half) for _ in range(count)])


def tensor_of(x: Operand) -> torch.Tensor:
    """The same memory."""
    return torch.from_numpy(x) if x.dtype == np.float32 else torch.from_numpy(x).view(torch.bfloat16)


def rounded(x: Floats, *, half: bool) -> Operand:
    """As an operand; the very array where nothing is rounded."""
    if not half:
        return x
    out = np.empty(x.shape, np.uint16)
    tensor_of(out).copy_(torch.from_numpy(x))
    return out


class Linear:
    """A 1 x 1 convolution: (n, inputs) -> (n, outputs).

    With `half` both factors and the result are bfloat16; sums are float32 even then.
    """

    def __init__(self, weight: Floats, bias: Floats | None, *, half: bool = False) -> None:
        """weight (outputs, inputs)."""
        self.bias = np.zeros(len(weight), np.float32) if bias is None else np.ascontiguousarray(bias, np.float32)
        self.half = half
        transposed = torch.from_numpy(np.ascontiguousarray(weight.T, np.float32))
        self._weight = transposed.bfloat16() if half else transposed
        self._bias = torch.from_numpy(self.bias)

    @classmethod
    def of(cls, layer: nn.Module, *, factor: float = 1.0, half: bool = False) -> "Linear":
        """From training's layer; `factor` multiplies what goes in."""
        assert isinstance(layer, nn.Conv2d)
        return cls(array(layer.weight)[:, :, 0, 0] * np.float32(factor), array(layer.bias), half=half)

    @property
    def outputs(self) -> int:
        return len(self.bias)

    def room(self, positions: int) -> Operand:
        """A new array for its products."""
        return room(positions, self.outputs, half=self.half)

    def product(self, x: Operand, out: Operand | None = None) -> Any:
        """Without the bias; an Operand, `out` itself where it is given."""
        out = self.room(len(x)) if out is None else out
        torch.mm(tensor_of(x), self._weight, out=tensor_of(out))
        return out

    def __call__(self, x: Operand, out: Floats | None = None) -> Floats:
        """With the bias, as float32."""
        out = np.empty((len(x), self.outputs), np.float32) if out is None else out
        if self.half:
            out[:] = self.bias
            kernels.add(out, self.product(x), np.zeros_like(self.bias))
        else:
            torch.addmm(self._bias, tensor_of(x), self._weight, out=torch.from_numpy(out))
        return out

    def active(self, x: Operand, out: Operand | None = None) -> Operand:
        """Behind the leaky rectifier."""
        out = self.product(x, out)
        kernels.activate(out, self.bias)
        return out


class Depthwise:
    """A depthwise 3 x 3 convolution and the leaky rectifier behind it.

    It reads products whose layer `before` it has not added its bias yet: that bias, times all weights, is in the own bias, and what stands
    beyond the picture, where the sum has to be 0, is its opposite.
    """

    def __init__(self, before: Linear, layer: nn.Conv2d, *, fine: bool = False) -> None:
        self._weight = np.ascontiguousarray(array(layer.weight).reshape(-1, 9).T)
        self._bias = array(layer.bias) + before.bias * self._weight.sum(0)
        self._fine = fine
        self._outside = rounded(-before.bias[None], half=before.half)
        self._beyond = array(tensor_of(self._outside)[0])

    def __call__(self, above: Operand | None, here: Operand, below: Operand | None, width: int, out: Operand) -> Operand:
        """Of some rows of so many positions; None stands for what lies outside of the picture."""
        nothing = np.tile(self._outside, (width, 1)) if above is None or below is None else here
        upper, lower = nothing if above is None else above[-width:], nothing if below is None else below[:width]
        if self._fine:
            kernels.depthwise_fine(upper, here, lower, self._weight, self._bias, self._beyond, out)
        else:
            kernels.depthwise(upper, here, lower, self._weight, self._bias, self._beyond, width, out)
        return out


def windowed(rows: Iterable[_T]) -> Iterator[tuple[_T | None, _T, _T | None]]:
    """Each row between its neighbours, None beyond the first and the last."""
    above: _T | None = None
    here: _T | None = None
    for below in itertools.chain(rows, [None]):
        if here is not None:
            yield above, here, below
        above, here = here, below


class Residual:
    """`codec.network.blocks.Block` on rows."""

    def __init__(self, block: nn.Module, *, half: bool = False) -> None:
        assert isinstance(block, Block)
        self._a, self._b, self._f1, self._f2 = (Linear.of(layer, half=half) for layer in (block.a, block.b, block.f1, block.f2))
        self._dw = Depthwise(self._a, block.dw)

    def bands(self, bands: Iterable[Band], width: int) -> Iterator[Band]:
        """One band later; it changes those that it is given, and gives them out again."""
        for above, (x, operand, here), below in windowed((x, operand, self._a.product(operand)) for x, operand in bands):
            near = self._dw(None if above is None else above[2], here, None if below is None else below[2], width, np.empty_like(here))
            branch = self._b.product(near)
            kernels.accumulate(x, branch, self._b.bias, operand)
            kernels.accumulate(x, self._f2.product(self._f1.active(operand), branch), self._f2.bias, operand)
            yield x, operand

    def __call__(self, x: Floats) -> Floats:
        """All rows at once: (h, w, channels) -> same."""
        copy = x.reshape(-1, x.shape[2]).copy()
        ((found, _),) = self.bands([(copy, rounded(copy, half=self._a.half))], x.shape[1])
        return found.reshape(x.shape)


class Table:
    """`codec.network.blocks.QualityTable`: a number per quality and channel."""

    def __init__(self, table: QualityTable) -> None:
        self._table = array(table.table)

    def __call__(self, cells: NDArray[np.int32]) -> Floats:
        """Qualities 0..TOP_QUALITY (...) -> (..., channels), interpolated between anchors."""
        quality = cells.astype(np.float32) / np.float32(STEPS)
        low = np.clip(np.floor(quality).astype(np.int64), 0, ANCHORS - 2)
        part = (quality - low.astype(np.float32))[..., None]
        mixed: Floats = self._table[low] * (1 - part) + self._table[low + 1] * part
        return mixed


def over_latents(values: Floats) -> Floats:
    """A row of cells (w, channels) -> their latents, four rows of them (4 4 w, channels), or (1, channels) where all cells are alike."""
    if (values == values[:1]).all():
        return values[:1]
    return np.tile(np.repeat(values, CELL, 0), (CELL, 1))


def bands_of(x: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """(4 h, w, channels) -> h times four rows (4 w, channels), each in one piece."""
    for first in range(0, len(x), CELL):
        yield np.ascontiguousarray(x[first : first + CELL]).reshape(-1, x.shape[2])


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


def layer_of(module: nn.Module) -> _Pointwise | _Shuffle | Residual:
    """A layer of training's on all rows at once, (h, w, channels)."""
    if isinstance(module, nn.Conv2d):
        return _Pointwise(module)
    if isinstance(module, nn.PixelShuffle | nn.PixelUnshuffle):
        return _Shuffle(inverse=isinstance(module, nn.PixelUnshuffle))
    return Residual(module)
