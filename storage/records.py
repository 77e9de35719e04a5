"""Frozen rows of the catalogue. Sizes end in ``_bytes``; times end in ``_at`` and are whole seconds since the epoch, UTC."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from storage.errors import Refused
from storage.fingerprint import Fingerprint
from storage.proof import Proof
from storage.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRow:
    """One photo at one path. Names may be any bytes, so both parts of the path are bytes."""

    id: int
    gallery: bytes
    """Absolute path of the gallery's root."""
    path: bytes
    """Relative to the gallery's root."""
    state: State
    sha256: str | None
    """Of the original; None until it was read."""
    fingerprint: Fingerprint
    """Of the file in place when it was last looked at: the original, or the copy of a RESTORED photo."""
    size_bytes: int
    """Of the original, also where a copy is in place."""
    archive_name: str | None
    """Relative to the vault, e.g. ``archives/ab/ab….nphoto``."""
    archive_sha256: str | None
    archive_bytes: int | None
    stand_in_sha256: str | None
    stand_in_bytes: int | None
    stand_in_fingerprint: Fingerprint | None
    copy_sha256: str | None
    """Of the copy that a restore put in place, where that is not the original itself."""
    bound_for: bytes | None
    """Path that the photo is about to be restored to, where that is not its own; an intent, only with `copy_sha256`."""
    came_from: bytes | None
    """Path that the photo had before it was restored to this one: its stand-in had been edited or renamed."""
    copy_bytes: int | None
    """Size of the copy that a restore gives; None where nobody has measured it, and for re-packed photos."""
    lane: str | None
    quality: str | None
    """Quality level by name."""
    importance: str | None
    """What made the level one better than its gallery's, for people; None where nothing did."""
    choice: str | None
    """Why this lane: a slug of the documented list."""
    choice_why: str | None
    """The same for people."""
    model: str | None
    score_whole: float | None
    score_worst_tile: float | None
    score_copy: float | None
    checks: Mapping[str, float] | None
    """What else the guard measured, by name; None for lossless lanes, and in rows of earlier versions."""
    whole_at_least: float | None
    worst_tile_at_least: float | None
    checked_at: int | None
    verifier_pid: int | None
    asker_pid: int | None
    reason: str | None
    """Why it was left or failed: a slug of the documented list."""
    detail: str | None
    """The same for people."""
    rules: str
    """Digest of the settings under which it was queued; LEFT and FAILED photos are tried again under others."""
    attempts: int
    """How often it was claimed since its bytes were last new."""
    returns: int
    """How often the original came back over our stand-in."""
    queued_at: int
    encoded_at: int | None
    """When it was committed."""
    retired_at: int | None
    purge_after_at: int | None
    purged_at: int | None
    restored_at: int | None
    pinned_until_at: int | None
    missed_at: int | None
    """When the stand-in, or what was restored, was first not found in its place; its archive is in the trash since then."""
    binned_as: bytes | None
    """Absolute path of its stand-in in a bin, where it was last found there since it is missed."""
    relabelled_at: int | None
    """When the stand-in was last found with other labels (EXIF, XMP, IPTC), which a restored photo gets, too."""
    stands_for: str | None
    """Digest of the original that a file without an archive of its own is a stand-in of, or was made from."""
    kept_since_at: int | None
    """When the photo came back with other labels than its original, which has stayed set aside since; None where none has."""
    asked_at: int | None
    """When a copy of a stand-in was found in the folder for requests; None once its photo is there."""
    superseded_at: int | None
    """When other bytes took over this path; such a row stays as long as its archive does, and is no longer the path's current one."""

    @property
    def location(self) -> Path:
        """Absolute path of the photo."""
        return Path(os.fsdecode(os.path.join(self.gallery, self.path)))

    @property
    def goal(self) -> Path:
        """Absolute path that it is to be restored to."""
        return Path(os.fsdecode(os.path.join(self.gallery, self.path if self.bound_for is None else self.bound_for)))

    @property
    def root(self) -> Path:
        """Absolute path of the gallery."""
        return Path(os.fsdecode(self.gallery))

    @property
    def has_archive(self) -> bool:
        return self.archive_sha256 is not None

    @property
    def replaced(self) -> bool:
        """Whether the photo itself, packed anew without loss, takes its original's place: `stand_in_sha256` is its digest, and there is
        neither an archive nor a stand-in."""
        working = self.state in (State.COMMITTED, State.RETIRED, State.PURGED)
        return working and self.lane is not None and not self.has_archive and self.stand_in_sha256 is not None

    @property
    def may_go(self) -> bool:
        """Whether this is a superseded row whose archive is kept for some time only: its user had the photo itself in its place, and wrote
        over it. Where a stand-in was written over, or an original is still set aside, the archive stays."""
        written_over = self.state in (State.RESTORED, State.LEFT, State.FAILED, State.QUEUED)
        return self.superseded_at is not None and self.has_archive and written_over and self.kept_since_at is None

    def is_current(self, fingerprint: Fingerprint) -> bool:
        """Whether the file seen now is the one that this row describes: the stand-in of a RETIRED or PURGED photo, else the photo."""
        known = self.stand_in_fingerprint if self.state in (State.RETIRED, State.PURGED) else self.fingerprint
        return fingerprint.unchanged_since(known)

    def proof(self) -> Proof:
        """The proof that was recorded when the archive was committed. Raises Refused if there is none."""
        proven, size_bytes = (self.stand_in_sha256, self.stand_in_bytes) if self.replaced else (self.archive_sha256, self.archive_bytes)
        if self.sha256 is None or proven is None or self.checked_at is None:
            raise Refused(f"photo {self.id} has no proof: no archive was committed")
        return Proof(
            original_sha256=self.sha256,
            archive_sha256=proven,
            archive_bytes=size_bytes or 0,
            level=self.quality or "",
            whole_at_least=_number(self.whole_at_least),
            worst_tile_at_least=_number(self.worst_tile_at_least),
            whole=_number(self.score_whole),
            worst_tile=_number(self.score_worst_tile),
            copy_whole=_number(self.score_copy),
            metadata_equal=True,  # a Proof that says otherwise can't be built, hence none was recorded
            model=self.model or "",
            checked_at=self.checked_at,
            verifier_pid=self.verifier_pid or 0,
            asker_pid=self.asker_pid or 0,
            checks=self.checks or {},
        )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


