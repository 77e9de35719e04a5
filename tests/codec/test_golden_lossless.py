"""Archives of the lossless lanes that were written once decode for ever, by whatever version of the packers is installed."""

from pathlib import Path

import pytest

from codec import pixel_exact
from codec.bitstream import peek
from codec.facts import Facts
from codec.lanes import examine, restore

GOLDEN = Path(__file__).resolve().parent / "golden"
NAMES = [path.stem.removeprefix("lossless-") for path in sorted(GOLDEN.glob("lossless-*.nphoto"))]


def nobody() -> None:
    raise AssertionError("a lossless lane needs no model")


def test_there_are_some_of_both() -> None:
    assert {name.rsplit("-", 1)[0] for name in NAMES} == {"exact", "pixel-exact"}


@pytest.mark.parametrize("name", NAMES)
def test_it_decodes(name: str) -> None:
    archive = (GOLDEN / f"lossless-{name}.nphoto").read_bytes()
    copy = restore(archive, nobody)  # type: ignore[arg-type]  # of the exact lane, it is compared with the digest in the archive
    header = peek(archive)
    assert (header.version, header.lane, header.model_digest) == (1, name.rsplit("-", 1)[0], None)
    if header.lane == "exact":
        assert len(copy) == Facts.from_bytes(header.small["FACT"]).size_bytes
    else:
        original = (GOLDEN / f"lossless-{name}.png").read_bytes()
        assert pixel_exact.difference(pixel_exact.read(original), pixel_exact.read(copy)) == ""
        assert examine(archive, original, nobody).metadata_equal  # type: ignore[arg-type]
