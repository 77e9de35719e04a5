"""The catalogue under any order of calls: legal moves happen, all others are refused and change nothing."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from storage.admission import QUEUES, Standing
from storage.catalog import Catalog
from storage.errors import Missing, Refused
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import MOVES, State
from tests.storage.scenes import a_proof

PATHS = [b"a.jpg", b"b/\xff.jpg", b"c.jpg"]
DIGESTS = ["a" * 64, "b" * 64]
SMALL = "5" * 64
SEEN = Fingerprint(device=1, inode=2, size_bytes=300, mtime_ns=4, ctime_ns=5, links=1, mode=0o100644)
STAND_IN = replace(SEEN, size_bytes=20)


class Life(RuleBasedStateMachine):
    """Remembers, for each row, the state it must have."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000
        self.catalog = Catalog(":memory:", lambda: self.now)
        self.states: dict[int, State] = {}

    def teardown(self) -> None:
        self.catalog.close()

    @initialize()
    def first(self) -> None:
        self.see(PATHS[0], DIGESTS[0], 0, False)

    @rule(path=st.sampled_from(PATHS), sha256=st.sampled_from([None, *DIGESTS, SMALL]), touched=st.integers(0, 2), by_name=st.booleans())
    def see(self, path: bytes, sha256: str | None, touched: int, by_name: bool) -> None:
        self.now += 1
        before = self.catalog.find(b"/g", path)
        try:
            admission = self.catalog.enqueue(b"/g", path, replace(SEEN, ctime_ns=5 + touched), sha256=sha256, by_name=by_name)
        except Refused:
            assert sha256 is None
            assert before is not None
            assert before.has_archive
            return
        if admission.standing in QUEUES:
            assert admission.row.state is State.QUEUED
            self.states[admission.row.id] = State.QUEUED
        elif before is not None:
            assert admission.row.state is before.state
        if admission.standing is Standing.SUPERSEDES:
            assert before is not None
            assert before.id != admission.row.id
        again = self.catalog.enqueue(b"/g", path, admission.row.fingerprint, sha256=sha256)
        assert not again.queued or again.standing in (Standing.SUPERSEDES, Standing.RETURNED) or admission.row.state is not State.QUEUED
        if again.queued:
            self.states[again.row.id] = State.QUEUED

    @rule(wait=st.integers(1, 500))
    def time_passes(self, wait: int) -> None:
        self.now += wait

    @rule()
    def claim(self) -> None:
        waiting = list(self.catalog.rows(State.QUEUED))
        row = self.catalog.claim()
        assert (row is None) == (not waiting)
        if row is not None:
            assert row.queued_at == min(other.queued_at for other in waiting)
            self.states[row.id] = State.ENCODING

    @rule(data=st.data(), sha256=st.sampled_from(DIGESTS))
    def digest(self, data: st.DataObject, sha256: str) -> None:
        photo_id = self.pick(data)
        if self.states[photo_id] is State.ENCODING:
            self.catalog.digested(photo_id, sha256, SEEN)

    @rule(data=st.data(), after=st.sampled_from([state for state in State if state is not State.ENCODING]))
    def move(self, data: st.DataObject, after: State) -> None:
        photo_id = self.pick(data)
        row = self.catalog.get(photo_id)
        acts: dict[State, Callable[[], PhotoRow]] = {
            State.QUEUED: lambda: self.catalog.requeue(photo_id),
            State.COMMITTED: lambda: self.catalog.committed(
                photo_id, proof=a_proof(original_sha256=row.sha256 or DIGESTS[0]), archive_name="archives/x", lane="neural"
            ),
            State.RETIRED: lambda: self.catalog.retired(photo_id, purge_after_at=self.now + 100, stand_in_fingerprint=STAND_IN),
            State.PURGED: lambda: self.catalog.purged(photo_id),
            State.RESTORED: lambda: self.catalog.restored(photo_id, pinned_until_at=self.now + 100, fingerprint=SEEN),
            State.LEFT: lambda: self.catalog.left(photo_id, "no-gain"),
            State.FAILED: lambda: self.catalog.failed(photo_id, "disk-error", passing=True),
        }
        if row.state is State.COMMITTED and after is State.RETIRED:
            self.catalog.retiring(photo_id, SMALL, 20)
        otherwise = {(State.ENCODING, State.PURGED), (State.LEFT, State.RESTORED)}  # by `put_away`, and by `brought_back`
        if (row.state, after) in MOVES and (row.state, after) not in otherwise:
            self.now += 1
            assert acts[after]().state is after
            self.states[photo_id] = after
        else:
            try:
                acts[after]()
            except (Refused, Missing):
                assert self.catalog.get(photo_id) == row
            else:
                raise AssertionError(f"{row.state} -> {after} was not refused")

    @rule()
    def let_go(self) -> None:
        """Of superseded rows only those go whose photo itself was written over."""
        for row in self.catalog.earlier(b"/g"):
            may_go = row.state not in (State.RETIRED, State.PURGED, State.ENCODING, State.COMMITTED)
            assert row.may_go == may_go
            try:
                self.catalog.let_go(row.id)
            except Refused:
                assert not may_go
            else:
                assert may_go
                self.states.pop(row.id, None)

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.states)))

    @invariant()
    def rows_are_what_they_should_be(self) -> None:
        current = {row.id: row for row in self.catalog.rows()}
        assert len({row.path for row in current.values()}) == len(current)
        for photo_id, state in self.states.items():
            row = self.catalog.get(photo_id)
            assert row.state is state
            if state in (State.COMMITTED, State.RETIRED, State.PURGED, State.RESTORED):
                assert row.proof().archive_sha256 == row.archive_sha256
            if state is State.RETIRED:
                assert row.purge_after_at is not None
        totals = self.catalog.totals()
        assert totals.photos == len(current) == sum(totals.by_state.values())
        assert totals.original_bytes == sum(row.size_bytes for row in current.values())
        assert totals.purged.original_bytes == sum(row.size_bytes for row in current.values() if row.state is State.PURGED)
        assert self.catalog.miscounts() == []
        held = {row.archive_sha256 for row in current.values()}
        going = {row.archive_sha256: row.archive_bytes for row in self.catalog.earlier(b"/g") if row.may_go}
        counted = {digest: size for digest, size in going.items() if digest not in held}
        assert (totals.earlier.photos, totals.earlier.archive_bytes) == (len(counted), sum(size or 0 for size in counted.values()))

    @invariant()
    def no_transaction_is_left_open(self) -> None:
        connection: sqlite3.Connection = self.catalog._connection
        assert not connection.in_transaction


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
