import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.network.constants import ANCHORS, HYPER, LATENTS, STEPS, TOP_QUALITY
from codec.network.network import Network
from codec.network.rows import LOWEST, ROWS, STEP, Rows, part_size, quantise, scatter
from codec.training.export import SPACING, integer_rows


def random_network(seed: int) -> Network:
    """Untrained, with scales as wide as trained ones."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = Network()
        scales = network.scales
        for parameter, deviation in (
            (scales.row.weight, 0.03), (scales.base.table, 1.5), (scales.shrink, 0.2), (scales.offset, 0.3), (scales.neighbours, 0.2),
            (network.z_mean, 1.0),
        ):  # fmt: skip
            parameter.normal_(0, deviation)
        for tensor in network.state_dict().values():
            tensor.copy_(tensor.half().float())
        return network.requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(1)


@pytest.fixture(scope="module")
def rows(network: Network) -> Rows:
    return integer_rows(network)


def scene(seed: int, h: int = 3, w: int = 4) -> tuple[Any, Any, Any]:
    """z, qualities of cells, symbols of all latents (0 for the second part)."""
    rng = np.random.default_rng(seed)
    z = np.rint(rng.laplace(0, 6, (h, w, HYPER))).astype(np.int32)
    cells = rng.integers(0, TOP_QUALITY + 1, (h, w)).astype(np.int32)
    symbols = np.rint(rng.laplace(0, 4, (4 * h, 4 * w, LATENTS))).astype(np.int32)
    i, j, c = np.indices(symbols.shape)
    return z, cells, np.where((i + j + c) % 2 == 0, symbols, 0).astype(np.int32)


def test_integers_stay_within_a_row_of_the_floats_that_were_trained(network: Network, rows: Rows) -> None:
    z, cells, symbols = scene(2)
    quality = torch.from_numpy(cells / STEPS).float()[None].repeat_interleave(4, 1).repeat_interleave(4, 2)
    as_tensor = torch.from_numpy(z).float().permute(2, 0, 1)[None] + network.z_mean.view(1, -1, 1, 1)
    first = network.scales.first(as_tensor, quality)
    values = symbols * np.float32(SPACING / 2)  # they are levels of a model that quantises dependently
    second = network.scales.second(first, torch.from_numpy(values).permute(2, 0, 1)[None])
    sums = rows.sums(z, cells)
    i, j, c = np.indices(sums.shape)
    for part, scales, found in ((0, first, rows.first(sums)), (1, second, rows.second(sums, symbols))):
        expected = ((scales[0].permute(1, 2, 0).numpy() - LOWEST) / STEP)[(i + j + c) % 2 == part].clip(0, ROWS - 1)
        assert len(np.unique(found)) > 30
        assert np.abs(found - np.rint(expected)).max() <= 1
        assert np.abs(found - expected).mean() < 0.3  # rounding to rows alone gives a quarter


def reference_sum(rows: Rows, z: Any, cells: Any, i: int, j: int, c: int) -> int:
    """As docs/bitstream.md tells it, in Python's integers."""
    values = [min(max(int(v), -127), 127) for v in z[i // 4, j // 4]]
    k = 16 * c + 4 * (i % 4) + j % 4
    quality = int(cells[i // 4, j // 4])
    low = min(quality // 25, 9)
    part = quality - 25 * low
    base = (int(rows.base[low, c]) * (25 - part) + int(rows.base[low + 1, c]) * part) // 25
    return sum(int(weight) * value for weight, value in zip(rows.weight[k], values)) + int(rows.bias[k]) + base


def reference_row(rows: Rows, z: Any, cells: Any, symbols: Any, i: int, j: int, c: int) -> int:
    total = reference_sum(rows, z, cells, i, j, c)
    if (i + j + c) % 2 == 1:
        near = 0
        for side, (di, dj) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1))):
            if 0 <= i + di < symbols.shape[0] and 0 <= j + dj < symbols.shape[1]:
                near += int(rows.neighbours[c, side]) * int(rows.sizes[min(abs(int(symbols[i + di, j + dj, c])), 255)])
        clipped = min(max(total, int(rows.limits[0])), int(rows.limits[1]))
        total += ((clipped * int(rows.shrink[c])) >> 12) + (near >> 6) + int(rows.offset[c])
    return min(max(total >> 7, 0), 63)


def test_rows_are_those_of_an_independent_implementation(rows: Rows) -> None:
    z, cells, symbols = scene(3)
    z[0, 0], z[1, 1, ::2], symbols[0, 0, 0], symbols[4, 4, 0] = 2**31 - 1, -(2**31), 131071, -131072
    sums = rows.sums(z, cells)
    numbered = [np.full(sums.shape, -1, np.int32) for _ in range(2)]
    for part, found in enumerate((rows.first(sums), rows.second(sums, symbols))):
        scatter(found.astype(np.int32), part, numbered[part])
    rng = np.random.default_rng(4)
    places = [(0, 0, 1), (0, 1, 0), (0, 15, 0), (11, 15, 319), (11, 0, 0), (4, 5, 0), (3, 4, 0), (4, 4, 0)]
    for i, j, c in [*places, *((int(rng.integers(n)) for n in sums.shape) for _ in range(400))]:
        part = (i + j + c) % 2
        assert sums[i, j, c] == reference_sum(rows, z, cells, i, j, c)
        assert numbered[part][i, j, c] == reference_row(rows, z, cells, symbols, i, j, c)
        assert numbered[1 - part][i, j, c] == -1


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 30, 127, 10**6, 2**31 - 1]), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_float_product_is_exact(rows: Rows, seed: int, largest: int, h: int, w: int) -> None:
    z = np.random.default_rng(seed).integers(-largest, largest, (h, w, HYPER), endpoint=True).astype(np.int32)
    sums = rows.sums(z, np.zeros((h, w), np.int32)).reshape(h, 4, w, 4, LATENTS).transpose(0, 2, 4, 1, 3).reshape(h * w, -1)
    whole = np.clip(z, -127, 127).reshape(h * w, HYPER).astype(np.int64) @ rows.weight.T.astype(np.int64)
    assert (sums == whole + rows.bias + np.repeat(rows.base[0], 16)).all()


