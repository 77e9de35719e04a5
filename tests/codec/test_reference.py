"""The second decoder, written from docs/bitstream.md in plain numpy: what stands there is enough, and is what happens."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from codec import reference
from codec.errors import CodecError, Corrupt, ModelMissing
from codec.model import Model, manifest, model_from, weight_file
from codec.network.rows import ROWS
from codec.neural import Analysed, Pixels, _unit_cells, _units, decode_pixels, read_head
from codec.rans import TOKENS
from codec.trellis import STATES
from codec.unit import read_unit

GOLDEN = Path(__file__).parent / "golden"
STREAMS = sorted(GOLDEN.glob("model-*.npix"))


@pytest.fixture(scope="module")
def weights() -> bytes:
    return weight_file()


def test_it_is_read_in_one_sitting() -> None:
    assert len(Path(reference.__file__).read_text().splitlines()) <= 300


def test_it_needs_numpy_alone(tmp_path: Path) -> None:
    """As a program of its own, in a process that can import nothing else."""
    out = tmp_path / "out.png"
    program = (
        "import sys, runpy\n"
        "for name in ('torch', 'numba', 'PIL', 'safetensors'): sys.modules[name] = None\n"
        f"sys.argv = ['reference', {str(STREAMS[0])!r}, {str(out)!r}]\n"
        "runpy.run_module('codec.reference', run_name='__main__')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with Image.open(out) as image, Image.open(STREAMS[0].with_suffix(".png")) as before:
        assert image.mode == before.mode
        assert np.abs(np.asarray(image).astype(int) - np.asarray(before)).max() <= 1


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_it_decodes_what_released_models_wrote(path: Path) -> None:
    with Image.open(path.with_suffix(".png")) as image:
        before = np.asarray(image).astype(int)
    now = reference.decode(path.read_bytes())
    assert now.shape == before.shape
    assert np.abs(now - before).max() <= 1


def test_it_reads_weight_files_as_safetensors_does(weights: bytes) -> None:
    mine, other = reference.read_weights(weights), load(weights)
    assert mine.keys() == other.keys()
    assert all(mine[name].dtype == other[name].dtype and (mine[name] == other[name]).all() for name in other)


@pytest.fixture(scope="module")
def each_format(dependent_file: bytes) -> dict[str, bytes]:
    return {"1": weight_file("m6"), "2": dependent_file}


@pytest.mark.parametrize("form", ["1", "2"])
def test_both_decoders_read_both_formats_of_weights(each_format: dict[str, bytes], photo: Pixels, form: str) -> None:
    data = each_format[form]
    model, tensors = model_from(data), reference.read_weights(data)
    model.networks.half = False
    stream = Analysed(photo[100:150, 200:264], model).encode(200).stream
    head = read_head(stream)
    (unit,) = reference.read_stream(stream).units
    for own, other in zip(read_unit(model, unit[3], head.cells), reference.read_unit(tensors, unit[3], unit[2]), strict=True):
        assert (own == other).all()
    assert np.abs(other).max() > 2
    assert np.abs(reference.decode(stream, data).astype(int) - decode_pixels(stream, model)).max() <= 1


@pytest.mark.parametrize(("quality", "mapped"), [(0, False), (137, True), (250, False)])
def test_both_decoders_read_the_same(model: Model, photo: Pixels, weights: bytes, quality: int, mapped: bool) -> None:
    pixels = photo[100:164, 200:300] if mapped else photo[100:150, 200:264]
    offsets = np.array([[-50, 113]], np.int8) if mapped else None
    stream = Analysed(pixels, model).encode(quality, offsets).stream
    head, tensors = read_head(stream), reference.read_weights(weights)
    own = [read_unit(model, payload, _unit_cells(head.cells, row, column)) for row, column, payload in _units(stream, head)]
    for (z, symbols), (_, _, cells, payload) in zip(own, reference.read_stream(stream).units, strict=True):
        other_z, other_symbols = reference.read_unit(tensors, payload, cells)
        assert (z == other_z).all()
        assert (symbols == other_symbols).all()
    difference = np.abs(reference.decode(stream, weights).astype(int) - decode_pixels(stream, model))
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_both_decode_with_a_renderer_of_another_width(photo: Pixels, weights: bytes, resaved: Callable[..., bytes]) -> None:
    """Half of m1's channels, as later models have."""
    tensors = load(weights)
    narrow = {
        "network__synthesis__condition__weight": tensors["network.synthesis.condition.weight"][: 16 * 24].copy(),
        "network__synthesis__condition__bias": tensors["network.synthesis.condition.bias"][: 16 * 24].copy(),
        "network__synthesis__adapt__weight": tensors["network.synthesis.adapt.weight"][:, :24].copy(),
    }
    made = resaved("narrow", **narrow)
    model = model_from(made)
    model.networks.half = False
    stream = Analysed(photo[100:150, 200:264], model).encode(137).stream
    difference = np.abs(reference.decode(stream, made).astype(int) - decode_pixels(stream, model))
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_pictures_of_several_units_and_strips(model: Model, photo: Pixels, weights: bytes) -> None:
    pixels = np.tile(photo, (3, 1, 1))[:1090, 100:170, 0]
    stream = Analysed(pixels, model).encode(60).stream
    difference = np.abs(reference.decode(stream, weights).astype(int) - decode_pixels(stream, model))
    assert difference.shape == (1090, 70)
    assert difference.max() <= 1


