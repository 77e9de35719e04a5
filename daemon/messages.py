"""What the daemon and its worker processes say to one another: small frozen values that survive pickling.

    daemon -> encoder    EncodeJob                  -> Begun, then Encoded | Refused | Broke
    daemon -> encoder    StandInJob                 -> Begun, then StoodIn | Refused | Broke
    daemon -> encoder    RatingJob                  -> Begun, then Rated | Refused | Broke
    daemon -> verifier   ExamineJob                 -> Begun, then Examined | Refused | Broke
    daemon -> verifier   RestoreJob                 -> Begun, then Restored | Refused | Broke
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codec.facts import Worn
from codec.rating import Rating

Format = Literal["jpeg", "png"]
"""Of a rebuilt file."""


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """One original to archive.

    `level` names a quality level; where `rate` (0..1) is given it is used instead of a search. `stand_in` asks for a stand-in too,
    whose bytes then count against `min_saving` (share of the original; minus infinity: any archive will do).
    """

    original: bytes
    sha256: str
    name: bytes
    mtime_ns: int
    mode: int
    level: str
    min_saving: float
    stand_in: bool
    rate: float | None = None
    worn: Worn | None = None


@dataclass(frozen=True, slots=True)
class StandInJob:
    """An original whose archive is there already, and only its stand-in is missing."""

    original: bytes
    sha256: str


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


Job = EncodeJob | StandInJob | RatingJob | ExamineJob | RestoreJob


@dataclass(frozen=True, slots=True)
class Begun:
    """The work starts; `megapixels` tells the daemon how long to wait for the answer."""

    megapixels: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """An archive and its stand-in (empty where none was asked for). Scores in SSIMULACRA2 points."""

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


@dataclass(frozen=True, slots=True)
class Restored:
    """A rebuilt file, and the digest (hex) of the archive that it came from."""

    data: bytes
    archive_sha256: str


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
