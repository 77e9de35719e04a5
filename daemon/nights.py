"""Which night it is: the window's, one made up after the computer slept through it, or one by day since a disk runs full. Pure."""

from datetime import datetime, timedelta, tzinfo

from daemon.window import Night, Window

SLEPT = timedelta(minutes=10)
"""A look at the clock that comes so much too late says that the computer, or the service, was not there meanwhile."""


def missed(window: Window, zone: tzinfo, woke_at: datetime, last_run_at: datetime | None) -> Night | None:
    """A night to make up for the one that was slept through: from waking up until the next begins. None where there is nothing to make up.

    `last_run_at`: when work was last begun, by anybody; None: never, so there was no night that anybody would miss.
    """
    if last_run_at is None or window.night(woke_at, zone) is not None:
        return None
    if last_run_at >= window.last_night(woke_at, zone).starts_at:
        return None
    return Night(woke_at, window.next_night(woke_at, zone).starts_at, made_up=True)


def tonight(window: Window, zone: tzinfo, now: datetime, *, made_up: Night | None = None, pressed: bool = False) -> Night | None:
    """The night to work in now. `pressed`: a disk runs full, so that there is work by day too."""
    night = window.night(now, zone)
    if night is not None:
        return night
    if pressed:  # what is written by day counts for the night that is over
        return Night(window.last_night(now, zone).starts_at, window.next_night(now, zone).starts_at, pressed=True)
    return made_up if made_up is not None and made_up.holds(now) else None
