"""Artefacts that a person sees, put into a decoded picture at a place where they show: one function a kind, the same for the same seed.

Each takes the original, the decoded picture (both uint8 (H, W, 3)) and a generator; it returns the spoiled picture and where: (top, left,
bottom, right). The places are drawn among those where such an artefact would be seen: seams on calm ground, smears in texture.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Area = tuple[int, int, int, int]
Injection = Callable[[Pixels, Pixels, np.random.Generator], tuple[Pixels, Area]]

PATCH = 16


def dots(original: Pixels, decoded: Pixels, rng: np.random.Generator, amplitude: float = 7) -> tuple[Pixels, Area]:
    """A pattern of 2, 3 or 4 pixels on calm ground beside strong edges, within 128 x 128 pixels."""
    period = int(rng.integers(2, 5))
    gradient = _gradient(original)
    edge = gradient > 20
    beside = ndimage.binary_dilation(edge, iterations=7) & ~ndimage.binary_dilation(edge)
    where = beside & (ndimage.uniform_filter(gradient, 5) < 6)
    area = _place(where.astype(float), 128, rng, 0.995)
    inside = _inside(area)
    rows, columns = np.indices(where[inside].shape)

    def wave(places: NDArray[np.intp]) -> Floats:
        return np.cos(np.pi * places) if period == 2 else 1.41 * np.sin(2 * np.pi * places / period + np.pi / 4)

    return _with(decoded, inside, amplitude * wave(rows) * wave(columns) * where[inside]), area


def seams(original: Pixels, decoded: Pixels, rng: np.random.Generator, step: float = 3.5) -> tuple[Pixels, Area]:
    """Patches that do not meet, on calm ground of 256 x 256 pixels: each has one of two levels, `step` apart."""
    top, left, bottom, right = _place(_calm(original), 256, rng, 0.97)
    area = top // PATCH * PATCH, left // PATCH * PATCH, bottom, right
    inside = _inside(area)
    height, width = decoded[inside].shape[:2]
    levels = rng.choice([-step / 2, step / 2], (height // PATCH + 1, width // PATCH + 1))
    return _with(decoded, inside, np.kron(levels, np.ones((PATCH, PATCH)))[:height, :width]), area


def border(original: Pixels, decoded: Pixels, rng: np.random.Generator, step: float = 3.5) -> tuple[Pixels, Area]:
    """One straight seam of 256 pixels: a step of luma along a row or a column that fades away from it."""
    area = _place(_calm(original), 256, rng, 0.97)
    inside = _inside(area)
    height, width = decoded[inside].shape[:2]
    across = rng.random() < 0.5
    distance = np.arange(width if across else height) - (width if across else height) // 2
    ramp = np.where(distance >= 0, step * np.exp(-distance / 32), 0.0)
    return _with(decoded, inside, np.broadcast_to(ramp[None, :] if across else ramp[:, None], (height, width))), area


def smear(original: Pixels, decoded: Pixels, rng: np.random.Generator) -> tuple[Pixels, Area]:
    """A block of 48 x 48 pixels of texture, blurred."""
    area = _place(_texture(original), 48, rng, 0.8)
    spoiled, inside = decoded.copy(), _inside(area)
    spoiled[inside] = np.rint(ndimage.gaussian_filter(decoded[inside].astype(float), (5, 5, 0), mode="nearest"))
    return spoiled, area


def elsewhere(original: Pixels, decoded: Pixels, rng: np.random.Generator) -> tuple[Pixels, Area]:
    """A block of 48 x 48 pixels that belongs to another place."""
    area = _place(_texture(original), 48, rng, 0.6)
    inside = _inside(area)
    height, width = decoded.shape[0] - 48, decoded.shape[1] - 48
    for _ in range(100):
        top, left = int(rng.integers(0, height)), int(rng.integers(0, width))
        other = decoded[top : top + 48, left : left + 48]
        if np.abs(other.mean(2) - decoded[inside].mean(2)).mean() > 12:
            break
    spoiled = decoded.copy()
    spoiled[inside] = other
    return spoiled, area


def grey(original: Pixels, decoded: Pixels, rng: np.random.Generator) -> tuple[Pixels, Area]:
    """A block of 48 x 48 pixels of texture, grey."""
    area = _place(_texture(original), 48, rng, 0.6)
    spoiled, inside = decoded.copy(), _inside(area)
    spoiled[inside] = round(float(decoded[inside].mean()))
    return spoiled, area


def hue(original: Pixels, decoded: Pixels, rng: np.random.Generator, shift: float = 4) -> tuple[Pixels, Area]:
    """An area of up to 384 x 384 pixels leans to another colour, luma kept: `shift` in the plane of Cb and Cr, fading in over 32 pixels."""
    area = _place(_calm(original), 384, rng, 0.5)
    inside = _inside(area)
    height, width = decoded[inside].shape[:2]
    down, across = (np.minimum(np.arange(size) + 1, np.arange(size)[::-1] + 1) for size in (height, width))
    fade = np.clip(np.minimum(down[:, None], across[None]) / 32, 0, 1)
    turn = rng.uniform(0, 2 * np.pi)
    blue, red = shift * np.cos(turn), shift * np.sin(turn)
    lean = np.array([1.402 * red, -0.344 * blue - 0.714 * red, 1.772 * blue])
    return _with(decoded, inside, fade[..., None] * lean), area


def clipped(original: Pixels, decoded: Pixels, rng: np.random.Generator) -> tuple[Pixels, Area]:
    """Bright ground of 160 x 160 pixels goes white, from its middle brightness up."""
    area = _place(-np.abs(_luma(original) - 225), 160, rng, 0.98)
    inside = _inside(area)
    luma = _luma(decoded[inside])
    share = np.clip((luma - np.quantile(luma, 0.4)) / 12, 0, 1)
    return _with(decoded, inside, share[..., None] * 60), area


KINDS: dict[str, tuple[Injection, frozenset[str]]] = {
    "dots": (dots, frozenset({"dots"})),
    "seams": (seams, frozenset({"patches", "seam", "structure"})),
    "border": (border, frozenset({"seam", "structure"})),
    "smear": (smear, frozenset({"structure", "damage"})),
    "elsewhere": (elsewhere, frozenset({"structure", "damage"})),
    "grey": (grey, frozenset({"structure", "damage", "colour"})),
    "hue": (hue, frozenset({"colour", "colour-shift"})),
    "clipped": (clipped, frozenset({"clipping", "structure", "colour"})),
}
"""Each kind, and which of the guard's checks may find it."""


