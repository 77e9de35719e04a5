"""Small photos of plain bytes, proofs that fit them, and a gallery with a vault; storage never looks into a picture."""

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from storage.checkpoint import observed_by
from storage.proof import Proof
from storage.vault import Vault

ORIGINAL = b"\xff\xd8 the original " * 128  # 2 KB
ARCHIVE = b"an archive of it"
STAND_IN = b"\xff\xd8 a stand-in"
COPY = b"\xff\xd8 a rebuilt copy"
MTIME_NS = 1_600_000_000_123_456_789


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def a_proof(original: bytes = ORIGINAL, archive: bytes = ARCHIVE, **changes: object) -> Proof:
    values: dict[str, object] = {
        "original_sha256": sha256(original),
        "archive_sha256": sha256(archive),
        "archive_bytes": len(archive),
        "level": "high",
        "whole_at_least": 80.0,
        "worst_tile_at_least": 70.0,
        "whole": 81.5,
        "worst_tile": 72.0,
        "copy_whole": 79.0,
        "metadata_equal": True,
        "model": "m1",
        "checked_at": 1_700_000_000,
        "verifier_pid": os.getpid() + 1,
    }
    return Proof(**{**values, **changes})  # type: ignore[arg-type]


@dataclass
class Scene:
    """One gallery with one archived photo, not yet retired."""

    root: Path
    photo: Path
    vault: Vault
    proof: Proof

    @property
    def aside(self) -> Path:
        return self.vault.aside_path(self.photo, sha256(ORIGINAL))

    def original_somewhere(self) -> bool:
        """The original's bytes are in place or set aside, under a name that no clean-up touches."""
        return any(path.is_file() and path.read_bytes() == ORIGINAL for path in (self.photo, self.aside))

    def archived(self) -> bool:
        path = self.vault.archive_path(sha256(ORIGINAL))
        return path.is_file() and path.read_bytes() == ARCHIVE


def make_scene(root: Path) -> Scene:
    photo = root / "DCIM" / "IMG_1.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(ORIGINAL)
    photo.chmod(0o640)
    os.utime(photo, ns=(MTIME_NS, MTIME_NS))
    vault = Vault(root)
    vault.prepare()
    vault.commit_archive(vault.stage_archive(ARCHIVE), sha256(ORIGINAL))
    return Scene(root, photo, vault, a_proof())


def at_step(step: str, act: Callable[[], object]) -> AbstractContextManager[None]:
    """Hook that calls `act` once, just before the named step."""
    done: list[str] = []

    def hook(name: str) -> None:
        if name == step and not done:
            done.append(name)
            act()

    return observed_by(hook)
