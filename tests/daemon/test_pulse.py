"""A reader of events that hangs: its thread lives, and nothing is read. It is found out, and another one reads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD

from daemon.galleries import all_of
from daemon.pulse import DEAF_S, PULSE_S, Pulse
from daemon.settings import parse
from daemon.watcher import Watcher

SOON_S = 10.0


def soon(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + SOON_S
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


class Hanging(InotifyFD):
    """Reads until it is told to hang in the middle of an event."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self.goes_on = threading.Event()

    def handle_event(self, event: InotifyEvent) -> None:
        if self.hangs:
            self.goes_on.wait()
        super().handle_event(event)


class Watched:
    """A watcher with real inotify and a clock of its own."""

    def __init__(self, base: Path) -> None:
        self.root, self.state = base / "DCIM", base / "state"
        self.now_s = 1000.0
        self.readers: list[Hanging] = []
        self.told: list[Path] = []
        self.root.mkdir()
        self.state.mkdir()
        self.watcher = Watcher(self.tell, reader=self.reader, monotonic=lambda: self.now_s, pulse=self.state)
        self.watcher.follow(all_of(parse(f'[[gallery]]\npath = "{self.root}"\n', "c.toml")))

    def reader(self) -> Hanging:
        self.readers.append(Hanging())
        return self.readers[-1]

    def tell(self, paths: Iterable[Path]) -> None:
        self.told += paths

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
        self.watcher.keep_up()

    @property
    def waits(self) -> bool:
        assert self.watcher._pulse is not None
        return self.watcher._pulse._asked_s is not None


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    for each in made.readers:
        each.goes_on.set()
    made.watcher.stop()


def test_a_reader_that_reads_is_left_alone(watched: Watched) -> None:
    for _ in range(20):
        watched.pass_by(PULSE_S)
        assert soon(lambda: not watched.waits)
    watched.pass_by(DEAF_S * 10)
    assert watched.watcher.alive
    assert (watched.watcher.restarts, len(watched.readers)) == (0, 1)
    assert list(watched.state.iterdir()) == [], "nothing is written for it"


def test_one_that_hangs_is_replaced_and_everything_is_walked(watched: Watched) -> None:
    watched.readers[0].hangs = True
    watched.pass_by(PULSE_S)
    assert watched.waits
    watched.pass_by(DEAF_S - 1)
    assert watched.watcher.alive, "it may only be busy"
    watched.told.clear()
    watched.now_s += 1
    assert watched.readers[0].is_alive()
    assert not watched.watcher.alive, "the manager's watchdog is not fed"
    watched.watcher.keep_up()
    assert (watched.watcher.restarts, len(watched.readers)) == (1, 2)
    assert watched.told == [watched.root]
    assert soon(lambda: watched.watcher.alive), "the new one has told of the folder"
    (watched.root / "a.jpg").write_bytes(b"x")
    assert soon(lambda: watched.root / "a.jpg" in watched.told)


def test_what_the_old_one_still_tells_when_it_wakes_up_is_nobodys(watched: Watched) -> None:
    old = watched.readers[0]
    (watched.root / "folder").mkdir()
    assert soon(lambda: watched.watcher.watches == 2)
    old.hangs = True
    (watched.root / "folder" / "a.jpg").write_bytes(b"x")
    watched.pass_by(PULSE_S)
    watched.pass_by(DEAF_S)
    assert soon(lambda: watched.watcher.alive)
    old.goes_on.set()
    old.join(SOON_S)
    assert not old.is_alive()
    assert watched.watcher.watches == 2
    watched.told.clear()
    (watched.root / "folder" / "b.jpg").write_bytes(b"x")
    assert soon(lambda: watched.root / "folder" / "b.jpg" in watched.told)


def test_readers_that_hang_one_after_the_other_do_not_feed_the_watchdog(watched: Watched) -> None:
    made = watched.reader

    def hanging() -> Hanging:
        reader = made()
        reader.hangs = True
        return reader

    watched.watcher._new_reader = hanging
    watched.readers[0].hangs = True
    watched.pass_by(PULSE_S)
    for number in range(1, 4):
        watched.pass_by(DEAF_S)
        assert watched.watcher.restarts == number
        assert not watched.watcher.alive


def test_where_the_folder_can_not_be_watched_only_the_thread_counts(watched: Watched, tmp_path: Path) -> None:
    pulse = Pulse(os.fsencode(tmp_path / "nowhere"), lambda: watched.now_s)
    pulse.follow(watched.readers[0])
    pulse.beat()
    watched.now_s += DEAF_S * 2
    assert pulse.is_answered_in_time
    assert not pulse.deaf


def test_a_folder_that_goes_away_asks_for_no_answer(watched: Watched) -> None:
    watched.state.rmdir()
    assert soon(lambda: watched.watcher._pulse is not None and watched.watcher._pulse._ear is None)
    watched.pass_by(PULSE_S)
    watched.pass_by(DEAF_S)
    assert watched.watcher.alive
    assert watched.watcher.restarts == 0
