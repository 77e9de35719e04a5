"""What computing costs: measured by the processor's own meter where it may be read, else by a stated model.

The meter is RAPL (Documentation/power/powercap in the kernel's sources): joules of a whole processor package, whoever makes it work. Our
part is taken to be our share of the time that all cores were busy, idle power included. On most computers only root may read it.
"""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.machine import busy
from daemon.ports import Codec

WATTS_PER_BUSY_CORE: Final = 10.0
"""The model. Cores of phones and small boards take 2 to 5 W, of laptops 4 to 10, of desktops and servers 8 to 20, memory and supply not
counted: a round number of the right size, good for a comparison, not for a bill."""

MODEL: Final = f"assumed: {WATTS_PER_BUSY_CORE:.0f} watts for each busy core"
MEASURED: Final = "measured by the processor (RAPL), our share of its work"

_POWERCAP: Final = Path("/sys/class/powercap")
_STAT: Final = Path("/proc/stat")


def processor_s(codec: Codec | None) -> float:
    """Seconds of processor time that this process and the codec's have used so far; None: no codec was started."""
    return time.process_time() + (0.0 if codec is None else codec.cpu_s())


@dataclass(frozen=True, slots=True)
class Energy:
    watt_hours: float
    source: str
    """For people: where the number comes from."""


class EnergyMeter:
    """From its making on. `tick` now and then, since the counters start anew after some minutes at full power."""

    def __init__(self, powercap: Path = _POWERCAP, stat: Path = _STAT) -> None:
        self._stat = stat
        self._packages = {folder: reading for folder in _packages(powercap) if (reading := _number(folder / "energy_uj")) is not None}
        self._microjoules = 0.0
        self._busy_before = busy(stat)

    def tick(self) -> None:
        """Read the meters; often enough that none of them wraps around twice in between."""
        for folder, before in list(self._packages.items()):
            now = _number(folder / "energy_uj")
            if now is None:
                del self._packages[folder]
                continue
            around = 0.0 if now >= before else _number(folder / "max_energy_range_uj") or 0.0
            self._microjoules += now - before + around
            self._packages[folder] = now

    def energy(self, cpu_s: float) -> Energy:
        """What `cpu_s` seconds of processor time, spent since this was made, have cost."""
        self.tick()
        now = busy(self._stat)
        if not self._packages or now is None or self._busy_before is None or self._microjoules <= 0:
            return Energy(cpu_s * WATTS_PER_BUSY_CORE / 3600, MODEL)
        share = min(1.0, cpu_s / max(now[0] - self._busy_before[0], cpu_s, 1e-9))
        return Energy(self._microjoules / 1e6 * share / 3600, MEASURED)


def _packages(powercap: Path) -> list[Path]:
    """Zones of whole processors: their parts (core, dram) are counted in them, and psys counts everything once more."""
    found = []
    with contextlib.suppress(OSError):
        for folder in sorted(powercap.glob("intel-rapl:*")):  # AMD's processors have that name too
            with contextlib.suppress(OSError):
                if (folder / "name").read_text(encoding="ascii", errors="replace").startswith("package"):
                    found.append(folder)
    return found


def _number(file: Path) -> float | None:
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
