"""How finely a restored JPEG is quantised.

Coding a decoded photo once more, with the same steps as its original, loses a second time. The finer the steps, the smaller that loss and
the larger the copy.
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from codec import container
from codec.errors import Unsupported
from codec.model import Model
from codec.network.constants import TOP_QUALITY
from codec.neural import Pixels
from codec.picture import JpegStructure, Picture, Structure
from codec.quality import score
from codec.rate import MARGIN, POINTS_A_STEP, Found, sample_of

FINENESSES: Final = (100, 85, 70, 50, 35, 25)
"""Percent of the original's quantisation steps that a restored JPEG uses, tried from the coarsest: coding twice with the same steps loses
twice."""

COPY_GROWTH: Final = 1.35
"""How much larger than the original a restored JPEG may be."""

_RAISES: Final = 5
_RAISE_POINTS: Final = 0.8
"""How many points better an archive is made whose copy did not fit."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a JPEG of the sample tells about a JPEG of the photo."""

    fineness: int
    loss: float
    size_bytes: float


def fitting_copy(picture: Picture, found: Found, model: Model, size_bytes: int, at_least: float | None) -> tuple[Found, Structure, float]:
    """What was found, the structure with the coarsest fineness whose copy scores `at_least`, and that copy's score.

    The copy may not grow far beyond the original of `size_bytes`, and in a file that holds several pictures not at all. Where no fineness
    does within that, a slightly better archive does. Raises Unsupported('multi-picture') or ('copy-quality').
    """
    structure = picture.structure
    if not isinstance(structure, JpegStructure):
        return found, structure, found.score.whole
    if at_least is None:
        return found, structure, score(picture.pixels, container.read(container.write(found.decoded, structure)).pixels).whole
    refusal = Unsupported("copy-quality", f"no JPEG of about the original's size scores {at_least:.1f}")
    for _ in range(_RAISES):
        trials = _trials(picture.pixels, structure, found)
        within = [trial for trial in trials if trial.size_bytes <= COPY_GROWTH * size_bytes] or trials[:1]
        missing = min(trial.loss for trial in within) - (found.score.whole - at_least)
        for trial in within:
            if found.score.whole - trial.loss < at_least:
                continue
            fitted = replace(structure, fineness=trial.fineness)
            try:
                copy = container.read(container.write(found.decoded, fitted))
            except Unsupported as error:  # too long for the offsets in the file; finer is longer
                refusal, missing = error, _RAISE_POINTS
                break
            copy_whole = score(picture.pixels, copy.pixels).whole
            if copy_whole >= at_least:
                return found, fitted, copy_whole
            missing = at_least - copy_whole
        if found.quality == TOP_QUALITY:
            break
        better = found.quality + ceil(max(missing, MARGIN) / POINTS_A_STEP)
        found = Found.at(min(better, TOP_QUALITY), picture.pixels, found.analysed, model)
    raise refusal


def _trials(original: Pixels, structure: JpegStructure, found: Found) -> list[_Trial]:
    """Each fineness on a sample: whole photos are slow to write and to measure."""
    before, after = sample_of(original), sample_of(found.decoded)
    height, width = after.shape[:2]
    bare = replace(structure, width=width, height=height, segments=(), ahead=0, index_at=None, trailer=b"")
    own, larger = score(before, after).whole, original.size / before.size
    kept = sum(map(len, structure.segments)) + len(structure.trailer)
    trials = []
    for fineness in FINENESSES:
        data = container.write(after, replace(bare, fineness=fineness))
        loss = own - score(before, container.read(data).pixels).whole
        trials.append(_Trial(fineness, loss, len(data) * larger + kept))
    return trials
