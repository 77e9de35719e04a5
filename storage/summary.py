"""Sums over the catalogue, in one read transaction: read from the tables that its triggers keep, which can be compared with the rows."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from storage.records import Scores, Share, Totals, Waste
from storage.states import State

POINTS = "CASE WHEN score_whole IS NULL OR lane IS NOT 'neural' THEN -1 ELSE CAST(MAX(score_whole, 0) AS INTEGER) END"
_SUMS = f"""
SELECT gallery, state, IFNULL(lane, ''), IFNULL(reason, ''), {POINTS}, COUNT(*), SUM(size_bytes), SUM(IFNULL(stand_in_bytes, 0)),
COUNT(missed_at) FROM photos WHERE superseded_at IS NULL GROUP BY 1, 2, 3, 4, 5
"""
# An archive that serves several paths is counted once: MIN picks purged before restored before retired, in the order of the alphabet.
_ARCHIVE_SUMS = """
SELECT gallery, state, COUNT(*), SUM(archive_bytes) FROM (
    SELECT gallery, MIN(state) AS state, MIN(archive_bytes) AS archive_bytes FROM photos
    WHERE superseded_at IS NULL AND archive_sha256 IS NOT NULL AND state IN ('purged', 'restored', 'retired')
    GROUP BY gallery, archive_sha256
) GROUP BY gallery, state
"""
_PARITY_SUMS = "SELECT gallery, COUNT(*), SUM(parity_bytes) FROM parities GROUP BY gallery"
_COUNTED = (("sums", _SUMS, "photos"), ("archive_sums", _ARCHIVE_SUMS, "archives"), ("parity_sums", _PARITY_SUMS, "parities"))
"""Each table of sums, how its rows are counted anew, and the column without which a row means nothing."""

_GRACE = "FROM photos INDEXED BY photos_in_grace WHERE state = 'retired' AND superseded_at IS NULL AND gallery = ?1"
_DUE = "FROM photos INDEXED BY photos_next_due WHERE state = 'retired' AND superseded_at IS NULL AND gallery = ?1"
_WITH_SCORE = (
    "WHERE superseded_at IS NULL AND lane = 'neural' AND score_whole IS NOT NULL AND gallery = ?1 "
    "AND state IN ('committed', 'retired', 'purged', 'restored')"
)
_LOWEST = f"SELECT score_whole FROM photos INDEXED BY photos_by_score {_WITH_SCORE} ORDER BY score_whole LIMIT 1"
_LOWEST_TILE = (
    f"SELECT score_worst_tile FROM photos INDEXED BY photos_by_tile {_WITH_SCORE} AND score_worst_tile IS NOT NULL "
    "ORDER BY score_worst_tile LIMIT 1"
)

# Of what is still there: an archive that was thrown away, or an original that was given back, is no damage any longer.
_DAMAGE = """
SELECT IFNULL(SUM(damage <> '' AND EXISTS (
           SELECT 1 FROM photos WHERE gallery = each.gallery AND sha256 = each.sha256 AND archive_sha256 IS NOT NULL)), 0),
       IFNULL(SUM(original_damage <> '' AND EXISTS (
           SELECT 1 FROM photos WHERE gallery = each.gallery AND sha256 = each.sha256
           AND (state = 'retired' OR kept_since_at IS NOT NULL))), 0)
FROM inspections AS each INDEXED BY inspections_damaged
WHERE (damage <> '' OR original_damage <> '') AND {0}
"""

_KEPT = (
    "SELECT COUNT(*), IFNULL(SUM(size_bytes), 0), MIN({0}), MAX({0}) FROM photos INDEXED BY photos_kept "
    "WHERE kept_since_at IS NOT NULL AND gallery = ?1"
)
_PARITY = "SELECT IFNULL(SUM(parities), 0), IFNULL(SUM(parity_bytes), 0) FROM parity_sums WHERE {0}"
# What waits to be thrown away, each archive once. The first two placeholders of each: how the table is read, and of which rows.
MISSED = """
SELECT IFNULL(SUM(photos), 0), IFNULL(SUM(archive_bytes), 0), MIN(since_at), IFNULL(SUM(binned), 0),
       IFNULL(SUM(CASE WHEN binned THEN archive_bytes END), 0), MIN(CASE WHEN binned THEN since_at END), MIN(binned_as)
