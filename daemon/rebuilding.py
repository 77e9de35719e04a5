"""`doctor --rebuild`: the catalogue made anew, from what lies in the galleries and their vaults.

An archive tells its original's digest, size, dates and mode; a stand-in tells, in its comment, which archive it stands for, and its path is
the photo's; a set-aside original's name holds a mark of its path. An original without an archive is of a photo that was packed anew: what
has its name is compared with it. What was left alone or waits is found by the next run anyway.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from codec import bitstream
from codec.errors import CodecError
from codec.facts import Facts
from codec.levels import DEFAULT_LEVEL, EXACT, LEVELS, level_of
from daemon.anchor import check_presence, lacks_vault
from daemon.composition import Workshop
from daemon.copies import labelled, own_date
from daemon.eligibility import walk
from daemon.errors import GalleryGone, WorkerError
from daemon.everywhere import hidden_stand_ins
from daemon.galleries import Gallery
from daemon.marking import has_own_labels, original_of, relabelled
from daemon.messages import Refused as NotDone
from daemon.models import keep_model, model_of
from daemon.places import Places, is_folder
from daemon.ports import Progress
from daemon.reading import reading_room
from daemon.state_folder import check_state_folder
from daemon.strays import note_hidden
from daemon.verification import prove
from storage import durable
from storage.digest import read_once, sha256_of, sha256_of_bytes
from storage.errors import Damaged, StorageError, shown
from storage.fingerprint import Fingerprint
from storage.lock import InstanceLock
from storage.proof import Proof

GONE_FOR_GOOD = 'If a vault is gone for good, and the photos are what a backup of before gave back: "doctor --rebuild --as-it-is".'


@dataclass(slots=True)
class Rebuilt:
    """What was found in one gallery."""

    photos: int = 0
    in_grace: int = 0
    edited: int = 0
    """Stand-ins that somebody changed: the full photo will be put beside the edit."""
    without_place: int = 0
    """Archives of which no stand-in and no set-aside original tells the path."""
    originals_without_place: int = 0
    """Set-aside originals without an archive, of which no file in the gallery has the name."""
    troubles: list[tuple[str, str]] = field(default_factory=list)
    """Files that could not be taken in, and why."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an archive says of itself, and the columns that it gives a row."""

    facts: Facts
    columns: dict[str, object]


def check_all_there(places: Places, galleries: Sequence[Gallery], *, as_it_is: bool = False) -> None:
    """Before a catalogue is set aside: what it knows of a gallery that is away could not be found again now. `as_it_is`: the user knows
    that a vault is gone for good, and its gallery is what a backup of before gave back. Raises GalleryGone."""
    away = {gallery.root for gallery in galleries if not is_folder(gallery.root)}
    bare = set[Path]()
    with suppress(StorageError), reading_room(places) as catalog:  # a damaged one says nothing: then the folders have to do
        for gallery in galleries:
            if catalog is not None and lacks_vault(gallery, catalog):
                bare.add(gallery.root)
    bare -= away
    away |= set() if as_it_is else bare
    if away:
        raise GalleryGone(
            f"{' and '.join(map(shown, sorted(away)))} with its vault is not there, and a catalogue made now would know nothing of it. "
            "Mount its disk, or take it out of the configuration. The catalogue stays as it is."
            + (f" {GONE_FOR_GOOD}" if away <= bare else "")
        )


def set_catalogue_aside(places: Places) -> Path | None:
    """An old or damaged catalogue gets another name, and stays; its new name. Raises Locked while another instance is at
    work, CommandFailed where it is another program's."""
    check_state_folder(places)
    if not places.catalog_file.exists():
        return None
    with InstanceLock(places.lock_file):
        return durable.set_out_of_the_way(places.catalog_file, ("-wal", "-shm"))


def rebuild(shop: Workshop, gallery: Gallery, progress: Progress) -> Rebuilt:
    """Adopt every photo of a gallery that the catalogue does not know. Changes nothing in the gallery."""
    check_presence(gallery, shop.catalog)
    done = Rebuilt()
    if not is_folder(gallery.vault.folder):
        return done
    shop.lock_vault(gallery)
    archives = dict(gallery.vault.archives())
    progress.start(len(archives), shown(gallery.root))
    placed: set[str] = set()
    for path, digest in chain(_places(gallery, archives, done), _hidden(shop, gallery, archives, placed, done)):
        name = gallery.shown(path)
        placed.add(digest)
        if shop.catalog.find(gallery.key, gallery.relative(path)) is not None:
            continue
        progress.step(name)
        try:
            done.in_grace += _adopt(shop, gallery, path, digest, archives[digest], done)
            done.photos += 1
            progress.done(name, "found")
        except (StorageError, CodecError, WorkerError) as error:
            done.troubles.append((name, str(error)))
    for digest in archives:
        if gallery.vault.parity_path(digest).exists():
            shop.catalog.noted_parity(gallery.key, digest, gallery.vault.parity_path(digest).stat().st_size)
    done.without_place = len(archives.keys() - placed)
    _without_archive(shop, gallery, archives, done)
    progress.close()
    return done


