"""Small pictures for an album: the stand-in, else what the camera put into the EXIF, else a small photo itself. Nothing is decoded."""

import os
from contextlib import suppress

from daemon.exif_thumbnail import block_in, camera_thumbnail
from daemon.marking import MOST_STAND_IN_BYTES
from daemon.web.library import Found, aside_of
from daemon.web.opening import OTHER, begin_of, kind_of, opened_beneath
from storage.states import State

_HEAD_BYTES = 256 << 10
"""EXIF stands in front, in at most 64 KB; other segments may stand before it."""
SMALL_BYTES = 1 << 20
"""A photo of that size or less may show itself, where there is nothing smaller."""


def picture_of(found: Found, *, large: bool) -> int | bytes | None:
    """A descriptor of a JPEG or PNG, or the bytes of one; None where there is nothing small to show.

    `large`: for the page of one photo, where the file itself is shown, however large.
    """
    descriptor = _file_of(found)
    if descriptor is None:
        return None
    keep = False
    try:
        size_bytes = os.fstat(descriptor).st_size
        head = begin_of(descriptor, _HEAD_BYTES)
        stands_in = found.row.state in (State.RETIRED, State.PURGED) and size_bytes <= MOST_STAND_IN_BYTES
        if kind_of(head) == OTHER:
            return None
        if not (stands_in or large):
            embedded = camera_thumbnail(block_in(head))
            if embedded is not None:
                return embedded.upright()
        keep = stands_in or large or size_bytes <= SMALL_BYTES
        return descriptor if keep else None
    finally:
        if not keep:
            os.close(descriptor)


def _file_of(found: Found) -> int | None:
    """What is in the photo's place; where that is nothing, its original while it is in grace."""
    root = found.gallery.root
    with suppress(OSError):
        return opened_beneath(root, found.row.path)
    if found.row.state is State.RETIRED:
        with suppress(OSError):
            return opened_beneath(root, os.fsencode(aside_of(found).relative_to(root)))
    return None
