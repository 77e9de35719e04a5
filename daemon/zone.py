"""The zone of the clock on this computer's wall, by name where it has one, since its changes of the clock follow from that."""

import time
from datetime import UTC, datetime, timedelta, tzinfo

from tzlocal import get_localzone


def local_zone() -> tzinfo:
    """Never raises: TZ may be a rule instead of a name ("CET-1CEST"), or nonsense, which the C library takes for UTC."""
    try:
        return get_localzone()
    except (LookupError, ValueError, OSError):
        return ByRule()


class ByRule(tzinfo):
    """What the C library says the wall's clock shows."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        if moment is None:
            return None
        wall = moment.replace(tzinfo=None)
        return timedelta(seconds=round(wall.replace(tzinfo=UTC).timestamp() - wall.timestamp()))

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None if moment is None else time.localtime(moment.replace(tzinfo=None).timestamp()).tm_zone

    def fromutc(self, moment: datetime) -> datetime:
        shown = datetime.fromtimestamp(moment.replace(tzinfo=UTC, microsecond=0).timestamp())  # noqa: DTZ006 that is what is asked for
        return shown.replace(microsecond=moment.microsecond, tzinfo=self)
