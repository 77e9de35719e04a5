"""Galleries in a certain state, and what becomes of them, for several files of tests."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from codec.bitstream import Header
from codec.facts import Facts
from daemon.ports import Silence
from daemon.rebuilding import Rebuilt, rebuild, set_catalogue_aside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.daemon.conftest import Home


def twins(home: Home, photo: Callable[..., bytes]) -> Home:
    """One purged photo, its twin of the same bytes, and a file that is left alone: an empty gallery would be refused."""
    home.configure('grace = "0 days"')
    (home.root / "stays.jpg").write_bytes(b"no picture")
    for name in ("a.jpg", "twin.jpg"):
        (home.root / name).write_bytes(photo())
    assert home.optimize().purged == 2
    return home


def tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake archives tell of their originals what real ones do."""

    def peek(data: bytes) -> Header:
        facts, _ = sys.modules["fake_backend"].unpack(data)
        section = Facts(1234, str(facts["sha256"]), b"a.jpg", 1_500_000_000_000_000_000, 0o644).to_bytes()
        return Header(1, "neural", None, False, len(data), (), {"FACT": section, "QUAL": b'{"level": "high", "whole": 85.0}'})

    monkeypatch.setattr("daemon.rebuilding.bitstream.peek", peek)
    monkeypatch.setattr("daemon.restorer.facts_of", lambda archive: Facts.from_bytes(peek(archive.read_bytes()).small["FACT"]))


def put(home: Home, name: str, data: bytes) -> Path:
    path = home.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (1.5e9, 1.5e9))
    return path


def lose_and_rebuild(home: Home) -> Rebuilt:
    set_catalogue_aside(home.places)
    with home.shop() as shop:
        return rebuild(shop, shop.galleries[0], Silence())
