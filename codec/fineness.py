"""How finely a restored JPEG is quantised.

Coding a decoded photo once more, with the same steps as its original, loses a second time. The finer the steps, the smaller that loss and
the larger the copy. Where no copy of the original's size is good enough, the archive has to be a little better: a sample says so before the
search begins.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from codec import container
from codec.curve import Curve
from codec.errors import Unsupported
from codec.model import Model
from codec.multi_picture import places_matter
from codec.network.constants import TOP_QUALITY
from codec.neural import Pixels
from codec.picture import JpegStructure, Picture, Structure
from codec.profile import Profile, profile_of
from codec.quality import ssimulacra2
from codec.rate import Found
from codec.sample import sample_of, without_joins

FINENESSES: Final = tuple(range(100, 19, -5))
"""Percent of the original's quantisation steps that a restored JPEG may use, from the coarsest."""

COPY_GROWTH: Final = 1.15
"""How much larger than the original a restored JPEG may be."""

_SPARE: Final = 1024
"""Of so many bytes of a copy one is spare."""
_LEAST_SPARE: Final = 64

_RAISES: Final = 5
_TRIES: Final = 3
"""JPEGs of the whole photo for one archive."""
_LEAST_RAISE: Final = 0.2
"""Points by which an archive is raised at least."""
_CLEAR: Final = 0.5
"""Points by which a sample may be wrong about a copy."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a JPEG of the sample tells about a JPEG of the photo."""

    loss: float
    size_bytes: float


