"""The catalogue: what each move writes, what it refuses, and what is asked of it."""

import math
import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from storage.admission import Standing
from storage.catalog import Catalog
from storage.errors import Missing, Refused
from storage.states import State
from tests.storage.rows import GALLERY, PROOF, SEEN, SMALL, Clock, claimed, committed, retired
from tests.storage.scenes import ARCHIVE, ORIGINAL, STAND_IN, a_proof, sha256


def test_a_life(catalog: Catalog, clock: Clock) -> None:
    admission = catalog.enqueue(GALLERY, b"2021/\xff\xfe odd.jpg", SEEN)
    assert admission.queued
    assert admission.row.state is State.QUEUED
    assert admission.row.queued_at == 1_700_000_000
    assert admission.row.fingerprint == SEEN
    row = catalog.claim()
    assert row is not None
    assert (row.state, row.attempts, row.path) == (State.ENCODING, 1, b"2021/\xff\xfe odd.jpg")
    assert os.fsencode(row.location) == GALLERY + b"/2021/\xff\xfe odd.jpg"
    assert catalog.claim() is None
    catalog.digested(row.id, sha256(ORIGINAL), SEEN)
    row = catalog.committed(row.id, proof=PROOF, archive_name="archives/ab/x.nphoto", lane="neural")
    assert row.state is State.COMMITTED
    assert row.proof() == PROOF
    row = catalog.retiring(row.id, sha256(STAND_IN), len(STAND_IN))
    assert row.state is State.COMMITTED
    clock.now += 10
    row = catalog.retired(row.id, purge_after_at=1_700_000_100, stand_in_fingerprint=SMALL)
    assert (row.retired_at, row.purge_after_at, row.stand_in_fingerprint) == (1_700_000_010, 1_700_000_100, SMALL)
    assert catalog.due_for_purge() == []
    assert catalog.due_for_purge(1_700_000_100) == [row]
    row = catalog.purged(row.id)
    assert row.purged_at == 1_700_000_010
    assert catalog.due_for_purge(1_800_000_000) == []
    copy = replace(SEEN, size_bytes=1234)
    row = catalog.restored(row.id, pinned_until_at=1_700_000_020, fingerprint=copy, copy_sha256="c" * 64)
    assert (row.state, row.copy_sha256, row.size_bytes, row.fingerprint) == (State.RESTORED, "c" * 64, len(ORIGINAL), copy)
    assert catalog.enqueue(GALLERY, row.path, copy).standing is Standing.PINNED
    clock.now += 10
    assert catalog.enqueue(GALLERY, row.path, copy).standing is Standing.AGAIN


def test_a_restored_copy_is_put_away_without_a_second_loss(catalog: Catalog) -> None:
    row = catalog.purged(retired(catalog).id)
    copy = replace(SEEN, size_bytes=1234)
    catalog.restored(row.id, pinned_until_at=1, fingerprint=copy, copy_sha256="c" * 64)
    assert catalog.enqueue(GALLERY, row.path, copy).standing is Standing.AGAIN
    catalog.claim(row.id)
    assert catalog.digested(row.id, "c" * 64, copy).proof() == PROOF
    catalog.retiring(row.id, sha256(STAND_IN), len(STAND_IN))
    row = catalog.put_away(row.id, stand_in_fingerprint=SMALL)
    assert (row.state, row.copy_sha256, row.sha256) == (State.PURGED, None, sha256(ORIGINAL))


def test_only_a_copy_can_be_put_away(catalog: Catalog) -> None:
    with pytest.raises(Refused):
        catalog.put_away(claimed(catalog).id, stand_in_fingerprint=SMALL)


def test_a_second_sighting_changes_nothing(catalog: Catalog) -> None:
    first = catalog.enqueue(GALLERY, b"a.jpg", SEEN).row
    again = catalog.enqueue(GALLERY, b"a.jpg", SEEN)
    assert (again.standing, again.row) == (Standing.WAITING, first)
    row = retired(catalog)
    assert catalog.enqueue(GALLERY, row.path, SMALL).row == row


