"""A gallery whose user ejected it and deleted its vault, and wants it archived again: it begins anew."""

import logging

from daemon.elsewhere import in_its_place
from daemon.galleries import Gallery
from daemon.places import is_folder
from storage.catalog import Catalog
from storage.errors import shown
from storage.states import State

_log = logging.getLogger(__name__)
_NEED_NO_VAULT = (State.QUEUED, State.LEFT, State.FAILED)


def begin_anew(gallery: Gallery, catalog: Catalog) -> None:
    """The user says "as it is": where the vault is gone, and every photo that had an archive in it is in its place, in full, the catalogue
    forgets the gallery. Copies are still known by their digests, so that none is coded a second time. Anywhere else nothing is done."""
    if not is_folder(gallery.root) or gallery.vault.is_there or not catalog.needs_vault(gallery.key):
        return
    rows = [row for row in catalog.rows(gallery=gallery.key) if row.state not in _NEED_NO_VAULT]
    if rows and all(row.state is State.RESTORED and in_its_place(row) is not None for row in rows):
        catalog.forgot(gallery.key)
        _log.info("%s begins anew: its vault is gone, and all its photos are in their places", shown(gallery.root))
