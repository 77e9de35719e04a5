"""The evidence that an archive stands for its original; nothing is destroyed without one."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.digest import is_digest
from storage.errors import Refused

COPY_ALLOWANCE_POINTS = 2.0
"""How many points (SSIMULACRA2) the copy that `restore` writes may lose beyond the level's threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Made by the daemon from what the verifying process measured on the bytes read back from disk.

    A proof that does not hold can't be built: the constructor raises Refused. Scores are SSIMULACRA2 points, 100 is identical;
    the lossless lanes say 100 three times, thresholds 100, model "". Where the photo itself was packed anew without loss, what stands for
    the original is that file: then "the archive" means it.
    """

    original_sha256: str
    archive_sha256: str
    archive_bytes: int
    level: str
    """Quality level by name."""
    whole_at_least: float
    worst_tile_at_least: float
    """The level's thresholds, in points; given by the caller, since storage knows no codec."""
    whole: float
    worst_tile: float
    copy_whole: float
    """The rebuilt file's score, which may be COPY_ALLOWANCE_POINTS below `whole_at_least`."""
    metadata_equal: bool
    model: str
    """Name of the model that decodes it; empty for a lossless lane."""
    checked_at: int
    """Seconds since the epoch, UTC."""
    verifier_pid: int
    """The process that decoded and measured."""
    asker_pid: int = field(default_factory=os.getpid)
    """The process that asked for it; must be another one."""
    checks: Mapping[str, float] = field(default_factory=dict)
    """What else the guard measured, by name; storage keeps it, and judges nothing by it."""

    def __post_init__(self) -> None:
        for name in ("original_sha256", "archive_sha256"):
            if not is_digest(getattr(self, name)):
                raise Refused(f"no proof: {name} is not a SHA-256 digest")
        if self.archive_bytes <= 0:
            raise Refused("no proof: an archive has at least one byte")
        if not self.level:
            raise Refused("no proof: the quality level is missing")
        if self.metadata_equal is not True:
            raise Refused("no proof: the metadata of the copy is not the original's")
        if self.checked_at <= 0 or self.verifier_pid <= 0:
            raise Refused("no proof: it does not say when and by whom it was checked")
        if self.verifier_pid == self.asker_pid:
            raise Refused("no proof: it must be made by another process than the one that encodes")
        for name, value, least in (
            ("the whole photo", self.whole, self.whole_at_least),
            ("the worst tile", self.worst_tile, self.worst_tile_at_least),
            ("the restored copy", self.copy_whole, self.whole_at_least - COPY_ALLOWANCE_POINTS),
        ):
            # A NaN compares false with everything, so the test is for "passes", never for "fails".
            if not (math.isfinite(least) and math.isfinite(value) and least <= value <= 100.0):
                raise Refused(f"no proof: {name} scores {value:.2f}, at least {least:.2f} is needed for {self.level}")
