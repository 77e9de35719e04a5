"""Compile every inner loop, once: `make test` does it beside the linters, since each process of the tests would begin with the same.

Where the loops are in numba's cache, nothing is left to do. `python -m tests.compile_loops`.
"""

import importlib
from pathlib import Path

import torch

from codec.training import metric

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    for path in sorted((ROOT / "codec").rglob("*.py")):
        if "from codec.compiled import" in path.read_text(encoding="utf-8"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    picture = torch.zeros(1, 3, 64, 64)  # the loops of the training's metric are compiled as they are called
    metric.raw_sum(picture, picture.clone().requires_grad_()).sum().backward()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
