"""What an encoder makes of latents (`codec.trellis`), for a network in training: so its decoder sees the errors that files have."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.network.constants import CELL
from codec.network.rows import LOWEST, ROWS, STEP, scatter
from codec.quantisers import Dependent
from codec.tokens import TOKENS, TokenTables, bits_of
from codec.training.export import PRICE, SPACING, fitted_pair
from codec.trellis import FAR, STATES


class Planner:
    """Values as files have them, with the tables of a Laplace in place of fitted ones."""

    def __init__(self) -> None:
        tables = TokenTables(fitted_pair(np.zeros((2 * ROWS, TOKENS))))
        self._quantiser = Dependent(tables, STATES, SPACING / 2, PRICE)
        self._bits = bits_of(np.arange(-FAR, FAR + 1), tables)

    def __call__(self, residual: Tensor, log_deviation: Tensor, part: int) -> tuple[Tensor, Tensor]:
        """Both (B, LATENTS, h, w) in steps, sides multiples of CELL -> values of the part's latents in steps, 0 at the other's, and the
        bits of each picture's part (B,), by the tables. On the processor, whatever the network is on."""
        rows = torch.round((log_deviation - LOWEST) / STEP).clamp(0, ROWS - 1)
        found = [
            self._picture(r.numpy(), row.numpy().astype(np.uint16), part)
            for r, row in zip(*(x.detach().float().permute(0, 2, 3, 1).contiguous().cpu() for x in (residual, rows)), strict=True)
        ]
        values = torch.stack([torch.from_numpy(levels) for levels, _ in found]).permute(0, 3, 1, 2) * (SPACING / 2)
        return values.to(residual), torch.tensor([bits for _, bits in found], device=residual.device)

    def _picture(self, residual: NDArray[np.float32], rows: NDArray[np.uint16], part: int) -> tuple[NDArray[np.int32], float]:
        height, width, channels = residual.shape
        i, j, c = np.ogrid[:height, :width, :channels]
        written = self._quantiser.part(rows[(i + j + c) % 2 == part])
        written.band(residual, part, 0, np.empty(width // CELL, np.int32))
        symbols, coded, _ = written.coded()
        levels = np.zeros(residual.shape, np.int32)
        scatter(written.levels, part, levels)
        return levels, float(self._bits[coded, FAR + symbols.clip(-FAR, FAR)].sum())
