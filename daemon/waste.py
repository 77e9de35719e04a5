"""What waits to be thrown away, one by one, for whoever wants something of it back: the trash, and archives of earlier versions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.galleries import Gallery
from daemon.listing import Listing
from daemon.report import amount, day
from storage.catalog import Catalog
from storage.errors import shown
from storage.records import PhotoRow
from storage.states import State


@dataclass(frozen=True, slots=True)
class Wasted:
    """A photo in the trash, or an earlier version of one."""

    photo: Path
    row: PhotoRow
    archive: Path
    since_at: int
    goes_at: int | None
    """From when on it may go; None: not for that reason, since its stand-in lies in a bin, or nothing is left of it."""
    lost: bool
    """Nothing here gives it back."""

    @property
    def earlier(self) -> bool:
        return self.row.superseded_at is not None

    def note(self) -> str:
        if self.lost:
            return "nothing of it is left here"
        if self.earlier:
            return f"as it was before it was edited: restore {shown(self.archive)} --to DIR"
        return "" if self.row.binned_as is None else f"its stand-in lies in a bin: {shown(self.row.binned_as)}"

    def as_json(self) -> dict[str, Any]:
        return {
            "photo": shown(self.photo),
            "earlier": self.earlier,
            "archive": shown(self.archive),
            "archive_bytes": self.row.archive_bytes,
            "original_bytes": self.row.size_bytes,
            "since_at": self.since_at,
            "goes_at": self.goes_at,
            "lost": self.lost,
            "binned_as": None if self.row.binned_as is None else shown(self.row.binned_as),
        }


def wasted(gallery: Gallery, catalog: Catalog) -> Iterator[Wasted]:
    """By their paths; of a path the photo in the trash first."""
    rows = [*catalog.in_trash(gallery.key), *(row for row in catalog.earlier(gallery.key) if row.may_go)]
    for row in sorted(rows, key=lambda each: each.path):
        since_at = (row.missed_at if row.superseded_at is None else row.superseded_at) or 0
        archive = gallery.vault.archive_path(row.sha256 or "")
        aside = row.state is State.RETIRED and gallery.vault.aside_path(row.location, row.sha256 or "").exists()
        lost = not aside and (not archive.exists() or bool(catalog.damage(gallery.key, row.sha256 or "")[0]))
        stays = lost or row.binned_as is not None
        goes_at = None if stays else since_at + int(gallery.settings.trash.total_seconds())
        yield Wasted(row.location, row, archive, since_at, goes_at, lost)


def as_parts(found: Sequence[Wasted]) -> Iterator[str | Listing]:
    """For a rich console."""
    if not found:
        yield "Nothing is in the trash, and no earlier version of a photo is kept."
        return
    table = Listing(("Photo", "size", "archive", "since", "goes after"))
    for each in found:
        goes = "-" if each.goes_at is None else day(each.goes_at)
        sizes = amount(each.row.size_bytes), amount(each.row.archive_bytes or 0)
        table.rows.append((shown(each.photo) + (" (earlier)" if each.earlier else ""), *sizes, day(each.since_at), goes))
    yield table
    notes = [f"{shown(each.photo)}: {each.note()}" for each in found if each.note()]
    yield from (["", *notes] if notes else [])
    if any(not each.earlier and not each.lost for each in found):
        yield ""
        yield 'What is in the trash comes back by "restore" and the name that it had.'
