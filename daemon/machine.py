"""What the machine says of itself: power, load, heat, who is at the screen, room on a disk. Whatever it does not say is None.

Everything is read from /sys, /proc and loginctl, under roots that tests replace; nothing is decided here.
"""

import multiprocessing
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.gate import Facts
from daemon.worker import cpu_s_of

_LOAD_S = 20.0
"""A load is taken over at least so many seconds."""
_HOT_DISKS = frozenset({"drivetemp", "nvme"})


@dataclass(frozen=True, slots=True)
class Room:
    """Of the file system under a folder, for ordinary users."""

    free_bytes: int
    total_bytes: int

    @classmethod
    def of(cls, folder: Path) -> "Room | None":
        """None where the folder can't be asked."""
        try:
            found = os.statvfs(folder)
        except OSError:
            return None
        return cls(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def is_below(self, bound: int | float | None) -> bool:
        """Whether less than `bound` (bytes, or a share of the disk) is free."""
        if bound is None:
            return False
        return self.free_bytes < (bound * self.total_bytes if isinstance(bound, float) else bound)


class Machine:
    """Reads facts; `own_s` gives the seconds of processor time that we ourselves have used, which are nobody else's load."""

    def __init__(
        self,
        sysfs: Path = Path("/sys"),
        proc: Path = Path("/proc"),
        monotonic: Callable[[], float] = time.monotonic,
        session: Callable[[], bool | None] | None = None,
        own_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._sysfs = sysfs
        self._proc = proc
        self._monotonic = monotonic
        self._session = session or session_active
        self.own_s = own_s
        self._sample: tuple[float, float, float] | None = None
        self._load: float | None = None

    def facts(self, *, with_session: bool = False) -> Facts:
        """`with_session`: also ask who is at the screen, which starts a process."""
        on_ac_power, battery = self._power()
        return Facts(on_ac_power, battery, self._load_of_others(), self._session() if with_session else None, self._hot_disk())

    def _power(self) -> tuple[bool | None, float | None]:
        mains: list[bool] = []
        charges: list[float] = []
        draining = False
        for supply in _folders(self._sysfs / "class/power_supply"):
            kind = _text(supply / "type")
            if kind == "Battery":
                if _text(supply / "scope") == "Device" or _text(supply / "present") == "0":
                    continue  # a mouse's
                draining = draining or _text(supply / "status") == "Discharging"
                charge = _number(supply / "capacity")
                charges += [] if charge is None else [charge / 100]
            elif (online := _number(supply / "online")) is not None and _text(supply / "scope") != "Device":
                mains.append(online > 0)
        battery = min(charges, default=None)
        if any(mains):
            return True, battery
        if draining or (mains and charges):
            return False, battery
        return None, battery

    def _load_of_others(self) -> float | None:
        now, found, own_s = self._monotonic(), busy(self._proc / "stat"), self.own_s()
        if found is None:
            return None
        busy_s, cores = found
        if self._sample is None:
            self._sample = (now, busy_s, own_s)
            first = _text(self._proc / "loadavg").split(" ")[0]
            with_us = float(first) / cores if first else None
            self._load = None if with_us is None else min(1.0, with_us)
        elif now - self._sample[0] >= _LOAD_S:
            before, busy_before_s, own_before_s = self._sample
            # Our own seconds are told late where a worker has just ended; never less than nothing.
            others_s = max(0.0, (busy_s - busy_before_s) - max(0.0, own_s - own_before_s))
            self._load = min(1.0, others_s / (now - before) / cores)
            self._sample = (now, busy_s, own_s)
        return self._load

    def _hot_disk(self) -> str:
        for sensor in _folders(self._sysfs / "class/hwmon"):
            name = _text(sensor / "name")
            if name not in _HOT_DISKS:
                continue
            now, most = _number(sensor / "temp1_input"), _number(sensor / "temp1_max")
            if now is not None and most is not None and 0 < most <= now:
                return f"{name}, {now / 1000:.0f} °C"
        return ""


def busy(stat: Path) -> tuple[float, int] | None:
    """Seconds that all cores together were busy since the start of the computer, and how many cores there are, by proc(5)."""
    try:
        lines = stat.read_text(encoding="ascii").splitlines()
        user, nice, system, _idle, _iowait, irq, softirq, *_ = (int(field) for field in lines[0].split()[1:])
    except (OSError, ValueError, IndexError):
        return None
    cores = sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines) or 1
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK"), cores


def our_own_s() -> float:
    """Seconds of processor time of this process, of its worker processes, and of those that ended."""
    ended = sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    return ended + sum(cpu_s_of(each.pid) for each in multiprocessing.active_children())


def session_active() -> bool | None:
    """Whether somebody is at the first seat's screen, by logind's idle hint; None where nobody can tell."""
    command = ["loginctl", "show-seat", "seat0", "--property=ActiveSession", "--property=IdleHint"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if result.returncode != 0:
        return None
    told = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    return bool(told.get("ActiveSession")) and told.get("IdleHint") == "no"


def _folders(parent: Path) -> Iterator[Path]:
    try:
        yield from sorted(parent.iterdir())
    except OSError:
        return


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None
