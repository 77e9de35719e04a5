"""Photos back in their places, by this process where the lock is free, else by the running service between two photos."""

from daemon import asking, settings
from daemon.composition import Workshop
from daemon.neighbours import restore_in_place
from daemon.places import Places
from daemon.ports import Progress
from daemon.restorer import Restoration
from daemon.selection import Chosen
from storage.errors import Locked


def by_ourselves(places: Places, chosen: Chosen, progress: Progress) -> list[Restoration] | None:
    """None where the service is at work and holds the lock. Raises Locked where something else does, WrongPath and other DaemonErrors."""
    try:
        with Workshop(places, settings.read(places.config_file), patient=asking.doing(places) is None) as shop:
            return restore_in_place(shop, chosen, progress)
    except Locked:
        if asking.doing(places) is None:
            raise
    return None


def back_in_place(places: Places, chosen: Chosen, progress: Progress) -> list[Restoration]:
    """By whoever can. Raises as `by_ourselves`, and what the service says went wrong."""
    done = by_ourselves(places, chosen, progress)
    return asking.restore(places, chosen, progress) if done is None else done