def test_an_edit_while_waiting_is_what_gets_encoded(catalog: Catalog) -> None:
    catalog.enqueue(GALLERY, b"a.jpg", SEEN, sha256="a" * 64)
    edited = replace(SEEN, ctime_ns=99)
    row = catalog.enqueue(GALLERY, b"a.jpg", edited).row
    assert (row.fingerprint, row.sha256) == (edited, None)


def test_an_edited_stand_in_is_a_new_photo_and_the_archive_stays_known(catalog: Catalog) -> None:
    old = catalog.purged(retired(catalog).id)
    edited = replace(SMALL, ctime_ns=99)
    with pytest.raises(Refused):
        catalog.enqueue(GALLERY, old.path, edited)
    admission = catalog.enqueue(GALLERY, old.path, edited, sha256="e" * 64)
    assert admission.standing is Standing.SUPERSEDES
    assert admission.row.id != old.id
    assert not admission.row.has_archive
    assert catalog.find(GALLERY, old.path) == admission.row
    assert [row.id for row in catalog.by_digest(sha256(ORIGINAL))] == [old.id]
    assert catalog.get(old.id).superseded_at is not None


def test_an_original_that_comes_back_keeps_its_archive(catalog: Catalog) -> None:
    row = catalog.purged(retired(catalog).id)
    for times in (1, 2):
        admission = catalog.enqueue(GALLERY, row.path, replace(SEEN, ctime_ns=98 + times), sha256=sha256(ORIGINAL))
        assert admission.standing is Standing.RETURNED
        assert admission.row.returns == times
        assert admission.row.proof() == PROOF
        catalog.claim(row.id)
        catalog.committed(row.id, proof=admission.row.proof(), archive_name="archives/x", lane="neural")
        catalog.retiring(row.id, sha256(STAND_IN), len(STAND_IN))
        catalog.retired(row.id, purge_after_at=1, stand_in_fingerprint=SMALL)


def test_a_touched_stand_in_is_still_known(catalog: Catalog) -> None:
    row = retired(catalog)
    touched = replace(SMALL, ctime_ns=99)
    assert catalog.enqueue(GALLERY, row.path, touched, sha256=sha256(STAND_IN)).standing is Standing.KNOWN
    assert catalog.enqueue(GALLERY, row.path, touched).standing is Standing.KNOWN  # remembered


def test_an_archive_of_other_bytes_is_that_of_an_earlier_version(catalog: Catalog, clock: Clock) -> None:
    row = catalog.requeue(committed(catalog).id)
    assert row.has_archive
    catalog.claim(row.id)
    row = catalog.digested(row.id, "f" * 64, replace(SEEN, size_bytes=5))
    assert (row.has_archive, row.sha256, row.size_bytes) == (False, "f" * 64, 5)
    with pytest.raises(Refused):
        row.proof()
    (old,) = catalog.earlier(GALLERY)
    assert (old.path, old.sha256, old.superseded_at, old.may_go) == (row.path, sha256(ORIGINAL), int(clock.now), True)
    assert old.proof() == PROOF
    earlier = catalog.totals().earlier
    assert (earlier.photos, earlier.archive_bytes, earlier.since_at) == (1, old.archive_bytes, int(clock.now))
    assert catalog.digested(row.id, "f" * 64, replace(SEEN, size_bytes=5)).id == row.id
    assert len(catalog.earlier(GALLERY)) == 1
    with pytest.raises(Refused):
        catalog.let_go(row.id)
    with pytest.raises(Refused):
        catalog.superseded_anew(row.id)
    catalog.let_go(old.id)
    assert catalog.earlier(GALLERY) == []
    assert catalog.miscounts() == []


def test_what_a_stand_in_was_written_over_never_goes(catalog: Catalog) -> None:
    """Its original, or all that is left of it, is in the vault alone."""
    row = retired(catalog)
    catalog.enqueue(GALLERY, row.path, replace(SEEN, ctime_ns=98), sha256="e" * 64)
    for state in ("retired", "purged"):
        (old,) = catalog.earlier(GALLERY)
        assert (old.state, old.may_go) == (state, False)
        with pytest.raises(Refused):
            catalog.let_go(old.id)
        assert catalog.totals().earlier.photos == 0
        if old.state is State.RETIRED:
            catalog.purged(old.id)


