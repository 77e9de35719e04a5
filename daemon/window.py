"""The hours in which the service works: "01:00-06:00", across midnight and changes of the clock. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

ALWAYS = "always"
_NOON = time(12)


@dataclass(frozen=True, slots=True)
class Night:
    """One opening of the window, in UTC. `made_up`: outside of the window, for a night that the computer slept through. `pressed`: by day,
    since a disk runs full."""

    starts_at: datetime
    ends_at: datetime
    made_up: bool = False
    pressed: bool = False

    def holds(self, moment: datetime) -> bool:
        return self.starts_at <= moment < self.ends_at


@dataclass(frozen=True, slots=True)
class Window:
    """From a time of day to another, by the clock on the wall; `starts` None: always."""

    starts: time | None
    ends: time | None

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Raises ValueError."""
        if text.strip() in (ALWAYS, "00:00-24:00"):
            return cls(None, None)
        match = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*", text)
        if match is None:
            raise ValueError('must be two times of day, such as "01:00-06:00", or "always"')
        midnight = (match[3], match[4]) == ("24", "00")
        try:
            starts, ends = time(int(match[1]), int(match[2])), time(0) if midnight else time(int(match[3]), int(match[4]))
        except ValueError:
            raise ValueError('must be two times of day, such as "01:00-06:00"; there is no such time') from None
        if starts == ends:
            raise ValueError(f'begins and ends at the same time; write "{ALWAYS}" for the whole day')
        return cls(starts, ends)

    def __str__(self) -> str:
        return ALWAYS if self.starts is None or self.ends is None else f"{self.starts:%H:%M}-{self.ends:%H:%M}"

    def night(self, now: datetime, zone: tzinfo) -> Night | None:
        """The night that holds `now`; None while the window is closed."""
        return next((night for night in self._around(now, zone) if night.holds(now)), None)

    def next_night(self, now: datetime, zone: tzinfo) -> Night:
        """The first night that begins after `now`."""
        return next(night for night in self._around(now, zone) if night.starts_at > now)

    def last_night(self, now: datetime, zone: tzinfo) -> Night:
        """The latest night that is over by `now`."""
        return [night for night in self._around(now, zone) if night.ends_at <= now][-1]

    def _around(self, now: datetime, zone: tzinfo) -> list[Night]:
        today = now.astimezone(zone).date()
        return [night for days in range(-3, 5) if (night := self._of(today + timedelta(days=days), zone)) is not None]

    def _of(self, day: date, zone: tzinfo) -> Night | None:
        """The night that begins on `day`; None where the clock jumps over all of it."""
        if self.starts is None or self.ends is None:  # from noon to noon, so that a night is not counted as two
            return Night(_moment(day, _NOON, zone, 0), _moment(day + timedelta(days=1), _NOON, zone, 0))
        last = day if self.ends > self.starts else day + timedelta(days=1)
        starts_at = _moment(day, self.starts, zone, 0)
        ends_at = max(_moment(last, self.ends, zone, fold) for fold in (0, 1))  # the hour that comes twice is counted twice
        return Night(starts_at, ends_at) if starts_at < ends_at else None


def _moment(day: date, clock: time, zone: tzinfo, fold: int) -> datetime:
    """In UTC. A time that the clock jumps over is as long after the jump as it would have been after it."""
    return datetime.combine(day, clock, tzinfo=zone).replace(fold=fold).astimezone(UTC)
