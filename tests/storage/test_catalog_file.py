"""The catalogue as a file: who may read it, older and newer ones, copies of it, and what is no catalogue."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from storage.catalog import Catalog
from storage.connection import SCHEMA_VERSION, translated_sqlite
from storage.errors import Damaged, Locked, Missing, ReadOnly, Refused, StorageError
from storage.states import State
from tests.storage.rows import GALLERY, SEEN, retired


def test_what_one_process_wrote_another_reads(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    with Catalog(path) as writer:
        row = retired(writer)
        with Catalog(path, read_only=True) as reader:  # while the other is open, and without its log being written back
            assert reader.find(GALLERY, row.path) == row
            with pytest.raises(ReadOnly):
                reader.purged(row.id)
    with Catalog(path, read_only=True) as reader:
        assert reader.get(row.id) == row
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_catalogue_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    with Catalog(path) as catalog:
        retired(catalog)
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_status_before_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        Catalog(tmp_path / "catalogue.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_an_older_catalogue_is_migrated_also_for_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    sqlite3.connect(path).close()
    path.touch()
    with Catalog(path, read_only=True) as catalog:
        assert catalog.totals().photos == 0


def test_an_older_catalogue_keeps_its_runs(tmp_path: Path) -> None:
    from sqlite_utils import Database

    from storage.migrations import m001_photos_and_runs, m002_photos_that_move

    path = tmp_path / "catalogue.sqlite"
    connection = sqlite3.connect(path)
    database = Database(connection)
    for migration in (m001_photos_and_runs, m002_photos_that_move):
        migration(database)
    connection.execute("INSERT INTO runs (started_at, command, archived) VALUES (1, 'optimize', 3)")
    connection.execute("CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)")
    for name in ("m001_photos_and_runs", "m002_photos_that_move"):
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('gallery-optimizer', ?)", (name,))
    connection.commit()
    connection.close()
    with Catalog(path) as catalog:
        (run,) = catalog.runs()
        assert (run.archived, run.worked, run.by_reason, run.prediction) == (3, 0, {}, None)


def test_a_rehearsal_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state" / "catalogue.sqlite"
    with Catalog(path, rehearsal=True) as catalog:
        retired(catalog)
    assert not path.parent.exists()
    with Catalog(path) as catalog:
        row = catalog.enqueue(GALLERY, b"IMG_1.jpg", SEEN).row
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()}
    with Catalog(path, rehearsal=True) as catalog:
        assert catalog.get(row.id) == row
        catalog.claim(row.id)
        catalog.left(row.id, "empty")
        assert catalog.get(row.id).reason == "empty"
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()} == before


def test_a_rehearsal_sees_what_another_instance_has_just_written(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    with Catalog(path) as writer:
        row = writer.enqueue(GALLERY, b"IMG_1.jpg", SEEN).row
        with Catalog(path, rehearsal=True) as catalog:
            catalog.claim(row.id)
            assert catalog.get(row.id).state is State.ENCODING
        assert writer.get(row.id) == row


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_catalogue_is_refused(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "catalogue.sqlite"
    Catalog(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(Refused, match="newer catalogue"):
        Catalog(path, read_only=read_only)


def test_the_schema_number_is_that_of_the_last_migration(tmp_path: Path) -> None:
    from storage.migrations import migrations

    path = tmp_path / "catalogue.sqlite"
    Catalog(path).close()
    connection = sqlite3.connect(path)
    recorded = [name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    connection.close()
    assert len(recorded) == SCHEMA_VERSION
    assert recorded[-1].startswith(f"m{SCHEMA_VERSION:03}_")
    assert migrations.name == "gallery-optimizer"


def test_a_file_that_is_no_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(Damaged, match="doctor --rebuild"):
        Catalog(path)
    assert path.read_bytes() == b"not a database at all" * 100


def test_a_busy_catalogue_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.connection.BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "catalogue.sqlite"
    with Catalog(path) as first, Catalog(path) as second:
        first._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked):
            second.enqueue(GALLERY, b"a.jpg", SEEN)
        first._connection.execute("ROLLBACK")
        assert second.enqueue(GALLERY, b"a.jpg", SEEN).queued


def test_reading_costs_no_heavy_import(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    Catalog(path).close()
    code = (
        "import sys; from storage.catalog import Catalog; from storage import vault; "
        f"Catalog({str(path)!r}, read_only=True).totals(); "
        "print([name for name in ('sqlite_utils', 'numpy', 'click', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_file_system_without_shared_memory_is_named(tmp_path: Path) -> None:
    """A catalogue on mergerfs with `cache.files=off` was told of as "disk I/O error"."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMMAP
    with pytest.raises(StorageError, match="another state folder with --state"), translated_sqlite(tmp_path / "catalog.sqlite3"):
        raise error
