"""The fewest bits that pass the guard.

The score rises with the quality, nearly smoothly, so a few tries find where it crosses the level. The tries run on a sample of the photo;
what they find is confirmed on the whole, and corrected there.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from codec.errors import Unsupported
from codec.levels import Level
from codec.model import Model
from codec.network.constants import TOP_QUALITY
from codec.neural import Analysed, Pixels
from codec.quality import Score, score

MARGIN: Final = 0.3
"""Points to spare: another processor's floats move the decoded pixels by a hair, and the score with them."""

SLACK: Final = 0.25
"""Points above level and margin at which the search is content; a point costs about three per cent of the bytes."""

_PIECE: Final = 512
_SAMPLE_PIXELS: Final = 1_600_000
_START: Final = TOP_QUALITY // 2
POINTS_A_STEP: Final = 0.14
"""How fast the score rises with the quality, until two tries of the photo itself say it better."""
_FULL_TRIES: Final = 4
"""Of the whole photo, once one of them has passed; until then it may be twice as many."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the search settled on."""

    stream: bytes
    quality: int
    decoded: Pixels
    score: Score
    analysed: Analysed

    @classmethod
    def at(cls, quality: int, pixels: Pixels, analysed: Analysed, model: Model) -> Self:
        """Encode the whole at a quality and measure."""
        encoded = analysed.encode(quality)
        decoded = encoded.decoded(model)
        return cls(encoded.stream, encoded.quality, decoded, score(pixels, decoded), analysed)


def fewest_bits(pixels: Pixels, model: Model, level: Level, *, most_bytes: float) -> Found:
    """Encode at the lowest quality whose decoded picture passes `level`.

    Raises Unsupported('no-gain') as soon as it is clear that the stream can't stay under `most_bytes`, and
    Unsupported('quality-not-reached').
    """
    sample = sample_of(pixels)
    quality, expected = _search_sample(sample, model, level)
    if expected * pixels.size / sample.size > 1.2 * most_bytes:
        raise Unsupported("no-gain", f"about {expected * pixels.size / sample.size:.0f} bytes to pass, at most {most_bytes:.0f} would do")
    return _confirm(pixels, Analysed(pixels, model), model, level, quality)


def passes(found: Score, level: Level, margin: float = 0.0) -> bool:
    """Whether a measured score keeps the level, for the whole and for the worst tile."""
    return found.whole >= level.whole + margin and found.worst_tile >= level.worst_tile + margin


def _lead(found: Score, level: Level) -> float:
    """Points above level and margin, negative below; of whole and worst tile, what is nearer to failing."""
    return min(found.whole - level.whole, found.worst_tile - level.worst_tile) - MARGIN


def sample_of(pixels: Pixels) -> Pixels:
    """Square pieces spread evenly over the photo, joined to one picture; a small photo is its own sample.

    The pieces begin at multiples of 16 pixels, so that a JPEG of the sample has the blocks of a JPEG of the photo.
    """
    height, width = pixels.shape[:2]
    if height * width <= 1.5 * _SAMPLE_PIXELS or min(height, width) < 2 * _PIECE:
        return pixels
    rows = 2
    columns = _SAMPLE_PIXELS // (rows * _PIECE**2)
    tops = np.linspace(0, height - _PIECE, 2 * rows + 1).astype(int)[1::2] // 16 * 16
    lefts = np.linspace(0, width - _PIECE, 2 * columns + 1).astype(int)[1::2] // 16 * 16
    return np.concatenate([np.concatenate([pixels[t : t + _PIECE, x : x + _PIECE] for x in lefts], 1) for t in tops], 0)


def _search_sample(sample: Pixels, model: Model, level: Level) -> tuple[int, int]:
    """The quality at which the sample as a whole passes, and its bytes there; its worst piece says little about the photo's worst tile."""
    analysed, tried = Analysed(sample, model), dict[int, tuple[float, int]]()
    quality = _START
    while quality not in tried:
        encoded = analysed.encode(quality)
        tried[quality] = score(sample, encoded.decoded(model)).whole - level.whole - MARGIN, len(encoded.stream)
        quality = _next(tried, quality)
    return quality, tried[quality][1]


def _next(tried: dict[int, tuple[float, int]], last: int) -> int:
    """The quality to try next, by the line through the two tries nearest to passing; one that was tried already ends the search."""
    lead = tried[last][0]
    if 0 <= lead <= SLACK:
        return last
    slope = POINTS_A_STEP
    others = [q for q in tried if q != last]
    if others:
        nearest = min(others, key=lambda q: abs(tried[q][0]))
        slope = max((tried[nearest][0] - lead) / (nearest - last), 0.02)
    move = round((SLACK / 2 - lead) / slope)
    aim = last + (max(move, 1) if lead < 0 else min(move, -1))
    passed, failed = [q for q in tried if tried[q][0] >= 0], [q for q in tried if tried[q][0] < 0]
    low, high = max(failed, default=-1) + 1, min(passed, default=TOP_QUALITY + 1) - 1
    if low > high:  # neighbours: the lowest that passed, or, where none did, the best there is
        return min(passed, default=TOP_QUALITY)
    return min(max(aim, low), high)


def _confirm(pixels: Pixels, analysed: Analysed, model: Model, level: Level, quality: int) -> Found:
    """Encode the whole at the sample's quality and correct it by what is measured."""
    tried = dict[int, tuple[float, int]]()
    best: Found | None = None
    while len(tried) < (_FULL_TRIES if best else 2 * _FULL_TRIES):
        found = Found.at(quality, pixels, analysed, model)
        lead = _lead(found.score, level)
        tried[quality] = lead, len(found.stream)
        if lead >= 0 and (best is None or quality < best.quality):
            best = found
        if 0 <= lead <= 2 * SLACK:
            break
        quality = _next(tried, quality)
        if quality in tried:
            break
    if best is None:
        raise Unsupported(
            "quality-not-reached", f"{max(lead for lead, _ in tried.values()) + MARGIN:+.1f} points beside the level {level.name}"
        )
    return best
