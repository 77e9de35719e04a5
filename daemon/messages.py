"""What the daemon and its worker processes say to one another: small frozen values, which `wire` makes bytes of.

daemon -> encoder    EncodeJob                  -> Begun, then Encoded | Refused | Broke
daemon -> encoder    StandInJob                 -> Begun, then StoodIn | Refused | Broke
daemon -> encoder    RatingJob                  -> Begun, then Rated | Refused | Broke
daemon -> verifier   ExamineJob                 -> Begun, then Examined | Refused | Broke
daemon -> verifier   RestoreJob                 -> Begun, then Restored | Refused | Broke
daemon -> verifier   LabelJob                   -> Begun, then Restored | Refused | Broke
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from codec.checks import Measured
from codec.facts import Worn
from codec.rating import Rating

Format = Literal["jpeg", "png"]
"""Of a rebuilt file."""

STAND_IN_SHARE: Final = 0.08
"""Of the original's bytes, which a stand-in may have at most."""


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """One original to archive.

    `level` names a quality level, `exact` among them; where `rate` (0..1) is given there is neither a search nor a choice of lanes.
    `stand_in` asks for a stand-in too, whose bytes then count against `min_saving` (neural lane) and `min_saving_lossless`, shares of the
    original; minus infinity: any archive will do. `repack`: whether a PNG may be packed anew to take the original's place. `vault`: id of
    the vault that the archive is for.
    """

    original: bytes
    sha256: str
    name: bytes
    mtime_ns: int
    mode: int
    level: str
    min_saving: float
    min_saving_lossless: float
    stand_in: bool
    rate: float | None = None
    worn: Worn | None = None
    repack: bool = False
    vault: str = ""


@dataclass(frozen=True, slots=True)
class StandInJob:
    """A stand-in is to be made of the original with this digest, out of its bytes or those of a copy.

    `share` of these bytes that it may have at most. `vault`: id of the vault that has the archive, empty where there is none.
    `relabelled`: the labels of a copy are not those of the archive, and have to come back when it is restored again.
    """

    original: bytes
    sha256: str
    share: float = STAND_IN_SHARE
    vault: str = ""
    relabelled: bool = False


@dataclass(frozen=True, slots=True)
class RatingJob:
    """An original and what stands in the XMP files beside it: how much does somebody value it?"""

    original: bytes
    sidecars: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ExamineJob:
    """A staged archive to read back from the disk, by its path, and to compare with its original. Only for a dry run, which
    writes nothing, the archive's bytes themselves: no proof comes of those."""

    archive: Path | bytes
    original: bytes


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """An archive to rebuild a copy from; `format` is 'jpeg', 'png' or None for the original's own."""

    archive: Path
    format: Format | None = None
    stand_in: bytes = b""
    """Its stand-in, where somebody gave that other labels: the copy gets them."""
    reference: bool = False
    """By the second decoder, the one that the format is written down as: the pixels alone, as a PNG."""


@dataclass(frozen=True, slots=True)
class LabelJob:
    """An original, and its stand-in to which somebody gave other labels; the answer is `Restored`, without an archive."""

    original: bytes
    stand_in: bytes


Job = EncodeJob | StandInJob | RatingJob | ExamineJob | RestoreJob | LabelJob


@dataclass(frozen=True, slots=True)
class Begun:
    """The work starts; `megapixels` tells the daemon how long to wait for the answer."""

    megapixels: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """An archive and its stand-in (empty where none was asked for), or a re-packed PNG. Scores in SSIMULACRA2 points."""

    archive: bytes
    stand_in: bytes
    lane: str
    whole: float
    worst_tile: float
    quality_index: int
    rate: float
    width: int
    height: int
    model: str
    choice: str = ""
    """Why this lane: a slug of `reasons.CHOICES` or `reasons.REASONS`."""
    why: str = ""
    """The same as a sentence."""
    repacked: bytes = b""
    """A PNG with the same pixels and chunks, to take the original's place; then archive and stand-in are empty."""


@dataclass(frozen=True, slots=True)
class StoodIn:
    """A stand-in."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Rated:
    """What the photo's metadata say."""

    rating: Rating


@dataclass(frozen=True, slots=True)
class Examined:
    """What the verifying process measured on the bytes that it read back itself; digests in hex."""

    whole: float
    worst_tile: float
    copy_whole: float
    metadata_equal: bool
    original_sha256: str
    archive_sha256: str
    lane: str
    model: str
    """Name of the model that the archive needs."""
    pid: int
    """The process that measured."""
    choice: str = ""
    why: str = ""
    """Why the archive is of its lane, as it says itself."""
    measured: tuple[Measured, ...] = ()
    """The checks of the guard beside the score; none for a lossless lane."""
    copy_sha256: str = ""
    """Of the copy that a restore will give."""
    copy_bytes: int = 0
    """Of that copy; 0: nobody looked."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A rebuilt file, and the digest (hex) of the archive that it came from."""

    data: bytes
    archive_sha256: str
    left_out: tuple[str, ...] = ()
    """Kinds of labels of its stand-in that could not be given to it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The codec said no for a reason of the documented list."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Broke:
    """An error that nobody foresaw; `trace` is for the log."""

    summary: str
    trace: str


Answer = Encoded | StoodIn | Rated | Examined | Restored | Refused | Broke
