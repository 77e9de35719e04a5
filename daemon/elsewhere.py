"""Where a photo, or its archive, is if not where it was looked for, and what to say where it can't be given back in place."""

import os
from pathlib import Path

from daemon.composition import Workshop
from daemon.galleries import Gallery
from daemon.marking import mark_of
from storage.digest import read_once, sha256_of
from storage.errors import StorageError, shown
from storage.records import PhotoRow
from storage.states import State
from storage.vault import Vault


def archive_at_hand(where: Path, sha256: str) -> Path | None:
    """The archive of this original in a vault beside or above a stand-in: of a gallery that the configuration does not name, or no more."""
    return next((each for folder in where.parents if (each := Vault(folder).archive_path(sha256)).is_file()), None)


def vault_of(archive: Path) -> Vault:
    """The vault that an archive lies in."""
    return Vault(archive.parents[3])


def of_elsewhere(shop: Workshop, where: Path) -> str:
    """What to say of a stand-in whose archive is in no gallery of this configuration, nor at hand; empty for any other file."""
    try:
        mark = mark_of(read_once(where).data)
    except StorageError:
        return ""
    if mark is None:
        return ""
    name = f"{mark.original}.nphoto"
    if mark.vault and mark.vault not in {gallery.vault.id for gallery in shop.galleries}:
        return (
            f"is a stand-in from another computer or disk: its archive {name} is in the vault {mark.vault}, which is in no configured "
            "gallery. Restore it where that vault is, or copy that archive here and restore it with --to DIR."
        )
    return (
        f"is a stand-in, but its archive {name} is in no vault here; look for it in a backup of the vault, and restore it with --to DIR. "
        "The stand-in stays as it is."
    )


def why_not_in_place(gallery: Path | None, unnamed: Path | None) -> str:
    """Of what no row of the catalogue is about: a stand-in with its archive in a configured `gallery` (its root), one with its archive in a
    vault that the configuration does not name (`unnamed`), or an archive alone (both None)."""
    if gallery is not None:
        return 'the catalogue does not know it, since that is lost or old: "doctor --rebuild" makes it anew. Or say --to DIR.'
    if unnamed is not None:
        return f"it belongs to {shown(vault_of(unnamed).root)}, which is no [[gallery]] of the configuration. Write it in, or say --to DIR."
    return "an archive alone has no place to be put in; say --to DIR."


def in_its_place(row: PhotoRow) -> str | None:
    """Digest of the file under the photo's own name, where that is its original or its copy."""
    try:
        found = sha256_of(row.location)
    except StorageError:
        return None
    return found if found in (row.sha256, row.copy_sha256) else None


def where_it_is(shop: Workshop, gallery: Gallery, row: PhotoRow, where: Path) -> str:
    """What to say of a photo that is not archived, or back: where it is, and what archive is there if another file has its name."""
    name = gallery.shown(where)
    if where != row.location:
        return f"{name}: the full photo is {gallery.shown(row.location)}."
    if row.state is State.RESTORED and row.has_archive and os.path.lexists(where) and in_its_place(row) is None:
        return f"{name} was changed after it was restored, and stays as it is; --to DIR gives the photo as it was archived."
    earlier = [each for each in shop.catalog.superseded(gallery.key, gallery.relative(where)) if each.has_archive]
    if not earlier:
        return ""
    archive = gallery.vault.archive_path(earlier[0].sha256 or "")
    return f'{name} is another file than the one that was archived under this name; "restore {shown(archive)} --to DIR" gives that one.'
