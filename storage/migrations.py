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


@migrations()
def m013_sums_that_are_kept(db: Database) -> None:
    """What `status` shows, kept true by triggers: adding up a million rows takes ten seconds."""
    db.execute("DROP INDEX photos_by_kind")
    db.execute(
        """
        CREATE TABLE sums (
            gallery BLOB NOT NULL,
            state TEXT NOT NULL,
            lane TEXT NOT NULL,
            reason TEXT NOT NULL,
            points INTEGER NOT NULL,
            photos INTEGER NOT NULL,
            original_bytes INTEGER NOT NULL,
            stand_in_bytes INTEGER NOT NULL,
            missed INTEGER NOT NULL,
            PRIMARY KEY (gallery, state, lane, reason, points)
        ) STRICT, WITHOUT ROWID
        """
    )
    db.execute(
        """
        CREATE TABLE archive_sums (
            gallery BLOB NOT NULL,
            state TEXT NOT NULL,
            archives INTEGER NOT NULL,
            archive_bytes INTEGER NOT NULL,
            PRIMARY KEY (gallery, state)
        ) STRICT, WITHOUT ROWID
        """
    )

    def points(row: str) -> str:
        return f"CASE WHEN {row}score_whole IS NULL OR {row}lane IS NOT 'neural' THEN -1 ELSE CAST(MAX({row}score_whole, 0) AS INTEGER) END"

    def key(row: str) -> str:
        return f"{row}gallery, {row}state, IFNULL({row}lane, ''), IFNULL({row}reason, ''), {points(row)}"

    db.execute(
        f"INSERT INTO sums SELECT {key('')}, COUNT(*), SUM(size_bytes), SUM(IFNULL(stand_in_bytes, 0)), COUNT(missed_at) "
        "FROM photos WHERE superseded_at IS NULL GROUP BY 1, 2, 3, 4, 5"
    )
    held = "superseded_at IS NULL AND state IN ('purged', 'restored', 'retired')"
    db.execute(
        "INSERT INTO archive_sums SELECT gallery, state, COUNT(*), SUM(archive_bytes) FROM (SELECT gallery, MIN(state) AS state, "
        f"MIN(archive_bytes) AS archive_bytes FROM photos WHERE archive_sha256 IS NOT NULL AND {held} GROUP BY gallery, archive_sha256) "
        "GROUP BY gallery, state"
    )

    def counted(row: str, sign: str) -> str:
        return (
            f"INSERT INTO sums SELECT {key(row + '.')}, {sign}1, {sign}{row}.size_bytes, {sign}IFNULL({row}.stand_in_bytes, 0), "
            f"{sign}({row}.missed_at IS NOT NULL) WHERE {row}.superseded_at IS NULL ON CONFLICT DO UPDATE SET "
            "photos = photos + excluded.photos, original_bytes = original_bytes + excluded.original_bytes, "
            "stand_in_bytes = stand_in_bytes + excluded.stand_in_bytes, missed = missed + excluded.missed;"
        )

    def archived(row: str, sign: str, where: str = "TRUE") -> str:
        # An archive that serves several paths is counted once; MIN picks purged before restored before retired, by the alphabet.
        return (
            f"INSERT INTO archive_sums SELECT gallery, MIN(state), {sign}1, {sign}MIN(archive_bytes) FROM photos "
            f"WHERE gallery = {row}.gallery AND archive_sha256 = {row}.archive_sha256 AND {held} AND {where} "
            "GROUP BY gallery, archive_sha256 ON CONFLICT DO UPDATE SET "
            "archives = archives + excluded.archives, archive_bytes = archive_bytes + excluded.archive_bytes;"
        )

    columns = "gallery, state, lane, reason, score_whole, size_bytes, stand_in_bytes, missed_at, superseded_at"
    other = "(NEW.gallery IS NOT OLD.gallery OR NEW.archive_sha256 IS NOT OLD.archive_sha256)"
    for name, when, body in (
        ("sums_added", "AFTER INSERT", counted("NEW", "+")),
        ("sums_removed", "AFTER DELETE", counted("OLD", "-")),
        ("sums_changed", f"AFTER UPDATE OF {columns}", counted("OLD", "-") + counted("NEW", "+")),
        ("archives_to_be_added", "BEFORE INSERT", archived("NEW", "-")),
        ("archives_added", "AFTER INSERT", archived("NEW", "+")),
        ("archives_to_be_removed", "BEFORE DELETE", archived("OLD", "-")),
        ("archives_removed", "AFTER DELETE", archived("OLD", "+")),
        *(
            (name, f"{when} UPDATE OF gallery, archive_sha256, archive_bytes, state, superseded_at", both)
            for name, when, both in (
                ("archives_to_be_changed", "BEFORE", archived("OLD", "-") + archived("NEW", "-", other)),
                ("archives_changed", "AFTER", archived("OLD", "+") + archived("NEW", "+", other)),
            )
        ),
    ):
        db.execute(f"CREATE TRIGGER {name} {when} ON photos BEGIN {body} END")
    # What the sums can't hold: the lowest and the first of something, found at the end of an index.
    db.execute(
        "CREATE INDEX photos_by_tile ON photos (gallery, score_worst_tile, state) "
        "WHERE superseded_at IS NULL AND lane = 'neural' AND score_whole IS NOT NULL"
    )
    db.execute("CREATE INDEX photos_next_due ON photos (gallery, purge_after_at) WHERE state = 'retired' AND superseded_at IS NULL")
    db.execute(
        "CREATE TABLE parity_sums (gallery BLOB PRIMARY KEY, parities INTEGER NOT NULL, parity_bytes INTEGER NOT NULL) "
        "STRICT, WITHOUT ROWID"
    )
    db.execute("INSERT INTO parity_sums SELECT gallery, COUNT(*), SUM(parity_bytes) FROM parities GROUP BY gallery")
    added = "INSERT INTO parity_sums SELECT {0}.gallery, {1}1, {1}{0}.parity_bytes WHERE TRUE ON CONFLICT DO UPDATE SET "
    added += "parities = parities + excluded.parities, parity_bytes = parity_bytes + excluded.parity_bytes;"
    taken, given = added.format("OLD", "-"), added.format("NEW", "+")
    for name, when, body in (
        ("parities_added", "AFTER INSERT", given),
        ("parities_removed", "AFTER DELETE", taken),
        ("parities_changed", "AFTER UPDATE", taken + given),
    ):
        db.execute(f"CREATE TRIGGER {name} {when} ON parities BEGIN {body} END")
    db.execute("PRAGMA user_version = 13")


