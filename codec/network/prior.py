"""What is known of the latents before they are read: z, from it the rows of the CDF table (integers in use), the means and the steps
(floats)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.network.blocks import Block, QualityTable, exactly, zero
from codec.network.constants import CELL, HYPER, LATENTS

_HIDDEN = 128


class HyperEncoder(nn.Module):
    """Latents after the gain (B, LATENTS, h, w), sides multiples of 4 -> z (B, HYPER, h/4, w/4)."""

    def __init__(self) -> None:
        super().__init__()
        z = HYPER
        self.net = nn.Sequential(
            nn.Conv2d(LATENTS, z, 1), Block(z), nn.PixelUnshuffle(2), nn.Conv2d(4 * z, z, 1), Block(z),
            nn.PixelUnshuffle(2), nn.Conv2d(4 * z, z, 1), Block(z),
        )  # fmt: skip

    def forward(self, y: Tensor) -> Tensor:
        z: Tensor = self.net(torch.asinh(y))
        return z.float()


class Means(nn.Module):
    """z -> what the floats of the decoder need: hidden features, a step per latent, the first part's means; then, from the first part, the
    second's."""

    def __init__(self) -> None:
        super().__init__()
        z, c = HYPER, _HIDDEN
        self.up = nn.Sequential(
            nn.Conv2d(z, z, 1), Block(z), nn.Conv2d(z, 4 * z, 1), nn.PixelShuffle(2), Block(z), nn.Conv2d(z, 4 * c, 1), nn.PixelShuffle(2)
        )
        self.told_hidden, self.told_second = QualityTable(c), QualityTable(c)
        self.step = nn.Conv2d(c, LATENTS, 1)
        self.first = nn.Sequential(Block(c), nn.Conv2d(c, LATENTS, 1))
        self.second_in = nn.Conv2d(c + LATENTS, c, 1)
        self.second = nn.Sequential(Block(c), Block(c), nn.Conv2d(c, LATENTS, 1))
        zero(self.step)

    def hidden(self, z: Tensor, quality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z (B, HYPER, h, w) -> hidden (B, 128, 4h, 4w), steps in 0.5..2 and first means, both (B, LATENTS, 4h, 4w)."""
        hidden = self.up(z) * torch.exp(self.told_hidden(quality))
        return hidden, torch.exp(0.7 * torch.tanh(self.step(hidden).float())), exactly(self.first[1], self.first[0](hidden))

    def refine(self, hidden: Tensor, first_means: Tensor, first_part: Tensor, quality: Tensor) -> Tensor:
        """Means of the second part; `first_part` (B, LATENTS, h, w) holds the decoded first part in steps, 0 elsewhere."""
        joined = self.second_in(torch.cat([hidden, torch.asinh(first_part)], 1)) * torch.exp(self.told_second(quality))
        return first_means + exactly(self.second[2], self.second[1](self.second[0](joined)))


class Scales(nn.Module):
    """log of the symbols' standard deviation, as floats for training. `codec.network.rows` holds the same map in integers, which is what
    files are made with.

    Everything in it is linear in z, in log2(1 + |symbol|) of decoded neighbours and in the tables, so that it turns into integers without
    loss of meaning.
    """

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Conv2d(HYPER, LATENTS * CELL * CELL, 1)
        self.base = QualityTable(LATENTS)
        # the second part only: its four neighbours are all of the first part
        self.shrink = nn.Parameter(torch.zeros(LATENTS))
        self.offset = nn.Parameter(torch.zeros(LATENTS))
        self.neighbours = nn.Parameter(torch.zeros(LATENTS, 4))  # above, below, left, right

    def first(self, z: Tensor, quality: Tensor) -> Tensor:
        """(B, LATENTS, 4h, 4w) of every latent, before neighbours are known."""
        scales: Tensor = F.pixel_shuffle(exactly(self.row, z), CELL) + self.base(quality)
        return scales

    def second(self, first: Tensor, first_symbols: Tensor) -> Tensor:
        """The same for the second part, given the first part's symbols (0 elsewhere)."""
        size = F.pad(torch.log2(1 + first_symbols.abs()), (1, 1, 1, 1))
        sides = (size[..., :-2, 1:-1], size[..., 2:, 1:-1], size[..., 1:-1, :-2], size[..., 1:-1, 2:])
        near = sum((side * self.neighbours[:, k].view(1, -1, 1, 1) for k, side in enumerate(sides)), torch.zeros_like(first))
        return first + first.clamp(-3, 6) * self.shrink.view(1, -1, 1, 1) + self.offset.view(1, -1, 1, 1) + near
