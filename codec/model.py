"""A released model: weights, integer rows and tables out of one file, checked and ready.

The weight file is safetensors (no pickle): float16 for what computes pixels, integers for what the bitstream depends on. Its SHA-256 is the
model's digest, which every archive names. Files that ship lie in codec/weights/, with a MANIFEST of their digests; none is ever taken away.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from codec.errors import Corrupt, ModelMissing, UnknownVersion
from codec.inference import Inference
from codec.network.constants import ANCHORS, HYPER, LATENTS, STEPS
from codec.network.network import Network
from codec.network.rows import ROWS, Rows
from codec.quantisers import Dependent, Quantiser, Rounding
from codec.tokens import TokenTables
from codec.trellis import Trellis

DEFAULT: Final = "m7"
FORMAT: Final = "2"
"""Of a weight file that is written today: which networks it holds, and how symbols and rows come from its integers. 1 is read, too."""

SHORT_DIGEST: Final = 8
"""Bytes of the digest that a pixel stream of its own carries."""

_ROWS: Final = ("weight", "bias", "base", "shrink", "offset", "neighbours", "sizes", "limits")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A codec ready for use. Immutable; may be shared by threads."""

    name: str
    digest: bytes  # 32 bytes, SHA-256 of the weight file
    network: Network
    rows: Rows
    quantiser: Quantiser  # of the latents, with their tables
    z_tables: TokenTables  # a row for each anchor quality and channel: anchor * HYPER + channel
    networks: Inference = field(init=False, repr=False)  # `network` as files are coded with it

    def __post_init__(self) -> None:
        object.__setattr__(self, "networks", Inference(self.network, self.quantiser.unit))


def manifest() -> dict[str, dict[str, str]]:
    """What ships: name -> {'file', 'sha256'}."""
    text = files("codec").joinpath("weights/MANIFEST.json").read_text("utf-8")
    entries: dict[str, dict[str, str]] = json.loads(text)["models"]
    return entries


def weight_file(which: str | bytes = DEFAULT) -> bytes:
    """The bytes of a shipped weight file, by name or by its digest, of which the first 8 bytes do.

    Raises ModelMissing, or Corrupt where the file was altered.
    """
    name, entry = _shipped(which)
    try:
        data = files("codec").joinpath("weights", entry["file"]).read_bytes()
    except FileNotFoundError:
        raise ModelMissing(bytes.fromhex(entry["sha256"])) from None
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise Corrupt(f"the weight file of model {name} is not the one that was released")
    return data


def _shipped(which: str | bytes) -> tuple[str, dict[str, str]]:
    for name, entry in manifest().items():
        digest = bytes.fromhex(entry["sha256"])
        if which == name or (isinstance(which, bytes) and len(which) >= SHORT_DIGEST and digest.startswith(which)):
            return name, entry
    raise ModelMissing(which if isinstance(which, bytes) else which.encode())


def load_model(which: str | bytes = DEFAULT) -> Model:
    """A shipped model by name, or by its digest, of which the first 8 bytes do; loaded once a process, whatever it is called by.

    Raises ModelMissing where no such model ships, Corrupt where its file was altered or where this machine does not compute
    the integers that the file's self-test expects.
    """
    return _loaded(_shipped(which)[0])


@cache
def _loaded(name: str) -> Model:
    return model_from(weight_file(name))


def model_from(data: bytes) -> Model:
    """The model in the bytes of a weight file, a vault's for example. Raises Corrupt, or UnknownVersion for a later kind of model."""
    try:
        tensors = load(data)
        described = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if described["format"] not in _QUANTISERS:
            raise UnknownVersion(f"the weight file has format {described['format']}, this program reads {' and '.join(_QUANTISERS)}")
        name = described["name"]
        state = {k.removeprefix("network."): torch.from_numpy(v.astype(np.float32)) for k, v in tensors.items() if k.startswith("network.")}
        network = Network.of(state)
        left = network.load_state_dict(state, strict=False)
        if left.unexpected_keys or any(not key.startswith("scales.") for key in left.missing_keys):
            raise ValueError(f"weights missing {left.missing_keys}, unexpected {left.unexpected_keys}")
        model = Model(
            name=name,
            digest=hashlib.sha256(data).digest(),
            network=network.eval().requires_grad_(False),
            rows=Rows(**{part: tensors[f"rows.{part}"] for part in _ROWS}),
            quantiser=_QUANTISERS[described["format"]](tensors),
            z_tables=TokenTables(tensors["tables.z"]),
        )
        expected = tensors["self_test"].tobytes()
        if len(model.z_tables.freq) != ANCHORS * HYPER:
            raise ValueError(f"tables of {len(model.z_tables.freq)} rows for z")
    except (SafetensorError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise Corrupt(f"this is no weight file: {error}") from error
    if self_test(model) != expected:
        raise Corrupt("this machine does not compute the integers that the model's self-test expects")
    return model


def _rounding(tensors: Mapping[str, NDArray[Any]]) -> Quantiser:
    tables, dead_zone = TokenTables(tensors["tables.y"]), tensors["encoder.dead_zone"].astype(np.float32)
    if (len(tables.freq), *dead_zone.shape) != (ROWS, ROWS):
        raise ValueError(f"tables of {len(tables.freq)} rows, dead zones of {dead_zone.shape}")
    return Rounding(tables, dead_zone)


def _dependent(tensors: Mapping[str, NDArray[Any]]) -> Quantiser:
    tables, states = TokenTables(tensors["tables.y"]), Trellis(tensors["trellis.follow"], tensors["trellis.second"])
    if len(tables.freq) != 2 * ROWS:
        raise ValueError(f"tables of {len(tables.freq)} rows")
    (unit,), (price,) = tensors["trellis.unit"], tensors["encoder.price"]
    return Dependent(tables, states, float(unit), float(price))


_QUANTISERS: Final[dict[str, Callable[[Mapping[str, NDArray[Any]]], Quantiser]]] = {"1": _rounding, "2": _dependent}
"""By the format of the weight file."""


def self_test(model: Model) -> bytes:
    """SHA-256 over the tables and over the rows of a fixed z and of fixed levels: what must be the same on every machine."""
    at = np.arange(3 * 2 * HYPER, dtype=np.int64).reshape(3, 2, HYPER)
    z = ((at * 2654435761 >> 7) % 61 - 30).astype(np.int32)
    cells = np.array([[0, 17], [STEPS * 4 + 9, STEPS * 6], [STEPS * 7 + 24, STEPS * (ANCHORS - 1)]], np.int32)
    sums = model.rows.sums(z, cells)
    place = np.arange(sums.size, dtype=np.int64).reshape(sums.shape)
    levels = ((place * 40503 >> 5) % 23 - 11).astype(np.int32)
    assert sums.shape[-1] == LATENTS
    digest = hashlib.sha256()
    for part in (model.rows.first(sums), model.rows.second(sums, levels), *model.quantiser.frozen, model.z_tables.freq):
        digest.update(part.astype("<u2").tobytes())
    return digest.digest()
