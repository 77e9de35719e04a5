"""Keeping each model that archives name in the vault, beside them, and how they are written: an archive must not depend on this
program's installation."""

import json
import re
import sysconfig
from importlib import resources
from pathlib import Path

from storage import layout
from storage.vault import Vault

_WEIGHTS = resources.files("codec") / "weights"
_FORMAT_VERSION = re.compile(rb"\(`\.nphoto`\), version (\d+)")
_MODEL_FORMAT = re.compile(rb"weight file of a model, format (\d+)")


def keep_model(vault: Vault, name: str) -> None:
    """Copy the weight file of a released model into the vault, once. A lane without a model has the name ''."""
    _keep_format(vault)
    if not name:
        return
    file = _released().get(name, {}).get("file")
    if file is not None and file not in vault.models():
        vault.keep_model(file, (_WEIGHTS / file).read_bytes())


def model_of(digest: bytes | None) -> str | None:
    """Name of the released model that an archive names by its digest; None for a lossless lane, or one that is not known here."""
    return next((name for name, model in _released().items() if digest is not None and model["sha256"] == digest.hex()), None)


def _released() -> dict[str, dict[str, str]]:
    """The released models by name; read here rather than by codec.model, which brings torch."""
    manifest = _WEIGHTS / "MANIFEST.json"
    found: dict[str, dict[str, str]] = json.loads(manifest.read_text("utf-8"))["models"] if manifest.is_file() else {}
    return found


def _keep_format(vault: Vault) -> None:
    """From where the program is installed, or from its checkout; a program without its documents keeps what the vault has, and so does one
    that is older than the format that is described there."""
    for folder in (Path(__file__).parent.parent / "docs", Path(sysconfig.get_path("data")) / "share/doc/gallery-optimizer"):
        if (folder / "bitstream.md").is_file():
            ours, place = (folder / "bitstream.md").read_bytes(), vault.folder / layout.FORMAT_NAME
            if not place.is_file() or _version(place.read_bytes()) <= _version(ours):
                vault.keep_format(ours)
            return


def _version(described: bytes) -> tuple[int, int]:
    """Of the archives that a description of the format is about, and the last format of their models; 0 where it does not say."""
    found = _FORMAT_VERSION.search(described)
    return int(found[1]) if found else 0, max(map(int, _MODEL_FORMAT.findall(described)), default=0)
