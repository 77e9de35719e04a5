"""Photos that were packed anew are ordinary files of their users, who may move them: where they are now, by their bytes."""

from collections.abc import Mapping
from pathlib import Path

from daemon.everywhere import everything
from daemon.galleries import Gallery
from storage.digest import sha256_of
from storage.errors import Missing


def whereabouts(gallery: Gallery, wanted: Mapping[str, int]) -> dict[str, Path]:
    """A place in the gallery of each re-packed photo that is found; `wanted` has their digests, and the bytes of each.

    Reads only files of those sizes. Raises StorageError where one of them can't be read, or a folder can't be listed: it may be the photo.
    """
    found: dict[str, Path] = {}
    sizes = set(wanted.values())
    for path, fingerprint in everything(gallery.root) if sizes else ():
        if fingerprint.size_bytes in sizes:
            try:
                digest = sha256_of(path)
            except Missing:
                continue
            if digest in wanted:
                found.setdefault(digest, path)
    return found
