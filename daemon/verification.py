"""From an archive on the disk to a proof: another process reads it back, decodes, measures and compares; this one judges."""

from pathlib import Path

from codec.levels import Level
from daemon.messages import ExamineJob, Refused
from daemon.ports import Clock, Codec
from storage.digest import Snapshot
from storage.errors import Refused as NotProven
from storage.proof import Proof


def prove(codec: Codec, clock: Clock, archive: Path, snapshot: Snapshot, level: Level) -> tuple[Proof, str] | Refused:
    """A proof that the archive at this path stands for the original in `snapshot`, with the archive's lane; or why there is none.

    Raises WorkerError where the verifying process gave no answer.
    """
    seen = codec.examine(ExamineJob(archive, snapshot.data))
    if isinstance(seen, Refused):
        return Refused("proof-failed", f"{seen.reason}: {seen.detail}")
    if seen.original_sha256 != snapshot.sha256:
        return Refused("proof-failed", "the verifying process saw other bytes of the original")
    try:
        proof = Proof(
            original_sha256=seen.original_sha256,
            archive_sha256=seen.archive_sha256,
            archive_bytes=archive.stat().st_size,
            level=level.name,
            whole_at_least=level.whole,
            worst_tile_at_least=level.worst_tile,
            whole=seen.whole,
            worst_tile=seen.worst_tile,
            copy_whole=seen.copy_whole,
            metadata_equal=seen.metadata_equal,
            model=seen.model,
            checked_at=int(clock.now().timestamp()),
            verifier_pid=seen.pid,
        )
    except NotProven as error:
        return Refused("proof-failed", str(error))
    return proof, seen.lane
