import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import durable
from storage.catalog import Catalog
from tests.storage.rows import Clock
from tests.storage.scenes import Scene, make_scene


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """That every fsync is asked for is what the checkpoints tell; no test here can cut the power and see the difference."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A gallery with one archived photo, not yet retired."""
    return make_scene(tmp_path / "gallery")


@pytest.fixture(params=["exchange", "no exchange"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kinds of file system: those that exchange names in one step, and those that know no flag of renameat2."""
    if request.param == "no exchange":
        monkeypatch.setattr(durable, "_renameat2", lambda *_: False)
    return str(request.param)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["file", "memory"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Catalog]:
    path = tmp_path / "state" / "catalogue.sqlite" if request.param == "file" else ":memory:"
    with Catalog(path, clock) as opened:
        yield opened
