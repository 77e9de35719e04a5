"""Arrivals, gathered while the service rests: each beginning costs two new processes, so that those which come together are worked on
together."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from daemon.intake import Arrival


class Gathering:
    """What came and waits for its turn. For one thread."""

    def __init__(self) -> None:
        self._came: list[Arrival] = []
        self._first_at: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self._came)

    def add(self, came: Iterable[Arrival], now: datetime) -> None:
        """Behind what is there; the first of them begins the gathering."""
        was_empty = not self._came
        self._came += came
        if self._came and was_empty:
            self._first_at = now

    def take(self) -> list[Arrival]:
        """All of it, which is then no longer here."""
        came, self._came = self._came, []
        return came

    def put_back(self, came: list[Arrival]) -> None:
        """What could not be worked on after all, in front of what came since."""
        self._came = came + self._came

    def wait_s(self, now: datetime, quiet: timedelta) -> float | None:
        """Seconds for which more is waited for, which is `quiet` from the first one on. None where nothing is gathered, or it is time."""
        if not self._came or self._first_at is None or not timedelta() <= now - self._first_at < quiet:
            return None
        return (quiet - (now - self._first_at)).total_seconds()
