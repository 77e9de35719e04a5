"""A copy of a photo out of its archive, and the attributes that it wears."""

import os
from dataclasses import replace
from pathlib import Path

from daemon.messages import Format, Refused, RestoreJob
from daemon.ports import Codec
from daemon.reasons import sentence
from storage.attributes import Attributes
from storage.digest import sha256_of
from storage.errors import Damaged, Missing, StorageError, shown
from storage.records import PhotoRow


def rebuilt(codec: Codec, archive: Path, archive_sha256: str | None, format: Format | None = None) -> bytes:
    """The bytes of a copy; `archive_sha256` of the archive that was proven, where that is known.

    Raises Missing (no archive), Damaged (can't be decoded, or is not the proven one), WorkerError.
    """
    if not archive.exists():
        raise Missing(f"the archive {shown(archive)} is not there")
    answer = codec.restore(RestoreJob(archive, format))
    if isinstance(answer, Refused):
        raise Damaged(f"the archive {shown(archive)} can't be decoded: {sentence(answer.reason)} ({answer.detail})")
    if archive_sha256 is not None and answer.archive_sha256 != archive_sha256:
        raise Damaged(f"the archive {shown(archive)} is not the one that was proven")
    return answer.data


def attributes(row: PhotoRow, worn_by: Path) -> Attributes:
    """The original's: its stand-in `worn_by` wears them. Dates and mode are in the catalogue too, where that is gone or was edited."""
    own = row.fingerprint
    try:
        worn = Attributes.of(worn_by)
        changed = sha256_of(worn_by) != row.stand_in_sha256
    except StorageError:
        return Attributes(own.mode & 0o7777, os.getuid(), os.getgid(), own.mtime_ns, own.mtime_ns, {})
    return replace(worn, mode=own.mode & 0o7777 if changed else worn.mode, mtime_ns=own.mtime_ns, atime_ns=own.mtime_ns)
