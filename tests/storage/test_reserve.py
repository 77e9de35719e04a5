"""Space that is kept to be given up."""

import os
from pathlib import Path

import pytest

from storage import durable, reserve
from storage.catalog import Catalog
from storage.errors import NoSpace, ReadOnly
from storage.fingerprint import Fingerprint
from storage.reserve import ROOMY, Reserve, free_bytes

FINGERPRINT = Fingerprint(1, 2, 3, 4, 5, 1, 0o100644)


def test_it_takes_real_space_and_gives_it_up(tmp_path: Path) -> None:
    kept = Reserve(tmp_path / "reserve", 1_500_000)
    assert kept.make()
    status = kept.path.stat()
    assert (status.st_size, status.st_mode & 0o777) == (1_500_000, 0o600)
    assert status.st_blocks * 512 >= 1_500_000
    assert len(set(kept.path.read_bytes()[:10_000])) == 256, "noise, since zeros may take no space"
    assert kept.make(), "once made, it stays"
    assert kept.path.stat().st_ino == status.st_ino
    assert kept.give_up()
    assert not kept.give_up()


def test_another_size_makes_it_anew_and_none_takes_it_away(tmp_path: Path) -> None:
    assert Reserve(tmp_path / "reserve", 1000).make()
    assert Reserve(tmp_path / "reserve", 2000).make()
    assert (tmp_path / "reserve").stat().st_size == 2000
    assert not Reserve(tmp_path / "reserve", 0).make()
    assert not (tmp_path / "reserve").exists()


def test_it_never_fills_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Reserve(tmp_path / "reserve", 1000)
    for free, made, short in ((ROOMY * 1000, True, False), (ROOMY * 1000 - 1, False, False), (999, False, True)):
        monkeypatch.setattr(reserve, "free_bytes", lambda _, free=free: free)
        assert (kept.make(), kept.is_short) == (made, short)
        kept.give_up()
    assert not Reserve(tmp_path / "none", 0).is_short


def test_where_a_file_can_not_be_removed_for_want_of_space_it_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Reserve(tmp_path / "reserve", 1000)
    kept.make()

    def full(_: Path) -> None:
        raise NoSpace("no space to remove a file")

    monkeypatch.setattr(durable, "remove", full)
    assert kept.give_up()
    assert kept.path.stat().st_size == 0


def test_a_folder_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ReadOnly("not here")

    monkeypatch.setattr(durable, "write_new", refused)
    assert not Reserve(tmp_path / "reserve", 1000).make()


def test_a_file_system_that_tells_no_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < free_bytes(tmp_path) < 1 << 62
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255)))
    assert free_bytes(tmp_path) == 1 << 62


def test_the_catalogue_gives_its_reserve_up_and_its_row_stays_as_it_was(tmp_path: Path) -> None:
    kept = Reserve(tmp_path / "reserve", 200_000)
    kept.make()
    with Catalog(tmp_path / "catalog.sqlite3", reserve=kept) as catalog:
        row = catalog.enqueue(b"/g", b"a.jpg", FINGERPRINT).row
        pages = catalog._connection.execute("PRAGMA page_count").fetchone()[0]
        catalog._connection.execute(f"PRAGMA max_page_count = {pages}")

        def until_full() -> None:
            for number in range(1000):
                catalog.enqueue(b"/g", str(number).encode(), FINGERPRINT)

        with pytest.raises(NoSpace, match="the disk is full"):
            until_full()
        assert not kept.path.exists()
        assert catalog.get(row.id) == row
        catalog._connection.execute("PRAGMA max_page_count = 100000")
        assert catalog.claim(row.id) is not None
