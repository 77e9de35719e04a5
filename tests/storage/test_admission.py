"""Every sighting against every state, as one table."""

from dataclasses import replace
from pathlib import Path

import pytest

from storage.admission import QUEUES, Standing, judge
from storage.catalog import Catalog
from storage.errors import Refused
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

SEEN = Fingerprint(device=1, inode=2, size_bytes=3, mtime_ns=4, ctime_ns=5, links=1, mode=0o100644)
TOUCHED = replace(SEEN, ctime_ns=6)
ORIGINAL, STAND_IN, COPY, EDIT = "a" * 64, "b" * 64, "c" * 64, "d" * 64


@pytest.fixture
def row(tmp_path: Path) -> PhotoRow:
    with Catalog(":memory:") as catalog:
        queued = catalog.enqueue(b"/gallery", b"IMG_1.jpg", SEEN).row
    known = replace(queued, sha256=ORIGINAL, stand_in_sha256=STAND_IN, stand_in_fingerprint=SEEN)
    return replace(known, pinned_until_at=1000, rules="r", attempts=1)


def standing(row: PhotoRow, seen: Fingerprint, sha256: str | None, **given: object) -> Standing:
    return judge(row, seen, sha256, **{"rules": "r", "by_name": False, "now": 500, **given})  # type: ignore[arg-type]


def test_a_path_not_known_is_new() -> None:
    assert judge(None, SEEN, None, rules="", by_name=False, now=0) is Standing.NEW


@pytest.mark.parametrize(
    ("state", "archived", "seen", "sha256", "given", "expected"),
    [
        (State.QUEUED, False, TOUCHED, None, {}, Standing.WAITING),
        (State.ENCODING, False, TOUCHED, EDIT, {"by_name": True}, Standing.WAITING),
        (State.COMMITTED, True, SEEN, None, {}, Standing.WAITING),
        (State.LEFT, False, SEEN, None, {}, Standing.KNOWN),
        (State.LEFT, False, SEEN, None, {"rules": "other"}, Standing.AGAIN),
        (State.LEFT, False, SEEN, None, {"by_name": True}, Standing.AGAIN),
        (State.LEFT, False, TOUCHED, None, {}, Standing.CHANGED),
        (State.LEFT, False, TOUCHED, ORIGINAL, {}, Standing.KNOWN),
        (State.LEFT, False, TOUCHED, EDIT, {}, Standing.CHANGED),
        (State.LEFT, True, TOUCHED, EDIT, {}, Standing.SUPERSEDES),
        (State.FAILED, False, SEEN, None, {}, Standing.AGAIN),
        (State.FAILED, False, TOUCHED, EDIT, {}, Standing.CHANGED),
        (State.RETIRED, True, SEEN, None, {}, Standing.KNOWN),
        (State.RETIRED, True, SEEN, None, {"rules": "other", "by_name": True}, Standing.KNOWN),
        (State.RETIRED, True, TOUCHED, STAND_IN, {}, Standing.KNOWN),
        (State.RETIRED, True, TOUCHED, ORIGINAL, {}, Standing.RETURNED),
        (State.PURGED, True, TOUCHED, ORIGINAL, {}, Standing.RETURNED),
        (State.PURGED, True, TOUCHED, EDIT, {}, Standing.SUPERSEDES),
        (State.RESTORED, True, SEEN, None, {}, Standing.PINNED),
        (State.RESTORED, True, SEEN, None, {"by_name": True}, Standing.AGAIN),
        (State.RESTORED, True, SEEN, None, {"now": 1000}, Standing.AGAIN),
        (State.RESTORED, True, TOUCHED, EDIT, {}, Standing.SUPERSEDES),
        (State.RESTORED, True, TOUCHED, ORIGINAL, {}, Standing.PINNED),
    ],
)
def test_table(
    row: PhotoRow, state: State, archived: bool, seen: Fingerprint, sha256: str | None, given: dict[str, object], expected: Standing
) -> None:
    row = replace(row, state=state, archive_sha256="e" * 64 if archived else None)
    assert standing(row, seen, sha256, **given) is expected
    assert (expected in QUEUES) == (expected not in (Standing.WAITING, Standing.PINNED, Standing.KNOWN))


def test_a_copy_in_place_is_no_new_photo(row: PhotoRow) -> None:
    copied = replace(row, archive_sha256="e" * 64, copy_sha256=COPY)
    assert standing(replace(copied, state=State.RESTORED), TOUCHED, COPY) is Standing.PINNED
    assert standing(replace(copied, state=State.LEFT), TOUCHED, COPY) is Standing.KNOWN
    assert standing(replace(copied, state=State.PURGED), TOUCHED, COPY) is Standing.KNOWN  # a restore that was killed


def test_a_failure_is_tried_again(row: PhotoRow) -> None:
    assert standing(replace(row, state=State.FAILED), SEEN, None) is Standing.AGAIN, "what failed too often is LEFT, by the catalogue"


@pytest.mark.parametrize("state", [State.RETIRED, State.PURGED, State.RESTORED, State.LEFT])
def test_an_archived_photo_is_never_judged_by_a_guess(row: PhotoRow, state: State) -> None:
    with pytest.raises(Refused, match="digest"):
        standing(replace(row, state=state, archive_sha256="e" * 64), TOUCHED, None)


def test_another_device_number_is_no_change(row: PhotoRow) -> None:
    assert standing(replace(row, state=State.LEFT), replace(SEEN, device=99, links=2, mode=0o100600), None) is Standing.KNOWN