@migrations()
def m014_what_is_asked_often(db: Database) -> None:
    """Each of these questions read every row: at each photo that is restored, each look at `status`, and each pause of the night."""
    db.execute("CREATE INDEX photos_superseded ON photos (gallery, path) WHERE superseded_at IS NOT NULL")
    db.execute("CREATE INDEX photos_by_date ON photos (gallery, mtime_ns, size_bytes) WHERE superseded_at IS NULL")
    db.execute("CREATE INDEX photos_by_encoding ON photos (encoded_at, archive_bytes, stand_in_bytes) WHERE encoded_at IS NOT NULL")
    db.execute("PRAGMA user_version = 14")


@migrations()
def m015_stand_ins_that_stand_elsewhere(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN stands_for TEXT")
    db.execute("PRAGMA user_version = 15")


@migrations()
def m016_originals_that_are_kept_and_copies_that_were_asked_for(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN kept_since_at INTEGER")
    db.execute("ALTER TABLE photos ADD COLUMN asked_at INTEGER")
    # Earlier versions purged such an original in the same breath; where that failed, it is still there, and else this is soon found out.
    db.execute(
        "UPDATE photos SET kept_since_at = restored_at WHERE state = 'restored' AND copy_sha256 IS NOT NULL "
        "AND relabelled_at IS NOT NULL AND archive_sha256 IS NOT NULL AND purged_at IS NULL AND retired_at IS NOT NULL"
    )
    db.execute("CREATE INDEX photos_kept ON photos (gallery, retired_at, size_bytes) WHERE kept_since_at IS NOT NULL")
    db.execute("PRAGMA user_version = 16")


@migrations()
def m017_what_waits_to_be_thrown_away(db: Database) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN binned_as BLOB")
    # Each holds every column that `status` needs of what it is about.
    db.execute("DROP INDEX photos_missed")
    db.execute(
        "CREATE INDEX photos_missed ON photos (gallery, missed_at, archive_sha256, archive_bytes, binned_as) "
        "WHERE missed_at IS NOT NULL AND superseded_at IS NULL"
    )
    db.execute(
        "CREATE INDEX photos_earlier ON photos (gallery, superseded_at, state, kept_since_at, archive_sha256, archive_bytes) "
        "WHERE superseded_at IS NOT NULL AND archive_sha256 IS NOT NULL"
    )
    db.execute("PRAGMA user_version = 17")
