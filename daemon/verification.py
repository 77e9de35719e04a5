"""From an archive on the disk to a proof: another process reads it back, decodes, measures and compares; this one judges."""

from dataclasses import dataclass
from pathlib import Path

from codec.checks import failed
from codec.levels import EXACT, Level
from daemon.messages import Examined, ExamineJob, Refused
from daemon.ports import Clock, Codec
from storage.digest import Snapshot
from storage.errors import Refused as NotProven
from storage.proof import Proof

LOSSLESS = frozenset({"exact", "pixel-exact"})


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof, the archive's lane, and what the archive says of the choice of its lane (slug and sentence)."""

    proof: Proof
    lane: str
    choice: str = ""
    why: str = ""
    copy_sha256: str = ""
    """Of the copy that a restore will give, where that is not the original."""
    copy_bytes: int | None = None
    """Of that copy, in any lane; None where the verifying process did not say."""


def prove(codec: Codec, clock: Clock, archive: Path, snapshot: Snapshot, level: Level) -> Proven | Refused:
    """A proof that the archive (or the re-packed PNG) at this path stands for the original in `snapshot`; or why there is none.

    A lossless lane has to score 100 whatever the level, and only identical bytes are good for `exact`. Raises WorkerError where the
    verifying process gave no answer.
    """
    return _judged(codec.examine(ExamineJob(archive, snapshot.data)), archive.stat().st_size, clock, snapshot, level)


def objection(codec: Codec, clock: Clock, archive: bytes, snapshot: Snapshot, level: Level) -> Refused | None:
    """Why an archive that was never written would not be proven; for a dry run. Of bytes in memory no proof is given away."""
    found = _judged(codec.examine(ExamineJob(archive, snapshot.data)), len(archive), clock, snapshot, level)
    return found if isinstance(found, Refused) else None


def _judged(seen: Examined | Refused, archive_bytes: int, clock: Clock, snapshot: Snapshot, level: Level) -> Proven | Refused:
    if isinstance(seen, Refused):
        return Refused("proof-failed", f"{seen.reason}: {seen.detail}")
    if seen.original_sha256 != snapshot.sha256:
        return Refused("proof-failed", "the verifying process saw other bytes of the original")
    if level.name == EXACT.name and seen.lane != EXACT.name:
        return Refused("proof-failed", f"quality is exact, and the archive is of the {seen.lane} lane")
    if seen.lane in LOSSLESS:
        needed = EXACT
    else:
        needed = level
        if not seen.measured:
            return Refused("proof-failed", "the verifying process did not look for distortions")
        if findings := failed(seen.measured, level):
            return Refused("proof-failed", "; ".join(each.sentence(level) for each in findings))
    try:
        proof = Proof(
            original_sha256=seen.original_sha256,
            archive_sha256=seen.archive_sha256,
            archive_bytes=archive_bytes,
            level=level.name,
            whole_at_least=needed.whole,
            worst_tile_at_least=needed.worst_tile,
            whole=seen.whole,
            worst_tile=seen.worst_tile,
            copy_whole=seen.copy_whole,
            metadata_equal=seen.metadata_equal,
            model=seen.model,
            checked_at=int(clock.now().timestamp()),
            verifier_pid=seen.pid,
            checks={each.name: each.value for each in seen.measured},
        )
    except NotProven as error:
        return Refused("proof-failed", str(error))
    return Proven(proof, seen.lane, seen.choice, seen.why, seen.copy_sha256, seen.copy_bytes or None)
