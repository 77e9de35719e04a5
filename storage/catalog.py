"""The SQLite catalogue: one method per move, one transaction each; the queue is a table.

Order rule of its users: intent in the catalogue, act, result in the catalogue. ``digested``, ``retiring`` and ``restoring`` record
intents. The schema (docs/storage.md) is public: anybody may query it. What can be asked is in ``ledger``.
"""

from collections.abc import Mapping

from storage import states
from storage.admission import MAX_ATTEMPTS, QUEUES, Admission, Standing, judge
from storage.errors import Refused
from storage.fingerprint import Fingerprint
from storage.ledger import Ledger
from storage.proof import Proof
from storage.records import PhotoRow
from storage.rows import COLUMNS, NO_ARCHIVE, OF_AN_ARCHIVE, proof_columns, to_columns
from storage.states import State


class Catalog(Ledger):
    """The ledger with its moves, in the order of a photo's life.

    A move that the table in ``states`` does not know raises Refused, an unknown id Missing, and both leave the row as it was.
    """

    def enqueue(
        self,
        gallery: bytes,
        path: bytes,
        fingerprint: Fingerprint,
        *,
        sha256: str | None = None,
        rules: str = "",
        by_name: bool = False,
        stands_for: str | None = None,
    ) -> Admission:
        """A settled, eligible file was seen. Idempotent: what is known and unchanged is not queued again.

        `gallery` is the root's absolute path, `path` relative to it. `sha256` of the bytes there now may be None; it is needed
        (else Refused) where the photo has an archive and ``PhotoRow.is_current(fingerprint)`` is False. `rules` is a digest of the
        settings that decide (LEFT and FAILED photos are tried again under others), `by_name` says that the user named the photo:
        then pins and earlier reasons do not hold. `stands_for`: digest of the original that the file says it stands for.
        """
        now = self._now()
        with self._transaction():
            row = self._current(gallery, path)
            standing = judge(row, fingerprint, sha256, rules=rules, by_name=by_name, now=now)
            seen = {**to_columns(fingerprint), "rules": rules, "stands_for": stands_for}
            queued = {**seen, "state": State.QUEUED, "queued_at": now, "reason": None, "detail": None}
            anew = {**queued, "sha256": sha256, "size_bytes": fingerprint.size_bytes}
            if row is None:
                photo_id = self._insert({**anew, "gallery": gallery, "path": path})
            else:
                photo_id = row.id
                if standing in QUEUES and standing is not Standing.SUPERSEDES:
                    states.check(row.state, State.QUEUED)
                match standing:
                    case Standing.CHANGED:
                        self._update(photo_id, {**NO_ARCHIVE, **anew, "attempts": 0})
                    case Standing.AGAIN:
                        self._update(photo_id, {**queued, "attempts": 0 if row.state is not State.FAILED or by_name else row.attempts})
                    case Standing.RETURNED:
                        self._update(photo_id, {**queued, "returns": row.returns + 1, "attempts": 0})
                    case Standing.SUPERSEDES:
                        states.check(None, State.QUEUED)
                        self._update(photo_id, {"superseded_at": now})
                        photo_id = self._insert({**anew, "gallery": gallery, "path": path})
                    case _ if row.state is State.QUEUED:
                        known = row.sha256 if row.is_current(fingerprint) or row.has_archive else None
                        self._update(photo_id, {**seen, "sha256": sha256 or known})
                    case _ if row.state in (State.RETIRED, State.PURGED):
                        if sha256 is not None and sha256 == row.stand_in_sha256:
                            self._update(photo_id, to_columns(fingerprint, "stand_in_"))
                    case _ if row.state in (State.RESTORED, State.LEFT, State.FAILED):
                        self._update(photo_id, to_columns(fingerprint))
            return Admission(self._row(photo_id), standing)

    def adopt(
        self,
        gallery: bytes,
        path: bytes,
        *,
        sha256: str,
        size_bytes: int,
        fingerprint: Fingerprint,
        archive: Mapping[str, object],
        stand_in_sha256: str | None,
        stand_in_fingerprint: Fingerprint | None,
        proof: Proof | None,
        purge_after_at: int | None,
        asked: bool = False,
    ) -> PhotoRow:
        """A row for what was found without one: PURGED, or, with `purge_after_at`, RETIRED. Refused where the path has a photo already.

        `fingerprint`: of the original, as far as the archive tells. `archive`: columns of the archive (archive_name, lane, ...). `asked`:
        somebody waits for the photo, however often it takes to restore it. Without a proof nothing is ever purged.
        """
        state = State.PURGED if purge_after_at is None else State.RETIRED
        now = self._now()
        with self._transaction():
            states.check(None, state)
            self._make_room(gallery, path)
            values = {**to_columns(fingerprint), **archive, **to_columns(stand_in_fingerprint, "stand_in_"), **proof_columns(proof)}
            values |= {"gallery": gallery, "path": path, "state": state, "sha256": sha256, "size_bytes": size_bytes}
            values |= {"stand_in_sha256": stand_in_sha256, "queued_at": now, "encoded_at": now, "retired_at": now}
            values |= {"purge_after_at": purge_after_at, "purged_at": now if purge_after_at is None else None}
            values |= {"asked_at": now if asked else None}
            return self._row(self._insert(values))

    def claim(self, photo_id: int | None = None) -> PhotoRow | None:
        """QUEUED -> ENCODING for the oldest photo of the queue, or for `photo_id`; None if there is none (left)."""
        with self._transaction():
            found = self._connection.execute(
                "SELECT id FROM photos WHERE state = ?1 AND superseded_at IS NULL AND (?2 IS NULL OR id = ?2) "
                "ORDER BY queued_at, id LIMIT 1",
                (State.QUEUED, photo_id),
            ).fetchone()
            if found is None:
                return None
            row = self._row(found[0])
            return self._move(row.id, State.ENCODING, {"attempts": row.attempts + 1})

    def digested(self, photo_id: int, sha256: str, fingerprint: Fingerprint) -> PhotoRow:
        """Intent, no move: the ENCODING photo was read once, and this is what it holds.

        An archive that the row knew of other bytes goes to a superseded row: it is of an earlier version. The copy that we restored is no
        new photo: then nothing changes, and the row's archive is still the one to use (see `put_away`).
        """
        with self._transaction():
            row = self._row(photo_id)
            if row.state is not State.ENCODING:
                raise Refused(f"photo {photo_id} is {row.state}, not encoding")
            values = to_columns(fingerprint)
            if sha256 != row.copy_sha256:
                other = row.has_archive and row.sha256 != sha256
                forgotten = NO_ARCHIVE if other else {}
                if other:
                    self._set_apart(row)
                values = {**forgotten, **values, "sha256": sha256, "size_bytes": fingerprint.size_bytes}
            self._update(photo_id, values)
            return self._row(photo_id)

    def _set_apart(self, row: PhotoRow) -> None:
        """In a transaction: a superseded row with all that this one says of its archive."""
        names = ", ".join(f'"{name}"' for name in COLUMNS if name not in ("id", "state", "superseded_at"))
        self._connection.execute(
            f"INSERT INTO photos ({names}, state, superseded_at) SELECT {names}, ?, ? FROM photos WHERE id = ?",
            (State.RESTORED, self._now(), row.id),
        )

    def let_go(self, photo_id: int) -> None:
        """The archive of a superseded row is thrown away, or needed by others alone, and the row with it. Refused where it may not go."""
        with self._transaction():
            if not self._row(photo_id).may_go:
                raise Refused(f"photo {photo_id} is no earlier version that may go")
            self._connection.execute("DELETE FROM photos WHERE id = ?", (photo_id,))

    def disowned(self, photo_id: int) -> PhotoRow:
        """Intent, no move: the archive of the ENCODING photo is about to be discarded, while its original is in place."""
        with self._transaction():
            row = self._row(photo_id)
            if row.state is not State.ENCODING:
                raise Refused(f"photo {photo_id} is {row.state}, not encoding")
            self._update(photo_id, NO_ARCHIVE)
            return self._row(photo_id)

    def committed(
        self,
        photo_id: int,
        *,
        proof: Proof,
        archive_name: str | None,
        lane: str,
        choice: tuple[str, str] | None = None,
        importance: str | None = None,
        copy_bytes: int | None = None,
    ) -> PhotoRow:
        """ENCODING -> COMMITTED: the archive `archive_name` (relative to the vault) is there, and `proof` holds for it.

        `archive_name` None: there is none, the proof is about the photo packed anew, which is about to take the original's place.
        `choice`: slug and sentence, why this lane. `importance`: for people, why its level is better than its gallery's. `copy_bytes`: size
        of the copy that a restore will give. Every other photo of those bytes has this archive too, whichever it had before. Refused if the
        proof is not about the bytes that ``digested`` recorded.
        """
        with self._transaction():
            row = self._row(photo_id)
            if row.sha256 is not None and row.sha256 != proof.original_sha256:
                raise Refused(f"the proof is about other bytes than photo {photo_id} holds")
            values = {
                "sha256": proof.original_sha256,
                "archive_name": archive_name,
                "archive_sha256": None if archive_name is None else proof.archive_sha256,
                "archive_bytes": None if archive_name is None else proof.archive_bytes,
                "lane": lane,
                "choice": choice[0] if choice else None,
                "choice_why": choice[1] if choice else None,
                "importance": importance,
                "copy_bytes": None if archive_name is None else copy_bytes,
                **proof_columns(proof),
                "encoded_at": self._now(),
                "reason": None,
                "detail": None,
            }
            if archive_name is None:
                values |= {"stand_in_sha256": proof.archive_sha256, "stand_in_bytes": proof.archive_bytes}
            self._connection.execute(
                "UPDATE inspections SET damage = '', original_damage = '' WHERE gallery = ? AND sha256 = ?",
                (row.gallery, proof.original_sha256),
            )
            done = self._move(photo_id, State.COMMITTED, values)
            self._hand_on(photo_id)
            return done

    def _hand_on(self, photo_id: int) -> None:
        """In a transaction: what the row says of an archive that was made anew holds of every photo of its gallery with the same bytes."""
        names = ", ".join(OF_AN_ARCHIVE)
        self._connection.execute(
            f"UPDATE photos SET ({names}) = (SELECT {names} FROM photos WHERE id = ?1), "
            "copy_bytes = CASE WHEN relabelled_at IS NULL THEN (SELECT copy_bytes FROM photos WHERE id = ?1) END "
            "WHERE id <> ?1 AND (gallery, sha256) = (SELECT gallery, sha256 FROM photos WHERE id = ?1) "
            "AND archive_sha256 <> (SELECT archive_sha256 FROM photos WHERE id = ?1) AND state NOT IN ('encoding', 'committed')",
            (photo_id,),
        )

    def retiring(self, photo_id: int, stand_in_sha256: str | None, stand_in_bytes: int) -> PhotoRow:
        """Intent, no move: before the exchange, so that recovery can tell our stand-in from somebody's file. Also before `put_away`.

        `stand_in_sha256` None: the gallery wants no stand-ins.
        """
        with self._transaction():
            row = self._row(photo_id)
            if row.state is not State.COMMITTED and not (row.state is State.ENCODING and row.copy_sha256):
                raise Refused(f"photo {photo_id} is {row.state}, not committed")
            self._update(photo_id, {"stand_in_sha256": stand_in_sha256, "stand_in_bytes": stand_in_bytes})
            return self._row(photo_id)

    def retired(self, photo_id: int, *, purge_after_at: int, stand_in_fingerprint: Fingerprint | None) -> PhotoRow:
        """COMMITTED -> RETIRED: the original is set aside, the stand-in (if any) in place. `purge_after_at`: end of the grace."""
        values = {
            **to_columns(stand_in_fingerprint, "stand_in_"),
            "retired_at": self._now(),
            "purge_after_at": purge_after_at,
            "copy_sha256": None,
            "kept_since_at": None,
        }
        with self._transaction():
            if stand_in_fingerprint is None:
                values["stand_in_bytes"] = 0
            return self._move(photo_id, State.RETIRED, values)

    def put_away(self, photo_id: int, *, stand_in_fingerprint: Fingerprint) -> PhotoRow:
        """ENCODING -> PURGED: the photo is still the copy that we restored, and a stand-in has its place again.

        Encoding that copy would lose quality a second time; the archive of the original is still there. Refused where no copy was
        restored.
        """
        with self._transaction():
            if self._row(photo_id).copy_sha256 is None:
                raise Refused(f"photo {photo_id} is not a restored copy")
            values = {**to_columns(stand_in_fingerprint, "stand_in_"), "purged_at": self._now(), "copy_sha256": None}
            return self._move(photo_id, State.PURGED, values)

    def purged(self, photo_id: int) -> PhotoRow:
        """RETIRED -> PURGED: the set-aside original is gone; only now do its bytes count as saved."""
        with self._transaction():
            if self._row(photo_id).state is State.ENCODING:
                raise Refused(f"photo {photo_id} is encoding: `put_away` is for restored copies")
            return self._move(photo_id, State.PURGED, {"purged_at": self._now()})

    def restoring(self, photo_id: int, copy_sha256: str | None, bound_for: bytes | None = None) -> PhotoRow:
        """Intent, no move: before these bytes go in place of a RETIRED or PURGED photo's stand-in; None takes it back.

        `bound_for`: another path than the photo's own, where its stand-in was edited or renamed; Refused where that path has a photo
        with an archive.
        """
        with self._transaction():
            row = self._row(photo_id)
            if row.state not in (State.RETIRED, State.PURGED):
                raise Refused(f"photo {photo_id} is {row.state}, neither retired nor purged")
            if bound_for is not None:
                self._check_room(row.gallery, bound_for)
            self._update(photo_id, {"copy_sha256": copy_sha256, "bound_for": bound_for if copy_sha256 else None})
            return self._row(photo_id)

    def restored(
        self, photo_id: int, *, pinned_until_at: int, fingerprint: Fingerprint, copy_sha256: str | None = None, kept: bool = False
    ) -> PhotoRow:
        """RETIRED or PURGED -> RESTORED, in place, or at the path that `restoring` named: then the row is that path's from now on.

        `copy_sha256` of a copy rebuilt from the archive, or of the original with other labels; None: the original itself. `kept`: the
        original is still set aside.
        """
        values: dict[str, object] = {
            **to_columns(fingerprint),
            "restored_at": self._now(),
            "pinned_until_at": pinned_until_at,
            "copy_sha256": copy_sha256,
            "missed_at": None,
            "asked_at": None,
        }
        if kept:
            values["kept_since_at"] = self._now()
        with self._transaction():
            row = self._row(photo_id)
            if row.state is State.LEFT:
                raise Refused(f"photo {photo_id} is left: `brought_back` is for such photos")
            if row.bound_for is not None:
                self._make_room(row.gallery, row.bound_for)
                values |= {"path": row.bound_for, "came_from": row.path, "bound_for": None}
            if copy_sha256 is not None and row.sha256 is not None:
                self.noted_copy(copy_sha256, row.sha256)
            return self._move(photo_id, State.RESTORED, values)

    def moved(self, photo_id: int, path: bytes, fingerprint: Fingerprint | None) -> PhotoRow:
        """No move of its state: its user gave the photo, or its stand-in, this path, where a file with `fingerprint` is now; None: the same
        file by another spelling. Refused where it is RETIRED (its set-aside original is named after the old path) or in work, or the path
        has an archived photo.
        """
        with self._transaction():
            row = self._row(photo_id)
            if row.state in (State.ENCODING, State.COMMITTED, State.RETIRED) or row.bound_for is not None:
                raise Refused(f"photo {photo_id} is {row.state} and keeps its path")
            self._make_room(row.gallery, path)
            if fingerprint is None:
                self._update(photo_id, {"path": path})
                return self._row(photo_id)
            seen = to_columns(fingerprint, "stand_in_") if row.state is State.PURGED else to_columns(fingerprint)
            self._update(photo_id, {**seen, "path": path, "came_from": row.path if row.has_archive else None, "missed_at": None})
            return self._row(photo_id)

    def _make_room(self, gallery: bytes, path: bytes) -> None:
        """The row of the stand-in, or of the mere sighting, that stands at `path` gives way."""
        taken = self._check_room(gallery, path)
        if taken is not None:
            self._connection.execute("DELETE FROM photos WHERE id = ?", (taken.id,))

    def _check_room(self, gallery: bytes, path: bytes) -> PhotoRow | None:
        """The row that gives way where a photo comes to `path`, if there is one; Refused if that one has an archive of its own."""
        taken = self._current(gallery, path)
        if taken is not None and (taken.has_archive or taken.state not in (State.LEFT, State.QUEUED, State.FAILED)):
            raise Refused(f"photo {taken.id} has that path already")
        return taken

    def thrown_away(self, photo_id: int, detail: str) -> PhotoRow:
        """PURGED or RESTORED -> LEFT: the user deleted it, and the catalogue forgets its archive. RETIRED likewise, where it was packed
        anew; what is LEFT stays so. Refused where it was never missed."""
        with self._transaction():
            row = self._row(photo_id)
            ended = row.state in (State.PURGED, State.RESTORED, State.LEFT) or (row.state is State.RETIRED and row.replaced)
            if row.missed_at is None or not ended:
                raise Refused(f"photo {photo_id} is not in the trash")
            gone = {**NO_ARCHIVE, "reason": "gone", "detail": detail}
            if row.state is State.LEFT:
                self._update(photo_id, gone)
                return self._row(photo_id)
            return self._move(photo_id, State.LEFT, gone)

    def left(self, photo_id: int, reason: str, detail: str = "", *, stands_for: str | None = None) -> PhotoRow:
        """-> LEFT: untouched. `reason` is a slug of the documented list, `detail` the same for people; `stands_for` as in `enqueue`."""
        told = {"stands_for": stands_for} if stands_for is not None or reason == "gone" else {}
        with self._transaction():
            return self._move(photo_id, State.LEFT, {"reason": reason, "detail": detail, **told})

    def failed(self, photo_id: int, reason: str, detail: str = "", *, passing: bool = False) -> PhotoRow:
        """-> FAILED: an error. The next sighting queues it again; the ``admission.MAX_ATTEMPTS``-th time, it is LEFT.

        `passing`: the cause is not the photo (a full disk, a permission), so this time does not count.
        """
        with self._transaction():
            row = self._move(photo_id, State.FAILED, {"reason": reason, "detail": detail})
            if passing:
                self._update(photo_id, {"attempts": max(0, row.attempts - 1)})
            elif row.attempts >= MAX_ATTEMPTS:
                return self._move(photo_id, State.LEFT, {})
            return self._row(photo_id)

    def released(self, photo_id: int, *, at_once: bool) -> None:
        """ENCODING -> QUEUED, or not `at_once`, by recovery: we were told to stop. It keeps its turn, and this try does not count."""
        with self._transaction():
            row = self._row(photo_id)
            if row.state is State.ENCODING:
                self._update(photo_id, {"state": State.QUEUED if at_once else row.state, "attempts": max(0, row.attempts - 1)})

    def requeue(self, photo_id: int) -> PhotoRow:
        """-> QUEUED, at the end of the queue: a crash, a stop, or a photo that changed under our hands."""
        with self._transaction():
            return self._move(photo_id, State.QUEUED, {"queued_at": self._now(), "reason": None, "detail": None})
