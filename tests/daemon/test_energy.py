import os
from pathlib import Path

import pytest

from daemon.energy import MEASURED, MODEL, WATTS_PER_BUSY_CORE, EnergyMeter

TICKS = os.sysconf("SC_CLK_TCK")


def computer(folder: Path, busy_s: float, **packages: int) -> tuple[Path, Path]:
    """A /sys/class/powercap with one zone for each of `packages` (microjoules), and a /proc/stat."""
    powercap, stat = folder / "powercap", folder / "stat"
    for number, (name, microjoules) in enumerate(packages.items()):
        zone = powercap / f"intel-rapl:{number}"
        zone.mkdir(parents=True, exist_ok=True)
        (zone / "name").write_text(name.replace("_", "-") + "\n")
        (zone / "energy_uj").write_text(f"{microjoules}\n")
        (zone / "max_energy_range_uj").write_text("100000000\n")
    stat.write_text(f"cpu  {int(busy_s * TICKS)} 0 0 999999 5 0 0 0 0 0\ncpu0 1 2 3\n")
    return powercap, stat


def test_without_a_meter_a_model_that_says_so(tmp_path: Path) -> None:
    energy = EnergyMeter(tmp_path / "none", tmp_path / "nothing").energy(360)
    assert energy.watt_hours == pytest.approx(WATTS_PER_BUSY_CORE / 10)
    assert energy.source == MODEL
    assert f"{WATTS_PER_BUSY_CORE:.0f} watts" in MODEL


def test_our_share_of_what_the_packages_took(tmp_path: Path) -> None:
    meter = EnergyMeter(*computer(tmp_path, 1000, package_0=5_000_000, package_1=0, psys=1))
    computer(tmp_path, 1040, package_0=41_000_000, package_1=36_000_000, psys=99_000_000)
    energy = meter.energy(10)  # of 40 busy seconds; 72 joules
    assert energy.watt_hours == pytest.approx(72 / 4 / 3600)
    assert energy.source == MEASURED


def test_a_counter_that_starts_anew(tmp_path: Path) -> None:
    meter = EnergyMeter(*computer(tmp_path, 0, package_0=90_000_000))
    computer(tmp_path, 5, package_0=10_000_000)
    meter.tick()
    computer(tmp_path, 10, package_0=30_000_000)
    assert meter.energy(10).watt_hours == pytest.approx(40 / 3600)


def test_a_meter_that_may_not_be_read_any_longer(tmp_path: Path) -> None:
    meter = EnergyMeter(*computer(tmp_path, 0, package_0=1))
    (tmp_path / "powercap" / "intel-rapl:0" / "energy_uj").write_text("")
    assert meter.energy(1).source == MODEL
