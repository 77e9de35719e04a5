"""The only place that writes, renames, exchanges, links or deletes a file.

When a function returns, its effect is on the disk: file and folder are fsynced. When it raises, the name it was about to give or
take is as before, or has the new content in whole; never something in between. Only a kill can leave a temp file, named
``.gallery-optimizer-….tmp``.

Every call that changes the disk is announced to ``checkpoint``.
"""

import ctypes
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from storage.attributes import Attributes
from storage.checkpoint import checkpoint
from storage.digest import bytes_of_open, opened, sha256_of
from storage.errors import AlreadyThere, Changed, StorageError, shown, translated

TEMPORARY_PREFIX = ".gallery-optimizer-"
TEMPORARY_SUFFIX = ".tmp"

CHUNK_BYTES = 1 << 20

_AT_FDCWD = -100
_NOREPLACE = 1
_EXCHANGE = 2
_NO_FLAGS = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""What renameat2 says where the kernel or the file system does not know a flag."""
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

_libc = ctypes.CDLL(None, use_errno=True)


def is_temporary(name: str | bytes) -> bool:
    """Whether a file name is one of our own temp files; the watcher drops those."""
    text = os.fsdecode(name)
    return text.startswith(TEMPORARY_PREFIX) and text.endswith(TEMPORARY_SUFFIX)


def write_new(path: Path, data: bytes, attributes: Attributes | None = None, *, staging: Path | None = None) -> None:
    """A new file with these bytes (mode 0600 without `attributes`). AlreadyThere if the name is taken; NoSpace, ReadOnly, Missing.

    `staging`: the folder of the temp file, on the same file system; by default that of `path`.
    """
    staged = stage(staging or path.parent, data, attributes)
    with _removed_on_failure(staged):
        commit(staged, path)


def write_over(path: Path, data: bytes, attributes: Attributes | None = None, *, staging: Path | None = None) -> None:
    """The same in place of what may have the name now, in one step. Raises NoSpace, ReadOnly, Missing, Refused (a folder)."""
    staged = stage(staging or path.parent, data, attributes)
    with _removed_on_failure(staged):
        replace(staged, path)


@contextmanager
def _removed_on_failure(staged: Path) -> Iterator[None]:
    try:
        yield
    except Exception:
        with suppress(StorageError):
            remove(staged)
        raise


def stage(folder: Path, data: bytes, attributes: Attributes | None = None) -> Path:
    """A temp file in `folder` with these bytes, fsynced; its path. Attributes that can't be given are passed over."""
    path = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    with translated(path):
        checkpoint("stage.open")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                view = memoryview(data)
                while view:
                    checkpoint("stage.write")
                    view = view[os.write(descriptor, view[:CHUNK_BYTES]) :]
                if attributes is not None:
                    checkpoint("stage.attributes")
                    attributes.apply(descriptor)
                checkpoint("stage.fsync")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except Exception:
            with suppress(OSError):
                os.unlink(path)
            raise
    return path


def copy_new(source: Path, final: Path, sha256: str) -> None:
    """A copy of `source` under a new name, with its attributes, read back and checked against `sha256`.

    Raises Changed if the copy is not those bytes; then there is none.
    """
    with opened(source) as descriptor, translated(source):
        data = bytes_of_open(descriptor)
        attributes = Attributes.of(descriptor)
    staged = stage(final.parent, data, attributes)
    with _removed_on_failure(staged):
        if sha256_of(staged) != sha256:
            raise Changed(f"{shown(source)} was written to while it was copied")
        commit(staged, final)


def commit(source: Path, final: Path) -> None:
    """Rename to a name that must be free (AlreadyThere); both folders fsynced. Also how a file is moved aside and back."""
    with translated(final):
        checkpoint("commit.rename")
        if not _renameat2(source, final, _NOREPLACE):
            _rename_to_free_name(source, final)
    _sync_folders(final, source)


