"""Where a gallery's archives and set-aside originals live: ``.gallery-optimizer/`` in the gallery's root.

    .gallery-optimizer/          mode 0700, with README .nomedia lock
      archives/ab/<sha256 of the original>.nphoto
      originals/<sha256 of the original>-<16 hex of the path's digest>.original
      models/<name>              weight files that the archives name
      staging/                   temp files; whatever is here after a crash is expendable

A path gets its own set-aside original, even where two paths hold the same bytes, since each has its own dates and attributes; the
archive is shared. All paths given to a Vault are absolute and inside the gallery.

Nothing of a photo ever lies under a temp name: the stand-in first gets the name of the set-aside original, then both names change
places in one step.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from storage import durable
from storage.attributes import RIGHTS, Attributes
from storage.digest import opened, sha256_of, sha256_of_bytes, sha256_of_open, sha256_or_none
from storage.errors import AlreadyThere, Changed, Damaged, Missing, NoSpace, Refused, StorageError, shown, translated
from storage.fingerprint import Fingerprint
from storage.lease import Lease, lease_on
from storage.originals import Originals
from storage.proof import Proof
from storage.survey import AtPath, Holding, Survey


@dataclass(frozen=True, slots=True)
class Retired:
    """What retiring did."""

    aside: Path
    """The original, in the vault."""
    stand_in_sha256: str | None
    stand_in_bytes: int
    stand_in_fingerprint: Fingerprint | None
    differences: tuple[str, ...]
    """Attributes of the original that the stand-in could not be given, e.g. ('owner',)."""


class Vault(Originals):
    """One gallery's vault, with the moves that let photos and stand-ins change places."""

    def retire(self, path: Path, proof: Proof, stand_in: bytes | None, attributes: Attributes | None = None) -> Retired:
        """Exchange the original and the stand-in (None: move the original aside); `attributes` default to the original's own.

        A `stand_in` that is itself what the proof is about is the photo packed anew: then no archive is looked for, and Refused too where
        it could not be given every attribute of the original.

        Raises Refused (symbolic link, several hard links, not in this gallery), Damaged (the archive is not the proven one), Changed
        (not the proven original, somebody wrote meanwhile, or has it open for writing), AlreadyThere (another version of this photo
        waits where it would be set aside), Missing. After any of them the original is in place, or, where even that failed, set
        aside: `survey` tells, and recovery goes on from there as after a crash.
        """
        aside = self.aside_path(path, proof.original_sha256)
        stand_in_sha256 = None if stand_in is None else sha256_of_bytes(stand_in)
        replaces = stand_in_sha256 == proof.archive_sha256
        if not replaces:
            self._check_archive(proof)
        if stand_in_sha256 == proof.original_sha256:
            raise Refused(f"the stand-in of {shown(path)} is the original itself")
        with opened(path) as original, lease_on(original, shown(path)) as lease, translated(path):
            if sha256_of_open(original) != proof.original_sha256:
                raise Changed(f"{shown(path)} is not the photo that was archived any more")
            self._make_room(aside, (proof.original_sha256, stand_in_sha256))
            if Fingerprint.of_open(original).links != 1:
                raise Refused(f"{shown(path)} has more than one hard link")
            mark = None if replaces else proof.original_sha256
            attributes = replace(attributes or Attributes.of(original), mark=mark)
            placed: Fingerprint | None = None
            differences: tuple[str, ...] = ()
            try:
                if stand_in is None:
                    durable.commit(path, aside)
                elif self.exchange_works:
                    durable.write_new(aside, stand_in, attributes, staging=self._staging)
                    with opened(aside) as ours:
                        _check_worn(ours, attributes, path, replaces)
                        durable.exchange(aside, path)
                        placed, differences = _placed(ours, stand_in_sha256), attributes.differences(Attributes.of(ours))
                else:
                    staged = self._copy_aside(path, aside, stand_in, attributes, proof.original_sha256, original)
                    with opened(staged) as ours:
                        _check_worn(ours, attributes, path, replaces)
                        durable.replace(staged, path)
                        placed, differences = _placed(ours, stand_in_sha256), attributes.differences(Attributes.of(ours))
                self._confirm(aside, proof.original_sha256, lease, path)
            except Exception:
                with suppress(StorageError):
                    self._undo_retire(path, aside, proof.original_sha256, stand_in_sha256)
                raise
        return Retired(aside, stand_in_sha256, len(stand_in or b""), placed, differences)

    def put_back(
        self, path: Path, sha256: str, stand_in_sha256: str | None, *, as_it_is: bool = False, taken_from: Path | None = None
    ) -> Fingerprint:
        """The set-aside original goes back in place, over our own unchanged stand-in or where nothing is.

        `taken_from`: where it stood when it was set aside, if that was not `path`.
        Where the original is in place already, a second copy in the vault is removed. `as_it_is` takes a late writer's version too.
        Raises Missing (none set aside, or the folder is gone), Damaged (it is not the original), Changed (somebody's file is in
        place; nothing was touched).
        """
        aside = self.aside_path(taken_from or path, sha256)
        held, placed = sha256_or_none(aside), self._digest_at(path)
        if placed == sha256 and held in (sha256, stand_in_sha256, None):
            if held is not None:
                durable.remove(aside)
            return Fingerprint.of(path)
        if held is None or held == stand_in_sha256:
            raise Missing(f"the original of {shown(path)} is not set aside any more")
        if held != sha256 and not as_it_is:
            raise Damaged(f"{shown(aside)} is not the original of {shown(path)}: somebody wrote to it")
        if placed is None and not os.path.lexists(path):
            durable.commit(aside, path)
        elif placed is not None and placed == stand_in_sha256:
            self._swap(aside, path, stand_in_sha256)
        else:
            raise Changed(f"{shown(path)} is not our stand-in any more")
        return Fingerprint.of(path)

    def replace_stand_in(
        self,
        path: Path,
        data: bytes,
        stand_in_sha256: str | None,
        attributes: Attributes | None = None,
        *,
        mark: str | None = None,
    ) -> Fingerprint:
        """A rebuilt copy goes in place over our own unchanged stand-in (or where nothing is), with `attributes`, or the stand-in's.

        The other way round too: `stand_in_sha256` may be the digest of a copy that we restored, and `data` its stand-in, which then
        gets the `mark` (digest of the original).
        Raises Changed (not our stand-in; nothing was touched), Missing (its folder is gone).
        """
        swap = self.swap_path(path)
        placed = self._digest_at(path)
        if placed is None and not os.path.lexists(path):
            durable.write_new(path, data, attributes, staging=self._staging)
            return Fingerprint.of(path)
        if placed is None or placed != stand_in_sha256:
            raise Changed(f"{shown(path)} is not our stand-in any more")
        self._make_room(swap, (sha256_of_bytes(data), stand_in_sha256))
        attributes = replace(attributes or Attributes.of(path), mark=mark)
        try:
            durable.write_new(swap, data, attributes, staging=self._staging)
            self._swap(swap, path, stand_in_sha256)
        except Exception:
            with suppress(StorageError):
                self.drop_swap(path, stand_in_sha256)
            raise
        return Fingerprint.of(path)

    # Recovery.

    def survey(
        self,
        path: Path,
        *,
        sha256: str | None,
        archive_sha256: str | None = None,
        stand_in_sha256: str | None = None,
        copy_sha256: str | None = None,
        taken_from: Path | None = None,
    ) -> Survey:
        """Facts about one photo. `archive_sha256` None: any archive of that original counts as INTACT, and its digest is told.

        `taken_from` as in `put_back`.
        """
        placed = self._digest_at(path)
        archive = aside = None
        if sha256 is not None:
            archive = sha256_or_none(self.archive_path(sha256))
            aside = sha256_or_none(self.aside_path(taken_from or path, sha256))
        return Survey(
            at_path=AtPath.of(placed, os.path.lexists(path), sha256, stand_in_sha256, copy_sha256),
            at_path_sha256=placed,
            at_path_fingerprint=None if placed is None else Fingerprint.of(path),
            archive=Holding.of(archive, archive_sha256 or archive, None),
            archive_sha256=archive,
            aside=Holding.of(aside, sha256, stand_in_sha256),
            swap=Holding.of(sha256_or_none(self.swap_path(path)), None, stand_in_sha256),
        )

    def drop_aside_stand_in(self, path: Path, sha256: str, stand_in_sha256: str) -> None:
        """Remove our own stand-in where a set-aside original would be (``Holding.STAND_IN``). Refused for anything else."""
        aside = self.aside_path(path, sha256)
        if stand_in_sha256 == sha256 or sha256_or_none(aside) != stand_in_sha256:
            raise Refused(f"{shown(aside)} is not our stand-in")
        durable.remove(aside)

    def drop_swap(self, path: Path, stand_in_sha256: str | None) -> None:
        """Remove what a killed `replace_stand_in` left: the stand-in, or the copy while the stand-in or the same copy is in place.

        Refused where it could be somebody's file.
        """
        swap = self.swap_path(path)
        held, placed = sha256_or_none(swap), self._digest_at(path)
        if held is None:
            return
        if held != placed and (stand_in_sha256 is None or stand_in_sha256 not in (held, placed)):
            raise Refused(f"{shown(swap)} is kept: it may be somebody's edit of {shown(path)}")
        durable.remove(swap)

    def return_edit(self, slot: Path, path: Path, ours: str) -> None:
        """Undo a killed exchange that took somebody's edit into `slot`; `ours`: digest of what is in place. Raises Changed."""
        durable.exchange(slot, path)
        if sha256_or_none(slot) != ours:
            durable.exchange(slot, path)
            raise Changed(f"{shown(path)} was replaced in that very moment")

    # Steps.

    @cached_property
    def exchange_works(self) -> bool:
        """Whether this mount exchanges two names in one step; tried once. Raises NoSpace where there is no room to try it."""
        return durable.can_exchange(self._staging)

    def _make_room(self, slot: Path, expendable: tuple[str | None, ...]) -> None:
        """Free a name of ours that a killed run may have left taken, if what it holds exists elsewhere."""
        held = sha256_or_none(slot)
        if held is None:
            return
        if held not in expendable:
            raise AlreadyThere(f"{shown(slot)} holds another version of this photo")
        durable.remove(slot)

    def _copy_aside(self, path: Path, aside: Path, stand_in: bytes, attributes: Attributes, sha256: str, original: int) -> Path:
        """Where names can't be exchanged: copy, fsync, check the copy; gives the staged stand-in, to be renamed over the original.

        A write between the last look and the rename can be lost here; the lease, where there is one, closes that gap.
        """
        before = Fingerprint.of_open(original)
        durable.copy_new(path, aside, sha256)
        staged = durable.stage(self._staging, stand_in, attributes)
        if not Fingerprint.of(path).unchanged_since(before):
            durable.remove(staged)
            durable.remove(aside)  # a copy of what was; the photo itself was not taken away
            raise Changed(f"{shown(path)} was written to while it was set aside")
        return staged

    def _confirm(self, aside: Path, sha256: str, lease: Lease, path: Path) -> None:
        if sha256_of(aside) != sha256 or lease.broken():
            raise Changed(f"{shown(path)} was written to while it was retired")

    def _undo_retire(self, path: Path, aside: Path, sha256: str, stand_in_sha256: str | None) -> None:
        held, placed = sha256_or_none(aside), self._digest_at(path)
        if held is None:
            return
        if held == stand_in_sha256 or (held == sha256 and placed == sha256):
            durable.remove(aside)
        elif placed == stand_in_sha256:  # both None: nothing is in place
            self.put_back(path, sha256, stand_in_sha256, as_it_is=True)

    def _swap(self, slot: Path, path: Path, stand_in_sha256: str) -> None:
        """What is in `slot` takes the place of our stand-in, which is removed; whoever else was there by now goes back."""
        try:
            exchanges = self.exchange_works
        except NoSpace:
            exchanges = False
        if exchanges:
            self.return_edit(slot, path, stand_in_sha256)
            durable.remove(slot)
        else:
            self._swap_by_copy(slot, path, stand_in_sha256)

    def _swap_by_copy(self, slot: Path, path: Path, stand_in_sha256: str) -> None:
        """Where names can't be exchanged. What is in `slot` keeps that name until it has the other one, too; without room for a copy one
        rename has to do."""
        sha256, copy = sha256_of(slot), self._staging / f"{durable.TEMPORARY_PREFIX}{slot.name}{durable.TEMPORARY_SUFFIX}"
        try:
            durable.copy_new(slot, copy, sha256)
        except NoSpace:
            copy = slot
        if sha256_or_none(path) != stand_in_sha256:
            if copy != slot:
                durable.remove(copy)
            raise Changed(f"{shown(path)} was replaced in that very moment")
        durable.replace(copy, path)
        if copy != slot:
            durable.remove(slot)


def _check_worn(ours: int, attributes: Attributes, path: Path, replaces: bool) -> None:
    """Before anything is exchanged: what takes a photo's place has to have its mode, owner and ACL; for good, also date and the rest.

    Given once more where something is missing: an error that passes is no reason to leave a photo alone for good.
    """
    if not attributes.differences(Attributes.of(ours)):
        return
    missing = [each for each in attributes.apply(ours) if replaces or each in RIGHTS]
    os.fsync(ours)
    if missing:
        raise Refused(f"what takes the place of {shown(path)} could not be given its {', '.join(missing)}")


def _placed(stand_in: int, sha256: str | None) -> Fingerprint:
    """Of the stand-in that was just put in place, by its descriptor: whoever took its name or wrote to it since is told from it."""
    fingerprint = Fingerprint.of_open(stand_in)
    return fingerprint if sha256_of_open(stand_in) == sha256 else replace(fingerprint, ctime_ns=0)
