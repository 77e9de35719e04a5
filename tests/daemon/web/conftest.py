"""The page over a gallery with the fake codec, and a browser that follows nothing by itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from starlette.testclient import TestClient

from daemon import settings
from daemon.web import server
from daemon.web.listening import DEFAULT, Listening, Names
from daemon.web.secret import Secret

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

HERE = f"http://{DEFAULT}"
Browse = Callable[..., TestClient]


@pytest.fixture
def browse(home: "Home", run: Callable[..., Result]) -> Iterator[Browse]:
    """`browse(listen=..., secret=..., names=...)` -> a browser. By `run`, what is done inside has the clock and codec of `home`, too."""
    with ExitStack() as stack:

        def make(listen: str = DEFAULT, *, secret: str = "", names: tuple[str, ...] = (), address: str = HERE) -> TestClient:
            application = stack.enter_context(
                server.application(
                    home.places,
                    settings.read(home.places.config_file),
                    home.places.state_folder / "copies",
                    1 << 30,
                    Names(Listening.of(listen), names),
                    Secret(secret) if secret else None,
                    codec=lambda: home.codec,
                )
            )
            return TestClient(application.app, base_url=address, follow_redirects=False)

        yield make
