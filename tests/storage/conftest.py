from pathlib import Path

import pytest

from tests.storage.scenes import Scene, make_scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A gallery with one archived photo, not yet retired."""
    return make_scene(tmp_path / "gallery")
