"""The zone of the clock on this computer's wall, by name, since its changes of the clock follow from that."""

from datetime import tzinfo

from tzlocal import get_localzone


def local_zone() -> tzinfo:
    return get_localzone()
