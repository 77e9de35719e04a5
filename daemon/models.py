"""Keeping each model that archives name in the vault, beside them: an archive must not depend on this program's installation."""

import json
from importlib import resources

from storage.vault import Vault


def keep_model(vault: Vault, name: str) -> None:
    """Copy the weight file of a released model into the vault, once. A lane without a model has the name ''."""
    if not name:
        return
    weights = resources.files("codec") / "weights"
    manifest = weights / "MANIFEST.json"  # read here rather than by codec.model, which brings torch
    released = json.loads(manifest.read_text("utf-8"))["models"] if manifest.is_file() else {}
    if name not in released or released[name]["file"] in vault.models():
        return
    vault.keep_model(released[name]["file"], (weights / released[name]["file"]).read_bytes())
