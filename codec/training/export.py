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
from codec.quantisers import Dependent
from codec.rans import TOKENS, TOTAL, TokenTables, fit, tokens_of
from codec.training.data import WHOLE, load_crops, phone_like, whole
from codec.training.generated import Crop
from codec.trellis import STATES

CROPS = 120
PRIOR = 200.0
"""Weight, in symbols, of the Laplace that a histogram is mixed with: rare rows keep a sane shape."""
SURE = 0.9985
"""Rows of which more is 0 are not sent."""
FEW = 30
"""Crops for the first tables, which tell the encoder what symbols cost when it makes the histograms for the final ones."""
WIDE, FAR = 1.0, 2047
"""Rows of at least this deviation can code symbols of at least this size, whatever the crops had: what a row can't code, the encoder cuts
off, and a patch that is brighter than all of them would turn grey. It costs a thousandth of the bytes; in all rows it would cost eight."""

SPACING = 1.4
"""Steps between neighbours of one quantiser (`codec.trellis`): at equal error 2 to 6 % fewer bits than rounding to whole steps. At 1.0 the
networks would meet less error than they were told of, at 1.6 the gain in the score ends."""
PRICE = 0.04
"""Squared spacings that a bit is worth when an encoder plans. Theory says 0.12 at high rates; the score wants weak texture kept."""

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
        sizes=np.rint(64 * np.log2(1 + SPACING / 2 * np.arange(SIZES))).astype(np.int32),
        limits=np.rint((np.array([-3.0, 6.0]) - LOWEST) * UNIT + 2 ** (SHIFT - 1)).astype(np.int32),
    )


def laplace(deviations: NDArray[np.float64], *, second: bool = False) -> Counts:
    """(n,) standard deviations -> (n, TOKENS) probabilities of the tokens of a Laplace's nearest levels in a quantiser of spacing 1: the
    first of `codec.trellis`, whose levels are the whole numbers, or the second: 0, 1/2, 3/2, 5/2 and their negatives."""
    symbols = np.arange(-4096, 4097)
    b = np.maximum(deviations, 0.05)[:, None] / np.sqrt(2)
    size = np.abs(symbols)[None]
    low, high = size - 0.5 - 0.5 * second, size + 0.5 - 0.5 * second
    low, high = np.where(second & (size == 1), 0.25, low), np.where(second & (size == 0), 0.25, high)
    inside = np.where(size == 0, 1 - np.exp(-high / b), 0.5 * np.exp(-low / b) * (1 - np.exp((low - high) / b)))
    out = np.zeros((len(deviations), TOKENS))
    np.add.at(out.T, tokens_of(symbols), inside.T)
    total: Counts = out.sum(1, keepdims=True)
    return out / total


def fitted(counts: Counts, prior: Counts) -> NDArray[np.uint16]:
    """Histograms (n, TOKENS) mixed with their prior -> frequencies."""
    return fit(np.rint((counts + PRIOR * prior) * 1000).astype(np.int64))


def fitted_pair(counts: Counts, *, sure: bool = True) -> NDArray[np.uint16]:
    """The same for the latents, (2 ROWS, TOKENS), both quantisers of a model that quantises dependently. With `sure`, rows of which nearly
    all is 0 become surely zero, in both; wide ones can code FAR."""
    deviations = np.exp(LOWEST + STEP * np.arange(ROWS))
    prior = np.concatenate([laplace(deviations / SPACING), laplace(deviations / SPACING, second=True)])
    mixed = counts + PRIOR * prior  # a row that was seen three times, three times 0, is not surely zero
    whole, wide = np.rint(mixed * 1000).astype(np.int64), int(np.searchsorted(deviations, WIDE))
    farthest = whole.reshape(2, ROWS, TOKENS)[:, wide:, tokens_of(np.array([FAR]))[0]]
    np.maximum(farthest, 1, out=farthest)
    freq, both = fit(whole), mixed.reshape(2, ROWS, TOKENS).sum(0)
    if sure:
        certain = np.tile(both[:, 0] > SURE * both.sum(1), 2)
        freq[certain] = 0
        freq[certain, 0] = TOTAL
    return freq