def test_pictures_of_units_side_by_side(model: Model, photo: Pixels, weights: bytes) -> None:
    """Wider than a unit, with a map that raises the cells around the border."""
    pixels = np.tile(photo, (1, 17, 1))[100:190, :8250]
    offsets = np.zeros((2, 129), np.int8)
    offsets[0, 126:] = 60
    stream = Analysed(pixels, model).encode(40, offsets).stream
    head, tensors = reference.read_stream(stream), reference.read_weights(weights)
    assert [(row, column, cells.shape) for row, column, cells, _ in head.units] == [(0, 0, (2, 128)), (0, 128, (2, 1))]
    z, symbols = reference.read_unit(tensors, head.units[1][3], head.units[1][2])
    own_z, own_symbols = read_unit(model, head.units[1][3], head.units[1][2].astype(np.int32))
    assert (z == own_z).all()
    assert (symbols == own_symbols).all()
    difference = np.abs(reference.decode(stream, weights).astype(int) - decode_pixels(stream, model))
    assert difference.shape == (90, 8250, 3)
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_archives_with_everything_around_the_pixels(photo: Pixels, weights: bytes, model: Model) -> None:
    from codec.bitstream import Archive, pack

    stream = Analysed(photo[:70, :70], model).encode(40).stream
    archive = pack(Archive("neural", model.digest, {"FACT": b"{}", "PIXL": stream, "TRLR": b"more"}))
    assert reference.pixel_stream(archive) == stream
    assert (reference.decode(archive) == reference.decode(stream, weights)).all()
    for at in range(len(archive)):
        damaged = bytearray(archive)
        damaged[at] ^= 0x41
        with pytest.raises(CodecError):
            reference.pixel_stream(bytes(damaged))
    with pytest.raises(Corrupt):
        reference.pixel_stream(archive[:-1])
    with pytest.raises(Corrupt):
        reference.pixel_stream(pack(Archive("neural", model.digest, {"FACT": b"{}"})))


def test_damaged_streams_end_in_named_errors(photo: Pixels, model: Model) -> None:
    stream = Analysed(photo[:64, :64], model).encode(0, np.array([[3]], np.int8)).stream
    for at in range(len(stream)):
        damaged = bytearray(stream)
        damaged[at] ^= 0x11
        with pytest.raises(CodecError):
            reference.read_stream(bytes(damaged))
        with pytest.raises(CodecError):
            reference.read_stream(stream[:at])
    with pytest.raises(Corrupt):
        reference.read_stream(stream + b"\0")


def test_a_model_that_is_not_there(photo: Pixels, resaved: Callable[..., bytes]) -> None:
    data = resaved("other")
    stream = Analysed(photo[:64, :64], model_from(data)).encode(0).stream
    with pytest.raises(ModelMissing):
        reference.decode(stream)
    with pytest.raises(ModelMissing):
        reference.decode(stream, weight_file())
    assert reference.decode(stream, data).shape == (64, 64, 3)


def test_golden_symbols_are_those_of_the_second_decoder() -> None:
    import hashlib

    for name in manifest():
        tensors = reference.read_weights(weight_file(name))
        for case, expected in json.loads((GOLDEN / f"model-{name}.json").read_text())["cases"].items():
            digest = hashlib.sha256()
            for _, _, cells, payload in reference.read_stream((GOLDEN / f"model-{name}-{case}.npix").read_bytes()).units:
                for symbols in reference.read_unit(tensors, payload, cells):
                    digest.update(symbols.astype("<i4").tobytes())
            assert digest.hexdigest() == expected["symbols_sha256"]


