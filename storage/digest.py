"""Content identity: SHA-256, and reading a file once without missing a writer."""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from storage.errors import Changed, Missing, Refused, shown, translated
from storage.fingerprint import Fingerprint

_CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Whether it is a SHA-256 as all names and rows here say it: 64 hex digits in lower case."""
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file's bytes with the fingerprint that held before and after they were read."""

    data: bytes
    fingerprint: Fingerprint
    sha256: str


@contextmanager
def opened(path: os.PathLike[str] | str | bytes) -> Iterator[int]:
    """Descriptor for reading a plain file; no link is followed, and atime is not touched where that is allowed.

    Raises Missing, ReadOnly (may not be read), Refused (symbolic link, folder, pipe, device).
    """
    # NONBLOCK: opening a pipe must not wait for its writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with translated(path):
        try:
            descriptor = os.open(path, flags | os.O_NOATIME)
        except PermissionError:  # only the owner may ask for that
            descriptor = os.open(path, flags)
    try:
        if not Fingerprint.of_open(descriptor).is_regular:
            raise Refused(f"{shown(path)} is not a plain file")
        yield descriptor
    finally:
        os.close(descriptor)


def sha256_of(path: os.PathLike[str] | str | bytes, *, from_disk: bool = False) -> str:
    """Hex digest of a plain file's bytes; `from_disk`: as far as the kernel lets go of the copy it keeps. Raises as `opened`."""
    with opened(path) as descriptor, translated(path):
        if from_disk:
            with suppress(OSError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return sha256_of_open(descriptor)


def sha256_of_open(descriptor: int) -> str:
    """Hex digest of everything behind a descriptor, wherever it stands. Raises OSError."""
    digest = hashlib.sha256()
    offset = 0
    while block := os.pread(descriptor, _CHUNK_BYTES, offset):
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()


def bytes_of(path: os.PathLike[str] | str | bytes) -> bytes:
    """All bytes of a plain file that nobody else writes to, one of ours. Raises as `opened`."""
    with opened(path) as descriptor, translated(path):
        return bytes_of_open(descriptor)


def bytes_of_open(descriptor: int) -> bytes:
    """All bytes from where a descriptor stands to the end. Raises OSError."""
    return b"".join(iter(lambda: os.read(descriptor, _CHUNK_BYTES), b""))


def sha256_or_none(path: os.PathLike[str] | str | bytes) -> str | None:
    """As `sha256_of`, None where nothing is there."""
    try:
        return sha256_of(path)
    except Missing:
        return None


def sha256_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_once(path: os.PathLike[str] | str | bytes) -> Snapshot:
    """All bytes of a plain file, and who they were. Raises as `opened`, and Changed if somebody wrote while they were read."""
    with opened(path) as descriptor, translated(path):
        before = Fingerprint.of_open(descriptor)
        data = bytes_of_open(descriptor)
        after = Fingerprint.of_open(descriptor)
        if not after.unchanged_since(before) or len(data) != after.size_bytes:
            raise Changed(f"{shown(path)} was written to while it was read")
        try:
            if Fingerprint.from_stat(os.lstat(path)).inode != after.inode:
                raise Changed(f"{shown(path)} was replaced while it was read")
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise Changed(f"{shown(path)} was moved or deleted while it was read") from error
            raise
        return Snapshot(data, after, sha256_of_bytes(data))
