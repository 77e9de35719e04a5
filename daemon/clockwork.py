"""Bells: every minute, at both ends of the window, and when galleries are to be walked. APScheduler keeps the time; nothing is done here.

What is due is decided by whoever is rung for, from the clock on the wall: a bell that comes late, after a suspend or a change of the
clock, or twice, does no harm.
"""

from collections.abc import Callable
from datetime import timedelta, tzinfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from daemon.window import Window

TICK = timedelta(minutes=1)
WALK = timedelta(hours=6)
"""Every gallery is walked so often, for what no event told of."""
POLL = timedelta(minutes=30)
"""Galleries that others change behind the kernel's back."""


class Clockwork:
    """A scheduler with three bells."""

    def __init__(self, zone: tzinfo, *, tick: Callable[[], None], walk: Callable[[], None], poll: Callable[[], None]) -> None:
        # Its own misfires are no news: coalesced, and rung as soon as the computer is awake again.
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone=zone, job_defaults=defaults)
        self._zone = zone
        self._tick = tick
        self._scheduler.add_job(tick, IntervalTrigger(seconds=int(TICK.total_seconds()), timezone=zone), id="tick")
        self._scheduler.add_job(walk, IntervalTrigger(seconds=int(WALK.total_seconds()), timezone=zone), id="walk")
        self._scheduler.add_job(poll, IntervalTrigger(seconds=int(POLL.total_seconds()), timezone=zone), id="poll")

    def follow(self, window: Window) -> None:
        """Ring at the ends of this window from now on."""
        for name, clock in (("opens", window.starts), ("closes", window.ends)):
            if self._scheduler.get_job(name) is not None:
                self._scheduler.remove_job(name)
            if clock is not None:
                trigger = CronTrigger(hour=clock.hour, minute=clock.minute, timezone=self._zone)
                self._scheduler.add_job(self._tick, trigger, id=name)

    def start(self) -> None:
        self._scheduler.start()

    @property
    def alive(self) -> bool:
        thread = getattr(self._scheduler, "_thread", None)
        return bool(self._scheduler.running and thread is not None and thread.is_alive())

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
