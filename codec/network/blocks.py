"""Building blocks that every network here shares."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.network.constants import ANCHORS

SLOPE = 0.01
"""Of the leaky rectifiers."""


class Block(nn.Module):
    """Depthwise-convolution block: x + 1x1(act(dw3x3(1x1 x))), then x + 1x1(act(1x1 x)). (B, C, H, W) -> same.

    The shape is the DCB of PULSE (arXiv 2609.18602) without normalisation and channel attention: the one loses amplitude near 40 dB, the
    other looks at the whole picture and so can't be tiled.
    """

    def __init__(self, channels: int, widening: int = 2) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 1)
        self.dw = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.b = nn.Conv2d(channels, channels, 1)
        self.f1 = nn.Conv2d(channels, channels * widening, 1)
        self.f2 = nn.Conv2d(channels * widening, channels, 1)
        with torch.no_grad():  # branches start small, so that depth does not blow up the sum
            self.b.weight.mul_(0.3)
            self.f2.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.b(F.leaky_relu(self.dw(self.a(x)), SLOPE))
        y: Tensor = x + self.f2(F.leaky_relu(self.f1(x), SLOPE))
        return y


class QualityTable(nn.Module):
    """A number per anchor quality and channel, (ANCHORS, C), looked up and interpolated at any quality."""

    def __init__(self, channels: int, start: Tensor | None = None) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(ANCHORS, channels) if start is None else start.clone())

    def forward(self, quality: Tensor) -> Tensor:
        """quality (B, h, w), floats in 0..ANCHORS-1 (h = w = 1 where all of a picture has one quality) -> (B, C, h, w)."""
        low = quality.floor().long().clamp(0, ANCHORS - 2)
        part = (quality - low).unsqueeze(-1)
        return (self.table[low] * (1 - part) + self.table[low + 1] * part).permute(0, 3, 1, 2)


def zero(*layers: nn.Conv2d) -> None:
    """Make layers give 0: what they are added to starts as if they were not there."""
    with torch.no_grad():
        for layer in layers:
            layer.weight.zero_()
            if layer.bias is not None:
                layer.bias.zero_()


def exactly(layer: nn.Module, x: Tensor) -> Tensor:
    """The layer in float32 also where a training multiplies in bfloat16: amplitudes pass through it, and eight bits of them are too few."""
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = layer(x.float())
        return out
