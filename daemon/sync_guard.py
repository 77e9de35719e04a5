"""What a sync tool or another program around a gallery means for it: refused, to be confirmed first, or only to be known.

Where a gallery syncs both ways, its stand-ins travel to the other devices and take the photos' place there, so that the archive becomes the
only full copy. Nothing is written before the user has said that he knows, and before the vault is kept from travelling; no original goes
before its archive is in a backup, or the user has said that one copy is enough.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import SyncRefused
from daemon.galleries import Gallery
from daemon.keys import TWO_WAY
from daemon.settings import GallerySettings
from daemon.sync_ignores import IgnoreLine, ignore_line
from daemon.sync_roots import CARRIERS, MOST_FOLDERS, OWNERS, SyncRoot, Tool, sync_roots
from daemon.syncthing import receives_only
from storage.errors import shown
from storage.layout import VAULT_NAME


@dataclass(frozen=True, slots=True)
class Guard:
    """What was found around one gallery, and what follows."""

    roots: tuple[SyncRoot, ...]
    both_ways: tuple[SyncRoot, ...]
    """Those of `roots` that carry changes from here to other devices."""
    lines: tuple[IgnoreLine, ...]
    """By which the vault is kept from travelling; in effect or not."""
    refusals: tuple[str, ...]
    """Sentences that say why nothing may be written here, and what to do."""
    notes: tuple[str, ...]
    """What is good to know, and stops nothing."""
    by_word: bool = False
    """No tool that carries anything was recognised, but the user has said that one does."""

    def carrier(self, path: Path) -> SyncRoot | None:
        """Who carries what is written at a path to other devices."""
        return next((each for each in self.both_ways if each.carries(path)), None)


def guard(root: Path, settings: GallerySettings, most_folders: int = MOST_FOLDERS, places: Iterable[Path] | None = None) -> Guard:
    """Look at a gallery's folder, its links resolved, and at those around it and in it. Names only; nothing is written.

    `places`: photos and folders in it that alone are to be worked on.
    """
    roots = sync_roots(root, most_folders, places)
    carriers = [each for each in roots if each.tool in CARRIERS]
    both_ways = tuple(each for each in carriers if not (each.tool is Tool.SYNCTHING and receives_only(each.folder)))
    lines = tuple(line for line in (ignore_line(each, root) for each in carriers) if line is not None)
    by_word = settings.two_way_sync and not carriers
    refusals = [_not_ours(root, each) for each in roots if each.tool in OWNERS][:1]
    if not refusals:
        refusals += _unconfirmed(root, settings, both_ways, by_word)
        refusals += [
            f"{line.root.tool} would carry the vault of {shown(root)} away, too: {line.proposal} is missing ({line.why_not}). "
            '"gallery-optimizer sync-guard --write-ignore" writes it.'
            for line in lines
            if not line.in_effect
        ]
    notes = (*_by_word(settings, by_word), *_notes(root, settings, roots, both_ways))
    return Guard(roots, both_ways, lines, tuple(refusals), notes, by_word)


def check_sync(gallery: Gallery, places: Iterable[Path] | None = None) -> Guard:
    """The guard of a gallery, or of some places in it, about to be worked on. Raises SyncRefused where nothing may be written."""
    found = guard(gallery.root, gallery.settings, places=places)
    if found.refusals:
        raise SyncRefused("\n".join(found.refusals) + "\nNothing was changed.")
    return found


def _not_ours(root: Path, owner: SyncRoot) -> str:
    where = f"{shown(root)} " + ("contains" if owner.folder.is_relative_to(root) and owner.folder != root else "lies in")
    if owner.tool is Tool.IMMICH:
        return (
            f"{where} a folder that Immich manages ({shown(owner.folder / owner.marker)}): its database knows every file's checksum, and "
            "takes a changed one for damaged. Keep the photos in a folder of your own and give that to Immich as an external library."
        )
    if owner.tool is Tool.GIT_ANNEX:
        return (
            f"{where} a repository of git-annex ({shown(owner.folder / owner.marker)}): it knows every file by its checksum, and keeps "
            "the one that a stand-in would replace, so that nothing would be saved; the stand-in goes to its clones. Keep the photos in "
            "a folder of your own."
        )
    return (
        f"{where} the data directory of a Nextcloud server ({shown(owner.folder / owner.marker)}): its database knows every file's size "
        "and checksum, and would hand out wrong ones. Keep the photos in a folder of your own and give that to Nextcloud as local external "
        "storage."
    )


def _unconfirmed(root: Path, settings: GallerySettings, both_ways: tuple[SyncRoot, ...], by_word: bool) -> list[str]:
    if not both_ways and not by_word:
        return []
    tools = _names(both_ways) or "A sync tool"
    found = []
    if not settings.two_way_sync:
        found.append(
            f"{tools} carries {_what(root, both_ways)} to other devices: the stand-ins would travel there and take the photos' place, and "
            f'the archive would be the only full copy. If that is meant so, write two_way_sync = "{TWO_WAY}" for this gallery.'
        )
    if settings.stand_in == "none":
        found.append(
            f"{tools} carries {_what(root, both_ways)} to other devices: every archived photo would be deleted there, too, with "
            'stand_in = "none". Write stand_in = "preview".'
        )
    return found


def _by_word(settings: GallerySettings, by_word: bool) -> Iterator[str]:
    if not by_word:
        return
    yield (
        "two_way_sync says that a sync tool carries this gallery, but no sync tool was recognised: see to it yourself that it leaves "
        f"{VAULT_NAME} alone."
    )
    if not settings.backup_check and not settings.one_copy:
        yield "Its originals are not purged before their archives are in a backup: name a backup_check, or write one_copy = true."


def _notes(root: Path, settings: GallerySettings, roots: tuple[SyncRoot, ...], both_ways: tuple[SyncRoot, ...]) -> list[str]:
    found = []
    if both_ways and settings.two_way_sync and not settings.backup_check and not settings.one_copy:
        found.append(
            f"{_names(both_ways)} carries {_what(root, both_ways)}, so no original is purged before its archive is in a backup: "
            "name a backup_check, or write one_copy = true."
        )
    receiving = [each for each in roots if each.tool is Tool.SYNCTHING and each not in both_ways]
    found += [f"{shown(each.folder)} is a receive-only folder of Syncthing: stand-ins stay here, photos there." for each in receiving]
    found += [
        f"digiKam keeps its database in {shown(each.folder)}: albums, tags and captions stay with a stand-in, which has the photo's name; "
        "face regions, counted in pixels, fit again after a restore."
        for each in roots
        if each.tool is Tool.DIGIKAM
    ]
    return found


def _what(root: Path, roots: tuple[SyncRoot, ...]) -> str:
    """All of the gallery, or those parts of it that are carried."""
    if not roots or any(each.carries(root) for each in roots):
        return shown(root)
    return " and ".join(shown(each.folder) for each in roots)


def _names(roots: tuple[SyncRoot, ...]) -> str:
    return " and ".join(dict.fromkeys(each.tool.value for each in roots))
