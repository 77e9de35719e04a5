"""The sums that `status` shows are what the rows add up to, whatever is done to the rows."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.catalog import Catalog
from storage.states import State

COLUMNS = ("gallery", "state", "size_bytes", "lane", "reason", "score_whole", "score_worst_tile", "archive_sha256", "archive_bytes")
FURTHER = ("stand_in_bytes", "missed_at", "superseded_at", "retired_at", "purge_after_at")


@st.composite
def some_row(draw: st.DrawFn) -> dict[str, object]:
    """Few values of each kind, so that rows share archives, lanes and points."""
    archive = draw(st.sampled_from([None, "a", "b"]))
    score = draw(st.sampled_from([None, -3.5, 0.2, 79.9, 80.0, 80.4, 100.0]))
    return {
        "gallery": draw(st.sampled_from([b"/one", b"/two"])),
        "state": draw(st.sampled_from(State)),
        "size_bytes": draw(st.integers(0, 9)),
        "lane": draw(st.sampled_from([None, "neural", "exact"])),
        "reason": draw(st.sampled_from([None, "gone", "no-gain"])),
        "score_whole": score,
        "score_worst_tile": score,
        "archive_sha256": archive,
        "archive_bytes": {None: None, "a": 3, "b": 5}[archive],
        "stand_in_bytes": draw(st.sampled_from([None, 0, 2])),
        "missed_at": draw(st.sampled_from([None, 7])),
        "superseded_at": draw(st.sampled_from([None, None, 9])),
        "retired_at": draw(st.integers(0, 5)),
        "purge_after_at": draw(st.integers(5, 9)),
    }


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    with Catalog(":memory:") as catalog:
        yield catalog


def put(catalog: Catalog, row: dict[str, object]) -> int:
    none = dict.fromkeys(("seen_bytes", "device", "inode", "mtime_ns", "ctime_ns", "links", "mode", "queued_at"), 0)
    with catalog._transaction():
        return catalog._insert({**none, **row})


@settings(max_examples=25)
@given(st.lists(some_row(), max_size=8), st.lists(st.tuples(st.integers(0, 7), st.none() | some_row()), max_size=8))
def test_sums_follow_every_change(rows: list[dict[str, object]], changes: list[tuple[int, dict[str, object] | None]]) -> None:
    with Catalog(":memory:") as catalog:
        ids = [put(catalog, {**row, "path": bytes([number])}) for number, row in enumerate(rows)]
        for at, row in changes:
            if at < len(ids):
                with catalog._transaction():
                    if row is None:
                        catalog._connection.execute("DELETE FROM photos WHERE id = ?", (ids[at],))
                    else:
                        catalog._update(ids[at], row)
            assert catalog.miscounts() == []
        kept = catalog._connection.execute("SELECT * FROM sums WHERE photos <> 0 ORDER BY 1, 2, 3, 4, 5").fetchall()
        check_totals(catalog)
        catalog.recount()
        assert catalog._connection.execute("SELECT * FROM sums ORDER BY 1, 2, 3, 4, 5").fetchall() == kept


@settings(max_examples=25)
@given(st.lists(st.tuples(some_row(), st.sampled_from([b"a/", b"a/b/", b"a.b/", b"a0/", b"", b"\xff/"])), max_size=8))
def test_a_folder_has_the_sums_of_what_is_below_it(rows: list[tuple[dict[str, object], bytes]]) -> None:
    """Those of a catalogue that knows nothing else; those of the gallery, where that is asked for."""
    graces_s = {b"/one": 100}
    # An earlier version's archive that a photo anywhere has now does not wait to be thrown away.
    in_use = {(row["gallery"], row["archive_sha256"]) for row, _ in rows if row["superseded_at"] is None}
    with Catalog(":memory:") as catalog, Catalog(":memory:") as alone:
        for number, (row, folder) in enumerate(rows):
            put(catalog, {**row, "path": folder + bytes([97 + number])})
            if folder.startswith(b"a/") and (row["superseded_at"] is None or (row["gallery"], row["archive_sha256"]) not in in_use):
                put(alone, {**row, "path": folder + bytes([97 + number])})
        assert catalog.totals_below(b"/one", b"", 100) == catalog.totals(b"/one", graces_s)
        assert catalog.totals_below(b"/one", b"a", 100) == alone.totals(b"/one", graces_s)
        left = [path for path, state, _, _ in catalog.left_below(b"/one", b"a")]
        assert left == [
            bytes(each.path)
            for each in sorted(alone.rows(gallery=b"/one"), key=lambda row: row.path)
            if each.state in (State.LEFT, State.FAILED)
        ]


def check_totals(catalog: Catalog) -> None:
    """Against sums made here, row by row."""
    query = f"SELECT {', '.join((*COLUMNS, *FURTHER))} FROM photos WHERE superseded_at IS NULL"
    rows = [dict(zip((*COLUMNS, *FURTHER), row, strict=True)) for row in catalog._connection.execute(query)]
    for gallery in (b"/one", None):
        totals = catalog.totals(gallery, {b"/one": 100})
        mine = [row for row in rows if gallery in (None, row["gallery"])]
        assert totals.photos == len(mine)
        assert totals.original_bytes == sum(row["size_bytes"] for row in mine)
        assert totals.by_state == {state: sum(row["state"] == state for row in mine) for state in State}
        assert totals.trash == sum(row["missed_at"] is not None for row in mine)
        retired = [row for row in mine if row["state"] == "retired"]
        due = [row["retired_at"] + 100 if row["gallery"] == b"/one" else row["purge_after_at"] for row in retired]
        assert (totals.retired.earliest_at, totals.retired.latest_at) == (min(due, default=None), max(due, default=None))
        assert totals.retired.stand_in_bytes == sum(row["stand_in_bytes"] or 0 for row in retired)
        held: dict[tuple[object, object], set[str]] = {}
        for row in mine:
            if row["archive_sha256"] is not None and row["state"] in ("purged", "restored", "retired"):
                held.setdefault((row["gallery"], row["archive_sha256"]), set()).add(row["state"])
        for state, share in (("purged", totals.purged), ("restored", totals.restored), ("retired", totals.retired)):
            assert share.archive_bytes == sum({"a": 3, "b": 5}[str(key[1])] for key, states in held.items() if min(states) == state)
        scored = [
            row["score_whole"]
            for row in mine
            if row["lane"] == "neural" and row["score_whole"] is not None and row["state"] in ("committed", "retired", "purged", "restored")
        ]
        assert sum(totals.scores.by_points.values()) == len(scored)
        assert totals.scores.lowest == totals.scores.lowest_tile == min(scored, default=None)


def test_a_wrong_sum_is_found_and_made_anew(catalog: Catalog) -> None:
    row = {"gallery": b"/one", "path": b"a", "state": "purged", "size_bytes": 9, "lane": "exact", "archive_sha256": "a", "archive_bytes": 3}
    put(catalog, row)
    catalog._connection.execute("UPDATE sums SET photos = 2")
    catalog._connection.execute("DELETE FROM archive_sums")
    assert len(catalog.miscounts()) == 3
    catalog.recount()
    assert catalog.miscounts() == []
    assert (catalog.totals().photos, catalog.totals().purged.archive_bytes) == (1, 3)


def test_an_older_catalogue_is_counted_when_it_is_migrated(tmp_path: Path) -> None:
    from sqlite_utils import Database

    from storage.migrations import migrations

    path = tmp_path / "catalog.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    migrations.apply(Database(connection), stop_before="m013_sums_that_are_kept")
    for name, archive in (("a", "x"), ("b", "x"), ("c", None)):
        connection.execute(
            "INSERT INTO photos (gallery, path, state, size_bytes, seen_bytes, device, inode, mtime_ns, ctime_ns, links, mode, queued_at, "
            "archive_sha256, archive_bytes) VALUES (X'61', CAST(? AS BLOB), ?, 5, 5, 1, 1, 1, 1, 1, 1, 1, ?, 2)",
            (name, "purged" if archive else "left", archive),
        )
    connection.close()
    with Catalog(path) as catalog:
        assert catalog.miscounts() == []
        totals = catalog.totals()
        assert (totals.photos, totals.original_bytes, totals.purged.photos, totals.purged.archive_bytes) == (3, 15, 2, 2)


def test_what_an_earlier_version_may_have_left_set_aside_is_looked_for(tmp_path: Path) -> None:
    """Of photos that came back with labels; a copy that came back because its original was damaged is none."""
    from sqlite_utils import Database

    from storage.migrations import migrations

    path = tmp_path / "catalog.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    migrations.apply(Database(connection), stop_before="m016_originals_that_are_kept_and_copies_that_were_asked_for")
    for name, state, relabelled_at, purged_at in (
        ("a", "restored", 4, None),
        ("b", "restored", None, None),
        ("c", "restored", 4, 5),
        ("d", "purged", 4, 5),
    ):
        connection.execute(
            "INSERT INTO photos (gallery, path, state, size_bytes, seen_bytes, device, inode, mtime_ns, ctime_ns, links, mode, queued_at, "
            "archive_sha256, archive_bytes, copy_sha256, retired_at, restored_at, relabelled_at, purged_at) "
            "VALUES (X'61', CAST(? AS BLOB), ?, 5, 5, 1, 1, 1, 1, 1, 1, 1, ?, 2, 'copy', 3, 6, ?, ?)",
            (name, state, name, relabelled_at, purged_at),
        )
    connection.close()
    with Catalog(path) as catalog:
        (row,) = catalog.kept(b"a")
        assert (row.path, row.kept_since_at) == (b"a", 6)
        kept = catalog.totals(None, {b"a": 100}).kept
        assert (kept.photos, kept.original_bytes, kept.earliest_at, kept.latest_at) == (1, 5, 103, 103)
        catalog.kept_no_longer(row.id)
        assert catalog.kept(b"a") == []
        assert catalog.totals().kept.photos == 0


def test_parity_is_counted_too(catalog: Catalog) -> None:
    execute = catalog._connection.execute
    for statement in (
        "INSERT INTO parities VALUES (X'61', 'x', 5)",
        "INSERT INTO parities VALUES (X'61', 'x', 7) ON CONFLICT DO UPDATE SET parity_bytes = excluded.parity_bytes",
        "INSERT INTO parities VALUES (X'61', 'y', 4)",
        "UPDATE parities SET parity_bytes = 9 WHERE sha256 = 'y'",
        "DELETE FROM parities WHERE sha256 = 'x'",
    ):
        execute(statement)
        assert catalog.miscounts() == []
    assert (catalog.totals(b"a").parities, catalog.totals().parity_bytes) == (1, 9)


def test_no_question_that_is_asked_often_reads_all_rows(catalog: Catalog) -> None:
    """Those of `status` end at the sums or at the end of an index; those that are asked photo by photo, at an entry of one."""
    asked: list[str] = []
    put(catalog, {"gallery": b"/one", "path": b"a", "state": "retired", "size_bytes": 9, "retired_at": 1, "purge_after_at": 2})
    catalog._connection.set_trace_callback(asked.append)
    catalog.totals(b"/one", {b"/one": 5})
    catalog.totals()
    catalog.dated_since(b"/one", 0, 9)
    catalog.queued_bytes(b"/one")
    catalog.archived_since(5, 9)
    catalog.superseded(b"/one", b"a")
    catalog.moved_from(b"/one", b"a")
    catalog.find(b"/one", b"a")
    catalog.needs_vault(b"/one")
    catalog._connection.set_trace_callback(None)
    questions = [statement for statement in asked if statement.startswith("SELECT")]
    assert len(questions) >= 12
    for question in questions:
        plan = [step[-1] for step in catalog._connection.execute(f"EXPLAIN QUERY PLAN {question}")]
        slow = [step for step in plan if step.startswith(("SCAN photos", "SCAN parities", "SCAN each", "SCAN made", "SCAN before"))]
        assert not slow, (question, plan)
