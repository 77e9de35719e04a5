"""Weights to train on, out of a released model: the way back from `codec.training.export`.

A weight file holds the map to rows as integers; as floats they are the same map. A checkpoint that is lost costs what was trained since
the last release, and no more.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from codec.model import Model
from codec.network.constants import ANCHORS, CELL, HYPER, LATENTS
from codec.network.network import Network
from codec.network.rows import LOWEST, SHIFT, UNIT, Rows
from codec.network.transforms import CONDITION, Synthesis

_RIDGE = 1e-6


def thawed(model: Model, crops: Tensor) -> dict[str, Tensor]:
    """A state dict of `Network()` that codes like the model. crops (B, 3, H, W) in 0..1, sides multiples of 64, tell which of a wider
    renderer's condition channels are kept."""
    state = {name: tensor.clone() for name, tensor in model.network.state_dict().items() if not name.startswith("scales.")}
    state |= {f"scales.{name}": tensor for name, tensor in float_rows(model.rows, state["z_mean"]).items()}
    wide = Network.of(state)
    wide.load_state_dict(state)
    if wide.synthesis.adapt.in_channels > CONDITION:
        state |= {f"synthesis.{name}": tensor for name, tensor in narrowed(wide.synthesis, _conditions(wide, crops)).items()}
    return state


def float_rows(rows: Rows, z_mean: Tensor) -> dict[str, Tensor]:
    """The state dict of `Scales`, whose integers `rows` are: the inverse of `codec.training.export.integer_rows`."""
    half = 2.0 ** (SHIFT - 1)
    weight = torch.from_numpy(rows.weight / UNIT)
    bias = torch.from_numpy((rows.bias - half) / UNIT) - weight @ z_mean.double() + LOWEST
    shrink = rows.shrink / 4096
    offset = (rows.offset - shrink * (LOWEST * UNIT - half)) / UNIT
    floats = {
        "row.weight": weight.view(LATENTS * CELL**2, HYPER, 1, 1),
        "row.bias": bias,
        "base.table": torch.from_numpy(rows.base / UNIT),
        "shrink": torch.from_numpy(shrink),
        "offset": torch.from_numpy(np.asarray(offset)),
        "neighbours": torch.from_numpy(rows.neighbours / UNIT),
    }
    return {name: tensor.float() for name, tensor in floats.items()}


@torch.no_grad()
def _conditions(network: Network, crops: Tensor) -> Tensor:
    """(N, channels): what the renderer is told about crops, over all qualities, after the rectifier."""
    seen = []
    hook = network.synthesis.adapt.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for number, crop in enumerate(crops):
        network(crop[None], torch.full((1, 1, 1), float(number % ANCHORS)), hard=True)
    hook.remove()
    return torch.cat([told.permute(0, 2, 3, 1).reshape(-1, told.shape[1])[::7] for told in seen])


def narrowed(synthesis: Synthesis, told: Tensor) -> dict[str, Tensor]:
    """`condition` and `adapt` with CONDITION channels in place of more, chosen one by one for what they explain of adapt's outputs by least
    squares on `told` (N, channels)."""
    inputs = torch.cat([told, torch.ones(len(told), 1)], 1).double()
    weight, bias = synthesis.adapt.weight.detach()[:, :, 0, 0].double(), synthesis.adapt.bias
    assert bias is not None
    outputs = inputs @ torch.cat([weight, bias.detach().double()[:, None]], 1).T
    inner, cross, constant = inputs.T @ inputs, inputs.T @ outputs, inputs.shape[1] - 1

    def solved(kept: Sequence[int]) -> Tensor:
        at = torch.tensor([*kept, constant])
        ridge = _RIDGE * torch.diag(inner[at, at])
        solution: Tensor = torch.linalg.solve(inner[at][:, at] + ridge, cross[at])
        return solution

    kept: list[int] = []
    while len(kept) < CONDITION:

        def explained(channel: int) -> float:
            trial = [*kept, channel]
            return float((solved(trial) * cross[torch.tensor([*trial, constant])]).sum())

        kept.append(max((channel for channel in range(constant) if channel not in kept), key=explained))
    kept.sort()
    fitted = solved(kept).T
    positions = torch.tensor([16 * channel + place for channel in kept for place in range(16)])  # pixel_shuffle by 4
    condition = synthesis.condition
    assert condition.bias is not None
    return {
        "condition.weight": condition.weight.detach()[positions],
        "condition.bias": condition.bias.detach()[positions],
        "adapt.weight": fitted[:, :-1].float()[:, :, None, None],
        "adapt.bias": fitted[:, -1].float(),
    }