def _rename_to_free_name(source: Path, final: Path) -> None:
    # A link is refused if the name is taken, in one step; where links are unknown too, a look before the rename has to do.
    try:
        os.link(source, final, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(final):
            raise AlreadyThere(f"{shown(final)} is already there") from None
        os.rename(source, final)
    else:
        os.unlink(source)


def exchange(first: Path, second: Path) -> None:
    """Both names change places in one atomic step; both folders fsynced. Refused on two file systems; see `can_exchange`."""
    with translated(second):
        checkpoint("exchange.rename")
        if not _renameat2(first, second, _EXCHANGE):
            raise OSError(errno.EOPNOTSUPP, "this file system can't exchange two names")
    _sync_folders(second, first)


def can_exchange(folder: Path) -> bool:
    """Whether the file system of `folder` can exchange two names; tried with two temp files."""
    with _expendable(folder) as first, _expendable(folder) as second, translated(folder):
        return _renameat2(first, second, _EXCHANGE)


@contextmanager
def _expendable(folder: Path) -> Iterator[Path]:
    path = stage(folder, b"")
    try:
        yield path
    finally:
        remove(path)


def replace(source: Path, final: Path) -> None:
    """Rename over what has the name now. The caller has made sure that those bytes exist elsewhere; both folders fsynced."""
    with translated(final):
        checkpoint("replace.rename")
        os.replace(source, final)
    _sync_folders(final, source)


def remove(path: Path) -> None:
    """Delete one file; folder fsynced. Raises Missing, ReadOnly."""
    with translated(path):
        checkpoint("remove.unlink")
        os.unlink(path)
    sync_folder(path.parent)


def empty(path: Path) -> None:
    """Make a file 0 bytes long: some full file systems need space to remove a file, but none for this. Raises Missing, ReadOnly."""
    with translated(path):
        checkpoint("empty.truncate")
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_staged(folder: Path) -> int:
    """Delete every temp file of ours directly in `folder`; how many. Only while no other instance stages there."""
    with translated(folder):
        names = [name for name in os.listdir(folder) if is_temporary(name)]
    for name in names:
        remove(folder / name)
    return len(names)


def set_out_of_the_way(path: Path, siblings: tuple[str, ...] = ()) -> Path:
    """Rename a file to `NAME.old-1` (or the next number that is free), and with it `NAME + sibling` of each that is there; the new name."""
    number = next(number for number in count(1) if not os.path.lexists(f"{path}.old-{number}"))
    for sibling in ("", *siblings):
        if os.path.lexists(f"{path}{sibling}"):
            commit(Path(f"{path}{sibling}"), Path(f"{path}.old-{number}{sibling}"))
    return Path(f"{path}.old-{number}")


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Make a folder where there is none (its parent must exist); a folder that is there keeps its mode.

    The parent is fsynced in both cases: a run that was killed between the two steps may have made the folder.
    """
    with translated(path):
        checkpoint("folder.make")
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            if not path.is_dir() or path.is_symlink():
                raise
    sync_folder(path.parent)


def make_folders(path: Path) -> None:
    """Likewise with those above it that are missing."""
    for folder in (*reversed(path.parents), path):
        if not os.path.isdir(folder):
            make_folder(folder)


def mark(path: Path, name: str, value: bytes) -> None:
    """Give a file or folder an extended attribute; fsynced. Raises StorageError where the file system has none."""
    with translated(path):
        checkpoint("mark.set")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.setxattr(descriptor, name, value)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_folders(first: Path, second: Path) -> None:
    sync_folder(first.parent)
    if second.parent != first.parent:
        sync_folder(second.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    with translated(path):
        checkpoint("folder.fsync")
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some network file systems have no fsync for folders; their renames are synchronous
                raise
        finally:
            os.close(descriptor)


def _renameat2(source: Path, final: Path, flag: int) -> bool:
    """False where the flag is unknown; raises OSError for all else."""
    if not hasattr(_libc, "renameat2"):
        return False
    if _libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(final), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_FLAGS:
        return False
    raise OSError(number, os.strerror(number), os.fspath(source), None, os.fspath(final))
