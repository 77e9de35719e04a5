"""The benchmarks are scripts that import one another; the tests find them the same way."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A module of tests/bench by name; what it measures with comes with the extra `bench`."""
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module
