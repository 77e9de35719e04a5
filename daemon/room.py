"""Whether a disk has the room for another photo: archiving stops before a disk is full, and leaves what a restore may need.

An archived photo takes more space at first: its original waits out the grace beside archive and stand-in.
"""

from daemon.composition import Workshop
from daemon.galleries import Gallery
from daemon.report import amount
from storage.errors import shown
from storage.reserve import free_bytes

_COPIES = 2
"""Of the original's size: archive and stand-in are smaller, but where names can't be exchanged, the original itself is copied."""

FULL_ADVICE = "Every photo is as safe as before. A shorter `grace` helps, since originals wait on the same disk; so does room made by hand."


def want_of_room(shop: Workshop, gallery: Gallery, photo_bytes: int) -> str:
    """What to say where a photo of that size may not be begun; empty where it may. Raises StorageError.

    A reserve that had to be given up is no room.
    """
    needed = _COPIES * photo_bytes + shop.settings.safety.reserve_bytes + shop.missing_reserve_bytes(gallery)
    free = free_bytes(gallery.root)
    return "" if free >= needed else f"the disk of {shown(gallery.root)} is nearly full: {amount(free)} free, {amount(needed)} asked for"