@dataclass(slots=True, eq=False)
class _Trials:
    """JPEGs of a sample at the finenesses that are asked for: the whole photo is slow to write and to measure."""

    before: Pixels
    after: Pixels
    structure: JpegStructure
    profile: Profile | None
    own: float = field(init=False)
    known: dict[int, _Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.own = ssimulacra2(self.before, self.after, profile=self.profile)

    def at(self, which: int) -> _Trial:
        if which not in self.known:
            height, width = self.after.shape[:2]
            bare = replace(self.structure, width=width, height=height, segments=(), ahead=0, index_at=None, trailer=b"")
            data = container.write(self.after, bare, fineness=FINENESSES[which])
            copy, larger = container.read(data).pixels, self.structure.width * self.structure.height / (height * width)
            if larger > 1:
                copy = without_joins(copy, self.after)
            loss = self.own - ssimulacra2(self.before, copy, profile=self.profile)
            self.known[which] = _Trial(loss, len(data) * larger)
        return self.known[which]

    def finest(self, room_bytes: float) -> int:
        """The finest that fits into the room, or the coarsest where none does."""
        fits, fails = 0, len(FINENESSES)
        while fails - fits > 1:
            middle = (fits + fails) // 2
            fits, fails = (middle, fails) if self.at(middle).size_bytes <= room_bytes else (fits, middle)
        return fits

    def coarsest(self, loss: float, finest: int) -> int:
        """The coarsest that loses at most so many points, or `finest` where none up to it does."""
        fails, does = -1, finest
        while does - fails > 1:
            middle = (does + fails) // 2 if fails >= 0 else 0
            fails, does = (fails, middle) if self.at(middle).loss <= loss else (middle, does)
        return does


@dataclass(frozen=True, slots=True)
class Copy:
    """A JPEG of the whole photo as it is decoded: the structure that it was written with, and what it scores."""

    structure: JpegStructure
    whole: float


@dataclass(slots=True, eq=False)
class Copies:
    """The restored JPEG that belongs to an archive: it scores `at_least` and is hardly larger than the original of `size_bytes`.

    Without `at_least` anything goes, and the original's own steps are taken.
    """

    picture: Picture
    size_bytes: int
    at_least: float | None
    _trials: _Trials | None = None
    _room: float = 0.0
    _finest: int | None = None  # the finest that fits; None while nobody needed to know
    _off: float = 0.0  # points that the whole photo loses more than the sample
    _last: tuple[bytes, Copy | None] = b"", None  # the stream that was checked last, and its copy where that was good

    @property
    def profile(self) -> Profile | None:
        return profile_of(self.picture.structure)

    def needs(self, sample: Pixels, decoded: Pixels) -> float:
        """What an archive must score, so that a copy of it does; 0 where that is clear. From a sample and how it is decoded about there."""
        if not isinstance(self.picture.structure, JpegStructure) or self.at_least is None:
            return 0.0
        trials = self._begin(sample, decoded, self.picture.structure)
        if trials.at(0).loss <= trials.own - self.at_least - _CLEAR:
            return 0.0
        self._finest = trials.finest(self._room)
        return self.at_least + trials.at(self._finest).loss

    def check(self, found: Found) -> float:
        """What the archive must score by what a copy of the whole photo shows; 0 where `needs` found that clear, or has not looked."""
        if self._trials is None or self.at_least is None or self._finest is None:
            return 0.0
        copy = self._coarsest(found, self._trials, tries=1)
        self._last = found.stream, copy
        needed = self._needed(self._trials)
        return needed if copy is None else min(needed, found.score.whole)

    def fit(self, found: Found, model: Model) -> tuple[Found, Structure, float]:
        """What was found, the structure with the coarsest fineness whose copy does, and that copy's score.

        Where no fineness does, a slightly better archive is made. Raises Unsupported('multi-picture') where a copy would not fit between
        the places that the file itself names, or ('copy-quality').
        """
        structure = self.picture.structure
        if not isinstance(structure, JpegStructure):
            return found, structure, found.score.whole
        if self.at_least is None:
            data = container.write(found.decoded, structure)
            return found, _reserving(structure, data), self._whole(data)
        trials = self._trials or self._begin(sample_of(self.picture.pixels), sample_of(found.decoded), structure)
        for _ in range(_RAISES):
            copy = self._last[1] if self._last[0] == found.stream else None
            copy = copy or self._coarsest(found, trials, tries=_TRIES)
            if copy is not None and found.passed:
                return found, copy.structure, copy.whole
            if found.quality == TOP_QUALITY or self._finest == -1:
                break
            needed = max(self._needed(trials), found.score.whole + _LEAST_RAISE)
            better = math.ceil(Curve().after(found.quality, found.score.whole).crossing(needed))
            found = Found.at(
                min(better, TOP_QUALITY),
                self.picture.pixels,
                found.analysed,
                model,
                level=found.level,
                offsets=found.offsets,
                profile=self.profile,
            )
        if places_matter(structure):
            raise Unsupported("multi-picture", f"no JPEG that fits between the places named in the file scores {self.at_least:.1f}")
        raise Unsupported("copy-quality", f"no JPEG of about the original's size scores {self.at_least:.1f}")

    def _begin(self, sample: Pixels, decoded: Pixels, structure: JpegStructure) -> _Trials:
        kept = sum(map(len, structure.segments))
        self._room = COPY_GROWTH * self.size_bytes - kept - len(structure.trailer)
        if places_matter(structure):
            self._room = min(self._room, structure.primary_bytes - kept)
        self._trials = _Trials(sample, decoded, structure, self.profile)
        return self._trials

    def _needed(self, trials: _Trials) -> float:
        """What the archive must score for a copy at the finest that fits."""
        assert self.at_least is not None
        return self.at_least + trials.at(max(self._finest or 0, 0)).loss + self._off

    def _coarsest(self, found: Found, trials: _Trials, tries: int) -> Copy | None:
        """The coarsest copy of the whole photo that does, beginning where the sample says so. Learns how far the sample is off."""
        assert self.at_least is not None
        untried = 0
        for _ in range(tries):
            allowed = found.score.whole - self.at_least - self._off
            which = 0
            if untried > 0 or trials.at(0).loss > allowed:
                if self._finest is None:
                    self._finest = trials.finest(self._room)
                which = max(trials.coarsest(allowed, self._finest), untried)
                if which > self._finest:
                    break
            fitted = replace(trials.structure, fineness=FINENESSES[which])
            try:
                data = container.write(found.decoded, fitted)
            except Unsupported:  # too long for the offsets in the file; finer is longer
                data = None
            if data is None or reserved(len(data)) > COPY_GROWTH * self.size_bytes:
                self._finest = which - 1
                continue
            copy_whole = self._whole(data)
            self._off = found.score.whole - copy_whole - trials.at(which).loss
            if copy_whole >= self.at_least:
                return Copy(_reserving(fitted, data), copy_whole)
            untried = which + 1
        if self._finest is None:
            self._finest = trials.finest(self._room)
        return None

    def _whole(self, data: bytes) -> float:
        return ssimulacra2(self.picture.pixels, container.read(data).pixels, profile=self.profile)


def reserved(size_bytes: int) -> int:
    """The size that a copy of `size_bytes` is filled up to.

    A decoder computes in floats, so another processor may round a few pixels the other way, and their JPEG may be some bytes longer. With
    a thousandth to spare every computer gives a copy of the same size, and whoever lists it knows that size without decoding.
    """
    return size_bytes + size_bytes // _SPARE + _LEAST_SPARE


def _reserving(structure: JpegStructure, data: bytes) -> JpegStructure:
    """The structure, with the size of its copy, `data` by now, reserved; where offsets decide on the size it is fixed anyway."""
    return structure if places_matter(structure) else replace(structure, copy_bytes=reserved(len(data)))
