import os
from pathlib import Path

import pytest

from tests.storage.scenes import Scene, make_scene


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """That every fsync is asked for is what the checkpoints tell; no test here can cut the power and see the difference."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A gallery with one archived photo, not yet retired."""
    return make_scene(tmp_path / "gallery")