def test_a_proof_about_other_bytes_is_refused(catalog: Catalog) -> None:
    row = claimed(catalog)
    with pytest.raises(Refused):
        catalog.committed(row.id, proof=a_proof(original=b"another"), archive_name="x", lane="neural")
    assert catalog.get(row.id).state is State.ENCODING


def test_intents_are_recorded_only_where_they_make_sense(catalog: Catalog) -> None:
    row = claimed(catalog)
    with pytest.raises(Refused):
        catalog.retiring(row.id, "a" * 64, 1)
    with pytest.raises(Refused):
        catalog.restoring(row.id, "a" * 64)
    waiting = catalog.enqueue(GALLERY, b"b.jpg", SEEN).row
    with pytest.raises(Refused):
        catalog.digested(waiting.id, "a" * 64, SEEN)


def test_the_queue_is_oldest_first(catalog: Catalog, clock: Clock) -> None:
    for name in (b"c", b"a", b"b"):
        catalog.enqueue(GALLERY, name, SEEN)
        clock.now += 1
    first = catalog.claim()
    assert first is not None
    assert first.path == b"c"
    catalog.requeue(first.id)
    order = []
    while row := catalog.claim():
        order.append(row.path)
    assert order == [b"a", b"b", b"c"]


def test_illegal_moves_leave_the_row_alone(catalog: Catalog) -> None:
    row = catalog.enqueue(GALLERY, b"a.jpg", SEEN).row
    moves: list[Callable[[], object]] = [
        lambda: catalog.committed(row.id, proof=PROOF, archive_name="x", lane="neural"),
        lambda: catalog.retired(row.id, purge_after_at=1, stand_in_fingerprint=None),
        lambda: catalog.purged(row.id),
        lambda: catalog.requeue(row.id),
        lambda: catalog.restored(row.id, pinned_until_at=1, fingerprint=SEEN),
    ]
    for move in moves:
        with pytest.raises(Refused):
            move()
        assert catalog.get(row.id) == row
    with pytest.raises(Missing):
        catalog.purged(999)


def test_left_and_failed_say_why(catalog: Catalog) -> None:
    left = catalog.left(claimed(catalog, b"a.jpg").id, "no-gain", "would save 3 %")
    failed = catalog.failed(claimed(catalog, b"b.jpg").id, "worker-died")
    assert (left.reason, left.detail) == ("no-gain", "would save 3 %")
    assert failed.reason == "worker-died"
    assert catalog.enqueue(GALLERY, b"a.jpg", SEEN).standing is Standing.KNOWN
    for attempt in (2, 3):
        assert catalog.enqueue(GALLERY, b"b.jpg", SEEN).standing is Standing.AGAIN
        row = catalog.claim()
        assert row is not None
        assert row.attempts == attempt
        failed = catalog.failed(row.id, "worker-died", "by signal 9")
    assert (failed.state, failed.reason, failed.detail) == (State.LEFT, "worker-died", "by signal 9")
    assert catalog.enqueue(GALLERY, b"b.jpg", SEEN).standing is Standing.KNOWN


def test_a_cause_outside_of_the_photo_does_not_count(catalog: Catalog) -> None:
    photo_id = claimed(catalog).id
    for _ in range(5):
        assert catalog.failed(photo_id, "no-space", passing=True).state is State.FAILED
        assert catalog.enqueue(GALLERY, b"IMG_1.jpg", SEEN).standing is Standing.AGAIN
        catalog.claim(photo_id)


def test_unfinished_is_what_a_crash_left(catalog: Catalog) -> None:
    encoding, done = claimed(catalog, b"a"), committed(catalog, b"b")
    restoring = retired(catalog, b"c")
    retired(catalog, b"d")
    assert catalog.restoring(restoring.id, "c" * 64).copy_sha256 == "c" * 64
    assert [row.id for row in catalog.unfinished()] == [encoding.id, done.id, restoring.id]
    catalog.restoring(restoring.id, None)
    assert [row.id for row in catalog.unfinished()] == [encoding.id, done.id]


