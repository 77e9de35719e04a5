"""The fewest bits that pass the guard.

The score rises with the quality, smoothly, so two or three tries on a small sample find about where it crosses the level; one try of the
whole photo says how far the sample was off, and a second one is mostly right.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Protocol, Self

from codec.curve import SLOPE, Curve, typical
from codec.errors import Unsupported
from codec.guard import Verdict, judge
from codec.levels import Level
from codec.model import Model
from codec.network.constants import TOP_QUALITY
from codec.neural import Analysed, Pixels
from codec.profile import Profile
from codec.quality import Score, score, ssimulacra2
from codec.quality_map import Area, Offsets
from codec.sample import sample_of
from codec.search import Plan, fewest_bytes

MARGIN, SPARE = 0.1, 0.3
"""Points above what is asked for of the scores, and of the other checks: another processor's floats move the decoded pixels by a hair.
Between bfloat16 and float32 the score of a whole moved by 0.01, that of a tile by 0.025, the others by half a point mostly
(docs/codec.md, "What is exact")."""

_AHEAD: Final = 2.0
"""Points within which a place counts as near its limit: once one is cured, the next worst of the kind would be found."""

_CLEARLY: Final = 1.2
"""Times the bytes that would still be a gain: beyond, no correction brings it back."""

_FLATTERS: Final = 2.0
"""Quality steps by which a sample promises too much, in the mean: eight phone photos needed 0.4 to 4.5 more than theirs said."""

_SAMPLE_TRIES: Final = 4
_KNOWN_WITHIN: Final = 8
"""Quality steps within which a line through two tries of the sample needs no third."""


@dataclass(frozen=True, slots=True)
class Found:
    """A trial of the whole photo, and in the end what the search settled on."""

    stream: bytes
    quality: int
    decoded: Pixels
    score: Score
    analysed: Analysed
    offsets: Offsets | None = None
    level: Level | None = None
    """What the guard judged it by, the margin included; None where it was not asked."""
    verdict: Verdict | None = None
    troubles: tuple[Area | None, ...] = ()
    """Where the guard found distortions, and where something of the same kind is near its limit; None for the whole photo."""
    needed: float = 0.0
    """What the whole photo must score for other reasons than the level."""

    @classmethod
    def at(
        cls,
        quality: int,
        pixels: Pixels,
        analysed: Analysed,
        model: Model,
        *,
        level: Level | None = None,
        offsets: Offsets | None = None,
        profile: Profile | None = None,
    ) -> Self:
        """Encode the whole at a quality; let the guard judge it by a level, or else measure it only."""
        encoded = analysed.encode(quality, offsets)
        decoded = encoded.decoded(model)
        if level is None:
            return cls(encoded.stream, encoded.quality, decoded, score(pixels, decoded, profile=profile), analysed, offsets)
        near = judge(pixels, decoded, level.raised(_AHEAD, _AHEAD), profile=profile)
        beyond = tuple(finding for finding in near.findings if finding.measured.headroom(level) < 0)
        verdict = replace(near, findings=beyond, lead=near.lead + _AHEAD)
        names = {finding.measured.name for finding in beyond}
        troubles = tuple(area for finding in near.findings if finding.measured.name in names for area in finding.areas or (None,))
        return cls(encoded.stream, encoded.quality, decoded, near.score, analysed, offsets, level, verdict, troubles)

    @property
    def size_bytes(self) -> int:
        return len(self.stream)

    @property
    def passed(self) -> bool:
        return (self.verdict is None or self.verdict.passed) and self.score.whole >= self.needed

    @property
    def lead(self) -> float:
        """Points above what is asked for, of whatever is nearest to failing."""
        lead = self.score.whole - self.needed
        return lead if self.verdict is None else min(lead, self.verdict.lead)


class Needs(Protocol):
    """What an archive must score for other reasons than its level; 0 where there are none."""

    def needs(self, sample: Pixels, decoded: Pixels, /) -> float:
        """By a sample and how it is decoded."""

    def check(self, found: Found, /) -> float:
        """By the whole photo."""


def fewest_bits(
    pixels: Pixels, model: Model, level: Level, *, most_bytes: float, profile: Profile | None = None, needs: Needs | None = None
) -> Found:
    """Encode with the fewest bytes whose decoded picture passes `level`.

    `profile` says what colours the pixels are, None for sRGB. Raises Unsupported('no-gain') as soon as it is clear that the stream can't
    stay under `most_bytes`, ('quality-not-reached'), and ('distortion') where the scores are reached and the guard sees what no better
    quality cures.
    """
    level = level.raised(MARGIN, SPARE)
    sample, guess = sample_of(pixels), Guess(typical(level.whole), SLOPE, 0)
    if sample is not pixels:
        guess = guess_from(sample, model, level.whole, profile, needs)
        guess = replace(guess, quality=_within(guess.quality + _FLATTERS))
        _refuse_if_clear(guess.size_bytes * pixels.size / sample.size, most_bytes)
    analysed = Analysed(pixels, model)

    def trial(plan: Plan) -> Found:
        found = Found.at(plan.quality, pixels, analysed, model, level=level, offsets=plan.offsets, profile=profile)
        return replace(found, needed=needs.check(found) if needs is not None else 0.0)

    def hopeless(found: Found) -> bool:
        return not found.passed and found.size_bytes > _CLEARLY * most_bytes

    start = min(max(math.ceil(guess.quality), 0), TOP_QUALITY)
    found = fewest_bytes(trial, pixels.shape[:2], level, start, guess.slope, hopeless)
    _refuse_if_clear(found.size_bytes, most_bytes)
    if not passes(found.score, level):
        lead = min(found.score.whole - level.whole, found.score.worst_tile - level.worst_tile) + MARGIN
        raise Unsupported("quality-not-reached", f"{lead:+.1f} points beside the level {level.name}")
    if found.verdict is not None and not found.verdict.passed:
        raise Unsupported("distortion", "; ".join(finding.sentence for finding in found.verdict.findings))
    return found


def _refuse_if_clear(size_bytes: float, most_bytes: float) -> None:
    if size_bytes > _CLEARLY * most_bytes:
        raise Unsupported("no-gain", f"about {size_bytes:.0f} bytes to pass, at most {most_bytes:.0f} would do")


def passes(found: Score, level: Level, margin: float = 0.0) -> bool:
    """Whether a measured score keeps the level, for the whole and for the worst tile."""
    return found.whole >= level.whole + margin and found.worst_tile >= level.worst_tile + margin


@dataclass(frozen=True, slots=True)
class Guess:
    """What a sample says about its photo: the quality, not rounded, where the level is crossed, and the bytes of the sample there."""

    quality: float
    slope: float
    size_bytes: float


def guess_from(sample: Pixels, model: Model, whole: float, profile: Profile | None, needs: Needs | None) -> Guess:
    """Search on a sample for a score of `whole`: its worst piece says little about the photo's worst tile."""
    analysed, curve, sizes = Analysed(sample, model), Curve(), dict[int, int]()
    quality = round(_within(typical(whole)))
    while True:
        encoded = analysed.encode(quality)
        decoded = encoded.decoded(model)
        sizes[quality] = len(encoded.stream)
        curve.after(quality, ssimulacra2(sample, decoded, profile=profile))
        crossing = _within(curve.crossing(whole))
        following = round(crossing)
        near = abs(crossing - quality) <= (_KNOWN_WITHIN if len(sizes) > 1 else 1)
        if near or following in sizes or len(sizes) == _SAMPLE_TRIES:
            break
        quality = following
    needed = needs.needs(sample, decoded) if needs is not None else 0.0
    if needed > whole:
        crossing = _within(curve.crossing(needed))
    return Guess(crossing, math.sqrt(curve.slope * SLOPE), _size_at(crossing, sizes))  # a sample is not the photo: half of its slope


def _within(quality: float) -> float:
    return min(max(quality, 0.0), float(TOP_QUALITY))


_GROWTH: Final = 0.012
"""Of ln(bytes), a quality step."""


def _size_at(quality: float, sizes: dict[int, int]) -> float:
    nearest = min(sizes, key=lambda tried: abs(tried - quality))
    return sizes[nearest] * math.exp(_GROWTH * (quality - nearest))
