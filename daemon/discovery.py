"""What is there and what of it has to be worked on: sightings compared with the catalogue, and put into its queue.

Looking is not deciding: the catalogue's own rule (`storage.admission.judge`) says what a sighting means. Here are only the sightings, the
digests that the rule asks for, and the refusal to take a gallery that is suddenly empty for one that was emptied.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from daemon.eligibility import Sighting, walk
from daemon.errors import GalleryGone
from daemon.galleries import Gallery
from daemon.ignoring import WISHES
from daemon.in_place import as_it_stands
from daemon.ports import Clock
from daemon.reasons import STAND_INS
from daemon.spelling import Spellings
from daemon.strays import glimpse, whose
from daemon.surprise import AS_IT_IS
from storage.admission import QUEUES, Standing, judge
from storage.catalog import Catalog
from storage.digest import sha256_of
from storage.errors import Missing, Refused, StorageError, shown
from storage.fingerprint import Fingerprint
from storage.records import PhotoRow
from storage.states import State

_AT_ONCE = 500
"""Sightings that are told to the catalogue in one transaction; others wait for it no longer than that takes."""


@dataclass(slots=True)
class Found:
    """What a look at a gallery gave: ids of the queue, in the order of the names, and what was decided at once."""

    queue: list[int] = field(default_factory=list)
    left: list[tuple[Path, str]] = field(default_factory=list)
    """Left without reading a byte, with the reason."""
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    edited: list[tuple[Sighting, bool, PhotoRow]] = field(default_factory=list)
    """Somebody's files where stand-ins were, whether the user named them, and the rows of the archived photos; `admit` them afterwards."""
    saved_over: list[tuple[Sighting, bool, str]] = field(default_factory=list)
    """The same of stand-ins that stood elsewhere than their photos' rows say, with the digests of the originals."""


def look(
    gallery: Gallery,
    catalog: Catalog,
    clock: Clock,
    starts: list[Path],
    still: Callable[[], None] = lambda: None,
    *,
    ready: Callable[[Sighting], bool] = lambda _: True,
    by_name: bool = True,
    as_it_is: bool = False,
) -> Found:
    """Queue what needs work. `starts`: photos or folders (of `place`) that the user named; none means the whole gallery.

    `ready`: whether a file may be looked at now; others are passed by this time. `by_name` False: it was no user who named `starts`.

    Raises GalleryGone for a gallery that suddenly looks empty, but for what is known to be away; not where that is meant `as_it_is`.
    `still` is asked, and may raise it, before anything is called gone.
    """
    found = Found()
    seen = 0
    due: list[_Due] = []
    spellings = Spellings(gallery, catalog)
    for each, named in _sightings(gallery, starts):
        seen += 1
        if not ready(each):
            with suppress(StorageError):
                glimpse(gallery, catalog, each)
            continue
        sighting = _kept_together(gallery, each)
        try:
            due += _considered(gallery, catalog, clock, spellings, sighting, named and by_name, found)
        except Missing:
            continue  # gone between the listing and the look
        except StorageError as error:
            found.unreadable.append((sighting.path, str(error)))
        if len(due) >= _AT_ONCE:
            _queue(gallery, catalog, due, found)
            due = []
    _queue(gallery, catalog, due, found)
    if not starts:
        if not seen and not as_it_is and {path for path, *_ in catalog.expected(gallery.key)} - catalog.away(gallery.key):
            raise GalleryGone(f"the gallery {shown(gallery.root)} suddenly has no photos; is its disk mounted? {AS_IT_IS}")
        still()
        _leave_the_gone(gallery, catalog)
        still()
    return found


def _sightings(gallery: Gallery, starts: list[Path]) -> Iterator[tuple[Sighting, bool]]:
    if not starts:
        yield from ((sighting, False) for sighting in walk(gallery.root, gallery.settings.exclude, keep=gallery.settings.keep))
    for start in starts:
        named = not start.is_dir()
        yield from ((each, named) for each in walk(gallery.root, gallery.settings.exclude, start, keep=gallery.settings.keep))


@dataclass(frozen=True, slots=True)
class _Due:
    """A sighting that the catalogue has to be told of."""

    sighting: Sighting
    name: bytes
    """In the catalogue."""
    by_name: bool
    sha256: str | None
    stands_for: str | None


def admit(gallery: Gallery, catalog: Catalog, clock: Clock, sighting: Sighting, by_name: bool, found: Found) -> None:
    """Compare one sighting with the catalogue, and note in `found` what follows; whatever was saved over there has been seen to.

    Raises StorageError for a file that can't be read.
    """
    _queue(
        gallery,
        catalog,
        list(_considered(gallery, catalog, clock, Spellings(gallery, catalog), sighting, by_name, found, seen_to=True)),
        found,
    )


