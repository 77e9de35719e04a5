"""A copy of a photo out of its archive, and the attributes that it wears."""

import os
from dataclasses import replace
from pathlib import Path

from codec.bitstream import PEEK_BYTES, peek
from codec.errors import CodecError, Corrupt
from codec.facts import Facts, Worn
from daemon.marking import has_own_labels, relabelled
from daemon.messages import Format, LabelJob, Refused, Restored, RestoreJob
from daemon.ports import Codec
from daemon.reasons import UNREADABLE_HERE, sentence
from storage.attributes import Attributes, marked
from storage.digest import opened, read_once, sha256_of
from storage.errors import Damaged, Missing, StorageError, shown, translated
from storage.errors import Refused as Beyond
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow

_ROUNDED_NS = 2 * 10**9
"""Of a date on FAT; others round to less."""


def rebuilt(codec: Codec, archive: Path, archive_sha256: str | None, format: Format | None = None, *, stand_in: bytes = b"") -> Restored:
    """A copy; `archive_sha256` of the archive that was proven, where that is known. `stand_in`: one whose labels it gets.

    Raises Missing (no archive), Damaged (can't be decoded, or is not the proven one), Beyond (only another version can), WorkerError.
    """
    if not archive.exists():
        raise Missing(f"the archive {shown(archive)} is not there; a backup of the vault may have it. Nothing was changed")
    answer = codec.restore(RestoreJob(archive, format, stand_in))
    if isinstance(answer, Refused) and answer.reason in UNREADABLE_HERE:
        raise Beyond(
            f"the archive {shown(archive)} was made by a newer version, and this program can't decode it: {sentence(answer.reason)} "
            f"({answer.detail}); nothing is known to be wrong with it, and the stand-in stays"
        )
    if isinstance(answer, Refused):
        raise Damaged(f"the archive {shown(archive)} can't be decoded: {sentence(answer.reason)} ({answer.detail})")
    if archive_sha256 is not None and answer.archive_sha256 != archive_sha256:
        raise Damaged(f"the archive {shown(archive)} is not the one that was proven")
    return answer


def labels_given(row: PhotoRow, stand_in: Path) -> bytes:
    """The stand-in of an archived photo, where it has other labels than it was made with; else nothing.

    Asks the file, since a command that only reads can't note what it finds.
    """
    try:
        if row.stand_in_fingerprint is None or (row.relabelled_at is None and row.is_current(Fingerprint.of(stand_in))):
            return b""
        data = read_once(stand_in).data
    except StorageError:
        return b""
    return data if relabelled(data, row.sha256 or "") and has_own_labels(data) else b""


def labelled(codec: Codec, original: bytes, stand_in: bytes) -> Restored:
    """An original with the labels that its stand-in was given. Raises Damaged where those can't be read, WorkerError."""
    answer = codec.label(LabelJob(original, stand_in))
    if isinstance(answer, Refused):
        raise Damaged(f"the labels of its stand-in can't be given to it: {sentence(answer.reason)} ({answer.detail})")
    return answer


def without(left_out: tuple[str, ...]) -> str:
    """What to say of labels that a photo came back without; empty where there are none."""
    if not left_out:
        return ""
    names = " and ".join(left_out)
    return f"It came back without what was written on its stand-in as {names}: the file has no room for that, or what it has can't be read."


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
        ours = sha256_of(worn_by) == row.stand_in_sha256
        if ours or told is None:
            return replace(worn, mode=worn.mode if ours else mode, mtime_ns=own.mtime_ns, atime_ns=atime_ns)
    except StorageError:
        pass
    if told is None:
        return Attributes(mode, os.getuid(), os.getgid(), own.mtime_ns, atime_ns, {})
    return wearing(told, mode, own.mtime_ns)


def wearing(worn: Worn, mode: int, mtime_ns: int) -> Attributes:
    """What an archive tells, as it is given to a file."""
    xattrs = {os.fsdecode(name): value for name, value in worn.xattrs}
    return Attributes(mode, worn.uid, worn.gid, mtime_ns, worn.atime_ns, xattrs)


def harmless(worn: Worn) -> Worn:
    """The same but for what would let a file do something: an archive that came from elsewhere may say anything."""
    kept = tuple((name, value) for name, value in worn.xattrs if name != b"security.capability" and not name.startswith(b"trusted."))
    return replace(worn, xattrs=kept)


def wear_of(path: Path) -> Worn | None:
    """What an archive shall tell of a file; None where that is more than an archive keeps. Raises StorageError."""
    found = Attributes.of(path)
    xattrs = tuple(sorted((os.fsencode(name), value) for name, value in found.xattrs.items()))
    try:
        return Worn(found.atime_ns, found.uid, found.gid, xattrs)
    except ValueError:
        return None


def own_date(path: Path, stand_in: Fingerprint, digest: str, archive: Path, told_ns: int) -> int:
    """The photo's, whose `stand_in` lies at `path`.

    An archive tells that of the first of its photos, a stand-in wears its own photo's: where it is the very file that we put there, or,
    without extended attributes, is older than the archive. Copies and what was touched are younger, and sync tools round.
    """
    if marked(path) == digest or (stand_in.mtime_ns < Fingerprint.of(archive).mtime_ns and abs(stand_in.mtime_ns - told_ns) >= _ROUNDED_NS):
        return stand_in.mtime_ns
    return told_ns
