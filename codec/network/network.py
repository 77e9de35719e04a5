"""All networks of one model, and the differentiable forward pass that trains them."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from codec.network.blocks import QualityTable
from codec.network.constants import ANCHORS, CELL, HYPER, LATENTS
from codec.network.prior import HyperEncoder, Means, Scales
from codec.network.transforms import CONDITION, SCALE, Analysis, Synthesis

LAMBDAS = [0.003 * (0.2 / 0.003) ** ((i - 2) / 7) for i in range(ANCHORS)]
"""Weight of 255^2 times the squared error at each anchor quality, in bits a pixel."""


Quantise = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""Residuals and the logarithms of their deviations (B, LATENTS, h, w), in steps, and the part -> the part's values that a decoder has, in
steps, and the bits of each picture's (B,)."""


class Forward(NamedTuple):
    """What one training pass gives."""

    decoded: Tensor
    """(B, 3, H, W), not clamped."""
    bits_y: Tensor
    """(B,), of all latents of a picture."""
    bits_z: Tensor


def first_part(channels: int, height: int, width: int, device: torch.device | None = None) -> Tensor:
    """(channels, height, width) of bool: the checkerboard of latents that is coded first; its phase alternates with the channel."""
    c, i, j = (torch.arange(n, device=device) for n in (channels, height, width))
    return (c.view(-1, 1, 1) + i.view(1, -1, 1) + j.view(1, 1, -1)) % 2 == 0


def laplace_bits(r: Tensor, log_deviation: Tensor) -> Tensor:
    """-log2 of a Laplace of standard deviation exp(log_deviation), integrated over [r - 1/2, r + 1/2]; a Gaussian's tails would cost a
    quarter more above 1.5 bpp."""
    b, r = (torch.exp(log_deviation) * math.sqrt(0.5)).clamp_min(0.08), r.abs()
    tail = 1 + ((r - 0.5).clamp_min(0) / b - torch.log1p(-torch.exp(-1 / b))) / math.log(2)
    inner = 1 - 0.5 * torch.exp(-(0.5 + r) / b) - 0.5 * torch.exp(-(0.5 - r).clamp_min(0) / b)
    return torch.where(r > 0.5, tail, -torch.log2(inner.clamp_min(1e-6)))


def round_through(x: Tensor) -> Tensor:
    """Rounded, with the gradient of the identity."""
    return (torch.round(x) - x).detach() + x


class Network(nn.Module):
    """One model, all rates.

    Quality is a float in 0..ANCHORS-1, one for a picture or one for each 64 x 64 cell. The gain is tied: the decoder divides by what the
    encoder multiplied with, times a small correction.
    """

    def __init__(self, components: Tensor | None = None, deviations: Tensor | None = None, condition: int = CONDITION) -> None:
        super().__init__()
        self.analysis, self.synthesis = Analysis(components), Synthesis(components, condition)
        self.hyper, self.means, self.scales = HyperEncoder(), Means(), Scales()
        # high-rate theory: the step whose squared error is worth its bits at this lambda
        step = torch.tensor([math.sqrt(1.8 * 12 / (2 * lam * 255**2 * LATENTS / 768)) for lam in LAMBDAS])
        log_gain = -torch.log(step * SCALE).view(-1, 1).repeat(1, LATENTS)
        self.log_gain, self.correction = QualityTable(LATENTS, log_gain), QualityTable(LATENTS)
        self.z_mean, self.z_deviation = nn.Parameter(torch.zeros(HYPER)), QualityTable(HYPER, torch.ones(ANCHORS, HYPER))
        if deviations is not None:
            with torch.no_grad():
                self.scales.base.table.copy_(torch.log(deviations * SCALE * 0.6 + 0.05) + log_gain)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """A network of the sizes that its weights have, not yet loaded. Raises KeyError where they are no network's."""
        return cls(condition=state["synthesis.adapt.weight"].shape[1])

    def forward(self, rgb: Tensor, quality: Tensor, quantise: Quantise | None = None, hard: bool = False) -> Forward:
        """rgb (B, 3, H, W) in 0..1, sides multiples of 64; quality (B, 1, 1) or (B, H/64, W/64). `quantise` gives the latents that a
        decoder has; without it they are rounded to whole steps. `hard` counts the bits of what it gives in place of a noisy estimate."""
        quantise = quantise or _rounded
        at_z = quality
        at_y = quality if quality.shape[-2:] == (1, 1) else quality.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)
        seen = round_through if hard else _noisy
        gain, y = self.log_gain(at_y), self.analysis(rgb, at_y)
        y = y * torch.exp(gain)
        z_mean = self.z_mean.view(1, -1, 1, 1)
        z = self.hyper(y) - z_mean
        z_hat = round_through(z) + z_mean
        bits_z = laplace_bits(seen(z), self.z_deviation(at_z).expand_as(z)).sum((1, 2, 3))
        hidden, step, first_means = self.means.hidden(z_hat, at_y)
        first = first_part(y.shape[1], y.shape[2], y.shape[3], y.device)
        scales, y = self.scales.first(z_hat, at_y), y / step
        residual = y - first_means
        values, counted = quantise(residual, scales, 0)
        bits = laplace_bits(_noisy(residual), scales)
        known = torch.where(first, (values - residual).detach() + y, 0)
        residual = y - self.means.refine(hidden, first_means, known, at_y)
        scales = self.scales.second(scales, torch.where(first, values, 0))
        later, more = quantise(residual, scales, 1)
        bits_y = torch.where(first, bits, laplace_bits(_noisy(residual), scales)).sum((1, 2, 3))
        y_hat = torch.where(first, known, (later - residual).detach() + y)
        decoded = self.synthesis(y_hat * step * torch.exp(self.correction(at_y) - gain), at_y)
        return Forward(decoded, counted + more if hard else bits_y, bits_z)


def _rounded(residual: Tensor, log_deviation: Tensor, part: int) -> tuple[Tensor, Tensor]:
    """To whole steps, and their bits by a Laplace."""
    values = torch.round(residual.detach())
    here = first_part(residual.shape[1], residual.shape[2], residual.shape[3], residual.device) != bool(part)
    return values, torch.where(here, laplace_bits(values, log_deviation), 0).sum((1, 2, 3))


def _noisy(x: Tensor) -> Tensor:
    return x + torch.rand_like(x) - 0.5
