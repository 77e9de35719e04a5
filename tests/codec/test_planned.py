"""A network in training meets what files hold."""

import numpy as np
import pytest
import torch

from codec.network.constants import ANCHORS, LATENTS
from codec.network.network import Network
from codec.network.rows import LOWEST, ROWS, STEP, scatter
from codec.quantisers import Dependent
from codec.rans import encode
from codec.tokens import TOKENS, TokenTables
from codec.training.export import PRICE, SPACING, fitted_pair
from codec.training.planned import Planner
from codec.trellis import STATES

SIDES = 8, 12


@pytest.mark.parametrize("part", [0, 1])
def test_values_and_bits_are_those_of_a_file(part: int) -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 45, (2, *SIDES, LATENTS))
    residual = (rng.laplace(size=rows.shape) * np.exp(LOWEST + STEP * rows)).astype(np.float32)
    deviation = (LOWEST + STEP * rows).astype(np.float32)
    values, bits = Planner()(torch.from_numpy(residual).permute(0, 3, 1, 2), torch.from_numpy(deviation).permute(0, 3, 1, 2), part)
    quantiser = Dependent(TokenTables(fitted_pair(np.zeros((2 * ROWS, TOKENS)))), STATES, SPACING / 2, PRICE)
    i, j, c = np.indices(rows.shape[1:])
    here = (i + j + c) % 2 == part
    for picture in range(2):
        written = quantiser.part(rows[picture][here].astype(np.uint16))
        written.band(residual[picture], part, 0, np.empty(SIDES[1] // 4, np.int32))
        levels = np.zeros(rows.shape[1:], np.int32)
        scatter(written.levels, part, levels)
        found = values[picture].permute(1, 2, 0).numpy()
        assert levels.any()
        assert (found == levels.astype(np.float32) * np.float32(SPACING / 2)).all()
        assert not found[~here].any()
        stream = 8 * len(encode([written.coded()]))
        assert 0.97 * stream < float(bits[picture]) < 1.03 * stream


def test_gradients_pass_and_a_network_learns_with_it() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network, pixels, planner = Network(), torch.rand(2, 3, 64, 128), Planner()
        before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        optimiser = torch.optim.Adam(network.parameters(), 1e-4)
        quality = torch.tensor([2.0, ANCHORS - 1.0]).view(2, 1, 1)
        for _ in range(2):
            found = network(pixels, quality, planner)
            optimiser.zero_grad()
            ((found.decoded - pixels).square().mean() + 1e-4 * found.bits_y.mean() / pixels[0].numel()).backward()
            optimiser.step()
    for part in ("analysis", "synthesis", "means"):
        moved = [name for name, parameter in network.named_parameters() if name.startswith(part) and not parameter.equal(before[name])]
        assert moved, part
    assert all(bool(parameter.isfinite().all()) for parameter in network.parameters())
    hard = network(pixels, quality, planner, hard=True)
    assert (hard.bits_y > 0).all()
