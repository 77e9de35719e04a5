"""Opening the catalogue's file, and naming what SQLite says when something is wrong."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from storage.errors import Damaged, Locked, Missing, NoSpace, ReadOnly, Refused, StorageError, shown, translated

SCHEMA_VERSION = 17
"""Number of the last migration; a catalogue with a higher one was written by a later version."""

BUSY_TIMEOUT_MS = 10_000

_KINDS: dict[int, type[StorageError]] = {
    sqlite3.SQLITE_BUSY: Locked,
    sqlite3.SQLITE_LOCKED: Locked,
    sqlite3.SQLITE_READONLY: ReadOnly,
    sqlite3.SQLITE_PERM: ReadOnly,
    sqlite3.SQLITE_CORRUPT: Damaged,
    sqlite3.SQLITE_NOTADB: Damaged,
    sqlite3.SQLITE_FULL: NoSpace,
    sqlite3.SQLITE_CANTOPEN: Missing,
}

_EXTENDED: dict[int, type[StorageError]] = {
    sqlite3.SQLITE_IOERR_SHMSIZE: NoSpace,  # the index of its log could not grow
}


@contextmanager
def translated_sqlite(path: os.PathLike[str] | str) -> Iterator[None]:
    """Turn SQLite's errors inside the block into StorageErrors. A broken constraint is a mistake in this package and passes."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        kind = StorageError if code is None else _EXTENDED.get(code) or _KINDS.get(code & 0xFF, StorageError)
        hint = "; no photo and no archive depends on it: doctor --rebuild makes it anew" if kind is Damaged else ""
        if code == sqlite3.SQLITE_IOERR_SHMMAP:  # of network mounts, and of FUSE's without a cache
            hint = ", since the file system there lets no two programs share a file's memory; name another state folder with --state"
        what = "the disk is full" if kind is NoSpace else error
        raise kind(f"the catalogue {shown(path)}: {what}{hint}") from error


def is_catalogue(path: Path | str) -> bool:
    """False for a database of another program, which must never be written to. True for what can't be understood: it may be damaged."""
    try:
        with closing(_reader(path, at_rest=True)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            columns = {row[1] for row in connection.execute("PRAGMA table_info(photos)")}
    except sqlite3.DatabaseError:
        return True
    return not tables or {"gallery", "path", "archive_sha256", "stand_in_sha256"} <= columns


def open_for_writing(path: Path | str) -> sqlite3.Connection:
    """Created with its folder where it is missing, brought to the newest schema.

    Raises Refused for a catalogue that a later version wrote and for another program's database, Damaged, Locked, NoSpace, ReadOnly.
    """
    if path != ":memory:":
        with translated(path):  # it tells names and places of photos: for its owner only
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _check_ours(path)
    with translated_sqlite(path):
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL, since a move that a power cut takes back would let the row and the disk disagree.
            connection.execute("PRAGMA synchronous = FULL")
            if _version(connection, path) < SCHEMA_VERSION:
                _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_reading(path: Path | str, *, any_thread: bool = False) -> sqlite3.Connection:
    """Never writes a row; `any_thread`: its user sees to it that one thread at a time uses it.

    Raises Missing where there is no catalogue yet, Refused for one that a later version wrote, and for another program's database.
    """
    if not os.path.exists(path):
        raise Missing(f"the catalogue {shown(path)} is not there yet")
    _check_ours(path)
    with translated_sqlite(path):
        connection = _reader(path, any_thread=any_thread)
        try:
            try:
                version = _version(connection, path)
            except sqlite3.OperationalError:
                # On a read-only mount, or a full disk, SQLite can't make the index of its log; with nothing in it, nothing is missed.
                if not _is_empty(f"{path}-wal"):
                    raise
                connection.close()
                connection = _reader(path, at_rest=True, any_thread=any_thread)
                version = _version(connection, path)
            if version < SCHEMA_VERSION:
                connection.close()
                open_for_writing(path).close()
                connection = _reader(path, any_thread=any_thread)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_ours(path: Path | str) -> None:
    if not is_catalogue(path):
        raise Refused(f"{shown(path)} is the database of another program; choose another state folder with --state")


def _reader(path: Path | str, *, at_rest: bool = False, any_thread: bool = False) -> sqlite3.Connection:
    """`at_rest`: as if nobody wrote, so that SQLite makes nothing beside the file."""
    address = f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode=ro{'&immutable=1' if at_rest else ''}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=not any_thread)


def _is_empty(path: str) -> bool:
    """Whether there is nothing in a file, or no file."""
    try:
        return os.path.getsize(path) == 0
    except FileNotFoundError:
        return True


def open_in_memory(path: Path | str) -> sqlite3.Connection:
    """A copy in memory, of the newest schema: what is written to it is forgotten. An empty one where there is no catalogue.

    Nothing on the disk changes, also not SQLite's own files beside the catalogue. Raises as `open_for_reading`.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with translated_sqlite(path):
        try:
            if os.path.exists(path):
                _check_ours(path)
                _copy_into(copy, path)
            if _version(copy, path) < SCHEMA_VERSION:
                _migrate(copy, path)
        except BaseException:
            copy.close()
            raise
    return copy


def _copy_into(copy: sqlite3.Connection, path: Path | str) -> None:
    log = f"{path}-wal"
    if not os.path.exists(log):  # nobody has it open: SQLite need not make its log and the log's index, which even a reader does
        with closing(_reader(path, at_rest=True)) as source:
            source.backup(copy)
        if not os.path.exists(log):
            return  # still nobody: what was read without a lock is whole
    with closing(_reader(path)) as source:
        source.backup(copy)


def _version(connection: sqlite3.Connection, path: Path | str) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise Refused(
            f"newer catalogue: {shown(path)} has schema {version}, this version knows {SCHEMA_VERSION}; upgrade gallery-optimizer"
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path | str) -> None:
    from sqlite_utils import Database  # here, since it takes longer to import than `status` may take

    from storage.migrations import migrations

    connection.execute("BEGIN IMMEDIATE")  # two instances that start together: the second one finds nothing left to do
    try:
        _version(connection, path)
        migrations.apply(Database(connection))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
