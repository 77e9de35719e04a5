"""Layers that work on one row of latents at a time, on float32 arrays (positions, channels).

Networks become chains of generators: a row goes in, and what can be said of the rows behind it comes out. Nothing larger than a few rows is
ever held, so that everything stays near the processor and a picture of any height takes the memory of a low one. The products are
torch's, on one thread of its own; the rest is in `codec.kernels`.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from codec import kernels
from codec.network.blocks import Block, QualityTable
from codec.network.constants import ANCHORS, CELL, STEPS

Floats = NDArray[np.float32]

_T = TypeVar("_T")


def array(tensor: torch.Tensor | None) -> Floats:
    """A tensor's numbers as an array of its own."""
    assert tensor is not None
    return np.array(tensor.detach().float().numpy(), dtype=np.float32, order="C")


def rotating(count: int, *shape: int) -> Iterator[Floats]:
    """The same few arrays again and again: each is good until `count` - 1 others were taken."""
    return itertools.cycle([np.empty(shape, np.float32) for _ in range(count)])


class Linear:
    """A 1 x 1 convolution: (n, inputs) -> (n, outputs).

    With `half` both factors are rounded to bfloat16 and the result is a float32 again.
    """

    def __init__(self, weight: Floats, bias: Floats | None, *, half: bool = False) -> None:
        """weight (outputs, inputs)."""
        self.bias = np.zeros(len(weight), np.float32) if bias is None else np.ascontiguousarray(bias, np.float32)
        self._weight = torch.from_numpy(np.ascontiguousarray(weight.T, np.float32))
        self._bias = torch.from_numpy(self.bias)
        self._half = self._weight.bfloat16() if half else None

    @classmethod
    def of(cls, layer: nn.Module, *, factor: float = 1.0, half: bool = False) -> "Linear":
        """From training's layer; `factor` multiplies what goes in."""
        assert isinstance(layer, nn.Conv2d)
        return cls(array(layer.weight)[:, :, 0, 0] * np.float32(factor), array(layer.bias), half=half)

    @property
    def outputs(self) -> int:
        return len(self.bias)

    def product(self, x: Floats, out: Floats) -> Floats:
        """Without the bias."""
        if self._half is None:
            torch.mm(torch.from_numpy(x), self._weight, out=torch.from_numpy(out))
        else:
            torch.from_numpy(out).copy_(torch.mm(torch.from_numpy(x).bfloat16(), self._half))
        return out

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        out = np.empty((len(x), self.outputs), np.float32) if out is None else out
        if self._half is None:
            torch.addmm(self._bias, torch.from_numpy(x), self._weight, out=torch.from_numpy(out))
        else:
            self.product(x, out)
            out += self.bias
        return out

    def active(self, x: Floats, out: Floats | None = None) -> Floats:
        """The same behind the leaky rectifier."""
        out = self.product(x, np.empty((len(x), self.outputs), np.float32) if out is None else out)
        kernels.activate(out, self.bias)
        return out

    def add_to(self, total: Floats, x: Floats) -> None:
        """total += the product, without the bias."""
        if self._half is None:
            torch.from_numpy(total).addmm_(torch.from_numpy(x), self._weight)
        else:
            total += self.product(x, np.empty_like(total))


class Depthwise:
    """A depthwise 3 x 3 convolution and the leaky rectifier behind it.

    It reads products whose layer `before` it has not added its bias yet: that bias, times all weights, is in the own bias, and what stands
    beyond the picture, where the sum has to be 0, is its opposite.
    """

    def __init__(self, before: Linear, layer: nn.Conv2d, fold: int = 1) -> None:
        self._weight = np.ascontiguousarray(array(layer.weight).reshape(-1, 9).T)
        self._bias, self._beyond, self._fold = array(layer.bias) + before.bias * self._weight.sum(0), -before.bias, fold

    def __call__(self, above: Floats | None, here: Floats, below: Floats | None, out: Floats) -> Floats:
        """Of one row; None stands for what lies outside of the picture."""
        nothing = here
        if above is None or below is None:
            nothing = np.tile(self._beyond, (len(here), 1))
        upper, lower = nothing if above is None else above, nothing if below is None else below
        kernels.depthwise(upper, here, lower, self._weight, self._bias, self._beyond, self._fold, out)
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

    def rows(self, rows: Iterable[Floats]) -> Iterator[Floats]:
        """One row later; it changes the rows that it is given, and gives them out again."""
        for above, (x, here), below in windowed((row, self._a.product(row, np.empty_like(row))) for row in rows):
            near = self._dw(None if above is None else above[1], here, None if below is None else below[1], np.empty_like(here))
            branch = self._b.product(near, np.empty_like(x))
            kernels.accumulate(x, branch, self._b.bias)
            kernels.accumulate(x, self._f2.product(self._f1.active(x), branch), self._f2.bias)
            yield x

    def __call__(self, x: Floats) -> Floats:
        """All rows at once: (h, w, channels) -> same."""
        return np.stack(list(self.rows(x.copy())))


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
    """A row of cells (w, channels) -> the row of their latents (4 w, channels), or (1, channels) where all cells are alike."""
    if (values == values[:1]).all():
        return values[:1]
    return np.repeat(values, CELL, 0)
