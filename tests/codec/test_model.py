import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from codec import decode_pixels, encode_pixels, load_model
from codec import model as module
from codec.errors import Corrupt, ModelMissing, UnknownVersion
from codec.model import DEFAULT, Model, manifest, model_from, self_test, weight_file
from codec.network.network import Network
from codec.network.rows import SHIFT, Rows
from codec.trellis import STATES


def test_the_default_model_is_the_one_in_the_manifest(model: Model) -> None:
    assert model is load_model()
    assert model.name == DEFAULT
    assert model.digest.hex() == manifest()[DEFAULT]["sha256"] == hashlib.sha256(weight_file()).hexdigest()


def test_every_model_that_ships_loads_by_name_and_by_digest() -> None:
    for name, entry in manifest().items():
        digest = bytes.fromhex(entry["sha256"])
        for which in (name, digest, digest[:8]):
            assert load_model(which).digest == digest
        for unknown in (digest[:7], b"", digest[::-1], digest + b"\0", name + "x", ""):
            with pytest.raises(ModelMissing):
                load_model(unknown)


def test_nothing_in_a_model_waits_for_a_gradient(model: Model) -> None:
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert not model.network.training
    assert all(parameter.dtype == torch.float32 for parameter in model.network.parameters())


def shipped(folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes | None, sha256: str) -> None:
    """Let the codec ship one model, 'x'."""
    (folder / "weights").mkdir()
    (folder / "weights" / "MANIFEST.json").write_text(json.dumps({"models": {"x": {"file": "x.safetensors", "sha256": sha256}}}))
    if data is not None:
        (folder / "weights" / "x.safetensors").write_bytes(data)
    monkeypatch.setattr(module, "files", lambda package: folder)


@pytest.mark.parametrize("place", [0, 7, 100, 100_000, -40, -1])
def test_an_altered_weight_file_is_corrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    data = bytearray(weight_file())
    released = hashlib.sha256(data).hexdigest()
    data[place] ^= 0x10
    shipped(tmp_path, monkeypatch, bytes(data), released)
    with pytest.raises(Corrupt, match="x"):
        weight_file("x")


def test_a_weight_file_that_is_gone_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped(tmp_path, monkeypatch, None, "ab" * 32)
    with pytest.raises(ModelMissing):
        weight_file("x")


@pytest.mark.parametrize("cut", [0, 7, 8, 50, 5000, 1_000_000, -1])
def test_a_cut_weight_file_is_corrupt(cut: int) -> None:
    with pytest.raises(Corrupt):
        model_from(weight_file()[:cut])


def test_bytes_of_another_kind_are_corrupt() -> None:
    for data in (b"", b"PK\3\4", bytes(1000), b"\x08\0\0\0\0\0\0\0{}      "):
        with pytest.raises(Corrupt):
            model_from(data)


def test_a_weight_file_of_a_later_format(resaved: Callable[..., bytes]) -> None:
    with pytest.raises(UnknownVersion):
        model_from(resaved("later", format="3"))


def test_integers_that_do_not_match_the_self_test(resaved: Callable[..., bytes]) -> None:
    tensors = load(weight_file())
    base, tables = tensors["rows.base"] + 128, np.roll(tensors["tables.z"], 1, axis=0)
    for changed in ({"rows__base": base}, {"tables__z": tables}, {"self_test": np.zeros(32, np.uint8)}):
        with pytest.raises(Corrupt, match="self-test"):
            model_from(resaved("changed", **changed))


