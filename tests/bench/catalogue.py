"""A catalogue of any size, made by SQL in seconds: photos in all states, their copies, inspections, and a thousand runs."""

import os
from pathlib import Path

from storage import summary
from storage.catalog import Catalog

_FILL = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :photos),
said AS (
    SELECT n,
        printf('%04d/%02d/IMG_%07d.jpg', 2010 + n % 15, n % 12 + 1, n) AS name,
        CASE WHEN n % 100 < 55 THEN 'purged' WHEN n % 100 < 85 THEN 'retired'
             WHEN n % 100 < 92 THEN 'left' WHEN n % 100 < 94 THEN 'restored'
             WHEN n % 1000 = 999 THEN 'failed' ELSE 'queued' END AS state,
        3000000 + n * 7919 % 2000000 AS size_bytes,
        lower(hex(zeroblob(24))) || printf('%016x', n) AS sha256
    FROM number
)
INSERT INTO photos (
    gallery, path, state, sha256, size_bytes, seen_bytes, device, inode, mtime_ns, ctime_ns, links, mode, archive_name, archive_sha256,
    archive_bytes, stand_in_sha256, stand_in_bytes, stand_in_device, stand_in_inode, stand_in_mtime_ns, stand_in_ctime_ns, stand_in_links,
    stand_in_mode, copy_sha256, lane, quality, model, score_whole, score_worst_tile, score_copy, whole_at_least, worst_tile_at_least,
    checked_at, verifier_pid, asker_pid, reason, rules, queued_at, encoded_at, retired_at, purge_after_at, purged_at, choice, choice_why
)
SELECT CASE WHEN n % 4 THEN :first ELSE :second END, CAST(name AS BLOB), state, CASE WHEN state = 'queued' THEN NULL ELSE sha256 END,
    size_bytes, size_bytes, 42, n, 1500000000000000000 + n, 1500000000000000000 + n, 1, 33188,
    CASE WHEN archived THEN 'archives/ab/' || sha256 || '.nphoto' END, CASE WHEN archived THEN 'a' || substr(sha256, 2) END,
    CASE WHEN archived THEN size_bytes / 4 END,
    CASE WHEN archived THEN 'b' || substr(sha256, 2) END, CASE WHEN archived THEN 150000 END, CASE WHEN archived THEN 42 END,
    CASE WHEN archived THEN n + :photos END, CASE WHEN archived THEN 1500000000000000000 + n END,
    CASE WHEN archived THEN 1600000000000000000 + n END, CASE WHEN archived THEN 1 END, CASE WHEN archived THEN 33188 END,
    CASE WHEN state = 'restored' THEN 'c' || substr(sha256, 2) END,
    CASE WHEN archived THEN CASE WHEN n % 10 THEN 'neural' ELSE 'exact' END END, CASE WHEN archived THEN 'high' END,
    CASE WHEN archived AND n % 10 THEN 'm1' END, CASE WHEN archived THEN 75 + n % 1500 / 100.0 END,
    CASE WHEN archived THEN 72 + n % 1200 / 100.0 END, CASE WHEN archived THEN 75.0 + n % 1400 / 100.0 END,
    CASE WHEN archived THEN 78.0 END,
    CASE WHEN archived THEN 72.0 END, CASE WHEN archived THEN 1700000000 END, CASE WHEN archived THEN 7 END, CASE WHEN archived THEN 8 END,
    CASE state WHEN 'left' THEN CASE n % 3 WHEN 0 THEN 'no-gain' WHEN 1 THEN 'graphic' ELSE 'too-small' END
               WHEN 'failed' THEN 'no-space' END,
    '0123456789abcdef', 1700000000 + n, CASE WHEN archived THEN 1700000000 END, CASE WHEN archived THEN 1700000000 + n END,
    CASE WHEN archived THEN 1800000000 + n END, CASE WHEN state = 'purged' THEN 1710000000 END, 'smallest', 'the neural lane reaches "high"'
FROM (SELECT *, state IN ('purged', 'retired', 'restored') AS archived FROM said)
"""

_COPIES = "INSERT INTO copies SELECT 'd' || substr(sha256, 2), sha256, 1700000000 FROM photos WHERE archive_sha256 IS NOT NULL"

_INSPECTIONS = """
INSERT INTO inspections (gallery, sha256, inspected_at, damage)
SELECT gallery, sha256, 1700000000 + id, '' FROM photos WHERE archive_sha256 IS NOT NULL
"""

_RUNS = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000)
INSERT INTO runs (
    started_at, ended_at, command, archived, "left", original_bytes, archive_bytes, worked, worked_bytes, cpu_s, energy_source
)
SELECT 1600000000 + 86400 * n, 1600003600 + 86400 * n, 'optimize', 140, 12, 420000000, 90000000, 152, 450000000, 3500.0, 'model' FROM number
"""


def fill(catalog: Catalog, photos: int, first: Path, second: Path) -> None:
    """Three quarters of the photos are in gallery `first`, the others in `second`; none of them has to exist."""
    execute = catalog._connection.execute
    execute("PRAGMA synchronous = OFF")  # nobody minds losing it
    execute("PRAGMA cache_size = -400000")
    made = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'photos' AND type IN ('index', 'trigger') AND sql IS NOT NULL"
    indexes = execute(made).fetchall()
    with catalog._transaction():
        for kind, name, _ in indexes:  # made anew at the end, which is faster
            execute(f"DROP {kind} {name}")
        execute(_FILL, {"photos": photos, "first": os.fsencode(first), "second": os.fsencode(second)})
        execute(_COPIES)
        execute(_INSPECTIONS)
        execute(_RUNS)
        for _, _, sql in indexes:
            execute(sql)
        summary.recount(catalog._connection)


def meet(catalog: Catalog, gallery: Path) -> int:
    """Make a small file for every photo of a gallery that has one in its place, and let the catalogue know it; how many."""
    execute = catalog._connection.execute
    key = os.fsencode(gallery)
    rows = execute("SELECT id, path, state IN ('retired', 'purged') FROM photos WHERE gallery = ?", (key,)).fetchall()
    found: dict[bool, list[tuple[int, ...]]] = {True: [], False: []}
    for photo_id, path, stands_in in rows:
        place = os.path.join(key, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(b"a file")
        seen = os.stat(place)
        found[bool(stands_in)].append((seen.st_size, seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_mode, photo_id))
    execute("PRAGMA synchronous = OFF")
    with catalog._transaction():
        for stands_in, names in ((True, "stand_in_{}"), (False, "{}")):
            columns = [names.format(name) for name in ("bytes", "device", "inode", "mtime_ns", "ctime_ns", "mode")]
            columns[0] = "stand_in_bytes" if stands_in else "seen_bytes"
            changes = ", ".join(f"{column} = ?" for column in columns)
            catalog._connection.executemany(f"UPDATE photos SET {changes} WHERE id = ?", found[stands_in])
    return len(rows)


def settle(catalog: Catalog, config: Path) -> None:
    """Nothing is left to do: what waited is left, what is in grace is purged, and the settings are those that all was judged by."""
    from daemon import settings
    from daemon.galleries import all_of

    execute = catalog._connection.execute
    with catalog._transaction():
        execute("UPDATE photos SET rules = ?", (all_of(settings.read(config))[0].rules,))
        execute("UPDATE photos SET state = 'left', reason = 'no-gain' WHERE state IN ('queued', 'failed')")
        execute("UPDATE photos SET state = 'purged' WHERE state IN ('retired', 'restored')")
