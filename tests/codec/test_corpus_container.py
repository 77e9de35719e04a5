"""Every file of the shared corpus: a picture or a named error, and copies that keep all that was not pixels."""

import csv
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from codec import container
from codec.errors import CodecError, Unsupported

pytestmark = [pytest.mark.corpus, pytest.mark.filterwarnings("ignore")]

QUICK_BYTES = 300_000
MAY_DIFFER = ("sha256", "size", "jpeg_sof", "jpeg_scans", "jpeg_sampling", "jpeg_subsampling", "jpeg_restart_interval", "jpeg_rst_markers",
              "jpeg_ids", "jpeg_junk", "jpeg_dac", "png_idat_bytes", "png_ihdr")  # fmt: skip

# Reasons for leaving a file that the manifest would like to see archived.
KNOWN_REASONS = {"palette", "alpha", "low-bit-depth", "16-bit", "rgb-jpeg", "sampling", "signed"}

# Refused for their names, which the codec does not see.
BY_NAME = (".crdownload", ".trashed-")


def rows(shared: Path, *, quick: bool) -> Iterator[tuple[Path, str]]:
    folder = shared / "corpus"
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            big = int(row["size"]) > QUICK_BYTES or row["category"] == "huge"
            if big != quick:
                yield folder / row["file"], row["expected"]


@pytest.fixture(scope="module")
def facts(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_facts", shared / "corpus" / "facts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(shared: Path, facts: ModuleType, tmp_path: Path, *, quick: bool) -> None:
    left: dict[str, str] = {}
    for path, expected in rows(shared, quick=quick):
        data = path.read_bytes()
        try:
            picture = container.read(data)
            copy = container.write(picture.pixels, picture.structure)
        except CodecError as error:
            if "skip" not in expected:
                assert isinstance(error, Unsupported), f"{path.name}: {error}"
                assert error.reason in KNOWN_REASONS, f"{path.name}: {error}"
                left[path.name] = str(error)
            continue
        assert "archive+restore" in expected or any(mark in path.name for mark in BY_NAME), f"{path.name}: {expected}"
        assert container.from_sections(container.to_sections(picture.structure)) == picture.structure
        place = tmp_path / f"copy{path.suffix}"
        place.write_bytes(copy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before, after = facts.facts(str(path)), facts.facts(str(place))
        different = {key for key in before.keys() | after.keys() if key not in MAY_DIFFER and before.get(key) != after.get(key)}
        assert not different, f"{path.name}: {[(key, before.get(key), after.get(key)) for key in sorted(different)]}"
    for name, reason in sorted(left.items()):
        print(f"left: {name}: {reason}")


@pytest.mark.slow
def test_each_file_is_read_rebuilt_or_left_for_a_reason(shared: Path, facts: ModuleType, tmp_path: Path) -> None:
    check(shared, facts, tmp_path, quick=True)


@pytest.mark.slow
def test_the_big_files_too(shared: Path, facts: ModuleType, tmp_path: Path) -> None:
    check(shared, facts, tmp_path, quick=False)
