"""A copy of a photo out of its archive, and the attributes that it wears."""

import os
from dataclasses import replace
from pathlib import Path

from codec.bitstream import PEEK_BYTES, peek
from codec.errors import CodecError, Corrupt
from codec.facts import Facts, Worn
from daemon.messages import Format, Refused, RestoreJob
from daemon.ports import Codec
from daemon.reasons import sentence
from storage.attributes import Attributes
from storage.digest import opened, read_once, sha256_of
from storage.errors import Damaged, Missing, StorageError, shown, translated
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


def facts_of(archive: Path) -> Facts:
    """What an archive says about its original. Raises CodecError, StorageError."""
    with opened(archive) as descriptor, translated(archive):
        head = os.pread(descriptor, PEEK_BYTES, 0)
    try:
        small = peek(head).small
    except Corrupt:  # a large section stands in front, or it is damaged
        small = peek(read_once(archive).data).small
    if "FACT" not in small:
        raise Corrupt("the archive has no facts about its original")
    return Facts.from_bytes(small["FACT"])


def attributes(row: PhotoRow, worn_by: Path, archive: Path) -> Attributes:
    """The original's. Its own stand-in `worn_by` wears them, and what a user changed there counts; else the archive tells them.

    The time of the last reading is always the archive's: looking at a stand-in changes its own.
    """
    own, mode = row.fingerprint, row.fingerprint.mode & 0o7777
    try:
        told = facts_of(archive).worn
    except (CodecError, StorageError):
        told = None
    atime_ns = own.mtime_ns if told is None else told.atime_ns
    try:
        worn = Attributes.of(worn_by)
        if told is None or sha256_of(worn_by) == row.stand_in_sha256:
            changed = told is None and sha256_of(worn_by) != row.stand_in_sha256
            return replace(worn, mode=mode if changed else worn.mode, mtime_ns=own.mtime_ns, atime_ns=atime_ns)
    except StorageError:
        pass
    if told is None:
        return Attributes(mode, os.getuid(), os.getgid(), own.mtime_ns, atime_ns, {})
    return wearing(told, mode, own.mtime_ns)


def wearing(worn: Worn, mode: int, mtime_ns: int) -> Attributes:
    """What an archive tells, as it is given to a file."""
    xattrs = {os.fsdecode(name): value for name, value in worn.xattrs}
    return Attributes(mode, worn.uid, worn.gid, mtime_ns, worn.atime_ns, xattrs)


def wear_of(path: Path) -> Worn | None:
    """What an archive shall tell of a file; None where that is more than an archive keeps. Raises StorageError."""
    found = Attributes.of(path)
    xattrs = tuple(sorted((os.fsencode(name), value) for name, value in found.xattrs.items()))
    try:
        return Worn(found.atime_ns, found.uid, found.gid, xattrs)
    except ValueError:
        return None
