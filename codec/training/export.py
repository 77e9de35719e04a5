"""Turn a checkpoint into a weight file: `python -m codec.training.export CHECKPOINT --data CROPS.tar --name m1 --out FILE`.

Floats become float16, the map to rows becomes integers, and the CDF tables are fitted on histograms of what the integer codec itself
produces on training crops.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from codec.model import FORMAT, Model, self_test
from codec.network.constants import ANCHORS, CELL, HYPER, LATENTS, TOP_QUALITY
from codec.network.network import Network
from codec.network.rows import LOWEST, ROWS, SHIFT, SIZES, STEP, UNIT, Z_LIMIT, Rows
from codec.neural import Analysed
from codec.rans import TOKENS, TOTAL, TokenTables, fit, tokens_of
from codec.training.data import WHOLE, load_crops, phone_like, whole
from codec.training.generated import Crop

CROPS = 120
PRIOR = 200.0
"""Weight, in symbols, of the Laplace that a histogram is mixed with: rare rows keep a sane shape."""
SURE = 0.9985
"""Rows of which more is 0 are not sent."""
WIDE, FAR = 1.0, 2047
"""Rows of at least this deviation can code symbols of at least this size, whatever the crops had: what a row can't code, the encoder cuts
off, and a patch that is brighter than all of them would turn grey. It costs a thousandth of the bytes; in all rows it would cost eight."""

A_BIT = 0.04
"""Squared steps that a bit is worth when an encoder rounds. Theory says 0.12 at high rates; the score wants weak texture kept."""
MOST = 0.3
"""Steps, of a dead zone at most: rows in which anything but 0 is rare would lose what is there."""

Counts = NDArray[np.float64]


def integer_rows(network: Network) -> Rows:
    """`Scales` in integers. One step of a row is 2^SHIFT; the centre of z and the rounding of the last shift are folded into the bias."""
    scales = network.scales
    weight = scales.row.weight.detach().double().view(LATENTS * CELL**2, HYPER)
    assert scales.row.bias is not None
    bias = scales.row.bias.detach().double() + weight @ network.z_mean.detach().double() - LOWEST
    whole = np.rint(weight.numpy() * UNIT)
    limit = (2**24 - 1) // Z_LIMIT  # the bound that Rows proves; a row beyond it (none is expected) is shrunk, not wrapped
    excess = np.abs(whole).sum(1, keepdims=True) / limit
    whole = np.trunc(whole / np.maximum(excess, 1)).clip(-(2**15 - 1), 2**15 - 1)
    shrink = np.rint(scales.shrink.detach().numpy() * 4096)
    return Rows(
        weight=whole.astype(np.int16),
        bias=(np.rint(bias.numpy() * UNIT) + 2 ** (SHIFT - 1)).astype(np.int32),
        base=np.rint(scales.base.table.detach().numpy() * UNIT).astype(np.int32),
        shrink=shrink.astype(np.int32),
        # what is clipped counts from LOWEST, and holds half a step for rounding
        offset=np.rint(scales.offset.detach().numpy() * UNIT + shrink / 4096 * (LOWEST * UNIT - 2 ** (SHIFT - 1))).astype(np.int32),
        neighbours=np.rint(scales.neighbours.detach().numpy() * UNIT).astype(np.int32),
        sizes=np.rint(64 * np.log2(1 + np.arange(SIZES))).astype(np.int32),
        limits=np.rint((np.array([-3.0, 6.0]) - LOWEST) * UNIT + 2 ** (SHIFT - 1)).astype(np.int32),
    )


def laplace(deviations: NDArray[np.float64]) -> Counts:
    """(n,) standard deviations -> (n, TOKENS) probabilities of the tokens of a rounded Laplace."""
    symbols = np.arange(-4096, 4097)
    b = np.maximum(deviations, 0.05)[:, None] / np.sqrt(2)
    edge = np.abs(symbols)[None]
    inside = np.where(edge == 0, 1 - np.exp(-0.5 / b), 0.5 * np.exp(-(edge - 0.5) / b) * (1 - np.exp(-1 / b)))
    out = np.zeros((len(deviations), TOKENS))
    np.add.at(out.T, tokens_of(symbols), inside.T)
    total: Counts = out.sum(1, keepdims=True)
    return out / total


def fitted(counts: Counts, prior: Counts, *, sure: bool, wide: int | None = None) -> NDArray[np.uint16]:
    """Histograms (n, TOKENS) mixed with their prior -> frequencies; with `sure`, rows of which nearly all is 0 become surely zero.
    Rows from `wide` on can code FAR."""
    mixed = counts + PRIOR * prior  # a row that was seen three times, three times 0, is not surely zero
    whole = np.rint(mixed * 1000).astype(np.int64)
    if wide is not None:
        farthest = whole[wide:, tokens_of(np.array([FAR]))[0]]
        np.maximum(farthest, 1, out=farthest)
    freq = fit(whole)
    if sure:
        certain = mixed[:, 0] > SURE * mixed.sum(1)
        freq[certain] = 0
        freq[certain, 0] = TOTAL
    return freq


def dead_zones(tables: TokenTables, a_bit: float = A_BIT) -> NDArray[np.float32]:
    """(ROWS,): how far towards 0 an encoder rounds in each row, in steps, that squared error and bits together are least.

    With t the distance from the smaller symbol, the larger one saves t^2 - (1 - t)^2 and costs the bits between the two: it pays from
    t = 1/2 + a_bit / 2 times those bits on. They are those between 0 and 1, where most symbols lie; a surely-zero row leaves no choice.
    """
    freq = np.maximum(tables.freq.astype(np.float64), 0.02)
    bits = np.log2(freq[:, 0] / freq[:, 1:3].mean(1))
    sure = tables.freq[:, 0] == TOTAL
    zones: NDArray[np.float64] = np.where(sure, 0, np.clip(a_bit / 2 * bits, 0, MOST))
    return zones.astype(np.float32)


def histograms(model: Model, crops: list[Crop], seed: int) -> tuple[Counts, Counts]:
    """Tokens by row that the codec produces on crops as large pictures, half of them phone-like, at qualities from the whole range."""
    rng = np.random.default_rng(seed)
    y_counts, z_counts = np.zeros((ROWS, TOKENS)), np.zeros((ANCHORS * HYPER, TOKENS))
    for index, number in enumerate(rng.choice(len(crops), min(CROPS, len(crops)), replace=False)):
        picture = whole(crops[number], rng)
        analysed = Analysed(picture if index % 2 else phone_like(picture, WHOLE, rng), model)
        for quality in np.linspace(0, TOP_QUALITY, ANCHORS).astype(int)[index % 2 :: 2]:
            for parts in analysed.symbols(int(quality)):
                for (symbols, rows, _), counts in zip(parts, (z_counts, y_counts, y_counts), strict=True):
                    np.add.at(counts, (rows, tokens_of(symbols)), 1)
    return y_counts, z_counts


def export(network: Network, crops: list[Crop], name: str, a_bit: float = A_BIT) -> bytes:
    """The bytes of a weight file. `a_bit`: see `dead_zones`."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(tensor.half().float())
    network.eval().requires_grad_(False)
    rows = integer_rows(network)
    deviations = np.exp(LOWEST + STEP * np.arange(ROWS))
    y_prior, wide = laplace(deviations), int(np.searchsorted(deviations, WIDE))
    z_prior = laplace(np.exp(network.z_deviation.table.numpy().astype(np.float64)).ravel())
    tables = [TokenTables(fitted(np.zeros_like(prior), prior, sure=False)) for prior in (y_prior, z_prior)]
    model = Model(name, bytes(32), network, rows, tables[0], tables[1], dead_zones(tables[0], a_bit))
    y_counts, z_counts = histograms(model, crops, seed=1)
    # z of a quality and channel was seen rarely: neighbouring qualities help
    shared = z_counts.reshape(ANCHORS, HYPER, TOKENS)
    shared = shared + 0.5 * (np.concatenate([shared[:1], shared[:-1]]) + np.concatenate([shared[1:], shared[-1:]]))
    of_y, of_z = fitted(y_counts, y_prior, sure=True, wide=wide), fitted(shared.reshape(z_counts.shape), z_prior, sure=False)
    tables = [TokenTables(of_y), TokenTables(of_z)]
    model = Model(name, bytes(32), network, rows, tables[0], tables[1], dead_zones(tables[0], a_bit))
    tensors = {
        f"network.{k}": np.ascontiguousarray(v.numpy().astype(np.float16))
        for k, v in network.state_dict().items()
        if not k.startswith("scales.")
    }
    tensors |= {
        f"rows.{part}": getattr(rows, part) for part in ("weight", "bias", "base", "shrink", "offset", "neighbours", "sizes", "limits")
    }
    tensors |= {"tables.y": tables[0].freq, "tables.z": tables[1].freq, "encoder.dead_zone": model.dead_zone}
    tensors["self_test"] = np.frombuffer(self_test(model), np.uint8)
    return save(tensors, metadata={"name": name, "format": FORMAT})


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; `arguments` default to those of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="tar of training crops, for the tables")
    parser.add_argument("--name", required=True, help="m1, m2 ... for a release")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--a-bit", type=float, default=A_BIT, help="squared steps that a bit is worth in rounding; 0: to the nearest")
    options = parser.parse_args(arguments)
    weights = torch.load(options.checkpoint, map_location="cpu", weights_only=True)["averaged"]
    network = Network.of(weights)
    network.load_state_dict(weights)
    data = export(network, load_crops(options.data)[0], options.name, options.a_bit)
    options.out.write_bytes(data)
    print(json.dumps({options.name: {"file": options.out.name, "sha256": hashlib.sha256(data).hexdigest()}}))


if __name__ == "__main__":
    main()
