"""Parity beside the archives, where the configuration asks for it."""

from daemon.galleries import Gallery
from storage.catalog import Catalog


def keep_parity(gallery: Gallery, catalog: Catalog, sha256: str, archive_sha256: str) -> bool:
    """Make the parity of the archive of an original, where it is wanted and not there, whole and of this archive; whether it was made.

    The archive has to be the proven one, since what it holds now is what will be given back. Raises StorageError.
    """
    if not gallery.parity or not gallery.vault.parity_trouble(sha256, archive_sha256):
        return False
    catalog.noted_parity(gallery.key, sha256, gallery.vault.keep_parity(sha256, gallery.parity))
    return True