def test_totals(catalog: Catalog) -> None:
    size, small, archive = len(ORIGINAL), len(STAND_IN), len(ARCHIVE)
    retired(catalog, b"a", 500)
    retired(catalog, b"b", 700)  # the same bytes at two paths: one archive
    catalog.left(claimed(catalog, b"c").id, "no-gain")
    totals = catalog.totals()
    assert (totals.photos, totals.original_bytes) == (3, 3 * size)
    assert totals.by_state[State.RETIRED] == 2
    assert totals.by_state[State.QUEUED] == 0
    assert dict(totals.by_lane) == {"neural": 2}
    assert dict(totals.by_reason) == {"no-gain": 1}
    assert (totals.retired.photos, totals.retired.original_bytes, totals.retired.stand_in_bytes) == (2, 2 * size, 2 * small)
    assert totals.retired.archive_bytes == archive
    assert (totals.retired.earliest_at, totals.retired.latest_at) == (500, 700)
    assert totals.purged.saving_bytes == 0
    for row in catalog.due_for_purge(500):
        catalog.purged(row.id)
    totals = catalog.totals(GALLERY)
    assert totals.purged.saving_bytes == size - small - archive
    assert (totals.retired.archive_bytes, totals.retired.earliest_at) == (0, 700)
    assert catalog.totals(b"/another").photos == 0


def test_scores_are_counted_by_points(catalog: Catalog) -> None:
    for path, whole, tile in ((b"a", 80.4, 71.5), (b"b", 80.9, 79.0), (b"c", 91.0, 70.2)):
        proof = replace(PROOF, whole=whole, worst_tile=tile, checks={"dots": 0.25, "second-metric": math.inf})
        row = catalog.committed(claimed(catalog, path).id, proof=proof, archive_name="archives/x", lane="neural")
        assert row.checks == row.proof().checks == {"dots": 0.25}, "what JSON has no number for is left out"
    lossless = replace(PROOF, whole=100, worst_tile=100)
    row = catalog.committed(claimed(catalog, b"d").id, proof=lossless, archive_name="archives/x", lane="exact")
    assert row.checks is None
    scores = catalog.totals(GALLERY).scores
    assert (dict(scores.by_points), scores.lowest, scores.lowest_tile) == ({80: 2, 91: 1}, 80.4, 70.2)
    assert catalog.totals(b"/another").scores.lowest is None


def test_a_gallery_without_stand_ins(catalog: Catalog) -> None:
    row = committed(catalog)
    catalog.retiring(row.id, None, 0)
    row = catalog.retired(row.id, purge_after_at=1, stand_in_fingerprint=None)
    assert (row.stand_in_sha256, row.stand_in_bytes, row.stand_in_fingerprint) == (None, 0, None)
    assert catalog.totals().retired.stand_in_bytes == 0


def test_rows_may_be_moved_while_they_are_read(catalog: Catalog) -> None:
    for number in range(5):
        catalog.enqueue(GALLERY, b"%d" % number, SEEN)
    seen = []
    for row in catalog.rows(State.QUEUED):
        catalog.claim(row.id)
        catalog.requeue(row.id)
        seen.append(row.path)
    assert seen == [b"0", b"1", b"2", b"3", b"4"]
    assert [row.path for row in catalog.rows(gallery=b"/another")] == []
    assert [row.path for row in catalog.rows()] == seen


def test_runs(catalog: Catalog, clock: Clock) -> None:
    run = catalog.started_run("optimize")
    assert catalog.runs()[0].ended_at is None
    clock.now += 60
    ended = catalog.ended_run(run, archived=3, left=1, original_bytes=900, archive_bytes=100, outcome="full")
    assert (ended.archived, ended.left, ended.outcome) == (3, 1, "full")
    assert ended.ended_at == ended.started_at + 60
    assert catalog.runs() == [ended]


