"""One step of one photo: from the queue to a retired original, or left alone with a reason.

Order rule: intent in the catalogue, act, result in the catalogue. Whatever stops us between two of them, recovery tells from the row and
the disk what was done, and every act can be repeated.
"""

import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from codec.levels import Level
from daemon.copies import wear_of
from daemon.errors import Interrupted, WorkerError
from daemon.galleries import Gallery
from daemon.importance import wanted
from daemon.marking import has_picture_of, original_of, vault_of
from daemon.messages import STAND_IN_SHARE, EncodeJob, Refused, RestoreJob, StandInJob
from daemon.models import keep_model
from daemon.parity import keep_parity
from daemon.ports import Clock, Codec
from daemon.verification import Proven, prove
from storage import errors as storage_errors
from storage.catalog import Catalog
from storage.digest import Snapshot, read_once, sha256_of_bytes
from storage.fingerprint import Fingerprint
from storage.permission import check_movable
from storage.proof import Proof
from storage.records import PhotoRow
from storage.states import State
from storage.survey import AtPath, Holding

MAX_RETURNS = 2
"""How often an original may come back over its stand-in until the path is left to whoever sends it."""

_PASSING = frozenset({"no-space", "not-permitted", "disk-error"})
"""Reasons that lie outside of the photo: it is tried again in every run until they have passed."""

_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """How a step ended."""

    ARCHIVED = "archived"
    LEFT = "left"
    FAILED = "failed"
    AGAIN = "again"
    """The photo changed meanwhile, and is looked at again next time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo; the sizes are 0 unless it was archived, and `archive_bytes` where the archive was there before."""

    kind: Kind
    reason: str = ""
    detail: str = ""
    original_bytes: int = 0
    archive_bytes: int = 0
    stand_in_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Archived:
    proven: Proven
    stand_in: bytes | None
    """What takes the photo's place: its stand-in (None where the gallery wants none), or the photo itself, packed anew."""
    counted: bool = False
    """Whether the archive counts already: for another path that held these bytes, or for this one before its original came back."""

    @property
    def repacked(self) -> bool:
        return self.stand_in is not None and sha256_of_bytes(self.stand_in) == self.proven.proof.archive_sha256