def _considered(
    gallery: Gallery,
    catalog: Catalog,
    clock: Clock,
    spellings: Spellings,
    sighting: Sighting,
    by_name: bool,
    found: Found,
    *,
    seen_to: bool = False,
) -> Iterator[_Due]:
    """One sighting compared with the catalogue: what it has to be told, if anything."""
    row = spellings.follow(sighting.path)
    stands_for, over = whose(catalog, row, sighting)
    if over is not None and not seen_to:
        found.saved_over.append((sighting, by_name, over))
        return
    by_name = by_name or _wish_changed(row, sighting)
    sha256 = None
    now = int(clock.now().timestamp())
    try:
        standing = judge(row, sighting.fingerprint, None, rules=gallery.rules, by_name=by_name, now=now)
    except Refused:
        sha256 = sha256_of(sighting.path)
        standing = judge(row, sighting.fingerprint, sha256, rules=gallery.rules, by_name=by_name, now=now)
    if row is not None and row.state is State.PURGED and standing is Standing.SUPERSEDES and _is_its_copy(catalog, row, sha256):
        pinned_until_at = gallery.pinned_until_at(clock.now())
        catalog.restoring(row.id, sha256)
        catalog.restored(row.id, pinned_until_at=pinned_until_at, fingerprint=sighting.fingerprint, copy_sha256=sha256)
        return
    if row is not None and row.state in (State.RETIRED, State.PURGED) and standing is Standing.SUPERSEDES:
        if as_it_stands(catalog, row) is not row:
            return
        found.edited.append((sighting, by_name, row))
        return
    known = row is not None and row.is_current(sighting.fingerprint)
    if known and standing not in QUEUES and row is not None and row.state is not State.QUEUED:
        return  # nothing to write: a second look at a gallery must cost next to nothing
    yield _Due(sighting, gallery.relative(sighting.path) if row is None else row.path, by_name, sha256, stands_for)


def _queue(gallery: Gallery, catalog: Catalog, due: list[_Due], found: Found) -> None:
    """Tell the catalogue, in one transaction: a hundred thousand new photos must not wait for the disk a hundred thousand times."""
    if not due:
        return
    queue: list[int] = []
    left: list[tuple[Path, str]] = []
    with catalog.together():
        for each in due:
            name, reason = each.name, each.sighting.reason
            fingerprint = each.sighting.fingerprint
            told = {"sha256": each.sha256, "stands_for": each.stands_for}
            row = catalog.enqueue(gallery.key, name, fingerprint, rules=gallery.rules, by_name=each.by_name, **told).row
            if row.state is not State.QUEUED:
                continue
            if reason is not None:
                catalog.left(row.id, reason)
                left.append((each.sighting.path, reason))
            else:
                queue.append(row.id)
    found.queue += queue
    found.left += left


def _is_its_copy(catalog: Catalog, row: PhotoRow, sha256: str | None) -> bool:
    """Whether a copy that was restored to somewhere else has been put in its stand-in's place by the user, or by a sync tool."""
    return sha256 is not None and row.sha256 is not None and catalog.original_of_copy(sha256) == row.sha256


def _kept_together(gallery: Gallery, sighting: Sighting) -> Sighting:
    """Without a stand-in a photo's name leaves its folder, and what belongs to the photo would stay behind alone."""
    parted = sighting.companions and not gallery.wants_stand_ins
    return replace(sighting, reason="has-companions") if parted and sighting.reason is None else sighting


def _wish_changed(row: PhotoRow | None, sighting: Sighting) -> bool:
    """Whether a photo that is left alone has come under the user's own word since, or lost its companions, or what was in its way though
    not in its bytes: then it is judged anew. Its date alone may not tell, where its row followed it to another name."""
    if row is None or row.state is not State.LEFT or row.reason in STAND_INS:
        return False
    passing = {*WISHES, "has-companions", "hard-linked", "other-owner", "other-device"}
    return row.reason != sighting.reason and (row.reason in passing or sighting.reason in passing)


def _leave_the_gone(gallery: Gallery, catalog: Catalog) -> None:
    """Photos that were waiting, left or failed, and that the user has taken away since: no reason to count them any longer. A re-packed
    photo, once its original is purged, is its user's again: no archive waits for it."""
    gone = [photo_id for photo_id, path in catalog.unarchived(gallery.key) if not _is_there(path)]
    for first in range(0, len(gone), _AT_ONCE):
        with catalog.together():
            for photo_id in gone[first : first + _AT_ONCE]:
                if catalog.get(photo_id).state in (State.LEFT, State.FAILED):
                    catalog.requeue(photo_id)
                catalog.left(photo_id, "gone")


def _is_there(path: bytes) -> bool:
    try:
        Fingerprint.of(path)
    except Missing:
        return False
    except StorageError:
        pass  # it can't be told, so it is not called gone
    return True
