"""Galleries that the configuration does not name: a disk that is plugged in, or what a backup gave back, is enough for `restore --to`."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from daemon import settings
from daemon.errors import NoGallery
from daemon.galleries import place
from daemon.places import is_folder, real
from daemon.settings import Settings
from storage.layout import ARCHIVE_SUFFIX
from storage.vault import Vault


def widened(config_file: Path, given: Iterable[Path]) -> Settings:
    """The configuration, and beside its galleries those of `given` that it does not name, told by their vaults.

    Raises Misconfigured, and NoGallery where there is neither a configuration nor such a gallery, nor an archive among them.
    """
    places = [place(path) for path in given]
    plain = settings.parse('[[gallery]]\npath = "/nowhere"\n', "", settings.said_outside())
    trouble: NoGallery | None = None
    try:
        found = settings.read(config_file)
    except NoGallery as error:
        found, trouble = replace(plain, galleries=()), error
    galleries = list(found.galleries)
    roots = [real(each.path) for each in galleries]
    for where in places:
        root = next((folder for folder in (where, *where.parents) if is_folder(Vault(folder).folder)), None)
        if root is not None and not any(each.is_relative_to(root) or where.is_relative_to(each) for each in roots):
            galleries.append(replace(plain.galleries[0], path=root))
            roots.append(root)
    if trouble is not None and not galleries and not any(where.suffix == ARCHIVE_SUFFIX for where in places):
        raise trouble
    return replace(found, galleries=tuple(galleries))
