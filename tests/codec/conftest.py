"""Models and pictures for the tests of the neural codec."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from codec.model import Model

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="session")
def model() -> "Model":
    """The default model; no test may depend on what its weights are."""
    import torch

    from codec.model import load_model

    torch.set_num_threads(1)  # its threads spin
    found = load_model()
    found.networks.half = False  # whatever pays on this machine: what tests say of pixels is said of float32
    return found


@pytest.fixture(scope="session")
def resaved() -> Callable[..., bytes]:
    """`resaved(name, format=..., **tensors)` -> the default model's file under another name, some tensors replaced (None: left out)."""
    from safetensors.numpy import load, save

    from codec.model import weight_file

    data = weight_file()
    own = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["format"]

    def make(name: str, format: str = own, **replaced: NDArray[np.generic] | None) -> bytes:
        tensors = load(data) | {key.replace("__", "."): tensor for key, tensor in replaced.items()}
        return save({key: tensor for key, tensor in tensors.items() if tensor is not None}, {"name": name, "format": format})

    return make


@pytest.fixture(scope="session")
def dependent_file() -> bytes:
    """A weight file of format 2: m6's networks, and the tables of a Laplace for two quantisers."""
    from dataclasses import replace

    from safetensors.numpy import load, save

    from codec.model import load_model, self_test, weight_file
    from codec.network.rows import ROWS
    from codec.quantisers import Dependent
    from codec.tokens import TOKENS, TokenTables
    from codec.training.export import PRICE, SPACING, fitted_pair
    from codec.trellis import STATES

    quantiser = Dependent(TokenTables(fitted_pair(np.zeros((2 * ROWS, TOKENS)))), STATES, SPACING / 2, PRICE)
    tensors = load(weight_file("m6")) | {
        "tables.y": quantiser.tables.freq,
        "trellis.follow": STATES.follow,
        "trellis.second": STATES.second,
        "trellis.unit": np.array([SPACING / 2], np.float32),
        "encoder.price": np.array([PRICE], np.float32),
        "self_test": np.frombuffer(self_test(replace(load_model("m6"), quantiser=quantiser)), np.uint8),
    }
    del tensors["encoder.dead_zone"]
    return save(tensors, {"name": "dependent", "format": "2"})


@pytest.fixture(scope="session")
def photo(package_photos: dict[str, Path]) -> Pixels:
    """A photograph, 384 x 512."""
    from PIL import Image

    path = package_photos.get("astronaut") or next(iter(package_photos.values()))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((512, 512)))[:384].copy()
