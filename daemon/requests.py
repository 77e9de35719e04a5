"""The folder for requests: whoever moves or copies a stand-in into `Restore/` of its gallery, most likely on the phone, wants the photo.

The photo takes the place of what was put there, and syncs back. A stand-in that was moved takes its photo along; a copy becomes a photo of
its own, with the same archive. Photos that live in that folder, archived or not, ask for nothing.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from daemon.composition import Workshop
from daemon.eligibility import walk
from daemon.errors import WorkerError
from daemon.galleries import Gallery
from daemon.in_place import adopt_copy, as_it_stands, give_back
from daemon.marking import original_of, relabelled
from daemon.neighbours import restored_behind
from daemon.places import is_folder
from daemon.ports import Silence
from daemon.recovery import recover
from daemon.restorer import Came, Restoration
from storage.digest import read_once
from storage.errors import Locked, StorageError
from storage.records import PhotoRow
from storage.states import State

_log = logging.getLogger(__name__)
_GIVING = (State.RETIRED, State.PURGED, State.RESTORED, State.COMMITTED)
"""The one that surely gives the original first."""


class Act(Enum):
    """What a file in the folder asks for."""

    NOTHING = auto()
    BRING = auto()
    """A stand-in was moved here: its photo comes here, too. Or a copy asked before, and still waits."""
    COPY = auto()
    """A copy of a stand-in: the photo comes here, and what there is elsewhere stays."""


@dataclass(frozen=True, slots=True)
class Request:
    """One stand-in in the folder, and the photo that it asks for."""

    path: Path
    act: Act
    row: PhotoRow
    digest: str
    """Of the file."""


def decide(
    known: PhotoRow | None, digest: str, rows: Iterable[PhotoRow], is_there: Callable[[PhotoRow], bool], *, tagged: bool = False
) -> tuple[Act, PhotoRow | None]:
    """What a file means that says it is a stand-in; a table. `known`: the row of its path; `rows`: of the original that it names.

    Only the very bytes of a stand-in ask for something, or such as are `tagged`: a whole stand-in that was given other labels. What is
    still arriving, or was edited, is for others to judge. A copy that has a row already asks for nothing, unless it was given that row for
    having asked, and its photo never came.
    """
    if known is not None and known.has_archive:
        waits = known.asked_at is not None and known.state is State.PURGED and (tagged or known.stand_in_sha256 == digest)
        return (Act.BRING, known) if waits else (Act.NOTHING, None)
    fitting = [row for row in rows if row.has_archive and row.superseded_at is None and (tagged or row.stand_in_sha256 == digest)]
    fitting = sorted((row for row in fitting if row.state in _GIVING), key=lambda row: _GIVING.index(row.state))
    moved = next((row for row in fitting if row.state in (State.RETIRED, State.PURGED) and not is_there(row)), None)
    if moved is not None:
        return Act.BRING, moved
    return (Act.COPY, fitting[0]) if fitting else (Act.NOTHING, None)


def folder_of(gallery: Gallery) -> Path | None:
    """The gallery's folder for requests, if there is one. It is never made unasked."""
    name = gallery.settings.requests
    return gallery.root / name if name and is_folder(gallery.root / name) else None


def plan(shop: Workshop, gallery: Gallery) -> Iterator[Request]:
    """Every request in a gallery. Changes nothing."""
    folder = folder_of(gallery)
    if folder is None:
        return
    for sighting in walk(gallery.root, (), folder):
        known = shop.catalog.find(gallery.key, gallery.relative(sighting.path))
        if known is not None and known.has_archive and known.asked_at is None:
            continue
        try:
            snapshot = read_once(sighting.path)
        except StorageError as error:
            _log.info("%s: %s", gallery.shown(sighting.path), error)
            continue
        original = original_of(snapshot.data)
        if original is None:
            continue
        rows = shop.catalog.by_digest(original, gallery.key)
        tagged = relabelled(snapshot.data, original)
        act, row = decide(known, snapshot.sha256, rows, lambda row: os.path.lexists(row.location), tagged=tagged)
        if row is not None:
            yield Request(sighting.path, act, row, snapshot.sha256)
        elif known is None:
            _log.warning("%s: no archive of this gallery gives the photo that it stands for", gallery.shown(sighting.path))


def serve_requests(shop: Workshop, gallery: Gallery) -> list[Restoration]:
    """Give every photo that is asked for. A request that fails stays where it is, and is tried again the next time.

    Takes the vault's lock where there is something to do. Raises Locked.
    """
    done: list[Restoration] = []
    if next(plan(shop, gallery), None) is None:
        return done
    shop.lock_vault(gallery)
    recover(gallery, shop.catalog, shop.clock, shop.with_relief)
    for request in list(plan(shop, gallery)):
        name = gallery.shown(request.path)
        try:
            row = request.row
            if request.act is Act.COPY:
                row = adopt_copy(shop, gallery, row, request.path, request.digest, asked=True)
            else:
                row = as_it_stands(shop.catalog, row, request.path)
            given = give_back(shop, gallery, row, request.path)
        except Locked:
            raise
        except (StorageError, WorkerError) as error:
            done.append(Restoration(name, Came.NOT, None, str(error)))
        else:
            done.append(Restoration(name, Came.of(given), request.path, left_out=given.left_out))
            _log.info("%s: restored, as was asked for", name)
            done += restored_behind(shop, gallery, request.row.path, Silence())
    return done