@dataclass(frozen=True, slots=True)
class Share:
    """The photos of one state, in bytes. An archive that serves several paths is counted once."""

    photos: int = 0
    original_bytes: int = 0
    archive_bytes: int = 0
    stand_in_bytes: int = 0
    earliest_at: int | None = None
    """RETIRED, and originals that are kept: when the first of them may be purged."""
    latest_at: int | None = None
    """The same of the last."""

    @property
    def saving_bytes(self) -> int:
        """Originals less archives and stand-ins; can be negative."""
        return self.original_bytes - self.archive_bytes - self.stand_in_bytes


@dataclass(frozen=True, slots=True)
class Scores:
    """How well the archives of the neural lane score, SSIMULACRA2 points."""

    by_points: Mapping[int, int]
    """Whole points of the whole photo, rounded down -> photos; in rising order."""
    lowest: float | None = None
    """Of all whole photos; None where there are none."""
    lowest_tile: float | None = None
    """Of all photos' worst tiles."""


@dataclass(frozen=True, slots=True)
class Waste:
    """What waits to be thrown away; an archive that serves several photos of a gallery is counted once."""

    photos: int = 0
    """For earlier versions: archives."""
    archive_bytes: int = 0
    since_at: int | None = None
    """When the first of them came to it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What `status` shows; superseded rows are counted in `earlier` alone."""

    photos: int
    original_bytes: int
    """Of all photos in the catalogue, whatever their state."""
    by_state: Mapping[State, int]
    by_lane: Mapping[str, int]
    """COMMITTED, RETIRED, PURGED and RESTORED photos."""
    by_reason: Mapping[str, int]
    """LEFT and FAILED photos."""
    retired: Share
    """Reclaimable: still on disk twice, `saving_bytes` is gained when they are purged."""
    purged: Share
    """Saved."""
    restored: Share
    kept: Share
    """Originals of photos that came back with other labels; only `photos`, `original_bytes` and the dates count."""
    trash: int
    """Photos whose stand-in, or restored file, is gone: their archives are about to be thrown away."""
    scores: Scores
    """Of COMMITTED, RETIRED, PURGED and RESTORED photos."""
    parities: int = 0
    """Archives with parity."""
    parity_bytes: int = 0
    """Of all of them; in no other sum."""
    damaged_archives: int = 0
    """By the last `verify`; of those that are still needed."""
    damaged_originals: int = 0
    """Set-aside ones, likewise."""
    missed: Waste = Waste()
    """The trash, in bytes; of those whose archives are whole, as far as is known."""
    lost: int = 0
    """Photos in the trash whose archives are missing or damaged: nothing here gives them back."""
    binned: Waste = Waste()
    """Of the trash: photos whose stand-ins lie in a bin, so that their time in it begins anew and anew."""
    binned_as: bytes | None = None
    """Absolute path of one of those."""
    earlier: Waste = Waste()
    """Archives that no photo has but one that its user wrote over."""


class RunFigures(TypedDict, total=False):
    """Fields of a RunRow that the end of a run may tell; what it leaves out is 0 or empty."""

    archived: int
    left: int
    failed: int
    purged: int
    original_bytes: int
    archive_bytes: int
    stand_in_bytes: int
    outcome: str
    worked: int
    worked_bytes: int
    freed_bytes: int
    by_lane: Mapping[str, int]
    by_reason: Mapping[str, int]
    cpu_s: float
    watt_hours: float
    energy_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of the optimizer, for the history."""

    id: int
    started_at: int
    ended_at: int | None
    """None: at work, or killed."""
    command: str
    archived: int
    left: int
    failed: int
    purged: int
    original_bytes: int
    """Of the photos archived in this run; the next two likewise."""
    archive_bytes: int
    stand_in_bytes: int
    outcome: str
    """Empty: ended well; else why it stopped."""
    worked: int = 0
    """Photos taken out of the queue, whatever became of them."""
    worked_bytes: int = 0
    freed_bytes: int = 0
    """Of the originals purged in it."""
    by_lane: Mapping[str, int] = field(default_factory=dict)
    """Archived photos."""
    by_reason: Mapping[str, int] = field(default_factory=dict)
    """Photos left alone, or failed, in this run."""
    cpu_s: float = 0.0
    """Seconds of processor time, of all its processes together."""
    watt_hours: float = 0.0
    energy_source: str = ""
    """Where the last number comes from; empty for runs of versions that did not ask."""
    prediction: Mapping[str, Any] | None = None
    """What the last estimate had predicted of these photos; its keys are whoever's who made it."""

    @property
    def saving_bytes(self) -> int:
        """Of the photos archived in it, once their originals are purged; stand-ins counted."""
        return self.original_bytes - self.archive_bytes - self.stand_in_bytes
