"""Giving photos back: the original itself while it is in grace, else a copy rebuilt from its archive.

In place only over our own unchanged stand-in; elsewhere only under names that are free. Nothing is ever overwritten.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from codec import bitstream
from codec.errors import CodecError
from codec.facts import Facts
from daemon.composition import Workshop
from daemon.eligibility import SUFFIXES
from daemon.errors import WorkerError, WrongPath
from daemon.galleries import Gallery, holding, place
from daemon.marking import original_of
from daemon.messages import Format, Refused, RestoreJob
from daemon.ports import Progress
from daemon.reasons import sentence
from daemon.recovery import recover
from storage import durable
from storage.attributes import Attributes
from storage.digest import read_once, sha256_of, sha256_of_bytes
from storage.errors import Damaged, Locked, Missing, StorageError, shown
from storage.records import PhotoRow
from storage.states import State

_SUFFIX: dict[Format, str] = {"jpeg": ".jpg", "png": ".png"}


class Came(StrEnum):
    """Where what was given back comes from."""

    ORIGINAL = "original"
    """The very bytes of the original."""
    COPY = "copy"
    """Rebuilt from the archive."""
    NOT = "not"
    """Nothing to restore: the photo is in its place."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """What became of one photo; `trouble` is empty where all went well."""

    name: str
    came: Came
    written: Path | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Target:
    """One photo to restore: by its row, or by an archive alone. `below` is where it goes under a folder of the user."""

    name: str
    below: Path
    gallery: Gallery | None
    row: PhotoRow | None
    archive: Path | None


def restore(shop: Workshop, paths: list[Path], folder: Path | None, format: Format | None, progress: Progress) -> list[Restoration]:
    """Restore every photo that `paths` name (photos, stand-ins, folders, archives) into `folder`, or in place where it is None.

    Raises WrongPath for a path that names nothing that could be restored. Troubles with one photo do not stop the next.
    """
    if folder is None and format is not None:
        raise WrongPath("another format can't go in place of the stand-in; say --to DIR.")
    if folder is None:
        for gallery in shop.galleries:
            if gallery.vault.folder.is_dir():
                shop.lock_vault(gallery)
                recover(gallery, shop.catalog, shop.clock)
    targets = [target for path in paths for target in _targets(shop, path)]
    done: list[Restoration] = []
    progress.start(len(targets), "restoring")
    try:
        for target in targets:
            progress.step(target.name)
            result = _one(shop, target, folder, format)
            progress.done(target.name, result.trouble or ("nothing to restore" if result.came is Came.NOT else f"{result.came} restored"))
            done.append(result)
    finally:
        progress.close()
    return done


def _targets(shop: Workshop, given: Path) -> Iterator[_Target]:
    where = place(given)
    if where.suffix == ".nphoto" and where.is_file():
        yield _Target(shown(given), Path(where.stem), None, None, where)
        return
    gallery = holding(shop.galleries, where)
    if gallery is None:
        raise WrongPath(f"{shown(given)} is in no configured gallery, and no .nphoto file.")
    if where.is_dir():
        found = 0
        for row in list(shop.catalog.rows(gallery=gallery.key)):
            if row.location.is_relative_to(where) and row.state in (State.RETIRED, State.PURGED):
                found += 1
                yield _Target(gallery.shown(row.location), row.location.relative_to(where), gallery, row, None)
        if not found:
            raise WrongPath(f"{shown(given)}: no archived photo is in there.")
        return
    known = shop.catalog.find(gallery.key, gallery.relative(where))
    if known is not None and known.reason != "stand-in":
        yield _Target(gallery.shown(where), Path(where.name), gallery, known, None)
        return
    # A stand-in that was renamed, moved or copied, or whose catalogue was lost: it says itself what it stands for.
    if where.is_file() and os.fsencode(where.name).lower().endswith(SUFFIXES):
        digest = original_of(read_once(where).data)
        if digest is not None and gallery.vault.archive_path(digest).exists():
            yield _Target(gallery.shown(where), Path(where.name), gallery, None, gallery.vault.archive_path(digest))
            return
    raise WrongPath(f"{shown(given)} " + ("has no archive." if where.exists() else "is not there, and no archive is known for it."))


def _one(shop: Workshop, target: _Target, folder: Path | None, format: Format | None) -> Restoration:
    try:
        if target.row is None:
            if folder is None:
                raise WrongPath("there is no stand-in of ours to put it in place of; say --to DIR.")
            return _from_archive_alone(shop, target, folder, format)
        assert target.gallery is not None
        if folder is None:
            return _in_place(shop, target.gallery, target.row, target.name)
        return _into(shop, target.gallery, target.row, target, folder, format)
    except Locked:
        raise
    except (StorageError, CodecError, WorkerError, WrongPath) as error:
        return Restoration(target.name, Came.NOT, None, str(error))


def _in_place(shop: Workshop, gallery: Gallery, row: PhotoRow, name: str) -> Restoration:
    if row.state not in (State.RETIRED, State.PURGED):
        return Restoration(name, Came.NOT, None)
    pinned = int((shop.clock.now() + gallery.settings.idle_for).timestamp())
    if row.state is State.RETIRED:
        with _intending(shop, row, row.sha256 or ""):
            fingerprint = gallery.vault.put_back(row.location, row.sha256 or "", row.stand_in_sha256)
        shop.catalog.restored(row.id, pinned_until_at=pinned, fingerprint=fingerprint)
        return Restoration(name, Came.ORIGINAL, row.location)
    data = _rebuilt(shop, gallery.vault.archive_path(row.sha256 or ""), row.archive_sha256, None)
    digest = sha256_of_bytes(data)
    with _intending(shop, row, digest):
        fingerprint = gallery.vault.replace_stand_in(row.location, data, row.stand_in_sha256, _attributes(row))
    shop.catalog.restored(row.id, pinned_until_at=pinned, fingerprint=fingerprint, copy_sha256=digest)
    return Restoration(name, Came.COPY, row.location)


@contextmanager
def _intending(shop: Workshop, row: PhotoRow, sha256: str) -> Iterator[None]:
    """The catalogue knows what is about to be put in place; where that is refused, it forgets it again."""
    shop.catalog.restoring(row.id, sha256)
    try:
        yield
    except StorageError:
        shop.catalog.restoring(row.id, None)
        raise


def _into(shop: Workshop, gallery: Gallery, row: PhotoRow, target: _Target, folder: Path, format: Format | None) -> Restoration:
    own: Format = "png" if row.path.lower().endswith(b".png") else "jpeg"
    as_it_is = format in (None, own)
    goal = folder / (target.below if as_it_is else target.below.with_suffix(_SUFFIX[format or own]))
    _check_free(goal)
    if row.state is State.RETIRED and as_it_is:
        source = gallery.vault.aside_path(row.location, row.sha256 or "")
        snapshot = read_once(source)
        if snapshot.sha256 != row.sha256:
            raise Damaged("the set-aside original was written to; it is kept in the vault")
        _write(goal, snapshot.data, Attributes.of(source))
        return Restoration(target.name, Came.ORIGINAL, goal)
    if row.state in (State.RETIRED, State.PURGED):
        archive = gallery.vault.archive_path(row.sha256 or "")
        _write(goal, _rebuilt(shop, archive, row.archive_sha256, format), _attributes(row))
        return Restoration(target.name, Came.COPY, goal)
    if not as_it_is:
        raise WrongPath("it is not archived; any picture program can convert it")
    _write(goal, read_once(row.location).data, Attributes.of(row.location))
    return Restoration(target.name, Came.COPY if row.copy_sha256 else Came.ORIGINAL, goal)


def _from_archive_alone(shop: Workshop, target: _Target, folder: Path, format: Format | None) -> Restoration:
    assert target.archive is not None
    facts = facts_of(target.archive)
    named = Path(os.fsdecode(facts.name))
    goal = folder / (named.with_suffix(_SUFFIX[format]) if format is not None else named)
    _check_free(goal)
    data = _rebuilt(shop, target.archive, None, format)
    here = Attributes.of(target.archive)
    _write(goal, data, replace(here, mode=facts.mode, mtime_ns=facts.mtime_ns, atime_ns=facts.mtime_ns, xattrs={}))
    return Restoration(target.name, Came.COPY, goal)


def facts_of(archive: Path) -> Facts:
    """What an archive says about its original. Raises CodecError, StorageError."""
    data = read_once(archive).data
    small = bitstream.peek(data).small
    return Facts.from_bytes(small["FACT"])


def _rebuilt(shop: Workshop, archive: Path, archive_sha256: str | None, format: Format | None) -> bytes:
    if not archive.exists():
        raise Missing(f"the archive {shown(archive)} is not there")
    answer = shop.codec.restore(RestoreJob(archive, format))
    if isinstance(answer, Refused):
        raise Damaged(f"the archive {shown(archive)} can't be decoded: {sentence(answer.reason)} ({answer.detail})")
    if archive_sha256 is not None and answer.archive_sha256 != archive_sha256:
        raise Damaged(f"the archive {shown(archive)} is not the one that was proven")
    return answer.data


def _attributes(row: PhotoRow) -> Attributes:
    """The original's: its stand-in wears them, dates and mode are in the catalogue too where the stand-in is gone or was changed."""
    own = row.fingerprint
    try:
        worn = Attributes.of(row.location)
        if row.stand_in_sha256 is not None and sha256_of(row.location) == row.stand_in_sha256:
            return replace(worn, mtime_ns=own.mtime_ns, atime_ns=own.mtime_ns)
    except StorageError:
        pass
    return Attributes(own.mode & 0o7777, os.getuid(), os.getgid(), own.mtime_ns, own.mtime_ns, {})


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
