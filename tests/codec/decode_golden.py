"""Decode every golden stream here, whatever the settings: `python -m tests.codec.decode_golden OUT.npz [plain|half] [no-mkldnn]`.

OUT gets, for each stream, the pixels under its name and the digest of its symbols under its name and `-symbols`; and what the settings came
to: the number of threads, torch's instructions, whether oneDNN multiplies, the processor that numba compiled for, and how much of its code
it found in a cache.
"""

import sys

import numba
import numpy as np
import torch

from codec import kernels, rans, strips
from codec.model import load_model
from codec.network import rows
from codec.neural import decode_pixels
from tests.codec.make_golden import GOLDEN, symbols_digest


def main(out: str, precision: str = "", mkldnn: str = "") -> None:
    torch.backends.mkldnn.enabled = mkldnn != "no-mkldnn"  # type: ignore[assignment]
    strips._NARROWEST = 1  # type: ignore[misc] # golden pictures are small; each thread gets its columns all the same
    found = {"threads": np.array(torch.get_num_threads())}
    for path in sorted(GOLDEN.glob("model-*.npix")):
        model, stream = load_model(path.stem.split("-")[1]), path.read_bytes()
        if precision:
            model.networks.half = precision == "half"
        found[path.stem] = decode_pixels(stream, model)
        found[f"{path.stem}-symbols"] = np.array(symbols_digest(model, stream))
    named = [value for module in (rans, rows, kernels) for value in vars(module).values()]
    loops = [value for value in named if isinstance(value, numba.core.dispatcher.Dispatcher)]
    found |= {
        "instructions": np.array(torch.backends.cpu.get_cpu_capability()),
        "mkldnn": np.array(torch.backends.mkldnn.enabled),
        "processor": np.array(vars(numba.config)["CPU_NAME"] or "its own"),  # set as it is imported
        "cached": np.array(sum(sum(loop.stats.cache_hits.values()) for loop in loops)),
        "loops": np.array(len(loops)),
    }
    np.savez(out, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