def test_largest_weights_that_are_let_in_are_still_exact(rows: Rows) -> None:
    limit = (2**24 - 1) // 127
    weight = np.zeros_like(rows.weight)
    weight[:, :5] = [32767, -32767, 32767, -32767, limit - 4 * 32767]
    widest = dataclasses.replace(rows, weight=weight)
    z = np.zeros((1, 1, HYPER), np.int32)
    z[..., :5] = [127, -127, 127, -127, 127]
    assert (widest.sums(z, np.zeros((1, 1), np.int32))[0, 0] - rows.bias[::16] - rows.base[0] == 127 * limit).all()


def test_a_product_that_rounds_is_noticed_and_replaced(rows: Rows) -> None:
    z, cells, _ = scene(5)
    rounding = dataclasses.replace(rows, weight=(rows.weight * 7).astype(np.int16))  # more than bfloat16 holds
    rows = dataclasses.replace(rounding)
    expected = rows.sums(z, cells)
    object.__setattr__(rounding, "_product", torch.from_numpy(rows._product).bfloat16().float().numpy())
    assert (rounding._product != rows._product).any()
    assert (rounding.sums(z, cells) == expected).all()


@pytest.mark.parametrize(
    ("name", "limit"), [("bias", 1 << 26), ("base", 1 << 22), ("shrink", 1 << 13), ("offset", 1 << 26), ("neighbours", 1 << 16),
                        ("sizes", 1 << 12), ("limits", 1 << 16)],
)  # fmt: skip
@pytest.mark.parametrize("sign", [1, -1])
def test_integers_with_which_a_sum_could_overflow_are_refused(rows: Rows, name: str, limit: int, sign: int) -> None:
    changed = getattr(rows, name).copy()
    changed.flat[-1] = sign * (limit - 1)
    dataclasses.replace(rows, **{name: changed})
    changed.flat[-1] = sign * limit
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(rows, **{name: changed})