@pytest.mark.parametrize("wrong", ["sums", "first", "second"])
def test_a_machine_that_computes_other_integers_does_not_load(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """One number in all of them is off by one row."""
    honest = getattr(Rows, wrong)

    def off(self: Rows, *arguments: np.ndarray) -> np.ndarray:
        found: np.ndarray = honest(self, *arguments)
        one = 1 << SHIFT if wrong == "sums" else 1
        place = int(np.argmax((found.ravel() > 20 * one) & (found.ravel() < 40 * one)))  # no clipping to 0..63 hides it there
        found.ravel()[place] += one
        return found

    model_from(weight_file())
    monkeypatch.setattr(Rows, wrong, off)
    with pytest.raises(Corrupt, match="self-test"):
        model_from(weight_file())


@pytest.mark.parametrize("name", ["network.z_mean", "network.synthesis.out.bias", "rows.weight", "tables.y", "self_test"])
def test_a_weight_file_that_lacks_something(resaved: Callable[..., bytes], name: str) -> None:
    with pytest.raises(Corrupt):
        model_from(resaved("poor", **{name.replace(".", "__"): None}))


def test_shapes_and_types_that_no_export_writes(resaved: Callable[..., bytes]) -> None:
    tensors = load(weight_file())
    for name, wrong in (
        ("network.z_mean", tensors["network.z_mean"][:5]),
        ("rows.bias", tensors["rows.bias"].astype(np.int64)),
        ("rows.weight", tensors["rows.weight"].T.copy()),
        ("tables.y", tensors["tables.y"][:-1]),
        ("tables.z", tensors["tables.z"][:-1]),
        ("tables.y", tensors["tables.y"] // 2),
    ):
        with pytest.raises(Corrupt):
            model_from(resaved("odd", **{name.replace(".", "__"): wrong}))
    with pytest.raises(Corrupt):
        model_from(resaved("odd", network__more=np.zeros(3, np.float16)))


def with_tensor(data: bytes, form: str, name: str, tensor: np.ndarray | None) -> bytes:
    """A weight file with one tensor replaced, or left out."""
    tensors = {key: value for key, value in (load(data) | {name: tensor}).items() if value is not None}
    return save(tensors, {"name": "odd", "format": form})


@pytest.mark.parametrize("wrong", [None, np.zeros(1, np.float32), np.zeros((64, 2), np.float32)])
def test_dead_zones_of_format_1(wrong: np.ndarray | None) -> None:
    with pytest.raises(Corrupt):
        model_from(with_tensor(weight_file("m6"), "1", "encoder.dead_zone", wrong))


FOLLOW, SECOND = STATES.follow, STATES.second


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, None) for name in ("tables.y", "trellis.follow", "trellis.second", "trellis.unit", "encoder.price")),
        ("trellis.follow", FOLLOW[:-1].copy()),
        ("trellis.follow", FOLLOW.ravel()),
        ("trellis.follow", FOLLOW.astype(np.int32)),
        ("trellis.second", SECOND[:128].copy()),
        ("trellis.second", SECOND[:, None].copy()),
        ("trellis.second", SECOND * np.uint8(2)),
        ("trellis.second", SECOND * np.uint8(0)),
        ("trellis.unit", np.ones(2, np.float32)),
        ("trellis.unit", np.zeros(1, np.float32)),
        ("trellis.unit", np.full(1, np.nan, np.float32)),
        ("encoder.price", np.full(1, -1, np.float32)),
        ("encoder.price", np.ones((1, 1, 2), np.float32)),
    ],
)
def test_what_format_2_lacks_or_has_in_another_shape(dependent_file: bytes, name: str, wrong: np.ndarray | None) -> None:
    assert model_from(with_tensor(dependent_file, "2", "tables.y", load(dependent_file)["tables.y"])).quantiser.unit > 0
    with pytest.raises(Corrupt):
        model_from(with_tensor(dependent_file, "2", name, wrong))


def test_states_that_lead_nowhere(dependent_file: bytes) -> None:
    tensors = load(dependent_file)
    few = save(tensors | {"trellis.follow": FOLLOW[:8].copy(), "trellis.second": SECOND[:8].copy()}, {"name": "odd", "format": "2"})
    with pytest.raises(Corrupt, match="leads to states"):
        model_from(few)
    with pytest.raises(Corrupt, match="self-test"):
        model_from(with_tensor(dependent_file, "2", "trellis.follow", FOLLOW[:, ::-1].copy()))


def test_tables_of_the_other_format(dependent_file: bytes) -> None:
    of_two = load(dependent_file)["tables.y"]
    with pytest.raises(Corrupt):
        model_from(with_tensor(weight_file("m6"), "1", "tables.y", of_two))
    with pytest.raises(Corrupt):
        model_from(with_tensor(dependent_file, "2", "tables.y", of_two[:64].copy()))


def test_a_new_name_is_a_new_model_with_the_same_integers(model: Model, resaved: Callable[..., bytes]) -> None:
    other = model_from(resaved("other"))
    assert other.name == "other"
    assert other.digest != model.digest
    assert self_test(other) == self_test(model)
    changed = dataclasses.replace(model.rows, offset=model.rows.offset + 200)
    assert self_test(dataclasses.replace(model, rows=changed)) != self_test(model)


def test_two_threads_may_share_a_model(model: Model, photo: np.ndarray) -> None:
    pixels = photo[:100, :120]
    expected = encode_pixels(pixels, model, 0.4)
    found: list[bool] = []

    def work() -> None:
        for _ in range(3):
            found.append(encode_pixels(pixels, model, 0.4) == expected and decode_pixels(expected, model).shape == (100, 120, 3))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6


def test_documented_costs_are_those_of_the_networks(root: Path) -> None:
    """Multiply-adds a pixel of every convolution, counted while a picture goes through."""
    network, costs = Network(), dict[str, float]()

    def watch(part: str) -> Callable[..., None]:
        def count(layer: torch.nn.Conv2d, inputs: object, output: torch.Tensor) -> None:
            costs[part] = costs.get(part, 0) + layer.weight[0].numel() * output.numel() / 128**2

        return count

    for name, layer in network.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(watch(name.split(".")[0]))
    with torch.no_grad():
        network(torch.rand(1, 3, 128, 128), torch.full((1, 1, 1), 5.0))
    decoding = costs["scales"] + costs["means"] + costs["synthesis"]
    encoding = costs["analysis"] + costs["hyper"] + costs["scales"] + costs["means"]
    document = (root / "docs" / "codec.md").read_text(encoding="utf-8")
    for part, cost in {
        "analysis": costs["analysis"], "hyper": costs["hyper"], "rows, integers": costs["scales"], "means and steps": costs["means"],
        "synthesis": costs["synthesis"], "**to decode**": decoding, "**to encode**": encoding,
    }.items():  # fmt: skip
        line = next(line for line in document.splitlines() if line.startswith(f"| {part} |"))
        assert f"{cost:,.0f}" in line, f"{part}: {cost:.0f}"
