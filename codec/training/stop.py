"""Is this run worth going on with? `python -m codec.training.stop CHECKPOINT --data CROPS.tar`

A tenth of a run has to beat the transform that it began from, an untrained network of the crops' principal components, by a tenth of the
bits. Where it does not, a loss or a gain is scaled wrongly, and more hours will not mend that: stop and look.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.network.constants import ANCHORS
from codec.network.network import Network
from codec.training.data import load_packs, patch_components
from codec.training.loss import Loss
from codec.training.train import SHOWN, as_floats

NEEDED = -10.0
"""Per cent of bits at equal SSIMULACRA2."""

Curve = list[tuple[float, float, float]]
"""Bits a pixel, SSIMULACRA2, decibels, at each anchor quality."""


@torch.no_grad()
def curve(network: Network, crops: Tensor) -> Curve:
    """Estimated bits and what they buy, symbols rounded, means over (B, 3, H, W) of 0..1."""
    judge, found = Loss(), []
    for level in range(ANCHORS):
        quality = torch.full((len(crops),), float(level))
        _, figures = judge(crops, quality, network(crops, quality.view(-1, 1, 1), hard=True))
        decibels = 10 * float(np.log10(255**2 / float(figures["mse"].mean())))
        found.append((float(figures["bpp"].mean()), float(figures["score"].mean()), decibels))
    return found


def difference(one: Curve, other: Curve, measure: int) -> float:
    """BD-rate in per cent of `other` against `one`, log rates linear between points; `measure`: 1 for the score, 2 for decibels. nan where
    they share no quality."""
    logs, values = ([np.array([point[k] for point in points]) for points in (one, other)] for k in (0, measure))
    orders = [np.argsort(value) for value in values]
    values = [value[order] for value, order in zip(values, orders, strict=True)]
    logs = [np.log(log)[order] for log, order in zip(logs, orders, strict=True)]
    low, high = max(value[0] for value in values), min(value[-1] for value in values)
    if not low < high:
        return float("nan")
    at = np.linspace(low, high, 500)
    means = [float(np.interp(at, value, log).mean()) for value, log in zip(values, logs, strict=True)]
    return float(100 * np.expm1(means[1] - means[0]))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; `arguments` default to those of the process. 0 where the run may go on, 1 where it should stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="the run's packs of crops")
    options = parser.parse_args(arguments)
    crops, held = load_packs(options.data)
    shown = as_floats(held[:SHOWN])
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    trained = Network()
    trained.load_state_dict(state["averaged"])
    before, now = curve(Network(*patch_components(crops)), shown), curve(trained, shown)
    print(f"step {state['step']}, {state['pixels'] / 1e6:.0f} Mpx; held-out crops, estimated bits: untrained transform, averaged weights")
    for level, points in enumerate(zip(before, now, strict=True)):
        said = "   ".join(f"{bits:.3f} bpp {score:6.1f} {decibels:.1f} dB" for bits, score, decibels in points)
        print(f"quality {25 * level:3d}   {said}")
    score, decibels = (difference(before, now, measure) for measure in (1, 2))
    print(f"BD-rate against the transform: SSIMULACRA2 {score:+.1f} %, PSNR {decibels:+.1f} %")
    if score <= NEEDED:
        return 0
    print(f"{-NEEDED:.0f} % less is what a tenth of a run has to reach: stop, and look at the scaling of loss and gains", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
