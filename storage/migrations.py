"""The catalogue's schema, append-only: a released migration is never edited, a change is a new one at the end.

Each runs in one transaction with its record and with ``user_version``, which is how a reader without sqlite-utils tells the
version. Importing this module imports sqlite-utils (a tenth of a second); `status` does not.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("gallery-optimizer")


@migrations()
def m001_photos_and_runs(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE photos (
            id INTEGER PRIMARY KEY,
            gallery BLOB NOT NULL,
            path BLOB NOT NULL,
            state TEXT NOT NULL CHECK (
                state IN ('queued', 'encoding', 'committed', 'retired', 'purged', 'restored', 'left', 'failed')
            ),
            sha256 TEXT,
            size_bytes INTEGER NOT NULL,
            seen_bytes INTEGER NOT NULL,
            device INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            ctime_ns INTEGER NOT NULL,
            links INTEGER NOT NULL,
            mode INTEGER NOT NULL,
            archive_name TEXT,
            archive_sha256 TEXT,
            archive_bytes INTEGER,
            stand_in_sha256 TEXT,
            stand_in_bytes INTEGER,
            stand_in_device INTEGER,
            stand_in_inode INTEGER,
            stand_in_mtime_ns INTEGER,
            stand_in_ctime_ns INTEGER,
            stand_in_links INTEGER,
            stand_in_mode INTEGER,
            copy_sha256 TEXT,
            lane TEXT,
            quality TEXT,
            model TEXT,
            score_whole REAL,
            score_worst_tile REAL,
            score_copy REAL,
            whole_at_least REAL,
            worst_tile_at_least REAL,
            checked_at INTEGER,
            verifier_pid INTEGER,
            asker_pid INTEGER,
            reason TEXT,
            detail TEXT,
            rules TEXT NOT NULL DEFAULT '',
            attempts INTEGER NOT NULL DEFAULT 0,
            returns INTEGER NOT NULL DEFAULT 0,
            queued_at INTEGER NOT NULL,
            encoded_at INTEGER,
            retired_at INTEGER,
            purge_after_at INTEGER,
            purged_at INTEGER,
            restored_at INTEGER,
            pinned_until_at INTEGER,
            superseded_at INTEGER
        ) STRICT
        """
    )
    db.execute("CREATE UNIQUE INDEX photos_by_path ON photos (gallery, path) WHERE superseded_at IS NULL")
    db.execute("CREATE INDEX photos_by_state ON photos (state, queued_at, id)")
    db.execute("CREATE INDEX photos_by_digest ON photos (sha256) WHERE sha256 IS NOT NULL")
    db.execute("CREATE INDEX photos_due ON photos (purge_after_at, id) WHERE state = 'retired'")
    db.execute("CREATE INDEX photos_restoring ON photos (id) WHERE copy_sha256 IS NOT NULL AND state IN ('retired', 'purged')")
    # The next two hold every column that `status` adds up, so that it need not read the rows.
    db.execute(
        "CREATE INDEX photos_by_kind ON photos (state, lane, reason, size_bytes, stand_in_bytes, purge_after_at, gallery, superseded_at) "
        "WHERE superseded_at IS NULL"
    )
    db.execute(
        "CREATE INDEX photos_by_archive ON photos (gallery, archive_sha256, state, archive_bytes, superseded_at) "
        "WHERE superseded_at IS NULL AND archive_sha256 IS NOT NULL"
    )
    db.execute(
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            started_at INTEGER NOT NULL,
            ended_at INTEGER,
            command TEXT NOT NULL,
            archived INTEGER NOT NULL DEFAULT 0,
            "left" INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            purged INTEGER NOT NULL DEFAULT 0,
            original_bytes INTEGER NOT NULL DEFAULT 0,
            archive_bytes INTEGER NOT NULL DEFAULT 0,
            stand_in_bytes INTEGER NOT NULL DEFAULT 0,
            outcome TEXT NOT NULL DEFAULT ''
        ) STRICT
        """
    )
    db.execute("PRAGMA user_version = 1")


@migrations()
def m002_photos_that_move(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN bound_for BLOB")
    db.execute("ALTER TABLE photos ADD COLUMN came_from BLOB")
    db.execute("CREATE INDEX photos_by_origin ON photos (gallery, came_from) WHERE came_from IS NOT NULL")
    # Holds every column that `status` needs for its dates.
    db.execute(
        "CREATE INDEX photos_in_grace ON photos (gallery, retired_at, purge_after_at) WHERE state = 'retired' AND superseded_at IS NULL"
    )
    db.execute("PRAGMA user_version = 2")


@migrations()
def m003_why_better_and_what_a_run_did(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN importance TEXT")
    for column in (
        "worked INTEGER NOT NULL DEFAULT 0",
        "worked_bytes INTEGER NOT NULL DEFAULT 0",
        "freed_bytes INTEGER NOT NULL DEFAULT 0",
        "by_lane TEXT NOT NULL DEFAULT '{}'",
        "by_reason TEXT NOT NULL DEFAULT '{}'",
        "cpu_s REAL NOT NULL DEFAULT 0",
        "watt_hours REAL NOT NULL DEFAULT 0",
        "energy_source TEXT NOT NULL DEFAULT ''",
        "prediction TEXT",
    ):
        db.execute(f"ALTER TABLE runs ADD COLUMN {column}")
    db.execute("PRAGMA user_version = 3")


@migrations()
def m004_why_this_lane(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN choice TEXT")
    db.execute("ALTER TABLE photos ADD COLUMN choice_why TEXT")
    db.execute("PRAGMA user_version = 4")


@migrations()
def m005_copies_by_digest(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE copies (
            sha256 TEXT PRIMARY KEY,
            original_sha256 TEXT NOT NULL,
            noted_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute(
        "INSERT OR IGNORE INTO copies SELECT copy_sha256, sha256, coalesce(restored_at, 0) FROM photos "
        "WHERE copy_sha256 IS NOT NULL AND sha256 IS NOT NULL AND copy_sha256 <> sha256"
    )
    db.execute("PRAGMA user_version = 5")


@migrations()
def m006_what_the_guard_measured(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN checks TEXT")
    # Holds every column that `status` needs for the distribution of scores.
    db.execute(
        "CREATE INDEX photos_by_score ON photos (gallery, score_whole, score_worst_tile, state, lane, superseded_at) "
        "WHERE superseded_at IS NULL AND lane = 'neural'"
    )
    db.execute("PRAGMA user_version = 6")


@migrations()
def m007_when_archives_were_read_again(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE inspections (
            gallery BLOB NOT NULL,
            sha256 TEXT NOT NULL,
            inspected_at INTEGER NOT NULL,
            damage TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (gallery, sha256)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute("PRAGMA user_version = 7")


@migrations()
def m008_stand_ins_that_were_deleted(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN missed_at INTEGER")
    db.execute("CREATE INDEX photos_missed ON photos (gallery, missed_at) WHERE missed_at IS NOT NULL AND superseded_at IS NULL")
    db.execute("PRAGMA user_version = 8")


@migrations()
def m009_how_large_a_copy_will_be(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN copy_bytes INTEGER")
    db.execute("PRAGMA user_version = 9")


@migrations()
def m010_originals_that_were_compared(db: Database) -> None:
    db.execute("ALTER TABLE inspections ADD COLUMN original_damage TEXT NOT NULL DEFAULT ''")
    db.execute("CREATE INDEX inspections_damaged ON inspections (gallery) WHERE damage <> '' OR original_damage <> ''")
    db.execute("PRAGMA user_version = 10")


@migrations()
def m011_which_vault_it_was_and_its_parity(db: Database) -> None:
    db.execute("CREATE TABLE vaults (gallery BLOB PRIMARY KEY, identity TEXT NOT NULL, device INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(
        """
        CREATE TABLE parities (
            gallery BLOB NOT NULL,
            sha256 TEXT NOT NULL,
            parity_bytes INTEGER NOT NULL,
            PRIMARY KEY (gallery, sha256)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute("PRAGMA user_version = 11")


@migrations()
def m012_stand_ins_with_other_labels(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN relabelled_at INTEGER")
    db.execute("PRAGMA user_version = 12")
