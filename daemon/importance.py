"""Important photos get one level better quality than their gallery asks for. What they were rated is read by a worker; this decides.

A photo is important if anybody gave it STARS or more of 5, or singled it out by a label or a flag and nobody rejected it. Where programs
disagree, the better quality is the safe side: a wrong guess costs bytes, not a favourite. One that a file beside it signs keeps its bytes.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from codec.leads import MOST_TEXT_BYTES
from codec.levels import EXACT, Level, level_of
from codec.rating import Rating
from daemon.messages import RatingJob, Refused
from daemon.ports import Codec
from storage.digest import Snapshot, read_once
from storage.errors import Missing, StorageError, shown

STARS = 4
"""As many, of 5, make a photo important: 3 is what many people give to whatever they keep."""

ORDER = ("compact", "high", "visually-lossless", "exact")
"""Levels from the smallest to the best."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The level that a photo is to have; `why` says what raised it above its gallery's, empty where nothing did."""

    level: Level
    why: str = ""

    @property
    def remark(self) -> str:
        """To go behind the detail of a photo that was left alone."""
        return f"; asked for {self.level.name}, since it is {self.why}" if self.why else ""


def wanted(codec: Codec, path: Path, snapshot: Snapshot, level: Level) -> Wanted:
    """The level for one photo of a gallery whose level is `level`. Raises WorkerError where the worker gave no answer."""
    better = raised(level)
    if better is level:
        return Wanted(level)
    if os.path.lexists(path.with_suffix(".c2pa")):
        return Wanted(EXACT, "signed (C2PA) by a file beside it")
    answer = codec.rating(RatingJob(snapshot.data, sidecars(path)))
    why = "" if isinstance(answer, Refused) else importance(answer.rating)
    return Wanted(better, why) if why else Wanted(level)


def importance(rating: Rating) -> str:
    """Why a photo is important, as the end of "it is ..."; empty where it is not."""
    if rating.stars is not None and rating.stars >= STARS:
        return f"rated {rating.stars} of 5 stars"
    if rating.labels and not rating.rejected:
        return "marked: " + ", ".join(rating.labels)
    return ""


def raised(level: Level) -> Level:
    """One level better; the best stays."""
    better = ORDER[ORDER.index(level.name) + 1 :]
    return level_of(better[0]) if better else level


def sidecars(path: Path) -> tuple[bytes, ...]:
    """What stands in the XMP files beside a photo: IMG_1.jpg.xmp (digiKam, darktable) and IMG_1.xmp (Adobe)."""
    found = []
    for name in (path.name, path.stem):
        for suffix in (".xmp", ".XMP"):
            place = path.with_name(name + suffix)
            try:
                if os.lstat(place).st_size <= MOST_TEXT_BYTES:
                    found.append(read_once(place).data)
            except (Missing, FileNotFoundError):
                continue
            except (StorageError, OSError) as error:
                _log.info("%s can't be read, so it says nothing of the photo beside it (%s)", shown(place), error)
    return tuple(found)
