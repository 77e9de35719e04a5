"""The sums of `summary` for one folder of a gallery, counted from its rows: nobody keeps them, and who asks for them can wait."""

import sqlite3

from storage.folders import bounds
from storage.records import Share, Totals
from storage.states import State
from storage.summary import EARLIER, LOST, MISSED, POINTS, Group, Read, Wasted, added_up

_WITHIN = "gallery = ?1 AND path >= ?2 AND path < ?3"
_HERE = f"superseded_at IS NULL AND {_WITHIN}"
_GROUPS = f"""
SELECT state, lane, reason, {POINTS}, COUNT(*), SUM(size_bytes), SUM(IFNULL(stand_in_bytes, 0)), COUNT(missed_at)
FROM photos WHERE {_HERE} GROUP BY 1, 2, 3, 4
"""
# Once for each archive, as in `summary`; one that also serves a path elsewhere counts here all the same.
_ARCHIVES = f"""
SELECT state, SUM(archive_bytes) FROM (
    SELECT MIN(state) AS state, MIN(archive_bytes) AS archive_bytes FROM photos
    WHERE {_HERE} AND archive_sha256 IS NOT NULL AND state IN ('purged', 'restored', 'retired') GROUP BY archive_sha256
) GROUP BY state
"""
_DATES = f"""
SELECT MIN(IIF(state = 'retired', retired_at, NULL)), MAX(IIF(state = 'retired', retired_at, NULL))
FROM photos WHERE {_HERE}
"""
_KEPT = f"SELECT COUNT(*), SUM(size_bytes), MIN(retired_at), MAX(retired_at) FROM photos WHERE {_WITHIN} AND kept_since_at IS NOT NULL"
_SCORES = f"""
SELECT MIN(score_whole), MIN(score_worst_tile) FROM photos
WHERE {_HERE} AND lane = 'neural' AND score_whole IS NOT NULL AND state IN ('committed', 'retired', 'purged', 'restored')
"""
_DAMAGE = f"""
SELECT IFNULL(SUM(damage <> '' AND sha256 IN (SELECT sha256 FROM photos WHERE {_WITHIN} AND archive_sha256 IS NOT NULL)), 0),
       IFNULL(SUM(original_damage <> '' AND sha256 IN (
           SELECT sha256 FROM photos WHERE {_WITHIN} AND (state = 'retired' OR kept_since_at IS NOT NULL))), 0)
FROM inspections WHERE gallery = ?1 AND (damage <> '' OR original_damage <> '')
"""
_PARITY = f"""
SELECT COUNT(*), IFNULL(SUM(parity_bytes), 0) FROM parities
WHERE gallery = ?1 AND sha256 IN (SELECT sha256 FROM photos WHERE {_WITHIN} AND archive_sha256 IS NOT NULL)
"""
_WASTE = (MISSED.format("", _WITHIN), LOST.format(_WITHIN), EARLIER.format("", _WITHIN))


def totals_below(connection: sqlite3.Connection, gallery: bytes, folder: bytes, grace_s: int) -> Totals:
    """Of the photos in a folder and all below it. The connection must not be in a transaction."""
    connection.execute("BEGIN")  # all queries see the same moment
    try:
        return added_up(_read(connection, (gallery, *bounds(folder)), grace_s))
    finally:
        connection.execute("ROLLBACK")


def _read(connection: sqlite3.Connection, here: tuple[bytes, bytes, bytes], grace_s: int) -> Read:
    first, last = connection.execute(_DATES, here).fetchone()
    kept, kept_bytes, kept_first, kept_last = connection.execute(_KEPT, here).fetchone()
    lowest, lowest_tile = connection.execute(_SCORES, here).fetchone()
    damaged_archives, damaged_originals = connection.execute(_DAMAGE, here).fetchone()
    parities, parity_bytes = connection.execute(_PARITY, here).fetchone()
    return Read(
        groups=[Group(State(state), *rest) for state, *rest in connection.execute(_GROUPS, here)],
        archives={State(state): int(total) for state, total in connection.execute(_ARCHIVES, here)},
        dates=[] if first is None else [(first + grace_s, last + grace_s)],
        kept=[Share(kept, kept_bytes, earliest_at=kept_first + grace_s, latest_at=kept_last + grace_s)] if kept else [],
        lowest=lowest,
        lowest_tile=lowest_tile,
        damaged_archives=damaged_archives,
        damaged_originals=damaged_originals,
        parities=parities,
        parity_bytes=parity_bytes,
        waste=[Wasted.of(*(connection.execute(query, here).fetchone() for query in _WASTE))],
    )
