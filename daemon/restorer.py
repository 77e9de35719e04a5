"""Giving photos back: the original itself while it is in grace, else a copy rebuilt from its archive.

In place only over our own unchanged stand-in; elsewhere only under names that are free. Nothing is ever overwritten.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from codec.errors import CodecError
from codec.facts import Facts, Worn
from daemon.anchor import check_presence
from daemon.composition import Workshop
from daemon.copies import attributes, facts_of, harmless, labelled, labels_given, own_date, rebuilt, wearing
from daemon.eligibility import SUFFIXES
from daemon.elsewhere import in_its_place, vault_of, where_it_is, why_not_in_place
from daemon.errors import GalleryGone, WorkerError, WrongPath
from daemon.galleries import Gallery, holding
from daemon.in_place import GivenBack, adopt_copy, as_it_stands, give_again, give_back, is_edited, lay_beside
from daemon.marking import has_own_labels, original_of, relabelled
from daemon.messages import Format, Restored
from daemon.places import is_folder
from daemon.ports import Codec, Progress
from daemon.recovery import recover
from daemon.selection import Chosen, deleted_since
from daemon.targets import Target, meant
from storage import durable
from storage.attributes import Attributes
from storage.digest import read_once, sha256_of, sha256_of_bytes
from storage.errors import Locked, Missing, NoSpace, ReadOnly, StorageError, shown
from storage.records import PhotoRow
from storage.states import State
from storage.vault import Vault

_NO_ORIGINAL = "The set-aside original is missing or was written to by somebody; what is left of it stays in the vault."
_SUFFIX: dict[Format, str] = {"jpeg": ".jpg", "png": ".png"}


class Came(StrEnum):
    """Where what was given back comes from."""

    ORIGINAL = "original"
    """The very bytes of the original."""
    LABELLED = "labelled"
    """The original with labels that its stand-in was given; else its very bytes."""
    COPY = "copy"
    """Rebuilt from the archive."""
    AS_IT_IS = "as-it-is"
    """The file that has the name now: never archived, or not the photo that was archived under it first."""
    NOT = "not"
    """Nothing to restore: the photo is in its place."""

    @classmethod
    def of(cls, given: GivenBack) -> "Came":
        """Of what was put in its place."""
        return cls.ORIGINAL if given.whole else cls.LABELLED if given.original else cls.COPY


@dataclass(frozen=True, slots=True)
class Restoration:
    """What became of one photo; `trouble` is empty where all went well."""

    name: str
    came: Came
    written: Path | None
    trouble: str = ""
    note: str = ""
    """Something that the user should know."""
    full: bool = False
    """The trouble is a full disk."""
    left_out: tuple[str, ...] = ()
    """Kinds of labels (EXIF, XMP, IPTC) of its stand-in that could not be given to it."""


def restore(
    shop: Workshop, chosen: Chosen | list[Path], folder: Path | None, format: Format | None, progress: Progress
) -> list[Restoration]:
    """Restore all that is `chosen` (photos, stand-ins, folders, archives) into `folder`, or in place where it is None.

    Raises WrongPath for what names nothing that could be restored. Troubles with one photo do not stop the next.
    """
    if folder is None and format is not None:
        raise WrongPath("another format can't go in place of the stand-in; say --to DIR.")
    unready = {} if folder is not None else _made_ready(shop)
    targets = list(meant(shop, chosen if isinstance(chosen, Chosen) else Chosen(chosen)))
    done: list[Restoration] = []
    progress.start(len(targets), "restoring")
    try:
        for target in targets:
            progress.step(target.name)
            result = _one(shop, target, folder, format, unready)
            if result.full:
                shop.give_up_reserves()
                result = _one(shop, _as_it_is_now(shop, target), folder, format, unready)
            came = "nothing to restore" if result.came is Came.NOT else f"{result.came} restored"
            progress.done(target.name, "failed" if result.trouble else came)
            done.append(result)
    finally:
        progress.close()
    return done


def _made_ready(shop: Workshop) -> dict[bytes, Exception]:
    """Every vault locked and recovered; by gallery, why one could not be: another gallery's wrong, full or read-only disk is no obstacle.

    Raises Locked.
    """
    unready: dict[bytes, Exception] = {}
    for gallery in shop.galleries:
        if is_folder(gallery.vault.folder):
            try:
                shop.lock_vault(gallery)
                recover(gallery, shop.catalog, shop.clock, shop.with_relief)
            except Locked:
                raise
            except (StorageError, GalleryGone) as error:
                unready[gallery.key] = error
    return unready


def _one(shop: Workshop, target: Target, folder: Path | None, format: Format | None, unready: Mapping[bytes, Exception]) -> Restoration:
    if target.nothing:
        return Restoration(target.name, Came.NOT, None, note=target.nothing)
    try:
        if target.gallery is not None and target.gallery.key in unready:
            raise unready[target.gallery.key]
        if target.gallery is not None and not is_folder(target.gallery.vault.folder):
            check_presence(target.gallery, shop.catalog)
        if target.row is None:
            if folder is None:
                raise WrongPath(why_not_in_place(None if target.gallery is None else target.gallery.root, target.place and target.archive))
            return _from_archive_alone(shop, target, folder, format)
        assert target.gallery is not None
        if folder is None:
            return _in_place(shop, target.gallery, target.row, target)
        return _into(shop, target.gallery, target.row, target, folder, format)
    except Locked:
        raise
    except (StorageError, CodecError, WorkerError, WrongPath, GalleryGone) as error:
        advice = "; say --to DIR" if folder is None and isinstance(error, ReadOnly) else ""
        return Restoration(target.name, Came.NOT, None, f"{error}{advice}", full=isinstance(error, NoSpace))


def _as_it_is_now(shop: Workshop, target: Target) -> Target:
    """For another try: the first may have come so far that the row says something else now."""
    return target if target.row is None else replace(target, row=shop.catalog.get(target.row.id))


def _in_place(shop: Workshop, gallery: Gallery, row: PhotoRow, target: Target) -> Restoration:
    where = target.place or row.location
    if where == row.location and deleted_since(row):
        return Restoration(target.name, Came.of(give_again(shop, gallery, row)), where)
    if row.state not in (State.RETIRED, State.PURGED):
        copied = _copied(gallery, row, where)
        if copied is None:
            return Restoration(target.name, Came.NOT, None, note=where_it_is(shop, gallery, row, where))
        row = adopt_copy(shop, gallery, row, where, copied)
    if row.replaced and row.state is State.PURGED:
        return Restoration(target.name, Came.NOT, None, note=f"{target.name} was packed anew without loss: it is the photo itself.")
    if where == row.location or not os.path.lexists(row.location):
        row = as_it_stands(shop.catalog, row, where)
    if where != row.location:
        if holding([gallery], where) is None or row.superseded_at is not None:
            raise WrongPath(f"it stands for a photo of {shown(gallery.root)}; say --to DIR.")
        if os.path.lexists(row.location) and not is_edited(row):
            snapshot = read_once(where)
            if snapshot.sha256 != row.stand_in_sha256 and not relabelled(snapshot.data, row.sha256 or ""):
                raise WrongPath(f"it is an edit of the stand-in of {gallery.shown(row.location)}; restore that one, or say --to DIR.")
            row = adopt_copy(shop, gallery, row, where, snapshot.sha256)
    if is_edited(row) if where == row.location else sha256_of(where) != row.stand_in_sha256:
        laid = lay_beside(shop, gallery, row, where)
        note = f"{target.name} was edited since, and keeps the edit; the photo is beside it."
        if row.state is State.RETIRED and not laid.original:
            note += f" {_NO_ORIGINAL}"
        return Restoration(target.name, Came.ORIGINAL if laid.original else Came.COPY, laid.place, note=note)
    given = give_back(shop, gallery, row, where)
    note = _NO_ORIGINAL if row.state is State.RETIRED and not given.original else ""
    return Restoration(target.name, Came.of(given), where, note=note, left_out=given.left_out)


def _copied(gallery: Gallery, row: PhotoRow, where: Path) -> str | None:
    """Digest of an unchanged stand-in that lies elsewhere than its photo, which is back; None for anything else. Raises StorageError."""
    if row.state is not State.RESTORED or not row.has_archive or row.superseded_at is not None:
        return None
    if where == row.location or holding([gallery], where) is None or not os.path.lexists(where):
        return None
    snapshot = read_once(where)
    return snapshot.sha256 if snapshot.sha256 == row.stand_in_sha256 or relabelled(snapshot.data, row.sha256 or "") else None


def _into(shop: Workshop, gallery: Gallery, row: PhotoRow, target: Target, folder: Path, format: Format | None) -> Restoration:
    own: Format = "png" if row.path.lower().endswith(b".png") else "jpeg"
    as_it_is = format in (None, own)
    goal = folder / (target.below if as_it_is else target.below.with_suffix(_SUFFIX[format or own]))
    _check_free(goal)
    note = ""
    worn_by = row.location if target.place is None or os.path.lexists(row.location) else target.place
    labels = labels_given(row, worn_by)
    if row.state is State.RETIRED and as_it_is:
        source = gallery.vault.aside_path(row.location, row.sha256 or "")
        left_out = from_aside(source, row.sha256, goal, shop.codec, labels)
        if left_out is not None:
            whole = Came.ORIGINAL if sha256_of(goal) == row.sha256 else Came.LABELLED
            return Restoration(target.name, Came.AS_IT_IS if target.later else whole, goal, left_out=left_out)
        note = _NO_ORIGINAL
    if row.has_archive and (row.state in (State.RETIRED, State.PURGED) or not as_it_is or in_its_place(row) is None):
        archive = gallery.vault.archive_path(row.sha256 or "")
        made = rebuilt(shop.codec, archive, row.archive_sha256, format, stand_in=labels)
        shop.note_copy(made.data, row.sha256 or "")
        _write(goal, made.data, attributes(row, worn_by, archive))
        return Restoration(target.name, _came(made.data, row.sha256), goal, note=note, left_out=made.left_out)
    if not as_it_is:
        raise WrongPath("it is not archived; any picture program can convert it")
    snapshot = read_once(row.location)
    _write(goal, snapshot.data, Attributes.of(row.location))
    if snapshot.sha256 == row.copy_sha256:
        return Restoration(target.name, Came.COPY, goal)
    original = snapshot.sha256 == row.sha256 and not target.later and original_of(snapshot.data) is None
    return Restoration(target.name, Came.ORIGINAL if original else Came.AS_IT_IS, goal)


def from_aside(source: Path, sha256: str | None, goal: Path, codec: Codec | None = None, labels: bytes = b"") -> tuple[str, ...] | None:
    """A set-aside original goes to `goal`, by `codec` with the labels of a stand-in; gives the kinds of those that could not be given to
    it. None where it is missing or was written to: then nothing went there."""
    try:
        snapshot = read_once(source)
        worn = Attributes.of(source)
    except Missing:
        return None
    if snapshot.sha256 != sha256:
        return None
    given = labelled(codec, snapshot.data, labels) if labels and codec is not None else Restored(snapshot.data, "")
    _write(goal, given.data, worn)
    return given.left_out


def _from_archive_alone(shop: Workshop, target: Target, folder: Path, format: Format | None) -> Restoration:
    assert target.archive is not None
    digest = target.archive.stem
    stand_in = None if target.stand_in is None else read_once(target.stand_in)
    if stand_in is not None and not relabelled(stand_in.data, digest):
        stand_in = None  # an edit of one: it has labels and a date of its own
    labels = stand_in.data if stand_in is not None and has_own_labels(stand_in.data) else b""
    vault = target.gallery.vault if target.gallery is not None else None if target.place is None else vault_of(target.archive)
    if vault is not None and format is None:
        goal = folder / target.below
        _check_free(goal)
        for aside in _asides(vault, digest, target.stand_in):
            left_out = from_aside(aside, digest, goal, shop.codec, labels)
            if left_out is not None:
                came = Came.LABELLED if sha256_of(goal) != digest else Came.ORIGINAL
                return Restoration(target.name, came, goal, left_out=left_out)
    facts = facts_of(target.archive)
    named = _own_name(target.archive, facts) if vault is None else target.below
    goal = folder / (named if format is None else named.with_suffix(_SUFFIX[format]))
    _check_free(goal)
    made = rebuilt(shop.codec, target.archive, None, format, stand_in=labels)
    here = Attributes.of(target.archive)
    shop.note_copy(made.data, facts.sha256)
    worn, date_ns = facts.worn or Worn(facts.mtime_ns, here.uid, here.gid), facts.mtime_ns
    if target.stand_in is not None and stand_in is not None and not labels:
        date_ns = own_date(target.stand_in, stand_in.fingerprint, digest, target.archive, date_ns)
    _write(goal, made.data, wearing(harmless(worn), facts.mode & 0o777, date_ns))
    return Restoration(target.name, _came(made.data, facts.sha256), goal, left_out=made.left_out)


def _asides(vault: Vault, digest: str, stand_in: Path | None) -> list[Path]:
    """Set-aside originals of these bytes; of twins first the one of this stand-in's path, which has its own date and rights."""
    own = vault.mark_of(stand_in) if stand_in is not None and stand_in.is_relative_to(vault.root) else ""
    return sorted(vault.asides(digest), key=lambda each: not each.stem.endswith(f"-{own}"))


def _came(data: bytes, sha256: str | None) -> Came:
    """Of what an archive gave: the exact lane gives the original itself."""
    return Came.ORIGINAL if sha256_of_bytes(data) == sha256 else Came.COPY


def _own_name(archive: Path, facts: Facts) -> Path:
    """The name that an archive gives, where a photo can have it: whoever made it must not write a `.profile` into somebody's home."""
    if facts.name.startswith(b".") or not facts.name.lower().endswith(SUFFIXES):
        return Path(f"{archive.stem}.jpg")
    return Path(os.fsdecode(facts.name))


def _check_free(goal: Path) -> None:
    """Before the work of decoding; `write_new` refuses again at the end."""
    if os.path.lexists(goal):
        raise WrongPath(f"{shown(goal)} is already there; it stays as it is")


def _write(goal: Path, data: bytes, attributes: Attributes) -> None:
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongPath(f"{shown(goal.parent)} can't be made: {error.strerror}") from error
    durable.write_new(goal, data, attributes)
