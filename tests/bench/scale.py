"""How the program grows: catalogues of ten thousand, a hundred thousand and a million photos, and galleries of as many files, as a table.

    python -m tests.bench.scale [--sizes 10000,100000,1000000] [--files 10000,100000] [--place DIR]

A command is measured from its start to its end, imports included, by the clock and by processor time; of several tries the quickest
counts, since the others say what else the machine did. Ends with 1 where a limit of LIMITS is passed by processor time.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from storage.catalog import Catalog
from tests.bench.catalogue import fill, meet, settle

LIMITS = {"status": 0.3, "claim": 0.005, "look": 20.0, "megabytes": 300.0}
"""Seconds of `status` and of a claim with a million photos; seconds and memory of a run over 100,000 files that finds nothing to do."""


@dataclass(frozen=True)
class Spent:
    """Of one process. `peak_mb`: resident memory, 10^6 bytes."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


_PEAK = """
import atexit, sys
status = sys.argv.pop(1)
atexit.register(lambda: open(status, "w").write(open("/proc/self/status").read()))
"""
"""A process tells its own peak: what the kernel tells of it afterwards (ru_maxrss) may be its parent's."""
_PROGRAM = f"""{_PEAK}
from daemon.cli.main import main
main()
"""


def spent(folder: Path, code: str, *arguments: str) -> Spent:
    """One process that runs `code`."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent)}
    told, began = folder / "status", time.monotonic()
    quiet = [(os.POSIX_SPAWN_OPEN, descriptor, "/dev/null", os.O_WRONLY, 0) for descriptor in (1, 2)]
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", code, str(told), *arguments], environment, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    wall_s = time.monotonic() - began
    peak_kib = next(int(line.split()[1]) for line in told.read_text().splitlines() if line.startswith("VmHWM"))
    return Spent(wall_s, used.ru_utime + used.ru_stime, peak_kib * 1024 / 1e6, os.waitstatus_to_exitcode(status))


def run(folder: Path, *arguments: str, tries: int = 1) -> Spent:
    """The program on the gallery and the state in `folder`; the quickest of `tries`."""
    where = ("--config", str(folder / "config.toml"), "--state", str(folder / "state"))
    return min((spent(folder, _PROGRAM, *where, *arguments) for _ in range(tries)), key=lambda each: each.wall_s)


def prepared(folder: Path) -> Path:
    for name in ("a", "b", "state"):
        (folder / name).mkdir(parents=True)
    (folder / "config.toml").write_text(f'[[gallery]]\npath = "{folder}/a"\n', encoding="utf-8")
    return folder


def claims_s(catalog: Catalog, count: int = 100) -> list[float]:
    found = []
    for _ in range(count):
        began = time.perf_counter()
        catalog.claim()
        found.append(time.perf_counter() - began)
    return found


def catalogue(folder: Path, photos: int) -> tuple[list[str], list[str]]:
    """One row of the first table, and what passes a limit."""
    prepared(folder)
    file = folder / "state" / "catalog.sqlite3"
    with Catalog(file) as catalog:
        fill(catalog, photos, folder / "a", folder / "b")
    (folder / "config.toml").write_text(f'[[gallery]]\npath = "{folder}/a"\n[[gallery]]\npath = "{folder}/b"\n', encoding="utf-8")
    with Catalog(file) as catalog:
        claim_s = statistics.median(claims_s(catalog))
        began = time.process_time()
        wrong = catalog.miscounts()
        counting_s = time.process_time() - began
    status, history = run(folder, "status", tries=7), run(folder, "history", tries=3)
    explain = run(folder, "explain", str(folder / "a" / "2011/02/IMG_0000001.jpg"), tries=3)
    row = [f"{photos:,}", f"{file.stat().st_size / 1e6:,.0f} MB", f"{status.wall_s:.2f} s", f"{status.cpu_s:.2f} s"]
    row += [f"{1000 * claim_s:.1f} ms", f"{history.wall_s:.2f} s", f"{explain.wall_s:.2f} s", f"{counting_s:.1f} s"]
    beyond = [f"{photos:,} photos: {what}" for what, wrong in (
        ("status", status.cpu_s > LIMITS["status"] or status.code), ("claim", claim_s > LIMITS["claim"]), ("sums", wrong),
        ("history", history.code), ("explain", explain.code)) if wrong]  # fmt: skip
    return row, beyond


def gallery(folder: Path, files: int) -> tuple[list[str], list[str]]:
    """One row of the second table: a gallery that the catalogue knows, and one of photos that it has never seen."""
    prepared(folder)
    with Catalog(folder / "state" / "catalog.sqlite3") as catalog:
        fill(catalog, files * 4 // 3, folder / "a", folder / "b")
        settle(catalog, folder / "config.toml")
        met = meet(catalog, folder / "a")
    (folder / "a" / ".gallery-optimizer" / "archives").mkdir(parents=True)
    run(folder, "optimize")  # makes the vault's own folders
    known = run(folder, "optimize", tries=2)
    first = looked(folder)
    row = [f"{met:,}", f"{known.wall_s:.1f} s", f"{known.cpu_s:.1f} s", f"{known.peak_mb:.0f} MB"]
    row += [f"{first.wall_s:.1f} s", f"{first.cpu_s:.1f} s", f"{first.peak_mb:.0f} MB"]
    beyond = []
    if met >= 99_000:
        passed = (known.cpu_s > LIMITS["look"] or known.code not in (0, 3), first.cpu_s > LIMITS["look"] or first.code)
        beyond = [f"{met:,} files: {what}" for what, wrong in zip(("nothing to do", "first look"), passed, strict=True) if wrong]
        beyond += [f"{met:,} files: memory" for each in (known, first) if each.peak_mb > LIMITS["megabytes"]]
    return row, beyond


_LOOK = f"""{_PEAK}
from pathlib import Path
from daemon import settings
from daemon.discovery import look
from daemon.galleries import all_of
from daemon.ports import SystemClock
from storage.catalog import Catalog
folder = Path(sys.argv[1])
with Catalog(folder / "new.sqlite3") as catalog:
    found = look(all_of(settings.read(folder / "config.toml"))[0], catalog, SystemClock(), [])
    assert len(found.queue) == int(sys.argv[2]), len(found.queue)
"""


def looked(folder: Path) -> Spent:
    """The first look at a gallery, with an empty catalogue."""
    count = sum(name.endswith(".jpg") for _, _, names in os.walk(folder / "a") for name in names)
    return spent(folder, _LOOK, str(folder), str(count))


def table(head: str, rows: list[list[str]]) -> None:
    columns = [cell.strip() for cell in head.split("|")]
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how the program grows.")
    parser.add_argument("--sizes", default="10000,100000,1000000", help="photos of the catalogues")
    parser.add_argument("--files", default="10000,100000", help="files of the galleries")
    parser.add_argument("--place", type=Path, help="where everything is made; a million photos take 1.5 GB")
    told = parser.parse_args()
    beyond: list[str] = []
    first = "photos | catalogue | status | its processor time | claim | history | explain | doctor adds up all rows"
    second = "files | nothing to do | its processor time | memory | first look | its processor time | memory"
    for head, measure, sizes in ((first, catalogue, told.sizes), (second, gallery, told.files)):
        rows = []
        for size in filter(None, sizes.split(",")):
            with tempfile.TemporaryDirectory(dir=told.place) as place:
                row, passed = measure(Path(place) / "scale", int(size))
                rows.append(row)
                beyond += passed
        if rows:
            table(head, rows)
    for each in beyond:
        print(f"beyond its limit: {each}")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
