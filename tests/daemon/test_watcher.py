"""Hints from inotify, from the real kernel: what is told, what is not watched, and what happens when watching fails."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyFD

from daemon import watcher as module
from daemon.galleries import Gallery, all_of
from daemon.mounts import Mount
from daemon.settings import parse
from daemon.watcher import Watcher

SOON_S = 5.0


class News:
    """What the watcher told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[Path] = []
        self._changed = threading.Condition()

    def __call__(self, paths: Iterable[Path]) -> None:
        with self._changed:
            self.told += paths
            self._changed.notify_all()

    def soon(self, path: Path) -> bool:
        until = time.monotonic() + SOON_S
        with self._changed:
            while path not in self.told:
                if not self._changed.wait(until - time.monotonic()):
                    return False
        return True

    def forget(self) -> None:
        with self._changed:
            self.told.clear()


def galleries(root: Path, exclude: str = "[]") -> list[Gallery]:
    return all_of(parse(f'[[gallery]]\npath = "{root}"\nexclude = {exclude}\n', "c.toml"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("2021/trip", "Screenshots/old", ".gallery-optimizer/archives/ab", "@eaDir/x"):
        (tmp_path / "DCIM" / name).mkdir(parents=True)
    return tmp_path / "DCIM"


@pytest.fixture
def news() -> News:
    return News()


@pytest.fixture
def watching(news: News) -> Iterator[Callable[..., Watcher]]:
    made: list[Watcher] = []

    def make(root: Path, exclude: str = "[]", **options: object) -> Watcher:
        made.append(Watcher(news, **{"retry_s": 0.0, **options}))  # type: ignore[arg-type]
        made[-1].follow(galleries(root, exclude))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_one_watch_for_each_folder_that_is_looked_at(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    assert watching(root).watches == 5, "the vault and the bins of network storage are not watched"
    assert news.told == [root], "at first everything is news"
    assert watching(root, '["Screenshots/"]').watches == 3, "what is excluded is excluded before it is watched"


def test_what_is_told(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    watching(root)
    (root / "2021/IMG_1.jpg").write_bytes(b"x")
    assert news.soon(root / "2021/IMG_1.jpg")
    arriving = root / "2021/trip/.IMG_2.jpg.Xa3f"
    arriving.write_bytes(b"x")
    arriving.rename(root / "2021/trip/IMG_2.jpg")
    assert news.soon(root / "2021/trip/IMG_2.jpg"), "as rsync and Syncthing bring a file"
    assert arriving not in news.told
    (root / "2021/notes.txt").write_text("x")
    (root / "2021/IMG_1.jpg").read_bytes()
    (root / ".gallery-optimizer/archives/ab/x.jpg").write_bytes(b"x")
    (root / "last.png").write_bytes(b"x")
    assert news.soon(root / "last.png")
    assert root / "2021/notes.txt" not in news.told
    assert root / ".gallery-optimizer/archives/ab/x.jpg" not in news.told


def test_folders_that_appear_and_disappear(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    found = watching(root)
    (root / "card/DCIM/100").mkdir(parents=True)
    assert news.soon(root / "card")
    time.sleep(0.2)  # until the folders below are watched, too
    (root / "card/DCIM/100/IMG_1.jpg").write_bytes(b"x")
    assert news.soon(root / "card/DCIM/100/IMG_1.jpg") or root / "card/DCIM" in news.told
    (root / "card").rename(root / "2022")
    assert news.soon(root / "2022")
    news.forget()
    (root / "2022/DCIM/IMG_2.jpg").write_bytes(b"x")
    assert news.soon(root / "2022/DCIM/IMG_2.jpg"), "by its new name"
    before = found.watches
    (root / "2021/trip").rmdir()
    (root / "mark.jpg").write_bytes(b"x")
    assert news.soon(root / "mark.jpg")
    assert found.watches == before - 1


def test_a_gallery_that_goes_and_comes_back(root: Path, news: News, watching: Callable[..., Watcher], tmp_path: Path) -> None:
    found = watching(root)
    root.rename(tmp_path / "unplugged")
    until = time.monotonic() + SOON_S
    while found.watches and time.monotonic() < until:
        time.sleep(0.01)
    assert found.watches == 0
    found.keep_up()
    assert found.alive
    news.forget()
    (tmp_path / "unplugged").rename(root)
    found.keep_up()
    assert news.told == [root]
    assert found.watches == 5


def test_a_gallery_that_is_not_there_yet(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    found = watching(root / "later")
    assert (found.watches, found.alive) == (0, True)
    (root / "later").mkdir()
    found.keep_up()
    assert found.watches == 1


def test_a_disk_that_is_mounted_over_an_empty_folder(
    root: Path, news: News, watching: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = [Mount(Path("/"), "ext4", frozenset(), "/dev/sda1")]
    monkeypatch.setattr(module, "mounts", lambda: table)
    mountpoint = tmp_path / "card"
    mountpoint.mkdir()
    found = watching(mountpoint)
    mountpoint.rename(tmp_path / "hidden below")  # what is watched is no longer what has the name; the kernel sends nothing for a mount
    root.rename(mountpoint)
    table.append(Mount(mountpoint, "vfat", frozenset(), "/dev/sdb1"))
    news.forget()
    found.keep_up()
    assert news.told == [mountpoint]
    assert found.watches == 5
    (mountpoint / "2021/IMG_1.jpg").write_bytes(b"x")
    assert news.soon(mountpoint / "2021/IMG_1.jpg")
    news.forget()
    found.keep_up()
    assert news.told == [], "once"
    table[1:] = [Mount(mountpoint, "fuse.sshfs", frozenset(), "nas:")]
    found.keep_up()
    assert (found.watches, found.polled, news.told) == (0, frozenset({mountpoint}), [mountpoint])


def test_a_disk_that_does_not_answer_ends_nothing(root: Path, watching: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch) -> None:
    found = watching(root / "later")

    def broken(path: Path) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "is_dir", broken)
    found.keep_up()
    assert found.watches == 0


def test_our_own_doing_is_no_news(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    now = [100.0]
    found = watching(root, monotonic=lambda: now[0])
    news.forget()
    found.ours(root / "2021/IMG_1.jpg")
    now[0] += 10 * module.OURS_S  # a photo may take minutes
    (root / "2021/IMG_1.jpg").write_bytes(b"x")
    (root / "2021/mark.jpg").write_bytes(b"x")
    assert news.soon(root / "2021/mark.jpg")
    assert root / "2021/IMG_1.jpg" not in news.told
    found.ours(root / "2021/IMG_1.jpg", module.OURS_S)
    now[0] += module.OURS_S + 1
    (root / "2021/IMG_1.jpg").write_bytes(b"y")
    assert news.soon(root / "2021/IMG_1.jpg")


def test_a_reader_that_dies_is_replaced_and_everything_is_walked(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    found = watching(root)
    news.forget()
    reader = found._reader
    assert reader is not None
    reader.stop()
    reader.join(5)
    assert not found.alive
    found.keep_up()
    assert (found.alive, found.restarts, news.told) == (True, 1, [root])
    (root / "2021/IMG_1.jpg").write_bytes(b"x")
    assert news.soon(root / "2021/IMG_1.jpg")


def test_lost_events_are_made_up_for_by_walking(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    found = watching(root)
    news.forget()
    (root / "unseen").mkdir()
    found._trees[0].on_queue_overflow()
    assert root in news.told
    (root / "unseen/IMG_1.jpg").write_bytes(b"x")
    assert news.soon(root / "unseen/IMG_1.jpg")


def test_as_many_watches_as_the_kernel_allows(root: Path, watching: Callable[..., Watcher], caplog: pytest.LogCaptureFixture) -> None:
    """A limit is no failure: what is not watched is walked."""

    class Short(InotifyFD):
        def add_callback(self, *arguments: object) -> object:  # type: ignore[override]
            if len(self._watch_for_wd) >= 2:
                raise OSError(errno.ENOSPC, "no more watches")
            return super().add_callback(*arguments)  # type: ignore[arg-type]

    found = watching(root, reader=Short)
    assert (found.watches, found.polled, found.alive) == (2, frozenset({root}), True)
    assert "max_user_watches" in caplog.text
    few = watching(root, most=lambda: 3)
    assert (few.watches, few.polled) == (3, frozenset({root}))


def test_no_reader_at_all(root: Path, watching: Callable[..., Watcher]) -> None:
    def none() -> InotifyFD:
        raise OSError(errno.EMFILE, "too many")

    found = watching(root, reader=none)
    assert (found.watches, found.polled, found.alive) == (0, frozenset({root}), True)


def test_limits_that_are_raised_or_eased_are_made_use_of(
    root: Path, news: News, watching: Callable[..., Watcher], caplog: pytest.LogCaptureFixture
) -> None:
    most, readers = [3], [False]

    def reader() -> InotifyFD:
        if not readers[0]:
            raise OSError(errno.EMFILE, "too many")
        return InotifyFD()

    found = watching(root, reader=reader, most=lambda: most[0])
    found.try_again()
    assert (found.watches, found.polled) == (0, frozenset({root}))
    readers[0] = True
    found.try_again()
    assert (found.watches, found.polled) == (3, frozenset({root}))
    found.try_again()
    assert (found.watches, found.polled) == (3, frozenset({root}))
    assert len(caplog.records) == 2, "each is told once"
    most[0] = 100
    found.try_again()
    assert (found.watches, found.polled) == (5, frozenset())
    (root / "2021" / "trip" / "a.jpg").write_bytes(b"x")
    assert news.soon(root / "2021" / "trip" / "a.jpg")


def test_what_is_on_a_network_is_walked_now_and_then(root: Path, watching: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "mounts", lambda: [Mount(Path("/"), "nfs4", frozenset(), "nas:/photos")])
    found = watching(root)
    assert (found.watches, found.polled) == (0, frozenset({root}))
    found.keep_up()
    assert found.watches == 0


def test_names_are_any_bytes(root: Path, news: News, watching: Callable[..., Watcher]) -> None:
    watching(root)
    name = os.fsencode(root) + b"/2021/\xff\xfe.jpg"
    with open(name, "wb") as file:
        file.write(b"x")
    assert news.soon(Path(os.fsdecode(name)))


def test_our_share_of_the_watches() -> None:
    assert module.most_watches() > 0
