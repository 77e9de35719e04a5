"""Whole archives of the neural lane, written when a model was released, come back as they did: pixels, metadata, the file around."""

import io

import numpy as np
import pytest
from PIL import Image

from codec import canonical, container, load_model, reference
from codec.bitstream import peek, unpack
from codec.lanes import examine, restore
from codec.model import DEFAULT, Model, manifest
from tests.codec import make_golden_neural as maker

CASES = [
    pytest.param(name, kind, id=f"{name}-{kind}", marks=[pytest.mark.slow] if kind == "wide" and name != DEFAULT else [])
    for name in manifest()
    for kind in maker.KINDS
]


LOSSY = "jpeg", "inner"


def test_every_model_that_ships_has_golden_archives() -> None:
    """After a release: python tests/codec/make_golden_neural.py, and commit what it writes."""
    assert [str(place) for name in manifest() for kind in maker.KINDS if not (place := maker.archive_of(name, kind)).exists()] == []


def loaded(name: str) -> Model:
    model = load_model(name)
    model.networks.half = False
    return model


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_it_comes_back_as_it_was_measured(name: str, kind: str) -> None:
    archive, original = maker.archive_of(name, kind).read_bytes(), maker.original_of(kind).read_bytes()
    said = canonical.load(unpack(archive).sections["QUAL"])
    header = peek(archive)
    assert (header.version, header.lane, header.model_digest) == (1, "neural", bytes.fromhex(manifest()[name]["sha256"]))
    found = examine(archive, original, lambda: loaded(name))
    assert found.metadata_equal
    assert found.whole == pytest.approx(said["whole"], abs=0.3)
    assert found.worst_tile == pytest.approx(said["worst_tile"], abs=0.3)
    assert found.copy_whole == pytest.approx(said["copy_whole"], abs=0.5)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_its_copy_is_a_file_that_others_read(name: str, kind: str) -> None:
    """Pixels of the second decoder within a level; of a JPEG within what its own quantisation does."""
    archive, original = maker.archive_of(name, kind).read_bytes(), maker.original_of(kind).read_bytes()
    copy, pixels = restore(archive, lambda: loaded(name)), reference.decode(archive)
    assert copy.endswith(b"behind the picture")
    with Image.open(io.BytesIO(copy)) as image, Image.open(io.BytesIO(original)) as before:
        assert (image.format, image.size, image.mode) == (before.format, before.size, before.mode)
        assert dict(image.getexif()) == dict(before.getexif())
        difference = np.abs(np.asarray(image).astype(int) - pixels)
    assert difference.max() <= (40 if kind in LOSSY else 1)
    assert difference.mean() < (3 if kind in LOSSY else 0.05)
    assert np.abs(container.read(original).pixels.astype(int) - pixels).mean() < 8


@pytest.mark.parametrize(("kind", "places"), [("tall", [(0, 0), (16, 0)]), ("wide", [(0, 0), (0, 128)])])
def test_some_hold_several_units(kind: str, places: list[tuple[int, int]]) -> None:
    for name in manifest():
        units = reference.read_stream(unpack(maker.archive_of(name, kind).read_bytes()).sections["PIXL"]).units
        assert [(row, column) for row, column, _, _ in units] == places


def test_a_model_that_is_no_longer_the_default_is_found() -> None:
    """Whatever is the default today."""
    first, *_ = manifest()
    archive = maker.archive_of(first, "png").read_bytes()
    assert restore(archive, load_model) == restore(archive, lambda: loaded(first))


def test_pictures_inside_of_the_metadata_are_coded() -> None:
    for name in manifest():
        archive = unpack(maker.archive_of(name, "inner").read_bytes())
        assert [place for place, _, _ in canonical.load(archive.sections["STRC"])["inner"]] == ["META", "TRLR"]
