"""Full photos for the page: decoded by the same few processes, and kept in the same cache, as those of a mount."""

import asyncio

from starlette.concurrency import run_in_threadpool

from daemon.access.copying import Copies, Wanted
from daemon.web.trouble import busy, ending

MOST = 16
"""Photos that are waited for at the same time, decoded by one or two processes: the last one waits for about a minute."""
_TRIES = 3


class Unpacking:
    """For one event loop, which never waits for a decoder: any number of visitors wait for one and the same photo at no cost."""

    def __init__(self, copies: Copies, most: int = MOST) -> None:
        self._copies = copies
        self._most = most
        self._waited_for: dict[str, int] = {}
        self._end: asyncio.Future[None] | None = None
        self._ended = False

    async def opened(self, wanted: Wanted) -> int | bytes:
        """A descriptor of the copy, which its asker closes, or its bytes where the disk has no room for it.

        Raises Trouble (too many photos are waited for), OSError with the reason.
        """
        for _ in range(_TRIES):
            found = await run_in_threadpool(self._copies.at_hand, wanted)
            if found is not None:
                return found
            await self._decoded(wanted)
        raise busy()  # others pushed it out of the memory, thrice

    def end(self) -> None:
        """Whoever waits is told that the program ends; likewise who asks from now on. For the thread of the loop."""
        self._ended = True
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    async def _decoded(self, wanted: Wanted) -> None:
        if self._ended:
            raise ending()
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
        if wanted.name not in self._waited_for and len(self._waited_for) >= self._most:
            raise busy()
        self._waited_for[wanted.name] = self._waited_for.get(wanted.name, 0) + 1
        try:
            decoding = asyncio.wrap_future(self._copies.asked(wanted))
            decoding.add_done_callback(lambda done: done.cancelled() or done.exception())  # asked for, though nobody may wait any more
            # A visitor who leaves, or is sent away, stops no decoding that others wait for: `wait` cancels nothing.
            await asyncio.wait((decoding, self._end), return_when=asyncio.FIRST_COMPLETED)
            if not decoding.done():
                raise ending()
            decoding.result()
        finally:
            self._waited_for[wanted.name] -= 1
            if not self._waited_for[wanted.name]:
                del self._waited_for[wanted.name]
