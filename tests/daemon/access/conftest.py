from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemon.access.mounting import WHEN, Mounted, Photo, why_no_fuse

if TYPE_CHECKING:
    from tests.daemon.conftest import Home


@pytest.fixture
def mounted(home: Home, tmp_path: Path) -> Iterator[Callable[..., Mounted]]:
    """Skipped, and said so, where the computer has no FUSE."""
    if missing := why_no_fuse():
        pytest.skip(f"no FUSE here: {missing}")
    made: list[Mounted] = []

    def begin(*options: str) -> Mounted:
        made.append(Mounted(home, tmp_path / "view", *options))
        return made[-1]

    yield begin
    for each in made:
        each.end(signal.SIGKILL)
    subprocess.run(["fusermount3", "-u", "-q", "-z", str(tmp_path / "view")], check=False)


@pytest.fixture
def photos(home: Home, photo: Photo) -> list[Path]:
    """Three photos out of grace, one of them in a folder, one that is in grace, and a file of somebody else."""
    (home.root / "Italy").mkdir()
    paths = [home.root / name for name in ("a.jpg", "b.jpg", "Italy/c.jpg")]
    for seed, path in enumerate(paths):
        path.write_bytes(photo(seed))
        path.chmod(0o640)
        os.utime(path, ns=(WHEN, WHEN))
    home.optimize()
    home.clock.forward(days=8)
    (home.root / "late.jpg").write_bytes(photo(7))
    done = home.optimize()
    assert (done.purged, done.archived) == (3, 1)
    (home.root / "notes.txt").write_text("mine")
    return [*paths, home.root / "late.jpg"]