class Optimizer:
    """Works on the photos of one gallery."""

    def __init__(self, gallery: Gallery, catalog: Catalog, codec: Codec, clock: Clock, still: Callable[[], None] = lambda: None) -> None:
        """`still` raises GalleryGone where the gallery is no longer there; asked before a photo is given up."""
        self._gallery = gallery
        self._vault = gallery.vault
        self._catalog = catalog
        self._codec = codec
        self._clock = clock
        self._still = still

    def step(self, photo_id: int) -> Outcome | None:
        """Take one photo of the queue all the way; None where it is no longer queued.

        A storage error or a worker's death is this photo's alone, and becomes FAILED or LEFT; only Locked and Damaged catalogues pass,
        GalleryGone, after which recovery finds the row as after a crash, and Interrupted: then the photo is back in the queue, as if nobody
        had tried it.
        """
        row = self._catalog.claim(photo_id)
        if row is None:
            return None
        try:
            return self._work(row)
        except storage_errors.Locked:
            raise
        except (Interrupted, KeyboardInterrupt) as error:
            self._catalog.released(photo_id, at_once=isinstance(error, Interrupted))  # else recovery looks at what was begun
            raise
        except (storage_errors.StorageError, WorkerError) as error:
            return self._give_up(photo_id, error)

    def _give_up(self, photo_id: int, error: storage_errors.StorageError | WorkerError) -> Outcome:
        self._still()
        kind, reason = verdict(error)
        row = self._catalog.get(photo_id)
        if not self._in_place(row):
            # The exchange was done and could not be undone: the row stays as it is, which makes the next run's recovery look at it again.
            return Outcome(Kind.FAILED, reason, str(error))
        match kind:
            case Kind.AGAIN:
                self._catalog.requeue(photo_id)
                return Outcome(kind, reason, str(error))
            case Kind.LEFT:
                return self._leave(photo_id, reason, str(error))
            case _:
                return self._fail(photo_id, reason, str(error))

    def _in_place(self, row: PhotoRow) -> bool:
        """Whether what was there before (or a newer file of the user) stands under its name, and no original waits in the vault."""
        if row.state is not State.COMMITTED and row.copy_sha256 is None:
            return True  # nothing was exchanged yet
        survey = self._vault.survey(row.location, sha256=row.sha256, stand_in_sha256=row.stand_in_sha256)
        if row.state is not State.COMMITTED:  # a copy that gives its place back to a stand-in
            return survey.at_path is not AtPath.STAND_IN
        return survey.at_path in (AtPath.ORIGINAL, AtPath.OTHER) and survey.aside is Holding.MISSING

    def _work(self, row: PhotoRow) -> Outcome:
        snapshot = read_once(row.location)
        if row.stands_for is not None and not row.is_current(snapshot.fingerprint):
            raise storage_errors.Changed("a stand-in was saved over; the next look sees to the photo that it stood for")
        return self._known(row, snapshot) or self._archive(row, snapshot)

    def _known(self, row: PhotoRow, snapshot: Snapshot) -> Outcome | None:
        """What becomes of a copy of ours, of a stand-in, and of what need not be tried; None: it is a photo to archive."""
        if row.copy_sha256 == snapshot.sha256:
            return self._put_away(row, snapshot)
        copied = self._catalog.original_of_copy(snapshot.sha256)
        if copied is not None:
            shared = self._shared(row, snapshot, copied)
            return shared if isinstance(shared, Outcome) else self._put_away(shared, snapshot)
        if original_of(snapshot.data) is not None:
            return self._leave_stand_in(row.id, snapshot)
        if not snapshot.data:
            return self._leave(row.id, "empty")
        source = self._tagged_copy(row, snapshot)
        if source is not None:
            return self._put_away(self._catalog.shared_archive(row.id, source.id, snapshot.sha256, relabelled=True), snapshot)
        if row.returns >= MAX_RETURNS and row.sha256 == snapshot.sha256:
            with contextlib.suppress(storage_errors.Missing):
                self._vault.put_back(row.location, snapshot.sha256, row.stand_in_sha256)  # a second copy in the vault is of no use
            return self._leave(row.id, "source-resends")
        return None

    def _archive(self, row: PhotoRow, snapshot: Snapshot) -> Outcome:
        path = row.location
        check_movable(path)
        self._vault.check_givable(path)
        self._catalog.digested(row.id, snapshot.sha256, snapshot.fingerprint)
        goal = wanted(self._codec, path, snapshot, self._gallery.level)
        archived = self._existing(row, snapshot, goal.level) or self._encode(path, snapshot, goal.level)
        if isinstance(archived, Refused):
            return self._leave(row.id, archived.reason, archived.detail + goal.remark)
        proven, proof, repacked = archived.proven, archived.proven.proof, archived.repacked
        keep_model(self._vault, proof.model)
        if not repacked:
            keep_parity(self._gallery, self._catalog, snapshot.sha256, proof.archive_sha256)
        self._catalog.committed(
            row.id,
            proof=proof,
            archive_name=None if repacked else self._vault.archive_name(snapshot.sha256),
            lane=proven.lane,
            choice=(proven.choice, proven.why) if proven.choice else None,
            importance=goal.why or None,
            copy_bytes=proven.copy_bytes,
        )
        if proven.copy_sha256:
            self._catalog.noted_copy(proven.copy_sha256, snapshot.sha256)
        self.retire(row, proof, archived.stand_in)
        return Outcome(
            Kind.ARCHIVED,
            original_bytes=len(snapshot.data),
            archive_bytes=0 if repacked or archived.counted else proof.archive_bytes,
            stand_in_bytes=len(archived.stand_in or b""),
        )

    def _leave_stand_in(self, photo_id: int, snapshot: Snapshot) -> Outcome:
        """Of this vault, or of another one; with a word where the archive is here and nobody knows it."""
        digest = original_of(snapshot.data) or ""
        if vault_of(snapshot.data) not in ("", self._vault.id):
            return self._leave(photo_id, "stand-in-elsewhere", stands_for=digest)
        lost = self._vault.archive_path(digest).exists() and not self._catalog.by_digest(digest, self._gallery.key)
        detail = "the catalogue does not know its archive: doctor --rebuild" if lost else ""
        return self._leave(photo_id, "stand-in", detail, stands_for=digest)

    def retire(self, row: PhotoRow, proof: Proof, stand_in: bytes | None) -> None:
        """COMMITTED -> RETIRED: the stand-in takes the original's place, and the grace begins."""
        digest = None if stand_in is None else sha256_of_bytes(stand_in)
        self._catalog.retiring(row.id, digest, len(stand_in or b""))
        done = self._vault.retire(row.location, proof, stand_in)
        if done.differences:
            _log.info("%s: the stand-in could not be given: %s", self._gallery.shown(row.location), ", ".join(done.differences))
        purge_after_at = int(self._clock.now().timestamp()) + self._gallery.grace_s
        self._catalog.retired(row.id, purge_after_at=purge_after_at, stand_in_fingerprint=done.stand_in_fingerprint)

    def _shared(self, row: PhotoRow, copy: Snapshot, original: str) -> PhotoRow | Outcome:
        """A copy of ours that came back under another name shares its original's archive; the row, as that of a restored copy.

        Without that archive in this gallery it is left: coding it again would lose quality a second time.
        """
        known = self._catalog.by_digest(original, self._gallery.key)
        source = next((each for each in known if each.has_archive and each.id != row.id), None)
        if source is None or row.has_archive or not self._vault.archive_path(original).exists():
            return self._leave(row.id, "restored-copy")
        return self._catalog.shared_archive(row.id, source.id, copy.sha256)

    def _tagged_copy(self, row: PhotoRow, found: Snapshot) -> PhotoRow | None:
        """The row of the copy that we restored, where somebody gave it other labels since, and nothing else: its archive has the picture
        as it was coded first, and coding the copy would lose quality a second time."""
        known = (row, *self._catalog.superseded(self._gallery.key, row.path))
        source = next((each for each in known if each.has_archive and each.copy_sha256 is not None), None)
        if source is None or not self._vault.archive_path(source.sha256 or "").exists():
            return None
        answer = self._codec.restore(RestoreJob(self._vault.archive_path(source.sha256 or "")))
        if isinstance(answer, Refused) or answer.archive_sha256 != source.archive_sha256:
            return None
        return source if has_picture_of(found.data, answer.data) else None

    def _put_away(self, row: PhotoRow, copy: Snapshot) -> Outcome:
        """A copy that we restored gives its place back to a stand-in: its archive still exists, and coding the copy would lose twice."""
        if not self._gallery.wants_stand_ins:
            return self._leave(row.id, "restored-copy")
        answer = self._codec.restore(RestoreJob(self._vault.archive_path(row.sha256 or "")))
        if isinstance(answer, Refused) or answer.archive_sha256 != row.archive_sha256:
            return self._leave(row.id, "restored-copy", "its archive is damaged, so the copy stays")
        stand_in = self._codec.stand_in(StandInJob(copy.data, row.sha256 or "", self._share, self._vault.id, row.relabelled_at is not None))
        if isinstance(stand_in, Refused):
            return self._leave(row.id, stand_in.reason, stand_in.detail)
        self._catalog.digested(row.id, copy.sha256, copy.fingerprint)
        self._catalog.retiring(row.id, sha256_of_bytes(stand_in.data), len(stand_in.data))
        fingerprint = self._vault.replace_stand_in(row.location, stand_in.data, copy.sha256, mark=row.sha256)
        self._catalog.put_away(row.id, stand_in_fingerprint=fingerprint)
        return Outcome(Kind.ARCHIVED, original_bytes=row.size_bytes, stand_in_bytes=len(stand_in.data))

    def _existing(self, row: PhotoRow, snapshot: Snapshot, level: Level) -> _Archived | Refused | None:
        """The vault's archive of these very bytes, proven anew: after a crash, a restore, or for a twin. None without a good one.

        One that does not reach the level wanted now is discarded, unless other photos need it: the original is in place. Where it may be
        needed by stand-ins that no row accounts for, it stays until a better one takes its name.
        """
        path = row.location
        place = self._vault.archive_path(snapshot.sha256)
        if not place.exists():
            return None
        proven = prove(self._codec, self._clock, place, snapshot, level)
        in_use = any(each.has_archive and each.id != row.id for each in self._catalog.by_digest(snapshot.sha256, self._gallery.key))
        if isinstance(proven, Refused):
            if in_use:
                return Refused("archive-in-use", proven.detail)
            _log.info("%s: its archive is made anew (%s)", self._gallery.shown(path), proven.detail)
            if self._is_for_it_alone(row, snapshot.sha256):
                self._catalog.disowned(row.id)
                self._vault.discard_archive(snapshot.sha256, path)
            return None
        stand_in = None
        if self._gallery.wants_stand_ins:
            made = self._codec.stand_in(StandInJob(snapshot.data, snapshot.sha256, self._share, self._vault.id))
            if isinstance(made, Refused):
                return made
            stand_in = made.data
        return _Archived(proven, stand_in, counted=in_use or row.retired_at is not None)

    def _is_for_it_alone(self, row: PhotoRow, sha256: str) -> bool:
        """Whether nothing but this photo needs its archive. One that its row does not know is of a catalogue that was lost, or of another
        set-up's: its stand-ins may be anywhere. So may those that their user copied."""
        known = row.has_archive and row.sha256 == sha256
        return known and all(digest != sha256 for digest, *_ in self._catalog.standing_in(()))

    def _encode(self, path: Path, snapshot: Snapshot, level: Level) -> _Archived | Refused:
        """Encode, stage, have it proven by the other process, and give the archive its name."""
        made = self._codec.encode(encode_job(self._gallery, path, snapshot, level))
        if isinstance(made, Refused):
            return made
        data = made.repacked or made.archive
        staged = self._vault.stage_archive(data)
        try:
            proven = prove(self._codec, self._clock, staged, snapshot, level)
            if not isinstance(proven, Refused) and proven.proof.archive_sha256 != sha256_of_bytes(data):
                proven = Refused("proof-failed", "the archive came back from the disk with other bytes")
            if not Fingerprint.of(path).unchanged_since(snapshot.fingerprint):
                raise storage_errors.Changed("the photo changed while it was encoded")
        except Exception:  # not for an interrupt: then every moment counts, and recovery clears away what is staged
            self._vault.clear_staging()
            raise
        if isinstance(proven, Refused):
            self._vault.clear_staging()
            return proven
        proven = replace(proven, choice=made.choice, why=made.why)
        if made.repacked:
            self._vault.drop_staged(staged)  # it takes the original's place, and is written there with the original's attributes
            return _Archived(proven, made.repacked)
        if self._vault.archive_path(snapshot.sha256).exists():
            self._vault.replace_archive(staged, snapshot.sha256, path)
        else:
            self._vault.commit_archive(staged, snapshot.sha256)
        return _Archived(proven, made.stand_in if self._gallery.wants_stand_ins else None)

    @property
    def _share(self) -> float:
        """Of a photo's bytes that its stand-in may have; where no saving is asked for, size is no reason to leave it."""
        return math.inf if math.isinf(self._gallery.limits.min_saving) else STAND_IN_SHARE

    def _leave(self, photo_id: int, reason: str, detail: str = "", *, stands_for: str | None = None) -> Outcome:
        self._catalog.left(photo_id, reason, detail, stands_for=stands_for)
        return Outcome(Kind.LEFT, reason, detail)

    def _fail(self, photo_id: int, reason: str, detail: str) -> Outcome:
        self._catalog.failed(photo_id, reason, detail, passing=reason in _PASSING)
        return Outcome(Kind.FAILED, reason, detail)


