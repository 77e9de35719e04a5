"""A measure that the codec itself has no use for; tests and benchmarks have."""

import math

import numpy as np
from numpy.typing import NDArray


def psnr(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio over all samples, decibels; inf for equal pictures. Both of one shape."""
    assert original.shape == decoded.shape
    difference = np.subtract(original, decoded, dtype=np.int32)
    total = int(np.sum(difference * difference, dtype=np.int64))
    return math.inf if total == 0 else 10 * math.log10(255**2 * original.size / total)