FROM (
    SELECT COUNT(*) AS photos, MAX(archive_bytes) AS archive_bytes, MIN(missed_at) AS since_at, COUNT(binned_as) AS binned,
           MIN(binned_as) AS binned_as
    FROM photos {0} WHERE missed_at IS NOT NULL AND superseded_at IS NULL AND {1}
    GROUP BY IFNULL(archive_sha256, '')
)
"""
LOST = """
SELECT IFNULL(SUM(photos), 0), IFNULL(SUM(archive_bytes), 0) FROM (
    SELECT COUNT(*) AS photos, MAX(archive_bytes) AS archive_bytes FROM inspections AS each INDEXED BY inspections_damaged
    CROSS JOIN photos USING (gallery, sha256)
    WHERE (damage <> '' OR original_damage <> '') AND damage <> '' AND archive_sha256 IS NOT NULL
    AND missed_at IS NOT NULL AND superseded_at IS NULL AND (state <> 'retired' OR original_damage <> '') AND {0}
    GROUP BY archive_sha256
)
"""
EARLIER = """
SELECT COUNT(*), IFNULL(SUM(archive_bytes), 0), MIN(since_at) FROM (
    SELECT MAX(archive_bytes) AS archive_bytes, MAX(superseded_at) AS since_at FROM photos AS old {0}
    WHERE superseded_at IS NOT NULL AND archive_sha256 IS NOT NULL AND kept_since_at IS NULL
    AND state IN ('restored', 'left', 'failed', 'queued') AND {1} AND NOT EXISTS (SELECT 1 FROM photos
        WHERE gallery = old.gallery AND archive_sha256 = old.archive_sha256 AND superseded_at IS NULL)
    GROUP BY archive_sha256
)
"""

_ARCHIVED = frozenset({State.COMMITTED, State.RETIRED, State.PURGED, State.RESTORED})
_TOLD_WHY = frozenset({State.LEFT, State.FAILED})


class Group(NamedTuple):
    """Photos that have the first four in common, as a line of `sums` counts them."""

    state: State
    lane: str | None
    reason: str | None
    points: int
    photos: int
    original_bytes: int
    stand_in_bytes: int
    missed: int


@dataclass(frozen=True, slots=True)
class Wasted:
    """What waits to be thrown away in one gallery, or folder."""

    missed: Waste
    binned: Waste
    binned_as: bytes | None
    lost: int
    earlier: Waste

    @classmethod
    def of(cls, missed: Sequence[Any], lost: Sequence[Any], earlier: Sequence[Any]) -> "Wasted":
        """What the three statements found."""
        photos, archive_bytes, since_at, *binned, binned_as = missed
        return cls(Waste(photos, archive_bytes - lost[1], since_at), Waste(*binned), binned_as, lost[0], Waste(*earlier))


@dataclass(frozen=True, slots=True)
class Read:
    """What the tables said at one moment."""

    groups: list[Group]
    archives: dict[State, int]
    """Bytes, each archive once."""
    dates: list[tuple[int, int]]
    """When the first and the last may be purged, of each gallery that has any in grace."""
    kept: list[Share]
    lowest: float | None
    lowest_tile: float | None
    damaged_archives: int
    damaged_originals: int
    parities: int
    parity_bytes: int
    waste: list[Wasted]


def totals(connection: sqlite3.Connection, wanted: Sequence[bytes] | None, graces_s: Mapping[bytes, int]) -> Totals:
    """Of these galleries, or of all. The connection must not be in a transaction."""
    connection.execute("BEGIN")  # all queries see the same moment
    try:
        found = _read(connection, wanted, graces_s)
    finally:
        connection.execute("ROLLBACK")
    return added_up(found)


def _read(connection: sqlite3.Connection, wanted: Sequence[bytes] | None, graces_s: Mapping[bytes, int]) -> Read:
    galleries = [key for (key,) in connection.execute("SELECT DISTINCT gallery FROM sums")] if wanted is None else list(wanted)
    of_these = f"gallery IN ({','.join('?' * len(galleries))})" if wanted is not None else "TRUE"
    given = galleries if wanted is not None else []
    groups = connection.execute(f"SELECT {', '.join(Group._fields)} FROM sums WHERE photos > 0 AND {of_these}", given)
    archives = connection.execute(f"SELECT state, SUM(archive_bytes) FROM archive_sums WHERE {of_these} GROUP BY state", given).fetchall()
    damaged_archives, damaged_originals = connection.execute(_DAMAGE.format(of_these), given).fetchone()
    parities, parity_bytes = connection.execute(_PARITY.format(of_these), given).fetchone()
    mine = "gallery = ?1"
    missed = [connection.execute(MISSED.format("INDEXED BY photos_missed", mine), (key,)).fetchone() for key in galleries]
    lost = [connection.execute(LOST.format(mine), (key,)).fetchone() for key in galleries]
    earlier = [connection.execute(EARLIER.format("INDEXED BY photos_earlier", mine), (key,)).fetchone() for key in galleries]
    return Read(
        groups=[Group(State(state), *rest) for state, *rest in groups],
        archives={State(state): int(total) for state, total in archives},
        dates=[found for key in galleries for found in _dates(connection, key, graces_s.get(key))],
        kept=[found for key in galleries if (found := _kept(connection, key, graces_s.get(key))).photos],
        lowest=_least(connection, _LOWEST, galleries),
        lowest_tile=_least(connection, _LOWEST_TILE, galleries),
        damaged_archives=damaged_archives,
        damaged_originals=damaged_originals,
        parities=parities,
        parity_bytes=parity_bytes,
        waste=[Wasted.of(*found) for found in zip(missed, lost, earlier, strict=True)],
    )


def added_up(found: Read) -> Totals:
    by_state = dict.fromkeys(State, 0)
    by_lane: Counter[str] = Counter()
    by_reason: Counter[str] = Counter()
    by_points: Counter[int] = Counter()
    for group in found.groups:
        by_state[group.state] += group.photos
        if group.state in _ARCHIVED and group.lane:
            by_lane[group.lane] += group.photos
        if group.state in _ARCHIVED and group.points >= 0:
            by_points[group.points] += group.photos
        if group.state in _TOLD_WHY:
            by_reason[group.reason or "unknown"] += group.photos
    return Totals(
        photos=sum(by_state.values()),
        original_bytes=sum(group.original_bytes for group in found.groups),
        by_state=MappingProxyType(by_state),
        by_lane=MappingProxyType(dict(sorted(by_lane.items()))),
        by_reason=MappingProxyType(dict(sorted(by_reason.items()))),
        retired=_share(found, State.RETIRED),
        purged=_share(found, State.PURGED),
        restored=_share(found, State.RESTORED),
        kept=Share(
            photos=sum(each.photos for each in found.kept),
            original_bytes=sum(each.original_bytes for each in found.kept),
            earliest_at=min((each.earliest_at for each in found.kept if each.earliest_at is not None), default=None),
            latest_at=max((each.latest_at for each in found.kept if each.latest_at is not None), default=None),
        ),
        parities=found.parities,
        parity_bytes=found.parity_bytes,
        damaged_archives=found.damaged_archives,
        damaged_originals=found.damaged_originals,
        trash=sum(group.missed for group in found.groups),
        missed=_together(each.missed for each in found.waste),
        lost=sum(each.lost for each in found.waste),
        binned=_together(each.binned for each in found.waste),
        binned_as=min((each.binned_as for each in found.waste if each.binned_as is not None), default=None),
        earlier=_together(each.earlier for each in found.waste),
        scores=Scores(MappingProxyType(dict(sorted(by_points.items()))), found.lowest, found.lowest_tile),
    )


def _share(found: Read, state: State) -> Share:
    groups = [group for group in found.groups if group.state is state]
    dated = found.dates if state is State.RETIRED else []
    return Share(
        photos=sum(group.photos for group in groups),
        original_bytes=sum(group.original_bytes for group in groups),
        archive_bytes=found.archives.get(state, 0),
        stand_in_bytes=sum(group.stand_in_bytes for group in groups),
        earliest_at=min((first for first, _ in dated), default=None),
        latest_at=max((last for _, last in dated), default=None),
    )


def _together(waste: Iterable[Waste]) -> Waste:
    found = list(waste)
    first = min((each.since_at for each in found if each.since_at is not None), default=None)
    return Waste(sum(each.photos for each in found), sum(each.archive_bytes for each in found), first)


def _dates(connection: sqlite3.Connection, gallery: bytes, grace_s: int | None) -> Iterator[tuple[int, int]]:
    """When the first and the last of a gallery may be purged, if any; by the grace in force, where it is known."""
    what, where, later = ("purge_after_at", _DUE, 0) if grace_s is None else ("retired_at", _GRACE, grace_s)
    ends = [connection.execute(f"SELECT {what} {where} ORDER BY {what} {order} LIMIT 1", (gallery,)).fetchone() for order in ("", "DESC")]
    if ends[0] is not None and ends[0][0] is not None:
        yield ends[0][0] + later, ends[1][0] + later


def _kept(connection: sqlite3.Connection, gallery: bytes, grace_s: int | None) -> Share:
    what, later = ("purge_after_at", 0) if grace_s is None else ("retired_at", grace_s)
    photos, size, first, last = connection.execute(_KEPT.format(what), (gallery,)).fetchone()
    return Share(photos, size, earliest_at=None if first is None else first + later, latest_at=None if last is None else last + later)


def _least(connection: sqlite3.Connection, query: str, galleries: list[bytes]) -> float | None:
    found = (connection.execute(query, (gallery,)).fetchone() for gallery in galleries)
    return min((row[0] for row in found if row is not None), default=None)


def archived_by_gallery(connection: sqlite3.Connection) -> dict[bytes, int]:
    """How many photos have nothing but a stand-in in their place, by gallery."""
    query = "SELECT gallery, SUM(photos) FROM sums WHERE state IN ('retired', 'purged') AND photos > 0 GROUP BY gallery ORDER BY gallery"
    return {bytes(gallery): int(count) for gallery, count in connection.execute(query)}


def miscounts(connection: sqlite3.Connection) -> list[str]:
    """Where the sums that are kept differ from the rows; reads all of them."""
    found = []
    for table, count, column in _COUNTED:
        kept = set(connection.execute(f"SELECT * FROM {table} WHERE {column} <> 0").fetchall())
        for row in sorted(kept ^ set(connection.execute(count).fetchall()), key=repr):
            found.append(f"{table}: {' '.join(map(str, row[1:]))} " + ("is not so" if row in kept else "is missing"))
    return found


def recount(connection: sqlite3.Connection) -> None:
    """Make the sums anew, in the caller's transaction."""
    for table, count, _ in _COUNTED:
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table} {count}")