def encode_job(gallery: Gallery, path: Path, snapshot: Snapshot, level: Level) -> EncodeJob:
    """What the encoding process is asked, by a run and by a dry run alike."""
    return EncodeJob(
        original=snapshot.data,
        sha256=snapshot.sha256,
        name=gallery.relative(path).rpartition(b"/")[2],
        mtime_ns=snapshot.fingerprint.mtime_ns,
        mode=snapshot.fingerprint.mode & 0o7777,
        level=level.name,
        min_saving=gallery.limits.min_saving,
        min_saving_lossless=gallery.limits.min_saving_lossless,
        stand_in=gallery.wants_stand_ins,
        worn=wear_of(path),
        repack=True,
        vault=gallery.vault.id,
    )


def verdict(error: storage_errors.StorageError | WorkerError) -> tuple[Kind, str]:
    """What an error means for its photo: how the step ended, and the reason's slug."""
    match error:
        case storage_errors.Changed():
            return Kind.AGAIN, "changed"
        case storage_errors.Missing():
            return Kind.LEFT, "gone"
        case storage_errors.NoSpace():
            return Kind.FAILED, "no-space"
        case storage_errors.ReadOnly():
            return Kind.FAILED, "not-permitted"
        case storage_errors.Refused():
            return Kind.LEFT, "not-safe"
        case WorkerError():  # not the photo's fault for sure: the kernel takes a worker first when others use up the memory
            return Kind.FAILED, error.reason
        case _:
            return Kind.FAILED, "disk-error"
