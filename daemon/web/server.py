"""All that serves the page, put together and taken apart: galleries, decoders, cache, secret, and the server around the application."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


@contextmanager
def application(
    places: Places,
    settings: Settings,
    cache_folder: Path,
    cache_bytes: int,
    names: Names,
    secret: Secret | None,
    codec: Callable[[], Codec] | None = None,
) -> Iterator[ASGIApp]:
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
        site = Site(places, library, Unpacking(copies), giving, pages, Login(pages, secret))
        yield Gate(site.app(), pages, names, secret)


def serve(app: ASGIApp, door: socket.socket) -> None:
    """Until the process is told to end (SIGINT, SIGTERM)."""
    config = uvicorn.Config(
        app,
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
        uvicorn.Server(config).run(sockets=[door])
