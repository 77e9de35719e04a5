"""Streams that were written when a model was released decode as they did then, on every machine and for ever."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from codec import decode_pixels, load_model
from codec.model import DEFAULT, manifest
from codec.neural import read_head
from tests.codec import make_golden as maker

GOLDEN = Path(__file__).parent / "golden"
DESCRIBED = sorted(GOLDEN.glob("model-*.json"))


def name_of(path: Path) -> str:
    return path.stem.removeprefix("model-")


def cases() -> list[Any]:
    found = [(path, case) for path in DESCRIBED for case in json.loads(path.read_text())["cases"]]
    return [pytest.param(path, case, id=f"{name_of(path)}-{case}") for path, case in found]


def test_every_model_that_ships_has_golden_files() -> None:
    """After a release: python tests/codec/make_golden.py, and commit what it writes."""
    assert {name_of(path) for path in DESCRIBED} >= set(manifest()) >= {DEFAULT}
    assert sum(path.stat().st_size for path in GOLDEN.glob(f"model-{DEFAULT}*")) < 30_000


@pytest.mark.parametrize("path", DESCRIBED, ids=name_of)
def test_a_released_model_stays_what_it_was(path: Path) -> None:
    assert load_model(name_of(path)).digest.hex() == json.loads(path.read_text())["model_sha256"]


@pytest.mark.parametrize(("path", "case"), cases())
def test_a_golden_stream_decodes_as_it_did(path: Path, case: str) -> None:
    model, expected = load_model(name_of(path)), json.loads(path.read_text())["cases"][case]
    model.networks.half = False  # bfloat16 is held to its own bounds in test_same_everywhere.py
    stream = (GOLDEN / f"{path.stem}-{case}.npix").read_bytes()
    assert hashlib.sha256(stream).hexdigest() == expected["stream_sha256"]  # nobody wrote it anew
    assert maker.symbols_digest(model, stream) == expected["symbols_sha256"]
    with Image.open(GOLDEN / f"{path.stem}-{case}.png") as image:
        before = np.asarray(image).astype(int)
    now = decode_pixels(stream, model)
    assert now.shape == before.shape == ((72, 80) if case.startswith("grey") else (72, 80, 3))
    difference = np.abs(now - before)
    assert difference.max() <= 1
    assert difference.mean() < 0.05
    assert (len(set(read_head(stream).cells.ravel().tolist())) > 1) == case.endswith("map")


def test_what_would_be_golden_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker itself, with whatever weights are there."""
    monkeypatch.setattr(maker, "GOLDEN", tmp_path)
    maker.write(DEFAULT)
    said = json.loads((tmp_path / f"model-{DEFAULT}.json").read_text())
    assert list(said["cases"]) == [case for case, _, _ in maker.CASES]
    model = load_model(DEFAULT)
    for case, _, _ in maker.CASES:
        stream = (tmp_path / f"model-{DEFAULT}-{case}.npix").read_bytes()
        assert maker.symbols_digest(model, stream) == said["cases"][case]["symbols_sha256"]
        with Image.open(tmp_path / f"model-{DEFAULT}-{case}.png") as image:
            assert (np.asarray(image) == decode_pixels(stream, model)).all()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 30_000
    with pytest.raises(SystemExit):
        maker.write(DEFAULT)
