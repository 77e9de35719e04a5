"""Write the golden files of a model: `python tests/codec/make_golden.py [NAME ...]`, by default for every model without any.

For each case a stream and the pixels that it decodes to, and one JSON with a digest over the symbols of each stream. They are written once,
when a model is released, and kept for ever: test_golden.py reads them.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec import neural
from codec.model import Model, load_model, manifest
from codec.neural import Analysed, decode_pixels, read_head
from codec.unit import read_unit

GOLDEN = Path(__file__).resolve().parent / "golden"

CASES = (("colour", 130, False), ("colour-map", 40, True), ("grey", 110, False), ("grey-map", 200, True))
"""Name, quality, with a quality map."""

Pixels = NDArray[np.uint8]


def scene(grey: bool) -> Pixels:
    """A picture of 80 x 72 by formula: light, edges, a disc, stripes that grow finer, and a corner of grain."""
    y, x = np.mgrid[0:72, 0:80]
    light = 60 + y + 0.5 * x
    disc = np.hypot(y - 30, x - 60) < 18
    stripes = 30 * np.sign(np.sin(x * x / 120.0)) * (y > 58)
    grain = ((x * 7919 + y * 104729 + x * y * 31) % 23) - 11
    corner = grain * (x < 32) * (y < 24)
    planes = [light + stripes + corner, light * 0.9 + 50 * disc + stripes, 230 - light - 60 * disc + corner]
    colour = np.stack(planes, 2).clip(0, 255).astype(np.uint8)
    return colour[..., 0].copy() if grey else colour


def stream_of(model: Model, name: str, quality: int, mapped: bool) -> bytes:
    offsets = np.array([[0, 40], [-30, 100]], np.int8)
    return Analysed(scene(name.startswith("grey")), model).encode(quality, offsets if mapped else None).stream


def symbols_digest(model: Model, stream: bytes) -> str:
    """SHA-256 over all integers of a stream, unit by unit: z, then the symbols of both parts, as little-endian int32."""
    head, digest = read_head(stream), hashlib.sha256()
    for row, column, payload in neural._units(stream, head):
        for symbols in read_unit(model, payload, neural._unit_cells(head.cells, row, column)):
            digest.update(np.ascontiguousarray(symbols, "<i4").tobytes())
    return digest.hexdigest()


def described(name: str) -> Path:
    return GOLDEN / f"model-{name}.json"


def write(name: str) -> None:
    """Refuses to write over golden files: they pin what was released."""
    model = load_model(name)
    model.networks.half = False  # golden pixels are those of float32, whatever pays on this machine
    cases = {}
    if described(name).exists():
        raise SystemExit(f"{described(name)} is there already; a released model's golden files never change")
    for case, quality, mapped in CASES:
        stream = stream_of(model, case, quality, mapped)
        (GOLDEN / f"model-{name}-{case}.npix").write_bytes(stream)
        Image.fromarray(decode_pixels(stream, model)).save(GOLDEN / f"model-{name}-{case}.png", optimize=True)
        cases[case] = {"symbols_sha256": symbols_digest(model, stream), "stream_sha256": hashlib.sha256(stream).hexdigest()}
    described(name).write_text(json.dumps({"model_sha256": model.digest.hex(), "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or [name for name in manifest() if not described(name).exists()]:
        write(wanted)