def test_the_self_test_is_what_the_document_says() -> None:
    """Written down from docs/bitstream.md, in plain integers."""
    import hashlib

    for name in manifest():
        stored = reference.read_weights(weight_file(name))
        w = {key: tensor.astype(np.int64) for key, tensor in stored.items() if key.startswith(("rows.", "tables.", "trellis."))}
        z = ((2654435761 * np.arange(3 * 2 * 96) >> 7) % 61 - 30).reshape(3, 2, 96)
        quality = np.array([[0, 17], [109, 150], [199, 250]])
        i, j, c = np.indices((12, 8, 320))
        symbol = ((40503 * np.arange(i.size) >> 5) % 23 - 11).reshape(i.shape)
        q, k = quality[i // 4, j // 4], np.minimum(quality // 25, 9)[i // 4, j // 4]
        f, at = q - 25 * k, 16 * c + 4 * (i % 4) + j % 4
        base = (w["rows.base"][k, c] * (25 - f) + w["rows.base"][k + 1, c] * f) // 25
        total = (w["rows.weight"][at] * z[i // 4, j // 4]).sum(-1) + w["rows.bias"][at] + base
        size = np.pad(np.where((i + j + c) % 2 == 0, w["rows.sizes"][np.abs(symbol)], 0), ((1, 1), (1, 1), (0, 0)))
        sides = size[:-2, 1:-1], size[2:, 1:-1], size[1:-1, :-2], size[1:-1, 2:]
        near = sum(w["rows.neighbours"][c, number] * side for number, side in enumerate(sides))
        low, high = w["rows.limits"]
        row1 = np.clip(total >> 7, 0, 63)
        second = total + (np.clip(total, low, high) * w["rows.shrink"][c] >> 12) + (near >> 6) + w["rows.offset"][c]
        row2 = np.clip(second >> 7, 0, 63)
        first = (i + j + c) % 2 == 0
        digest = hashlib.sha256()
        trellis = [w[name] for name in ("trellis.follow", "trellis.second") if name in w]
        for part in (row1[first], row2[~first], w["tables.y"], *trellis, w["tables.z"]):
            digest.update(part.astype("<u2").tobytes())
        assert digest.digest() == stored["self_test"].tobytes()


def documented(document: str, form: str) -> dict[str, tuple[int, ...]]:
    """The tensors of a format of the weight file, but for the networks', and their shapes. Format 2 is told of by its changes."""

    def table(number: str) -> dict[str, tuple[int, ...]]:
        section = document.split(f"### The weight file of a model, format {number}\n")[1].split("\n### ")[0]
        found = {}
        for names, shapes in re.findall(r"^\| (`[^|]+`) \| (?:u?int|float)\d+ ([^|]+) \|", section, re.MULTILINE):
            each = [tuple(int(side) for side in shape.split(", ")) for shape in re.findall(r"\(([\d, ]+)\)", shapes)]
            for place, name in enumerate(re.findall(r"`([a-z_.]+)`", names)):
                found[name] = each[min(place, len(each) - 1)]
        return found

    first = table("1")
    return first if form == "1" else {name: shape for name, shape in first.items() if name != "encoder.dead_zone"} | table("2")


def test_the_document_of_format_2_names_what_an_export_writes(root: Path) -> None:
    about = documented((root / "docs" / "bitstream.md").read_text(encoding="utf-8"), "2")
    assert about["trellis.follow"] == STATES.follow.shape
    assert about["trellis.second"] == STATES.second.shape
    assert about["tables.y"] == (2 * ROWS, TOKENS)
    assert about["trellis.unit"] == about["encoder.price"] == (1,)
    assert "encoder.dead_zone" not in about


def test_the_document_names_every_tensor_that_a_decoder_needs(root: Path, weights: bytes) -> None:
    """And no other: each layer stands in a formula, each shape that it gives is the weights'."""
    document = (root / "docs" / "bitstream.md").read_text(encoding="utf-8")
    formulas = document[document.index("### From symbols to pixels") : document.index("### What is frozen")]
    named = set(re.findall(r"\b(?:means|synthesis)\.\w+(?:\.\d+)?|\bcorrection\b|\blog_gain\b|\bz_mean\b", formulas))
    tensors = {name.removeprefix("network."): x for name, x in reference.read_weights(weights).items() if name.startswith("network.")}
    for_encoders = ("analysis.", "hyper.", "z_deviation.")
    assert all(f"network.{prefix}" in document for prefix in for_encoders)
    decoding = [name for name in tensors if not name.startswith(for_encoders)]
    layers = {re.sub(r"(\.(a|b|dw|f1|f2))?\.(weight|bias|table)$", "", name) for name in decoding}
    assert named == layers
    last = {
        json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["format"]: data
        for data in map(weight_file, manifest())
    }
    for form, data in last.items():  # the newest model of each format; what format 2 has instead is in its own section
        about, stored = documented(document, form), reference.read_weights(data)
        assert {name for name in stored if not name.startswith("network.")} == set(about)
        assert all(stored[name].shape == shape for name, shape in about.items())
