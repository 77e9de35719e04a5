"""However many visitors ask at once, few photos are decoded at a time, and the loop never waits."""

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from daemon.access.copying import Wanted
from daemon.web.trouble import Trouble
from daemon.web.unpacking import Unpacking


class Slow:
    """Copies that are decoded when the test says so."""

    def __init__(self) -> None:
        self.running: dict[str, Future[int]] = {}
        self.done: set[str] = set()
        self.begun = 0
        self.threads: set[int] = set()

    def at_hand(self, wanted: Wanted) -> bytes | None:
        self.threads.add(threading.get_ident())
        return b"photo" if wanted.name in self.done else None

    def asked(self, wanted: Wanted) -> "Future[int]":
        if wanted.name not in self.running:
            self.running[wanted.name] = Future()
            self.begun += 1
        return self.running[wanted.name]

    def finish(self) -> None:
        for name, future in self.running.items():
            self.done.add(name)
            future.set_result(5)
        self.running.clear()


def wanted(name: str) -> Wanted:
    return Wanted(Path(name), name, name)


def test_five_hundred_visitors_of_one_photo_wait_for_one_decoding() -> None:
    copies = Slow()

    async def main() -> None:
        desk = Unpacking(copies, most=2)  # type: ignore[arg-type]
        asked = [asyncio.create_task(desk.opened(wanted("a"))) for _ in range(500)]
        while desk._waited_for.get("a", 0) < 500:
            await asyncio.sleep(0)
        assert threading.get_ident() not in copies.threads, "the disk is asked in threads"
        assert copies.begun == 1
        copies.finish()
        assert set(await asyncio.gather(*asked)) == {b"photo"}
        assert desk._waited_for == {}

    asyncio.run(main())


def test_five_hundred_photos_at_once_are_too_much_and_that_is_told() -> None:
    copies = Slow()

    async def main() -> None:
        desk = Unpacking(copies, most=4)  # type: ignore[arg-type]
        asked = [asyncio.create_task(desk.opened(wanted(str(each)))) for each in range(500)]
        while sum(task.done() for task in asked) < 496:
            await asyncio.sleep(0)
        assert copies.begun == 4
        copies.finish()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert answers.count(b"photo") == 4
        refused = [each for each in answers if isinstance(each, Trouble)]
        assert len(refused) == 496
        assert refused[0].status == 503
        assert refused[0].retry_s

    asyncio.run(main())


def test_a_visitor_who_leaves_stops_nothing() -> None:
    copies = Slow()

    async def main() -> None:
        desk = Unpacking(copies, most=1)  # type: ignore[arg-type]
        stays, leaves = (asyncio.create_task(desk.opened(wanted("a"))) for _ in range(2))
        while desk._waited_for.get("a", 0) < 2:
            await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.sleep(0)
        copies.finish()
        assert await stays == b"photo"
        with pytest.raises(asyncio.CancelledError):
            await leaves

    asyncio.run(main())


def test_at_the_end_nobody_is_kept_waiting() -> None:
    copies = Slow()

    async def main() -> None:
        desk = Unpacking(copies)  # type: ignore[arg-type]
        asked = [asyncio.create_task(desk.opened(wanted(name))) for name in "aab"]
        while sum(desk._waited_for.values()) < 3:
            await asyncio.sleep(0)
        desk.end()
        answers = await asyncio.gather(*asked, desk.opened(wanted("c")), return_exceptions=True)
        assert [each.status for each in answers if isinstance(each, Trouble)] == [503] * 4
        assert copies.begun == 2

    asyncio.run(main())


def test_what_went_wrong_is_raised_and_with_nobody_there_it_is_no_word_worth(caplog: pytest.LogCaptureFixture) -> None:
    copies = Slow()

    async def main() -> None:
        desk = Unpacking(copies)  # type: ignore[arg-type]
        stays, leaves = (asyncio.create_task(desk.opened(wanted("a"))) for _ in range(2))
        while desk._waited_for.get("a", 0) < 2:
            await asyncio.sleep(0)
        leaves.cancel()
        copies.running["a"].set_exception(OSError(5, "it is damaged"))
        with pytest.raises(OSError, match="it is damaged"):
            await stays

    asyncio.run(main())
    assert caplog.messages == []
