"""What a score forgives and an eye does not: seams along the patch grid, dots of the sub-grid, chequered noise near Nyquist.

All three are in levels, of 255, taken from luma (BT.601) and weighted towards smooth ground of the original, 1 / (1 + v / 5^2) with v the
variance of luma within 9 x 9: in texture nobody finds them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]

PATCH, SUBPATCH = 16, 4
_SMOOTH = 25.0


@dataclass(frozen=True, slots=True)
class Artefacts:
    """0 in each: nothing that the original does not have."""

    seams: float
    """How much larger the error's steps across borders of 16 x 16 pixels are than its steps elsewhere: the root of the difference of their
    mean squares, negative where they are smaller."""
    dots: float
    """The same for the borders of 4 x 4 pixels that are no borders of 16 x 16."""
    nyquist: float
    """RMS over the picture of the band near Nyquist, across and down, beyond what the original has of it in the same 16 x 16 pixels."""


def artefacts(original: Pixels, decoded: Pixels) -> Artefacts:
    """Both uint8 (H, W, 3), sides of at least 32 pixels; the grid begins at the top left."""
    a, b = _luma(original), _luma(decoded)
    mean = uniform_filter(a, 9)
    weight = 1 / (1 + np.maximum(uniform_filter(a * a, 9) - mean * mean, 0) / _SMOOTH)
    error = b - a
    steps = [_steps(error, weight, axis) for axis in (0, 1)]
    borders, subgrid, others = (sum(step[i] for step in steps) / max(sum(step[i + 3] for step in steps), 1e-9) for i in range(3))
    beyond = np.sqrt(sum(_beyond(a, b, weight, axis) for axis in (0, 1)))
    return Artefacts(_excess(borders, others), _excess(subgrid, others), float(beyond))


def _luma(pixels: Pixels) -> Plane:
    return np.asarray(pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))


def _excess(here: float, elsewhere: float) -> float:
    return math.copysign(math.sqrt(abs(here - elsewhere)), here - elsewhere)


def _steps(error: Plane, weight: Plane, axis: int) -> tuple[float, ...]:
    """Weighted sums of squared steps on borders, on the sub-grid and elsewhere, then the three sums of weights."""
    squares = np.diff(error, axis=axis) ** 2
    half = (weight + np.roll(weight, -1, axis)).take(np.arange(squares.shape[axis]), axis) / 2
    sums, weights = ((values.sum(1 - axis)) for values in (squares * half, half))
    at = np.arange(1, len(sums) + 1)
    places = (at % PATCH == 0), (at % SUBPATCH == 0) & (at % PATCH != 0), at % SUBPATCH != 0
    return *(float(sums[place].sum()) for place in places), *(float(weights[place].sum()) for place in places)


def _beyond(a: Plane, b: Plane, weight: Plane, axis: int) -> float:
    """Mean square, along one axis, of the band around Nyquist in b beyond that of a, block by block."""
    energies = []
    for plane in (a, b):
        ends = [np.roll(plane, shift, axis) for shift in (-1, 0, 1)]
        band = (ends[1] * 2 - ends[0] - ends[2]) / 4  # 1 at Nyquist, 0.5 at half of it, 0 for a constant
        energies.append(_blocks((band * band * weight).astype(np.float32)))
    return float(np.maximum(energies[1] - energies[0], 0).mean() / _blocks(weight).mean())


def _blocks(plane: Plane) -> Plane:
    """Means of 16 x 16; what does not fill a block is left out, and so is the first and last block, where filters meet the border."""
    height, width = (side // PATCH for side in plane.shape)
    cut: Plane = plane[: height * PATCH, : width * PATCH].reshape(height, PATCH, width, PATCH).mean((1, 3))
    return cut[1:-1, 1:-1] if min(cut.shape) > 2 else cut
