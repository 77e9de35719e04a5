"""May work go on now? Decided from facts about the machine and the schedule; pure.

The facts come from `machine`; what is asked between any two photos is `hold`.
"""

from dataclasses import dataclass

from daemon.settings import Schedule
from daemon.waits import Hold

EASED = 0.8
"""A load that made us wait has to fall to this part of `max_load`, so that work does not start and stop with every gust."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the machine says of itself; None where it does not say."""

    on_ac_power: bool | None = None
    battery: float | None = None
    """Share of the charge, of the emptiest battery."""
    load: float | None = None
    """Share of all cores that others used lately."""
    session_active: bool | None = None
    hot_disk: str = ""
    """The name of a disk that is as hot as it may be."""


def hold(facts: Facts, schedule: Schedule, *, before: Hold | None = None, made_up: bool = False) -> Hold | None:
    """Why to wait, or None to go on. What the machine does not say is no reason.

    `before`: why we wait already. `made_up`: for a night made up by day, when somebody at the screen always comes first.
    """
    if facts.on_ac_power is False:
        if schedule.only_on_ac_power:
            return Hold("on-battery")
        if facts.battery is not None and facts.battery < schedule.min_battery:
            return Hold("battery-low", f"{facts.battery:.0%}")
    if facts.hot_disk:
        return Hold("hot", facts.hot_disk)
    if facts.session_active and (made_up or schedule.only_when_idle_session):
        return Hold("session")
    if facts.load is not None and schedule.max_load < 1:
        waited = before is not None and before.reason == "load"
        if facts.load > schedule.max_load * (EASED if waited else 1.0):
            return Hold("load", f"{facts.load:.0%} of the cores")
    return None
