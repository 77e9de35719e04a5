"""All that serves the page, put together and taken apart: galleries, decoders, cache, secret, and the server around the application."""

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from daemon.access.copying import Copies
from daemon.access.session import decoders
from daemon.back_in_place import back_in_place
from daemon.galleries import all_of
from daemon.places import Places
from daemon.ports import Codec, Silence
from daemon.settings import Settings
from daemon.web.gate import Gate
from daemon.web.giving_back import GivingBack
from daemon.web.library import Library
from daemon.web.listening import Names
from daemon.web.login import Login
from daemon.web.page import Pages
from daemon.web.secret import Secret
from daemon.web.site import Site
from daemon.web.unpacking import Unpacking
from storage.cache import Cache

MOST_CONNECTIONS = 500
"""Beyond that a visitor is told to come again."""
_END_S = 3
"""So long the end of the program waits for those who are still being served."""
_HEAD_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Application:
    """What is served, and what sends those away who wait for a photo when it is to end."""

    app: ASGIApp
    end: Callable[[], None]


@contextmanager
def application(
    places: Places,
    settings: Settings,
    cache_folder: Path,
    cache_bytes: int,
    names: Names,
    secret: Secret | None,
    codec: Callable[[], Codec] | None = None,
) -> "Iterator[Application]":
    """Raises NoGallery, StorageError. `codec`: what makes a decoder, where that is not the usual one."""
    make, processes = decoders(settings)
    with ExitStack() as stack:
        cache = Cache(cache_folder, cache_bytes)
        stack.callback(cache.close)
        copies = Copies(codec or make, processes, cache)
        stack.callback(copies.close)
        giving = GivingBack(lambda chosen: back_in_place(places, chosen, Silence()))
        stack.callback(giving.close)
        pages = Pages()
        library = Library(places, all_of(settings))
        unpacking = Unpacking(copies)
        site = Site(places, library, unpacking, giving, pages, Login(pages, secret))
        yield Application(Gate(site.app(), pages, names, secret), unpacking.end)


class _Server(uvicorn.Server):
    """Ends quickly, and without a word about those whom it could no longer serve."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._end()
        await super().shutdown(sockets)


def serve(application: Application, door: socket.socket) -> None:
    """Until the process is told to end (SIGINT, SIGTERM)."""
    config = uvicorn.Config(
        application.app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=_END_S,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )
    with contextlib.suppress(KeyboardInterrupt):  # it takes the signal, ends in order, and then sends it on
        _Server(config, application.end).run(sockets=[door])
