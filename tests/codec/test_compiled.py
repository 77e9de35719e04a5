"""The cache of compiled code: found by a second process, and done without."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codec import rans

ROUND_TRIP = """
import numpy as np
from codec import rans
freq = np.zeros((1, rans.TOKENS), np.uint16); freq[0, :2] = 2048
data = rans.encode([(np.array([0, -1, 0]), np.zeros(3, int), rans.TokenTables(freq))])
decoder = rans.Decoder(data)
assert decoder.decode(np.zeros(3, int), rans.TokenTables(freq)).tolist() == [0, -1, 0]
print(sum(rans._decode.stats.cache_hits.values()))
"""


def run_copy(folder: Path, **environment: str) -> str:
    """Run in a copy of the package, so that its own cache is not the checkout's; -> cache hits."""
    unset = {key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", "PYTHONPATH")}
    result = subprocess.run(
        [sys.executable, "-c", ROUND_TRIP], cwd=folder, env=unset | environment, check=True, capture_output=True, text=True, timeout=120
    )
    return result.stdout.strip()


@pytest.fixture
def copy_of_codec(tmp_path: Path) -> Path:
    source = Path(rans.__file__).parent
    (tmp_path / "codec").mkdir()
    for name in ("__init__.py", "compiled.py", "errors.py", "rans.py", "tokens.py"):
        shutil.copy(source / name, tmp_path / "codec")
    return tmp_path


@pytest.mark.slow
def test_a_second_process_finds_the_compiled_code(copy_of_codec: Path, tmp_path: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run_copy(copy_of_codec, **cache) == "0"
    assert run_copy(copy_of_codec, **cache) == "1"
    for compiled in (tmp_path / "cache").rglob("*.nb[ic]"):
        compiled.write_bytes(b"damaged")
    assert run_copy(copy_of_codec, **cache) == "0"


@pytest.mark.slow
def test_it_works_where_no_cache_can_be_written(copy_of_codec: Path) -> None:
    (copy_of_codec / "codec" / "__pycache__").touch()  # a file where numba and Python want a folder
    for _ in range(2):
        assert run_copy(copy_of_codec, XDG_CACHE_HOME="/dev/null", HOME="/dev/null", PYTHONDONTWRITEBYTECODE="1") == "0"