def _places(gallery: Gallery, archives: dict[str, Path], done: Rebuilt) -> Iterator[tuple[Path, str]]:
    """(path, digest of the original): of every stand-in, and of set-aside originals that have none."""
    folders = {gallery.root}
    known: set[Path] = set()
    for sighting in walk(gallery.root, ()):
        folders.add(sighting.path.parent)
        try:
            digest = original_of(read_once(sighting.path).data)
        except StorageError as error:
            done.troubles.append((gallery.shown(sighting.path), str(error)))
            continue
        if digest in archives and digest is not None:
            known.add(sighting.path)
            yield sighting.path, digest
    for digest, aside in gallery.vault.all_asides():
        if digest in archives:
            with suppress(StorageError, CodecError):
                name = os.fsdecode(_found(gallery, digest, archives[digest]).facts.name)
                for folder in sorted(folders):
                    if folder / name not in known and gallery.vault.aside_path(folder / name, digest) == aside:
                        yield folder / name, digest


def _hidden(
    shop: Workshop, gallery: Gallery, archives: Mapping[str, Path], placed: Collection[str], done: Rebuilt
) -> Iterator[tuple[Path, str]]:
    """The same of stand-ins that no walk sees. Where their photo has been `placed` elsewhere they are only noted, as the trash does: the
    archive stays as long as they are there."""
    try:
        for path, fingerprint, digest in hidden_stand_ins(gallery.root):
            if digest in placed:
                note_hidden(gallery, shop.catalog, path, fingerprint, digest)
            elif digest in archives:
                yield path, digest
    except StorageError as error:
        done.troubles.append((shown(gallery.root), f"not every hidden file can be looked at: {error}"))


def _without_archive(shop: Workshop, gallery: Gallery, archives: Mapping[str, Path], done: Rebuilt) -> None:
    """Originals of photos that were packed anew."""
    asides = [(digest, aside) for digest, aside in gallery.vault.all_asides() if digest not in archives]
    places = {gallery.vault.mark_of(sighting.path): sighting.path for sighting in walk(gallery.root, ())} if asides else {}
    for digest, aside in asides:
        path = places.get(aside.stem.removeprefix(f"{digest}-"))
        if path is None:
            done.originals_without_place += 1
        elif shop.catalog.find(gallery.key, gallery.relative(path)) is None:
            try:
                if _adopt_packed(shop, gallery, path, digest, aside, done):
                    done.photos += 1
                    done.in_grace += 1
            except (StorageError, WorkerError) as error:
                done.troubles.append((gallery.shown(path), str(error)))


def _adopt_packed(shop: Workshop, gallery: Gallery, path: Path, digest: str, aside: Path, done: Rebuilt) -> bool:
    """One row, whose proof is made now; without one its original is never purged, and is put beside what has its name."""
    original, placed = read_once(aside), Fingerprint.of(path)
    if original.sha256 != digest:
        raise Damaged(f"{shown(aside)} was written to since it was set aside; it stays in the vault")
    packed = sha256_of(path)
    if packed == digest:
        return False  # the photo itself is in place, and a killed run left a second copy
    level = gallery.level if gallery.level.name != EXACT.name else DEFAULT_LEVEL  # which allows nothing but a JPEG's own bytes
    proven = prove(shop.codec, shop.clock, path, original, level)
    ours = not isinstance(proven, NotDone)
    done.edited += not ours
    shop.catalog.adopt(
        gallery.key,
        gallery.relative(path),
        sha256=digest,
        size_bytes=len(original.data),
        fingerprint=original.fingerprint,
        archive={"lane": "pixel-exact", "quality": level.name},
        stand_in_sha256=packed if ours else None,
        stand_in_fingerprint=placed if ours else None,
        proof=None if isinstance(proven, NotDone) else proven.proof,
        purge_after_at=int(shop.clock.now().timestamp()) + gallery.grace_s,
    )
    return True