def test_what_a_run_did_and_what_was_predicted_of_it(catalog: Catalog) -> None:
    run = catalog.started_run("optimize", {"saving_bytes": 700, "source": "a sample"})
    assert catalog.runs()[0].prediction == {"saving_bytes": 700, "source": "a sample"}
    ended = catalog.ended_run(
        run, worked=4, by_lane={"neural": 3}, by_reason={"no-gain": 1}, cpu_s=12.5, watt_hours=0.03, energy_source="model"
    )
    assert (ended.worked, ended.cpu_s, ended.watt_hours, ended.energy_source) == (4, 12.5, 0.03, "model")
    assert (ended.by_lane, ended.by_reason) == ({"neural": 3}, {"no-gain": 1})
    assert catalog.runs(run_id=run) == [ended]
    assert ended.prediction is not None


def test_the_reason_for_a_better_level_goes_with_the_archive(catalog: Catalog) -> None:
    row = claimed(catalog)
    done = catalog.committed(row.id, proof=PROOF, archive_name="archives/x", lane="neural", importance="5 stars")
    assert done.importance == "5 stars"
    catalog.requeue(row.id)
    catalog.claim(row.id)
    assert catalog.disowned(row.id).importance is None


# The file.


def test_another_grace_holds_for_what_was_retired_before(catalog: Catalog, clock: Clock) -> None:
    row = retired(catalog, purge_after_at=int(clock.now) + 700)
    clock.now += 100
    late = retired(catalog, b"IMG_2.jpg", purge_after_at=int(clock.now) + 700)
    start = row.retired_at
    assert start is not None
    told = catalog.totals(GALLERY, {GALLERY: 50}).retired
    assert (told.earliest_at, told.latest_at) == (start + 50, start + 150), "status tells it before a run has written it"
    assert catalog.totals(None, {b"/elsewhere": 50}).retired.earliest_at == start + 700
    assert catalog.regrace(GALLERY, 50) == 2
    assert [catalog.get(each.id).purge_after_at for each in (row, late)] == [start + 50, start + 150]
    assert [due.id for due in catalog.due_for_purge(start + 60)] == [row.id]
    assert catalog.regrace(GALLERY, 900) == 2
    assert catalog.due_for_purge(start + 899) == []
    assert catalog.regrace(GALLERY, 900) == 0
    assert catalog.regrace(b"/elsewhere", 1) == 0


def test_the_original_of_a_superseded_photo_is_never_due(catalog: Catalog) -> None:
    row = retired(catalog, purge_after_at=5)
    assert catalog.enqueue(GALLERY, row.path, replace(SEEN, inode=77), sha256="e" * 64).standing is Standing.SUPERSEDES
    assert catalog.due_for_purge(10**10) == []


def test_a_photo_restored_to_another_path_has_that_path(catalog: Catalog) -> None:
    row = retired(catalog)
    stood_there = catalog.enqueue(GALLERY, b"renamed.jpg", SMALL).row
    catalog.claim(stood_there.id)
    catalog.left(stood_there.id, "stand-in")
    intended = catalog.restoring(row.id, row.sha256, b"renamed.jpg")
    assert (intended.bound_for, intended.path) == (b"renamed.jpg", row.path)
    assert [each.id for each in catalog.unfinished()] == [row.id]
    moved = catalog.restored(row.id, pinned_until_at=9, fingerprint=SEEN)
    assert (moved.path, moved.came_from, moved.bound_for, moved.state) == (b"renamed.jpg", row.path, None, State.RESTORED)
    assert catalog.moved_from(GALLERY, row.path) == [moved]
    assert catalog.find(GALLERY, row.path) is None
    with pytest.raises(Missing):
        catalog.get(stood_there.id)


def test_no_photo_takes_the_path_of_an_archived_one(catalog: Catalog) -> None:
    row, other = retired(catalog), retired(catalog, b"IMG_2.jpg")
    with pytest.raises(Refused, match="that path"):
        catalog.restoring(row.id, row.sha256, other.path)
    assert catalog.get(row.id) == row
    catalog.restoring(row.id, row.sha256, b"free.jpg")
    assert catalog.restoring(row.id, None).bound_for is None
