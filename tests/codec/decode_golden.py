"""Decode every golden stream in this process, whatever its settings: `python decode_golden.py OUT.npz [plain|half] [no-mkldnn]`, with this
folder and the repository on the path.

OUT gets, for each stream, the pixels under its name and the digest of its symbols under its name and `-symbols`; and the number of threads.
"""

import sys

import numpy as np
import torch
from make_golden import GOLDEN, symbols_digest

from codec import strips
from codec.model import load_model
from codec.neural import decode_pixels


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
    np.savez(out, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
