"""Golden streams in processes of other settings, which choose other code for the same work: other sets of instructions, other libraries,
other threads. Symbols are the same integers, pixels the same levels but for a hair."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
STREAMS = sorted((HERE / "golden").glob("model-*.npix"))

OLD_PROCESSOR = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
ANY_PROCESSOR = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "ATEN_CPU_CAPABILITY": "default"}


def threads(count: int) -> dict[str, str]:
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), str(count))


@pytest.mark.parametrize(
    ("settings", "arguments", "levels", "mean"),
    [
        pytest.param(threads(2) | OLD_PROCESSOR, ("plain", "no-mkldnn"), 1, 0.05, id="two-threads-old-processor-no-mkldnn"),
        pytest.param(threads(1) | ANY_PROCESSOR, ("plain",), 1, 0.05, id="one-thread-any-processor", marks=pytest.mark.slow),
        pytest.param(threads(2) | {"ONEDNN_MAX_CPU_ISA": "AVX2"}, ("half",), 2, 0.3, id="two-threads-bfloat16", marks=pytest.mark.slow),
        pytest.param(threads(1), ("half",), 2, 0.3, id="one-thread-own-bfloat16", marks=pytest.mark.slow),
        pytest.param(threads(1), (), 2, 0.3, id="one-thread-as-it-comes", marks=pytest.mark.slow),
    ],
)
def test_golden_streams_decode_to_the_same(
    tmp_path: Path, settings: dict[str, str], arguments: tuple[str, ...], levels: int, mean: float
) -> None:
    out = tmp_path / "found.npz"
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)} if "NUMBA_CPU_NAME" in settings else {}
    environment = os.environ | settings | cache | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(HERE.parents[1])}
    subprocess.run([sys.executable, "-m", "tests.codec.decode_golden", out, *arguments], env=environment, check=True, timeout=600)
    with np.load(out) as found:
        assert int(found["threads"]) == int(settings["OMP_NUM_THREADS"])  # the settings reached what they are for
        assert "ATEN_CPU_CAPABILITY" not in settings or str(found["instructions"]) == "DEFAULT"
        assert bool(found["mkldnn"]) == ("no-mkldnn" not in arguments)
        assert str(found["processor"]) == settings.get("NUMBA_CPU_NAME", "its own")
        assert int(found["loops"]) > 10
        assert not cache or int(found["cached"]) == 0  # compiled for that processor, here
        assert STREAMS
        for path in STREAMS:
            _, name, case = path.stem.split("-", 2)
            expected: dict[str, Any] = json.loads((HERE / "golden" / f"model-{name}.json").read_text())
            assert str(found[f"{path.stem}-symbols"]) == expected["cases"][case]["symbols_sha256"]
            with Image.open(path.with_suffix(".png")) as image:
                difference = np.abs(found[path.stem].astype(int) - np.asarray(image))
            assert difference.max() <= levels
            assert difference.mean() < mean
