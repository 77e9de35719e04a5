"""The cache: bounded, the longest unused goes first, and a full disk is no catastrophe."""

import os
from pathlib import Path

import pytest

from storage import durable
from storage.cache import Cache
from storage.errors import NoSpace


def read(cache: Cache, name: str) -> bytes | None:
    descriptor = cache.open(name)
    if descriptor is None:
        return None
    try:
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


def used_bytes(cache: Cache) -> int:
    return sum(path.stat().st_size for path in cache.folder.glob("*-copy"))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "a" / "cache", 100)


def use(cache: Cache, name: str, when_ns: int) -> None:
    (kept,) = cache.folder.glob(f"{name}*")
    os.utime(kept, ns=(when_ns, when_ns))


def test_what_is_put_is_found_also_by_the_next_program(cache: Cache) -> None:
    assert read(cache, "one") is None
    assert cache.put("one", b"1" * 40)
    cache.close()
    again = Cache(cache.folder, 100)
    assert read(again, "one") == b"1" * 40
    assert used_bytes(again) == 40
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_the_longest_unused_goes_first(cache: Cache) -> None:
    cache.put("one", b"1" * 40)
    cache.put("two", b"2" * 40)
    use(cache, "one", 1_000)
    use(cache, "two", 2_000)
    assert read(cache, "one") is not None  # renews it
    cache.put("three", b"3" * 40)
    assert [read(cache, name) is not None for name in ("one", "two", "three")] == [True, False, True]
    assert used_bytes(cache) == 80


def test_files_of_somebody_else_in_the_folder_are_neither_counted_nor_touched(tmp_path: Path) -> None:
    """Whoever names a folder with photos as the cache must not lose one of them, however small the cache may be."""
    theirs = {name: name.encode() * 50 for name in ("IMG_1.jpg", "lock", "notes", "a" * 64)}
    for name, data in theirs.items():
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, ns=(1, 1))
    cache = Cache(tmp_path, 100)
    for each in ("one", "two", "a" * 64):
        assert cache.put(each, each[0].encode() * 60)
    assert used_bytes(cache) == 60
    cache.forget("IMG_1.jpg")
    cache.close()
    assert {name: (tmp_path / name).read_bytes() for name in theirs} == theirs


def test_what_is_larger_than_the_cache_is_not_kept_and_throws_nothing_out(cache: Cache) -> None:
    cache.put("one", b"1" * 40)
    assert not cache.put("huge", b"2" * 101)
    assert read(cache, "one") is not None


def test_an_open_file_stays_readable_when_it_is_thrown_out(cache: Cache) -> None:
    cache.put("one", b"1" * 90)
    descriptor = cache.open("one")
    assert descriptor is not None
    cache.put("two", b"2" * 90)
    assert read(cache, "one") is None
    assert os.pread(descriptor, 200, 0) == b"1" * 90
    os.close(descriptor)


def test_a_full_disk_costs_the_others_and_is_told_when_that_is_not_enough(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("one", b"1" * 40)
    write, fail = durable.write_new, 1

    def write_new(path: Path, data: bytes) -> None:
        nonlocal fail
        fail -= 1
        if fail >= 0:
            raise NoSpace("the disk is full")
        write(path, data)

    monkeypatch.setattr(durable, "write_new", write_new)
    assert cache.put("two", b"2" * 40), "the second try had room"
    assert [read(cache, name) is not None for name in ("one", "two")] == [False, True]
    fail = 1000
    with pytest.raises(NoSpace):
        cache.put("three", b"3" * 40)
    assert used_bytes(cache) == 0


def test_what_a_killed_program_left_is_cleared_but_not_what_a_living_one_writes(cache: Cache) -> None:
    left = durable.stage(cache.folder, b"half")
    Cache(cache.folder, 100)
    assert left.exists(), "the first one is still at work"
    cache.close()
    Cache(cache.folder, 100)
    assert not left.exists()
    assert used_bytes(cache) == 0