def test_weights_beyond_what_float32_holds_are_refused(rows: Rows) -> None:
    weight = rows.weight.copy()
    weight[17] = 1377
    with pytest.raises(ValueError, match="float32"):
        dataclasses.replace(rows, weight=weight)


def test_other_types_and_shapes_are_refused(rows: Rows) -> None:
    for name in ("weight", "bias", "base", "limits"):
        for wrong in (getattr(rows, name).astype(np.int64), getattr(rows, name).astype(np.float32), getattr(rows, name)[:1, ...][:, :0]
                      if getattr(rows, name).ndim > 1 else getattr(rows, name)[:1]):  # fmt: skip
            with pytest.raises(ValueError, match=name):
                dataclasses.replace(rows, **{name: wrong})


def test_export_never_wraps_a_weight(network: Network) -> None:
    wide = random_network(1)
    with torch.no_grad():
        wide.scales.row.weight[0].fill_(0)
        wide.scales.row.weight[0, 0] = 60.0  # 67,000 as an integer: beyond int16
        wide.scales.row.weight[1].fill_(9.0)
    found, before = integer_rows(wide), integer_rows(network)
    assert found.weight[0, 0] == 32767
    assert found.weight[1].min() > 0
    assert (found.weight[2:] == before.weight[2:]).all()


def test_base_is_interpolated_to_every_quality(rows: Rows) -> None:
    z = np.zeros((1, TOP_QUALITY + 1, HYPER), np.int32)
    sums = rows.sums(z, np.arange(TOP_QUALITY + 1, dtype=np.int32)[None])[0, ::4] - rows.bias[::16]
    assert (sums[::STEPS] == rows.base).all()
    assert len(rows.base) == ANCHORS
    low, high = np.minimum(rows.base[:-1], rows.base[1:]), np.maximum(rows.base[:-1], rows.base[1:])
    inner = sums[:-1].reshape(ANCHORS - 1, STEPS, LATENTS)
    assert (inner >= low[:, None]).all()
    assert (inner <= high[:, None]).all()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(0, 1))
@settings(max_examples=50, deadline=None)
def test_scatter_goes_row_by_row_column_by_column_channel_by_channel(h: int, w: int, c: int, part: int) -> None:
    values = np.arange(1, part_size((h, w, c), part) + 1, dtype=np.int32)
    out = np.zeros((h, w, c), np.int32)
    scatter(values, part, out)
    assert list(out[out > 0]) == list(values)
    i, j, k = np.indices(out.shape)
    assert ((out > 0) == ((i + j + k) % 2 == part)).all()


def test_quantising_rounds_towards_zero_and_stays_within_reach() -> None:
    residual = np.zeros((1, 1, 8), np.float32)
    residual[0, 0, ::2] = [1.6, -1.6, 0.6, 1e9]
    dead_zone, reach, out, cut = np.zeros(64, np.float32), np.full(64, 9, np.int32), np.empty(4, np.int32), np.empty(1, np.int32)
    quantise(residual, np.zeros(4, np.uint16), dead_zone, reach, 0, out, cut)
    assert list(out) == [2, -2, 1, 9]
    assert list(cut) == [131000 - 9]
    dead_zone[:] = 0.2
    quantise(residual, np.zeros(4, np.uint16), dead_zone, reach, 0, out, cut)
    assert list(out) == [1, -1, 0, 9]


def test_quantising_tells_which_cell_lost_how_much() -> None:
    residual = np.zeros((4, 12, 2), np.float32)
    residual[3, 5, 0], residual[1, 7, 0], residual[2, 8, 0] = -30, 17, 9
    dead_zone, reach, out, cut = np.zeros(64, np.float32), np.full(64, 9, np.int32), np.empty(48, np.int32), np.empty(3, np.int32)
    quantise(residual, np.zeros(48, np.uint16), dead_zone, reach, 0, out, cut)
    assert list(cut) == [0, 21, 0]
    quantise(residual, np.zeros(48, np.uint16), dead_zone, reach, 1, out, cut)
    assert list(cut) == [0, 0, 0]
