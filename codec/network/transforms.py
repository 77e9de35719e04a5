"""Pixels <-> latents: a linear transform of 16 x 16 patches, and a network beside it that learns what is not linear. Each mirrors the
other."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.network.blocks import SLOPE, Block, QualityTable, exactly, zero
from codec.network.constants import LATENTS, PATCH

SCALE = 30.0
"""Latents per unit of pixel amplitude, so that weights of all layers are of one size."""

GREY = 0.45
"""Taken off the pixels before the transform: about their mean."""

CONDITION = 24
"""Channels at /4 by which the body tells the renderer its scales, shifts and gates. Of the 48 of m1, half hold all but a thousandth of the
variance."""

_EMBED, _BODY, _FINE = 256, 144, 48


def _components_forward(components: Tensor) -> Tensor:
    """(16, 16, 3, LATENTS) row, column, channel, component -> weight (LATENTS, 768, 1, 1) in pixel_unshuffle's order."""
    return components.permute(3, 2, 0, 1).reshape(LATENTS, 768, 1, 1) * SCALE


def _components_back(components: Tensor) -> Tensor:
    """The transpose, as weight (768, LATENTS, 1, 1) in the order of a pixel_shuffle by 4 and another by 4."""
    split = components.permute(2, 0, 1, 3).reshape(3, 4, 4, 4, 4, LATENTS)  # channel, I, i, J, j, component: row = 4 I + i
    return split.permute(0, 2, 4, 1, 3, 5).reshape(768, LATENTS, 1, 1) / SCALE


class Analysis(nn.Module):
    """RGB (B, 3, H, W) in 0..1, sides multiples of 16 -> latents (B, LATENTS, H/16, W/16), before any gain."""

    def __init__(self, components: Tensor | None = None) -> None:
        super().__init__()
        self.linear = nn.Conv2d(768, LATENTS, 1)
        self.embed = nn.Conv2d(768, _EMBED, 1)
        self.trunk = nn.Sequential(*(Block(_EMBED, 3) for _ in range(4)))
        self.told = QualityTable(_EMBED)
        self.head = nn.Conv2d(_EMBED, LATENTS, 1)
        zero(self.head)
        assert self.linear.bias is not None
        with torch.no_grad():
            self.linear.bias.zero_()
            if components is not None:
                self.linear.weight.copy_(_components_forward(components))

    def forward(self, rgb: Tensor, quality: Tensor) -> Tensor:
        return self.finish(*self.features(rgb), quality)

    def features(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """What does not depend on the quality, nearly all of the work: (B, LATENTS, H/16, W/16) and (B, 256, H/16, W/16)."""
        patches = F.pixel_unshuffle(rgb - GREY, PATCH)  # (B, 768, H/16, W/16)
        return exactly(self.linear, patches), self.trunk(self.embed(patches))

    def finish(self, linear: Tensor, trunk: Tensor, quality: Tensor) -> Tensor:
        """The latents at a quality, from `features`."""
        return linear + exactly(self.head, trunk * torch.exp(self.told(quality)))


class Synthesis(nn.Module):
    """Latents (B, LATENTS, h, w) -> RGB (B, 3, 16 h, 16 w) around 0..1, not clamped. The body works at /16, content and renderer at /4."""

    HALO = 4
    """Latents beyond a border that a pixel inside it can depend on: 2 by the body, 1 by the renderer's two 3 x 3 at /4, 1 to spare."""

    def __init__(self, components: Tensor | None = None, condition: int = CONDITION) -> None:
        super().__init__()
        self.content = nn.Conv2d(LATENTS, 768, 1)
        self.body = nn.Sequential(nn.Conv2d(LATENTS, _BODY, 1), Block(_BODY), Block(_BODY))
        self.told = QualityTable(_BODY)
        self.condition = nn.Conv2d(_BODY, 16 * condition, 1)
        self.adapt = nn.Conv2d(condition, 3 * _FINE, 1)
        self.mix1 = nn.Conv2d(_FINE, 2 * _FINE, 1)
        self.mix_dw = nn.Conv2d(2 * _FINE, 2 * _FINE, 3, padding=1, groups=2 * _FINE)
        self.mix2 = nn.Conv2d(2 * _FINE, _FINE, 1)
        self.near1 = nn.Conv2d(_FINE, 64, 1)  # overlap across patch borders: without it seams and dotted edges stay
        self.near_dw = nn.Conv2d(64, 64, 3, padding=1, groups=64)
        self.near2 = nn.Conv2d(64, _FINE, 1)
        self.out = nn.Conv2d(_FINE, _FINE, 1)
        zero(self.near2, self.mix_dw)
        with torch.no_grad():
            self.mix_dw.weight[:, 0, 1, 1] = 1
            self.mix2.weight.mul_(0.05)
            self.out.weight.copy_(torch.eye(_FINE).view(_FINE, _FINE, 1, 1))
            for layer in (self.content, self.out, self.mix2):
                assert layer.bias is not None
                layer.bias.zero_()
            if components is not None:
                self.content.weight.copy_(_components_back(components))

    def forward(self, y: Tensor, quality: Tensor) -> Tensor:
        fine = F.pixel_shuffle(exactly(self.content, y), 4)  # (B, 48, H/4, W/4)
        body = self.body(y * 0.1) * torch.exp(self.told(quality))
        told = F.leaky_relu(F.pixel_shuffle(self.condition(body), 4), SLOPE)
        scale, shift, gate = exactly(self.adapt, told).chunk(3, 1)
        mixed = exactly(self.mix1, fine * 8 * (1 + scale) + shift)
        fine = fine + gate * exactly(self.mix2, F.leaky_relu(exactly(self.mix_dw, mixed), SLOPE))
        fine = fine + self.near2(F.leaky_relu(self.near_dw(self.near1(fine * 8)), SLOPE)) * 0.125
        return F.pixel_shuffle(exactly(self.out, fine), 4) + GREY
