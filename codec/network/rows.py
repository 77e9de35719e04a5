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
    _product: NDArray[np.float32] = field(init=False, repr=False)  # (HYPER, 16 * LATENTS): position, then latent
    _biases: NDArray[np.int32] = field(init=False, repr=False)  # (16, LATENTS)
    _sides: NDArray[np.int32] = field(init=False, repr=False)  # (4, LATENTS)
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
        object.__setattr__(self, "_product", np.ascontiguousarray(_by_position(self.weight).T.astype(np.float32)))
        object.__setattr__(self, "_biases", np.ascontiguousarray(self.bias.reshape(LATENTS, CELL**2).T))
        object.__setattr__(self, "_sides", np.ascontiguousarray(self.neighbours.T))
        object.__setattr__(self, "_totals", self.weight.sum(0, dtype=np.int64))
        object.__setattr__(self, "_bases", _interpolated(self.base))

    def sums(self, z: NDArray[np.int32], cells: NDArray[np.int32]) -> NDArray[np.int32]:
        """z (h, w, HYPER) and the quality 0..QUALITIES-1 of each cell (h, w) -> (4h, 4w, LATENTS), rows times 2^SHIFT before clipping."""
        h, w = z.shape[:2]
        clipped = np.clip(z, -Z_LIMIT, Z_LIMIT)
        out, found = np.empty((h * CELL, w * CELL, LATENTS), np.int32), np.empty(w, np.int64)
        for number, row in enumerate(clipped):
            rows, base = out[number * CELL : (number + 1) * CELL], self._bases[cells[number]]
            product: NDArray[np.float32] = row.astype(np.float32) @ self._product
            _spread(product, self._biases, base, rows, found)
            if (found != row @ self._totals).any():  # something was rounded
                _spread((row @ _by_position(self.weight.astype(np.int64)).T).astype(np.float32), self._biases, base, rows, found)
        return out

    def first(self, sums: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Rows of the first part, in coding order."""
        out = np.empty(part_size(sums.shape, 0), np.uint16)
        _first_rows(sums, out)
        return out

    def second(self, sums: NDArray[np.int32], symbols: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Rows of the second part, in coding order; `symbols` (like sums) holds the first part's."""
        out = np.empty(part_size(sums.shape, 1), np.uint16)
        _second_rows(sums, symbols, self.shrink, self.offset, self._sides, self.sizes, self.limits, out)
        return out


def _by_position(weight: NDArray[np.generic]) -> NDArray[np.generic]:
    """From the order (latent, position) of the weight file to (position, latent), in which sums are spread over latents."""
    return weight.reshape(LATENTS, CELL**2, HYPER).transpose(1, 0, 2).reshape(weight.shape)


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


@compiled(types.void(types.float32[:, ::1], read_only(_I32, 2), read_only(_I32, 2), types.int32[:, :, ::1], types.int64[::1]))
def _spread(product: Any, bias: Any, base: Any, out: Any, found: Any) -> None:
    """Of one row of cells (w, 16 LATENTS); `found` (w) gets the sum of a cell's products, or what no sum can be where one is no integer."""
    channels = out.shape[2]
    for j in range(product.shape[0]):
        total, fractions = np.int64(0), np.int64(0)
        for di in range(CELL):
            for dj in range(CELL):
                first = np.uint64((di * CELL + dj) * channels)
                for c in range(channels):
                    value = product[j, first + np.uint64(c)]
                    whole = np.int32(value)
                    total += whole
                    fractions += np.float32(whole) != value
                    out[di, CELL * j + dj, c] = whole + bias[di * CELL + dj, c] + base[j, c]
        found[j] = total if fractions == 0 else np.int64(1) << 62


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
def _second_rows(sums: Any, symbols: Any, shrink: Any, offset: Any, sides: Any, sizes: Any, limits: Any, out: Any) -> None:
    """`sides` (4, channels): above, below, left, right. Sums of all channels are made, so that it is done several at a time, and every
    second one is used: the sizes of the others, of which there are none, are never looked at."""
    h, w, channels = sums.shape
    last = sizes.size - 1
    near = np.zeros((3, w + 2, channels), np.int32)  # sizes around a row, and one position of zeros beyond both ends
    rows = np.empty(channels, np.int32)
    low, high = np.int32(limits[0]), np.int32(limits[1])
    n = 0
    for i in range(-1, h):
        below = near[(i + 1) % 3]
        for j in range(w):
            for c in range((i + 1 + j) % 2, channels, 2):
                below[j + 1, c] = sizes[min(abs(symbols[i + 1, j, c]), last)] if i + 1 < h else 0
        if i < 0:
            continue
        above, here = near[(i + 2) % 3], near[i % 3]
        for j in range(w):
            for c in range(channels):
                beside = (
                    above[j + 1, c] * sides[0, c] + below[j + 1, c] * sides[1, c] + here[j, c] * sides[2, c] + here[j + 2, c] * sides[3, c]
                )
                value = sums[i, j, c]
                shrunk = (min(max(value, low), high) * shrink[c]) >> 12
                rows[c] = min(max((value + shrunk + (beside >> 6) + offset[c]) >> 7, 0), 63)
            for c in range((i + j + 1) % 2, channels, 2):
                out[n] = rows[c]
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
    types.void(
        read_only(types.float32, 3), read_only(types.uint16), read_only(types.float32), read_only(_I32), _I64, types.int32[::1],
        types.int32[::1],
    )
)  # fmt: skip
def quantise(residual: Any, rows: Any, dead_zone: Any, reach: Any, part: Any, out: Any, cut: Any) -> None:
    """Round a part of the residuals (h, w, c) to symbols in coding order: towards 0 by the dead zone of the row, and to what the row can
    code. The encoder's choice. `cut` (w / CELL) gets the most steps by which a row was too short for a symbol."""
    n = 0
    cut[:] = 0
    for i in range(residual.shape[0]):
        for j in range(residual.shape[1]):
            short = cut[j // CELL]
            for c in range((i + j + part) % 2, residual.shape[2], 2):
                r = residual[i, j, c]
                size = np.int32(min(abs(r) + np.float32(0.5) - dead_zone[rows[n]], np.float32(131000)))
                short = max(short, size - reach[rows[n]])
                size = min(size, reach[rows[n]])
                out[n] = -size if r < 0 else size
                n += 1
            cut[j // CELL] = short


@compiled(
    types.void(
        read_only(types.float32, 3), read_only(types.uint16), read_only(_I32), _I64, types.float32, types.float32[::1], types.int32[::1]
    )
)
def gather(residual: Any, rows: Any, reach: Any, part: Any, spacing: Any, out: Any, cut: Any) -> None:
    """A part of the residuals (h, w, c) in coding order, in spacings of one quantiser. `cut` (w / CELL) gets the most spacings by which a
    row was too short for a symbol; `reach` (2 rows): of the first quantiser, then of the second."""
    n = 0
    per = reach.size // 2
    cut[:] = 0
    for i in range(residual.shape[0]):
        for j in range(residual.shape[1]):
            short = cut[j // CELL]
            for c in range((i + j + part) % 2, residual.shape[2], 2):
                x = residual[i, j, c] / spacing
                size = np.int32(min(abs(x) + np.float32(0.5), np.float32(131000)))
                short = max(short, size - min(reach[rows[n]], reach[rows[n] + per]))
                out[n] = x
                n += 1
            cut[j // CELL] = short
