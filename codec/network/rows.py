"""Which row of the CDF table each latent is coded with: the one network that must give the same integers on every machine.

    first part    row = clip((W z + bias + base[quality] ) >> SHIFT, 0, 63)
    second part   row = clip((first + (clip(first) * shrink >> 12) + (sum of neighbours * size[|symbol|] >> 6) + offset) >> SHIFT, 0, 63)

All numbers are integers. The one large product, W z, runs as float32: at loading it is proven that every partial sum stays below 2^24,
where float32 is exact in any order, with or without fused multiply-add, on any number of threads. Should some library still round (there
are modes that multiply with fewer bits), its sums betray it, and integers do the work. The weights are those of
`codec.network.prior.Scales`, rounded at export.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled, read_only, types
from codec.network.constants import ANCHORS, CELL, HYPER, LATENTS, STEPS

ROWS: Final = 64
SHIFT: Final = 7
LOWEST: Final = float(np.log(0.1))
"""log of the standard deviation that row 0 stands for."""
STEP: Final = float(np.log(1280) / (ROWS - 1))
"""From row to row, in log of the standard deviation; row 63 stands for 128."""
UNIT: Final = 2.0**SHIFT / STEP
"""Integers per unit of log."""
Z_LIMIT: Final = 127
SIZES: Final = 256

_EXACT: Final = 1 << 24
_I32 = types.int32
_I64 = types.int64


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The integers of one model. Raises ValueError for any with which a sum could leave what is exact."""

    weight: NDArray[np.int16]  # (LATENTS * 16, HYPER): latent, then position in its 4 x 4 cell
    bias: NDArray[np.int32]  # (LATENTS * 16,)
    base: NDArray[np.int32]  # (ANCHORS, LATENTS)
    shrink: NDArray[np.int32]  # (LATENTS,), in 1/4096
    offset: NDArray[np.int32]  # (LATENTS,)
    neighbours: NDArray[np.int32]  # (LATENTS, 4): above, below, left, right
    sizes: NDArray[np.int32]  # (SIZES,): 64 log2(1 + n), of a symbol's magnitude
    limits: NDArray[np.int32]  # (2,): where `clip(first)` clips
    _product: NDArray[np.float32] = field(init=False, repr=False)  # (HYPER, LATENTS * 16)
    _totals: NDArray[np.int64] = field(init=False, repr=False)  # (HYPER,)
    _bases: NDArray[np.int32] = field(init=False, repr=False)  # (qualities, LATENTS)

    def __post_init__(self) -> None:
        shapes = {"weight": (LATENTS * CELL**2, HYPER), "bias": (LATENTS * CELL**2,), "base": (ANCHORS, LATENTS), "shrink": (LATENTS,),
                  "offset": (LATENTS,), "neighbours": (LATENTS, 4), "sizes": (SIZES,), "limits": (2,)}  # fmt: skip
        for name, shape in shapes.items():
            kind = np.int16 if name == "weight" else np.int32
            if getattr(self, name).shape != shape or getattr(self, name).dtype != kind:
                raise ValueError(f"{name} of the rows must be {kind.__name__} {shape}")
        if int(np.abs(self.weight.astype(np.int64)).sum(1).max()) * Z_LIMIT >= _EXACT:
            raise ValueError("the rows' weights can leave the integers that float32 holds")
        for name, limit in (
            ("bias", 1 << 26),
            ("base", 1 << 22),
            ("shrink", 1 << 13),
            ("offset", 1 << 26),
            ("neighbours", 1 << 16),
            ("sizes", 1 << 12),
            ("limits", 1 << 16),
        ):
            if int(np.abs(getattr(self, name).astype(np.int64)).max()) >= limit:
                raise ValueError(f"{name} of the rows is too large")
        object.__setattr__(self, "_product", np.ascontiguousarray(self.weight.T.astype(np.float32)))
        object.__setattr__(self, "_totals", self.weight.sum(0, dtype=np.int64))
        object.__setattr__(self, "_bases", _interpolated(self.base))

    def sums(self, z: NDArray[np.int32], cells: NDArray[np.int32]) -> NDArray[np.int32]:
        """z (h, w, HYPER) and the quality 0..QUALITIES-1 of each cell (h, w) -> (4h, 4w, LATENTS), rows times 2^SHIFT before clipping."""
        h, w = z.shape[:2]
        clipped = np.clip(z, -Z_LIMIT, Z_LIMIT).reshape(h * w, HYPER)
        product: NDArray[np.float32] = clipped.astype(np.float32) @ self._product
        if (product.sum(1, dtype=np.float64) != clipped @ self._totals).any():  # nothing is rounded in either
            product = (clipped @ self.weight.T.astype(np.int64)).astype(np.float32)
        out = np.empty((h * CELL, w * CELL, LATENTS), np.int32)
        _spread(product.reshape(h, w, LATENTS * CELL**2), self.bias, self._bases, cells, out)
        return out

    def first(self, sums: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Rows of the first part, in coding order."""
        out = np.empty(part_size(sums.shape, 0), np.uint16)
        _first_rows(sums, out)
        return out

    def second(self, sums: NDArray[np.int32], symbols: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Rows of the second part, in coding order; `symbols` (like sums) holds the first part's."""
        out = np.empty(part_size(sums.shape, 1), np.uint16)
        _second_rows(sums, symbols, self.shrink, self.offset, self.neighbours, self.sizes, self.limits, out)
        return out


def _interpolated(anchors: NDArray[np.int32]) -> NDArray[np.int32]:
    """(ANCHORS, C) -> (qualities, C), by integer arithmetic that floors."""
    quality = np.arange(STEPS * (ANCHORS - 1) + 1)
    low = np.minimum(quality // STEPS, ANCHORS - 2)
    part = (quality - low * STEPS)[:, None]
    wide = anchors.astype(np.int64)
    mixed: NDArray[np.int64] = (wide[low] * (STEPS - part) + wide[low + 1] * part) // STEPS
    return mixed.astype(np.int32)


def part_size(shape: tuple[int, ...], part: int) -> int:
    """How many of (h, w, c) latents belong to part 0 or 1 of the checkerboard."""
    total = int(np.prod(shape))
    return (total + 1) // 2 if part == 0 else total // 2


@compiled(types.void(types.float32[:, :, ::1], read_only(_I32), read_only(_I32, 2), read_only(_I32, 2), types.int32[:, :, ::1]))
def _spread(product: Any, bias: Any, bases: Any, cells: Any, out: Any) -> None:
    h, w, _ = product.shape
    for i in range(h):
        for di in range(4):
            for j in range(w):
                base = bases[cells[i, j]]
                for dj in range(4):
                    for c in range(out.shape[2]):
                        k = c * 16 + di * 4 + dj
                        out[4 * i + di, 4 * j + dj, c] = np.int32(product[i, j, k]) + bias[k] + base[c]


@compiled(types.void(read_only(_I32, 3), types.uint16[::1]))
def _first_rows(sums: Any, out: Any) -> None:
    n = 0
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            for c in range((i + j) % 2, sums.shape[2], 2):
                out[n] = min(max(sums[i, j, c] >> 7, 0), 63)
                n += 1


@compiled(
    types.void(
        read_only(_I32, 3), read_only(_I32, 3), read_only(_I32), read_only(_I32), read_only(_I32, 2), read_only(_I32), read_only(_I32),
        types.uint16[::1],
    )
)  # fmt: skip
def _second_rows(sums: Any, symbols: Any, shrink: Any, offset: Any, neighbours: Any, sizes: Any, limits: Any, out: Any) -> None:
    n = 0
    h, w, channels = sums.shape
    last = sizes.size - 1
    for i in range(h):
        for j in range(w):
            for c in range((i + j + 1) % 2, channels, 2):
                near = np.int64(0)
                if i > 0:
                    near += np.int64(neighbours[c, 0]) * sizes[min(abs(symbols[i - 1, j, c]), last)]
                if i < h - 1:
                    near += np.int64(neighbours[c, 1]) * sizes[min(abs(symbols[i + 1, j, c]), last)]
                if j > 0:
                    near += np.int64(neighbours[c, 2]) * sizes[min(abs(symbols[i, j - 1, c]), last)]
                if j < w - 1:
                    near += np.int64(neighbours[c, 3]) * sizes[min(abs(symbols[i, j + 1, c]), last)]
                here = np.int64(sums[i, j, c])
                clipped = min(max(here, np.int64(limits[0])), np.int64(limits[1]))
                row = (here + ((clipped * shrink[c]) >> 12) + (near >> 6) + offset[c]) >> 7
                out[n] = min(max(row, 0), 63)
                n += 1


@compiled(types.void(read_only(_I32), _I64, types.int32[:, :, ::1]))
def scatter(values: Any, part: Any, out: Any) -> None:
    """Put a part's symbols, in coding order (row, column, channel), where they belong in (h, w, c)."""
    n = 0
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for c in range((i + j + part) % 2, out.shape[2], 2):
                out[i, j, c] = values[n]
                n += 1


@compiled(
    types.void(read_only(types.float32, 3), read_only(types.uint16), read_only(types.float32), read_only(_I32), _I64, types.int32[::1])
)
def quantise(residual: Any, rows: Any, dead_zone: Any, reach: Any, part: Any, out: Any) -> None:
    """Round a part of the residuals (h, w, c) to symbols in coding order: towards 0 by the dead zone of the row, and to what the row can
    code. The encoder's choice."""
    n = 0
    for i in range(residual.shape[0]):
        for j in range(residual.shape[1]):
            for c in range((i + j + part) % 2, residual.shape[2], 2):
                r = residual[i, j, c]
                size = np.int32(min(abs(r) + np.float32(0.5) - dead_zone[rows[n]], np.float32(131000)))
                size = min(size, reach[rows[n]])
                out[n] = -size if r < 0 else size
                n += 1
