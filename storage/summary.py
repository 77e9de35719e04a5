"""Sums over the catalogue, in one read transaction."""

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType

from storage.records import Scores, Share, Totals
from storage.states import State

_BY_KIND = """
SELECT state, lane, reason, COUNT(*), SUM(size_bytes), SUM(IFNULL(stand_in_bytes, 0))
FROM photos WHERE superseded_at IS NULL AND (?1 IS NULL OR gallery = ?1) GROUP BY state, lane, reason
"""

_DATES = """
SELECT gallery, MIN(retired_at), MAX(retired_at), MIN(purge_after_at), MAX(purge_after_at) FROM photos INDEXED BY photos_in_grace
WHERE state = 'retired' AND superseded_at IS NULL AND (?1 IS NULL OR gallery = ?1) GROUP BY gallery
"""

# An archive that serves several paths is counted once: MIN picks purged before restored before retired, in the order of the alphabet.
_ARCHIVES = """
SELECT state, SUM(archive_bytes) FROM (
    SELECT MIN(state) AS state, MIN(archive_bytes) AS archive_bytes FROM photos INDEXED BY photos_by_archive
    WHERE superseded_at IS NULL AND archive_sha256 IS NOT NULL AND (?1 IS NULL OR gallery = ?1)
    AND state IN ('purged', 'restored', 'retired') GROUP BY gallery, archive_sha256
) GROUP BY state
"""

_SCORES = """
SELECT CAST(score_whole AS INTEGER), COUNT(*), MIN(score_whole), MIN(score_worst_tile) FROM photos INDEXED BY photos_by_score
WHERE superseded_at IS NULL AND lane = 'neural' AND (?1 IS NULL OR gallery = ?1) AND score_whole IS NOT NULL
AND state IN ('committed', 'retired', 'purged', 'restored') GROUP BY 1 ORDER BY 1
"""

_TRASH = """
SELECT COUNT(*) FROM photos INDEXED BY photos_missed
WHERE missed_at IS NOT NULL AND superseded_at IS NULL AND (?1 IS NULL OR gallery = ?1)
"""

# Of what is still there: an archive that was thrown away, or an original that was given back, is no damage any longer.
_DAMAGE = """
SELECT IFNULL(SUM(damage <> '' AND EXISTS (
           SELECT 1 FROM photos WHERE gallery = each.gallery AND sha256 = each.sha256 AND archive_sha256 IS NOT NULL)), 0),
       IFNULL(SUM(original_damage <> '' AND EXISTS (
           SELECT 1 FROM photos WHERE gallery = each.gallery AND sha256 = each.sha256 AND state = 'retired')), 0)
FROM inspections AS each INDEXED BY inspections_damaged
WHERE (damage <> '' OR original_damage <> '') AND (?1 IS NULL OR gallery = ?1)
"""

_PARITY = "SELECT COUNT(*), IFNULL(SUM(parity_bytes), 0) FROM parities WHERE ?1 IS NULL OR gallery = ?1"

_ARCHIVED = frozenset({State.COMMITTED, State.RETIRED, State.PURGED, State.RESTORED})
_TOLD_WHY = frozenset({State.LEFT, State.FAILED})


def totals(connection: sqlite3.Connection, gallery: bytes | None, graces_s: Mapping[bytes, int]) -> Totals:
    """Of one gallery, or of all. The connection must not be in a transaction."""
    connection.execute("BEGIN")  # all queries see the same moment
    try:
        kinds = connection.execute(_BY_KIND, (gallery,)).fetchall()
        archives = {State(state): int(total or 0) for state, total in connection.execute(_ARCHIVES, (gallery,))}
        dates = [_due(graces_s.get(key), *found) for key, *found in connection.execute(_DATES, (gallery,))]
        scores = connection.execute(_SCORES, (gallery,)).fetchall()
        trash = connection.execute(_TRASH, (gallery,)).fetchone()[0]
        damaged_archives, damaged_originals = connection.execute(_DAMAGE, (gallery,)).fetchone()
        parities, parity_bytes = connection.execute(_PARITY, (gallery,)).fetchone()
    finally:
        connection.execute("ROLLBACK")
    by_state = dict.fromkeys(State, 0)
    by_lane: dict[str, int] = {}
    by_reason: dict[str, int] = {}
    original_bytes = 0
    for name, lane, reason, count, size, *_ in kinds:
        state = State(name)
        by_state[state] += count
        original_bytes += size
        if state in _ARCHIVED and lane is not None:
            by_lane[lane] = by_lane.get(lane, 0) + count
        if state in _TOLD_WHY:
            by_reason[reason or "unknown"] = by_reason.get(reason or "unknown", 0) + count

    def share(state: State) -> Share:
        groups = [group[3:] for group in kinds if group[0] == state]
        dated = dates if state is State.RETIRED else []
        return Share(
            photos=sum(group[0] for group in groups),
            original_bytes=sum(group[1] for group in groups),
            archive_bytes=archives.get(state, 0),
            stand_in_bytes=sum(group[2] for group in groups),
            earliest_at=min((first for first, _ in dated), default=None),
            latest_at=max((last for _, last in dated), default=None),
        )

    return Totals(
        photos=sum(by_state.values()),
        original_bytes=original_bytes,
        by_state=MappingProxyType(by_state),
        by_lane=MappingProxyType(dict(sorted(by_lane.items()))),
        by_reason=MappingProxyType(dict(sorted(by_reason.items()))),
        retired=share(State.RETIRED),
        purged=share(State.PURGED),
        restored=share(State.RESTORED),
        trash=trash,
        parities=parities,
        parity_bytes=parity_bytes,
        damaged_archives=damaged_archives,
        damaged_originals=damaged_originals,
        scores=Scores(
            MappingProxyType({points: count for points, count, *_ in scores}),
            min((whole for _, _, whole, _ in scores), default=None),
            min((tile for *_, tile in scores), default=None),
        ),
    )


def _due(grace_s: int | None, first_retired: int, last_retired: int, first_due: int, last_due: int) -> tuple[int, int]:
    """When the first and the last of a gallery may be purged; by the grace in force, where it is known."""
    return (first_due, last_due) if grace_s is None else (first_retired + grace_s, last_retired + grace_s)
