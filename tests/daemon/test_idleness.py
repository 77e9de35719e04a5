"""When a photo counts as left alone, and when a file has stopped changing."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.idleness import CROWD, CROWD_S, FEWEST, Touches, believable, crowds, in_crowd, is_idle, last_touch, recently_used
from daemon.mounts import Mount, mount_of, parse
from daemon.settling import Settling, settled
from storage.fingerprint import Fingerprint

DAY = 86400.0
NOW = 1_800_000_000.0
MOMENT = st.floats(0, 2 * NOW)
TOUCHES = st.builds(Touches, MOMENT, MOMENT, st.none() | MOMENT, st.none() | MOMENT)


@given(TOUCHES, st.floats(0, 100 * DAY))
def test_idle_means_that_nothing_was_touched_since(touches: Touches, idle_for_s: float) -> None:
    touched = last_touch(touches, NOW)
    assert touched <= NOW, "a date ahead of the clock never keeps a photo for ever"
    assert is_idle(touches, NOW, idle_for_s) == (NOW - touched >= idle_for_s)
    if touches.written_s <= NOW:
        assert touched >= touches.written_s


def test_what_counts_as_opened() -> None:
    old = NOW - 100 * DAY
    assert is_idle(Touches(old, old), NOW, 30 * DAY)
    assert not is_idle(Touches(NOW - DAY, old), NOW, 30 * DAY)
    assert not is_idle(Touches(old, old, opened_s=NOW - DAY), NOW, 30 * DAY)
    assert is_idle(Touches(old, NOW - DAY, opened_s=NOW - DAY + 5), NOW, 30 * DAY), "it was read while it arrived"
    assert is_idle(Touches(old, NOW - DAY), NOW, 30 * DAY), "the day on which it came here does not count"
    assert not is_idle(Touches(old, old, used_s=NOW - DAY), NOW, 30 * DAY)
    assert is_idle(Touches(2 * NOW, old), NOW, 30 * DAY), "a camera whose clock is wrong"


@given(st.lists(st.floats(0, 30 * DAY), max_size=60))
def test_crowds_hold_whoever_is_among_many(times: list[float]) -> None:
    found = crowds(times)
    enough = max(FEWEST, CROWD * len(times))
    for time in times:
        hours = [start for start in times if start <= time <= start + CROWD_S]
        near = max((sum(start <= other <= start + CROWD_S for other in times) for start in hours), default=0)
        assert in_crowd(time, found) == (near >= enough)
    assert all(one[1] < other[0] for one, other in pairwise(found))


def test_an_indexer_is_nobody_who_looks_at_pictures() -> None:
    indexed = [1000.0 + each for each in range(30)]
    alone = [50 * DAY, 60 * DAY]
    found = crowds(indexed + alone)
    assert all(in_crowd(each, found) for each in indexed)
    assert not any(in_crowd(each, found) for each in alone)


def test_recently_used_files_of_the_desktop() -> None:
    text = b"""<?xml version="1.0" encoding="UTF-8"?><xbel version="1.0">
    <bookmark href="file:///home/anna/Photos/A%20b%C3%A4r.jpg" added="2026-01-01T10:00:00Z" modified="2026-02-01T10:00:00.5Z"
      visited="2026-03-01T10:00:00Z"/>
    <bookmark href="https://example.org/x.jpg" visited="2026-03-01T10:00:00Z"/>
    <bookmark href="file:///home/anna/undated.jpg" visited="soon"/></xbel>"""
    expected = datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()
    assert recently_used(text) == {Path("/home/anna/Photos/A bär.jpg"): expected}


@pytest.mark.parametrize(
    "text", [b"", b"<xbel>", b"\xff\xfe", b'<!DOCTYPE x [<!ENTITY a "b">]><xbel>&a;</xbel>', b'<xbel><bookmark href="file://[x/y"/></xbel>']
)
def test_a_list_that_can_not_be_understood_says_nothing(text: bytes) -> None:
    assert recently_used(text) == {}


MOUNTINFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home/anna/My\040Photos rw,noatime shared:9 - ext4 /dev/sdb1 rw
31 22 0:41 / /mnt/nas rw,relatime - nfs4 nas:/photos rw
32 22 0:42 / /mnt/phone rw - fuse.sshfs phone: rw
33 22 0:43 / /mnt/stick rw - fuseblk /dev/sdc1 rw
34 22 0:44 / /mnt/nas rw - tmpfs over rw
nonsense
"""


def test_the_kernels_table_of_mounts() -> None:
    table = parse(MOUNTINFO)
    assert len(table) == 6
    photos = mount_of(table, Path("/home/anna/My Photos/2021"))
    assert photos is not None
    assert (photos.place, believable(photos), photos.is_remote) == (Path("/home/anna/My Photos"), False, False)
    root = mount_of(table, Path("/home/anna"))
    assert root is not None
    assert (root.kind, believable(root)) == ("ext4", True)
    kinds = {mount.kind: mount.is_remote for mount in table}
    assert kinds == {"ext4": False, "nfs4": True, "fuse.sshfs": True, "fuseblk": False, "tmpfs": False}
    top = mount_of(table, Path("/mnt/nas/2021"))
    assert top is not None
    assert top.kind == "tmpfs", "what is mounted later lies on top"
    assert mount_of([], Path("/x")) is None
    assert not believable(None)
    assert not believable(Mount(Path("/"), "nfs4", frozenset(), "x"))


def fingerprint(ctime_s: float, size: int = 5) -> Fingerprint:
    return Fingerprint(1, 1, size, 0, int(ctime_s * 1e9), 1, 0o100644)


@given(st.floats(0, 2 * NOW), st.floats(0, 2 * NOW), st.floats(0, DAY), st.none() | st.floats(0, 2 * NOW))
def test_settled_is_quiet_by_the_disk_or_by_our_own_eyes(ctime_s: float, now_s: float, quiet_s: float, first_s: float | None) -> None:
    found = settled(fingerprint(ctime_s), now_s, quiet_s, first_s)
    changed_s = int(ctime_s * 1e9) / 1e9
    assert found == (now_s - changed_s >= quiet_s or (first_s is not None and now_s - first_s >= quiet_s > 0))


def test_a_server_whose_clock_is_ahead() -> None:
    now = [NOW]
    settling = Settling(lambda: now[0])
    ahead = fingerprint(NOW + DAY)
    assert not settling.has_settled(b"a", ahead, 120)
    now[0] += 60
    assert not settling.has_settled(b"a", fingerprint(NOW + DAY, size=6), 120), "it grew"
    now[0] += 60
    assert not settling.has_settled(b"a", fingerprint(NOW + DAY, size=6), 120)
    now[0] += 60
    assert settling.has_settled(b"a", fingerprint(NOW + DAY, size=6), 120)
    assert not settling._seen


def test_an_upload_that_stalls_and_goes_on_is_never_given_up() -> None:
    now = [NOW]
    settling = Settling(lambda: now[0])
    for _ in range(20):
        written_at = now[0]
        now[0] += 100
        assert not settling.has_settled(b"a", fingerprint(written_at), 120)
    now[0] += 21
    assert settling.has_settled(b"a", fingerprint(written_at), 120)
