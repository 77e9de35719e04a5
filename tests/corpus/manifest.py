"""The manifest of a corpus: what each file is, what is expected of it, and which of our reasons say the same as its words."""

import csv
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

_DAMAGED = {"corrupt", "not-a-picture", "empty"}
_ODD = {"components", "sampling", "hierarchical", "arithmetic", "lossless-jpeg", "12-bit", "dnl", "cmyk", "rgb-jpeg"}
NEAR: dict[str, set[str]] = {
    "corrupt": _DAMAGED | _ODD,
    "unsupported": _DAMAGED | _ODD,
    "truncated": _DAMAGED,
    "empty": _DAMAGED,
    "not-an-image": {"not-a-picture", "unfinished"},
    "decode-warning": {"corrupt"},
    "bad-icc": {"bad-icc", "cmyk"},
    "unsupported-format": {"unsupported-format", "other-name"},
    "unsupported-jpeg": {"12-bit", "lossless-jpeg"},
    "unsupported-colourspace": {"cmyk", "rgb-jpeg", "components"},
    "arithmetic-jpeg": {"arithmetic"},
    "too-large": {"too-large", "corrupt"},
    "bomb": {"too-large", "too-small"},
    "too-small": {"too-small", "arithmetic"},
    "animated": {"animated"},
    "screenshot": {"graphic", "alpha"},
    "palette": {"palette", "low-bit-depth"},
    "alpha": {"alpha", "palette", "low-bit-depth"},
    "16-bit": {"16-bit"},
    "low-bit-depth": {"low-bit-depth", "palette"},
    "hdr-png": {"hdr-png"},
    "signed": {"signed"},
    "dnl": {"dnl"},
    "no-gain": {"no-gain", "stand-in-too-large", "quality-not-reached"},
    "hidden": {"hidden", "in-the-bin"},
    "trashed": {"hidden", "in-the-bin"},
    "no-image-extension": {"other-name"},
    "extension-mismatch": {"extension-mismatch"},
    "not-only-an-image": {"not-only-an-image"},
}
"""What a manifest calls a reason -> our slugs that say the same."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the manifest."""

    name: str
    category: str
    expected: str
    size: int
    source: Path

    def may_be_archived(self) -> bool:
        return "archive+restore" in self.expected

    def may_be_left(self, reason: str) -> bool:
        told = re.findall(r"skip:([a-z0-9/-]+)", self.expected)
        return any(reason in NEAR.get(word, {word}) for words in told for word in words.split("/"))


def entries(corpus: Path) -> list[Entry]:
    with (corpus / "manifest.tsv").open(encoding="utf-8", newline="") as manifest:
        rows = csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Entry(row["file"], row["category"], row["expected"], int(row["size"]), corpus / row["file"]) for row in rows]


def load_facts(corpus: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_facts", corpus / "facts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