def _adopt(shop: Workshop, gallery: Gallery, path: Path, digest: str, archive: Path, done: Rebuilt) -> bool:
    """One row; whether its original is in grace."""
    found = _found(gallery, digest, archive)
    keep_model(gallery.vault, str(found.columns["model"] or ""))
    stand_in = Fingerprint.of(path) if os.path.lexists(path) else None
    # A stand-in wears the original's date; whoever changed it since gave it another one, and his edit is not ours to replace.
    ours = stand_in is not None and stand_in.mtime_ns == found.facts.mtime_ns
    whole = False
    if stand_in is not None:
        data = read_once(path).data
        ours = (ours and original_of(data) == digest) or relabelled(data, digest)  # a restored photo wears the same date, and no mark
        whole = not ours and stand_in.mtime_ns == found.facts.mtime_ns and _with_labels(shop, gallery, path, digest)
        if whole or (ours and has_own_labels(data)):
            found.columns.update(relabelled_at=int(shop.clock.now().timestamp()), copy_bytes=None)
    done.edited += stand_in is not None and not (ours or whole)
    mtime_ns = found.facts.mtime_ns
    if stand_in is not None and ours and not has_own_labels(data):
        mtime_ns = own_date(path, stand_in, digest, archive, mtime_ns)
    proof, until = _in_grace(shop, gallery, path, digest, archive, found)
    row = shop.catalog.adopt(
        gallery.key,
        gallery.relative(path),
        sha256=digest,
        size_bytes=found.facts.size_bytes,
        fingerprint=Fingerprint(0, 0, found.facts.size_bytes, mtime_ns, 0, 1, 0o100000 | found.facts.mode),
        archive=found.columns,
        stand_in_sha256=sha256_of(path) if ours else None,
        stand_in_fingerprint=stand_in if ours else None,
        proof=proof,
        purge_after_at=until,
    )
    if whole and stand_in is not None:
        pinned_until_at = gallery.pinned_until_at(shop.clock.now())
        restored = shop.catalog.restoring(row.id, sha256_of(path))
        shop.catalog.restored(row.id, pinned_until_at=pinned_until_at, fingerprint=stand_in, copy_sha256=restored.copy_sha256, kept=True)
    return until is not None


def _with_labels(shop: Workshop, gallery: Gallery, path: Path, digest: str) -> bool:
    """Whether a file is the photo itself with other labels, which came back while its original stays set aside: it holds nothing but what
    that original and those labels make."""
    try:
        original, data = read_once(gallery.vault.aside_path(path, digest)), read_once(path).data
        return original.sha256 == digest and original_of(data) is None and labelled(shop.codec, original.data, data).data == data
    except StorageError:
        return False


def _in_grace(shop: Workshop, gallery: Gallery, path: Path, digest: str, archive: Path, found: Found) -> tuple[Proof | None, int | None]:
    """A proof made now, and a whole new grace, where the original is still set aside; without a proof it is never purged."""
    try:
        original = read_once(gallery.vault.aside_path(path, digest))
    except StorageError:
        return None, None
    until = int(shop.clock.now().timestamp()) + gallery.grace_s
    if original.sha256 != digest:
        return None, until  # a late writer's version: kept
    try:
        level = level_of(str(found.columns["quality"]))
    except KeyError:
        level = gallery.level
    proven = prove(shop.codec, shop.clock, archive, original, level)
    return (None if isinstance(proven, NotDone) else proven.proof), until


def _found(gallery: Gallery, digest: str, archive: Path) -> Found:
    """Raises StorageError, CodecError; Damaged where it is another photo's archive than its name says."""
    data = read_once(archive).data
    header = bitstream.peek(data)
    facts = Facts.from_bytes(header.small["FACT"])
    if facts.sha256 != digest:
        raise Damaged("it is the archive of another photo than its name says")
    measured = _told(header.small.get("QUAL", b""))
    level = LEVELS.get(str(measured.get("level"))) if header.lane == "neural" else None
    columns = {
        "archive_name": gallery.vault.archive_name(digest),
        "archive_sha256": sha256_of_bytes(data),
        "archive_bytes": len(data),
        "lane": header.lane,
        "model": model_of(header.model_digest),
        "quality": measured.get("level"),
        "whole_at_least": level.whole if level else None,
        "worst_tile_at_least": level.worst_tile if level else None,
        "score_whole": measured.get("whole"),
        "score_worst_tile": measured.get("worst_tile"),
        "score_copy": measured.get("copy_whole"),
        "copy_bytes": facts.size_bytes if header.lane == "exact" else _told(header.small.get("STRC", b"")).get("copy_bytes"),
    }
    return Found(facts, columns)


def _told(section: bytes) -> dict[str, object]:
    try:
        values = json.loads(section)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