def histograms(model: Model, crops: list[Crop], seed: int, count: int = CROPS) -> tuple[Counts, Counts]:
    """Tokens by row that the codec produces on crops as large pictures, half of them phone-like, at qualities from the whole range."""
    rng = np.random.default_rng(seed)
    y_counts, z_counts = np.zeros((2 * ROWS, TOKENS)), np.zeros((ANCHORS * HYPER, TOKENS))
    for index, number in enumerate(rng.choice(len(crops), min(count, len(crops)), replace=False)):
        picture = whole(crops[number], rng)
        analysed = Analysed(picture if index % 2 else phone_like(picture, WHOLE, rng), model)
        for quality in np.linspace(0, TOP_QUALITY, ANCHORS).astype(int)[index % 2 :: 2]:
            for parts in analysed.symbols(int(quality)):
                for (symbols, rows, _), counts in zip(parts, (z_counts, y_counts, y_counts), strict=True):
                    np.add.at(counts, (rows, tokens_of(symbols)), 1)
    return y_counts, z_counts


def export(network: Network, crops: list[Crop], name: str, price: float = PRICE) -> bytes:
    """The bytes of a weight file. `price`: see PRICE."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(tensor.half().float())
    network.eval().requires_grad_(False)
    rows, y_counts = integer_rows(network), np.zeros((2 * ROWS, TOKENS))
    z_prior = laplace(np.exp(network.z_deviation.table.numpy().astype(np.float64)).ravel())
    z_counts = np.zeros_like(z_prior)

    def model_of() -> Model:
        quantiser = Dependent(TokenTables(fitted_pair(y_counts, sure=bool(y_counts.any()))), STATES, SPACING / 2, price)
        # z of a quality and channel was seen rarely: neighbouring qualities help
        shared = z_counts.reshape(ANCHORS, HYPER, TOKENS)
        shared = shared + 0.5 * (np.concatenate([shared[:1], shared[:-1]]) + np.concatenate([shared[1:], shared[-1:]]))
        return Model(name, bytes(32), network, rows, quantiser, TokenTables(fitted(shared.reshape(z_counts.shape), z_prior)))

    for count in (FEW, FEW, CROPS):  # a plan depends on what symbols cost, and that on the plans
        y_counts, z_counts = histograms(model_of(), crops, seed=1, count=count)
    model = model_of()
    tensors = {
        f"network.{k}": np.ascontiguousarray(v.numpy().astype(np.float16))
        for k, v in network.state_dict().items()
        if not k.startswith("scales.")
    }
    tensors |= {
        f"rows.{part}": getattr(rows, part) for part in ("weight", "bias", "base", "shrink", "offset", "neighbours", "sizes", "limits")
    }
    tensors |= {"tables.y": model.quantiser.tables.freq, "tables.z": model.z_tables.freq}
    tensors |= {"trellis.follow": STATES.follow, "trellis.second": STATES.second}
    tensors |= {"trellis.unit": np.array([SPACING / 2], np.float32), "encoder.price": np.array([price], np.float32)}
    tensors["self_test"] = np.frombuffer(self_test(model), np.uint8)
    return save(tensors, metadata={"name": name, "format": FORMAT})


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; `arguments` default to those of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="tar of training crops, for the tables")
    parser.add_argument("--name", required=True, help="m1, m2 ... for a release")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--price", type=float, default=PRICE, help="squared spacings that a bit is worth to the encoder; 0: least error")
    options = parser.parse_args(arguments)
    weights = torch.load(options.checkpoint, map_location="cpu", weights_only=True)["averaged"]
    network = Network.of(weights)
    network.load_state_dict(weights)
    data = export(network, load_crops(options.data)[0], options.name, options.price)
    options.out.write_bytes(data)
    print(json.dumps({options.name: {"file": options.out.name, "sha256": hashlib.sha256(data).hexdigest()}}))


if __name__ == "__main__":
    main()