def _luma(pixels: Pixels) -> Floats:
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114]))


def _gradient(pixels: Pixels) -> Floats:
    luma = _luma(pixels)
    return np.asarray(np.hypot(ndimage.sobel(luma, 0), ndimage.sobel(luma, 1)) / 8)


def _calm(pixels: Pixels) -> Floats:
    """High where there is no texture, and neither black nor white."""
    luma = _luma(pixels)
    calm = -ndimage.uniform_filter(np.minimum(_gradient(pixels), 20), 9)
    return np.asarray(np.where((luma > 40) & (luma < 225), calm, -40))


def _texture(pixels: Pixels) -> Floats:
    luma = _luma(pixels)
    mean = ndimage.uniform_filter(luma, 17)
    return np.asarray(np.minimum(np.sqrt(np.maximum(ndimage.uniform_filter(luma**2, 17) - mean**2, 0)), 25))


def _place(worth: Floats, size: int, rng: np.random.Generator, quantile: float) -> Area:
    """A window at a multiple of 8, drawn among those with the highest mean worth."""
    size = min(size, *worth.shape)
    total = np.pad(worth.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    means = (total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size])[::8, ::8]
    found = np.argwhere(means >= np.quantile(means, quantile))
    top, left = (int(place) * 8 for place in found[rng.integers(len(found))])
    return top, left, top + size, left + size


def _inside(area: Area) -> tuple[slice, slice]:
    return slice(area[0], area[2]), slice(area[1], area[3])


def _with(decoded: Pixels, inside: tuple[slice, slice], added: Floats) -> Pixels:
    spoiled = decoded.copy()
    added = added if added.ndim == 3 else added[..., None]
    spoiled[inside] = np.clip(np.rint(decoded[inside] + added), 0, 255)
    return spoiled