def archived_since(connection: sqlite3.Connection, since_at: int, until_at: int) -> tuple[int, int]:
    """(photos, bytes) before `until_at`, as a run counts them: an archive that serves several paths once, and not at all where it was
    there before.

    A photo that was retired before `since_at` has a later `encoded_at` where its archive was made anew; its stand-in is none of these.
    """
    photos, stand_in_bytes = connection.execute(
        "SELECT COUNT(*), IFNULL(SUM(stand_in_bytes), 0) FROM photos "
        "WHERE encoded_at >= ?1 AND encoded_at < ?2 AND (retired_at IS NULL OR retired_at >= ?1)",
        (since_at, until_at),
    ).fetchone()
    (archive_bytes,) = connection.execute(
        "SELECT IFNULL(SUM(archive_bytes), 0) FROM (SELECT DISTINCT gallery, archive_sha256, archive_bytes FROM photos AS made "
        "WHERE encoded_at >= ?1 AND encoded_at < ?2 AND archive_sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM photos AS before "
        "WHERE before.sha256 = made.sha256 AND before.gallery = made.gallery "
        "AND before.archive_sha256 = made.archive_sha256 AND before.encoded_at < ?1))",
        (since_at, until_at),
    ).fetchone()
    return int(photos), int(stand_in_bytes) + int(archive_bytes)
