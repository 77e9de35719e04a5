"""Copies for many readers: one decoding for all of them, kept on the disk, and in memory where that is full."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.access.copying import Copies, Wanted
from daemon.errors import WorkerDied
from daemon.messages import Refused, Restored, RestoreJob
from storage.cache import Cache
from storage.errors import NoSpace


class Decoder:
    """A codec that only restores, as slowly as the test wants."""

    def __init__(self) -> None:
        self.asked: list[Path] = []
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False
        self.trouble: WorkerDied | None = None

    def restore(self, job: RestoreJob) -> Restored | Refused:
        self.asked.append(job.archive)
        assert self.gate.wait(30)
        if self.trouble is not None:
            raise self.trouble
        if job.archive.name == "bad":
            return Refused("corrupt", "of the test")
        return Restored(job.archive.name.encode() * 1000, job.archive.name)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def decoder() -> Decoder:
    return Decoder()


@pytest.fixture
def copies(tmp_path: Path, decoder: Decoder) -> Iterator[Copies]:
    made = Copies(lambda: decoder, 2, Cache(tmp_path / "cache", 10_000))  # type: ignore[arg-type, return-value]
    yield made
    decoder.gate.set()
    made.close()


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    (tmp_path / "abc").touch()
    return Wanted(tmp_path / "abc", "abc", "abc.jpg")


def read(copies: Copies, wanted: Wanted) -> bytes:
    descriptor = copies.descriptor(wanted)
    if descriptor is None:
        return copies.from_memory(wanted, 1 << 20, 0)
    try:
        return os.pread(descriptor, 1 << 20, 0)
    finally:
        os.close(descriptor)


def test_it_is_decoded_once_and_then_at_hand(copies: Copies, decoder: Decoder, wanted: Wanted) -> None:
    assert copies.size(wanted) == 3000
    assert read(copies, wanted) == b"abc" * 1000
    assert copies.size(wanted) == 3000
    assert len(decoder.asked) == 1


def test_a_decoder_that_is_stopped_with_the_view_is_no_trouble(
    copies: Copies, decoder: Decoder, wanted: Wanted, caplog: pytest.LogCaptureFixture
) -> None:
    decoder.gate.clear()
    decoder.trouble = WorkerDied("the verifying process ended unexpectedly (by signal SIGKILL)")
    copies.ahead(wanted)
    while not decoder.asked:
        pass
    copies.close()
    decoder.gate.set()
    with pytest.raises(OSError, match=r"closed|SIGKILL"):
        copies.size(wanted)
    assert not caplog.text


def test_readers_at_the_same_time_share_one_decoding(copies: Copies, decoder: Decoder, wanted: Wanted) -> None:
    decoder.gate.clear()
    got: list[bytes] = []
    readers = [threading.Thread(target=lambda: got.append(read(copies, wanted))) for _ in range(20)]
    for reader in readers:
        reader.start()
    decoder.gate.set()
    for reader in readers:
        reader.join()
    assert got == [b"abc" * 1000] * 20
    assert len(decoder.asked) == 1


def test_an_archive_that_can_not_be_decoded_is_an_error_and_is_tried_again(copies: Copies, decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "bad").touch()
    bad = Wanted(tmp_path / "bad", "bad", "bad.jpg")
    for _ in range(2):
        with pytest.raises(OSError, match="damaged"):
            copies.size(bad)
    assert len(decoder.asked) == 2


def test_an_archive_that_is_not_there_says_so_and_whose_it_is(copies: Copies, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OSError, match="is not there"):
        copies.descriptor(Wanted(tmp_path / "none", "none", "none.jpg"))
    assert caplog.messages[0].startswith("none.jpg: the archive ")


def test_a_full_disk_keeps_copies_in_memory(copies: Copies, decoder: Decoder, wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise NoSpace("the disk is full")

    monkeypatch.setattr(Cache, "put", full)
    assert copies.descriptor(wanted) is None
    assert copies.from_memory(wanted, 5, 2999) == b"c"
    assert copies.from_memory(wanted, 5, 0) == b"abcab"
    assert copies.size(wanted) == 3000
    assert len(decoder.asked) == 1


def test_ahead_only_while_nobody_waits(copies: Copies, decoder: Decoder, wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "def").touch()
    decoder.gate.clear()
    copies.ahead(wanted)
    copies.ahead(Wanted(tmp_path / "def", "def", "def.jpg"))
    decoder.gate.set()
    assert read(copies, wanted)
    assert [each.name for each in decoder.asked] == ["abc"]


def test_closing_ends_what_waits(tmp_path: Path, decoder: Decoder, wanted: Wanted) -> None:
    copies = Copies(lambda: decoder, 1, Cache(tmp_path / "cache", 10_000))  # type: ignore[arg-type, return-value]
    copies.size(wanted)
    copies.close()
    assert decoder.closed
    (tmp_path / "def").touch()
    with pytest.raises(OSError, match="being closed"):
        copies.size(Wanted(tmp_path / "def", "def", "def.jpg"))
