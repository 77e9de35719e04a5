"""Fuzz the targets, one after the other, each in a process of its own with a worker's limits on memory; what is found is kept and told.

    python -m tests.fuzz.run --minutes 60 [--only jpeg,png] [--work .fuzz]

The minutes are of one processor, for all targets together. With atheris (pip install atheris) the code's own branches lead the way, else
chance alone. What reached something new is kept in the work folder, so that the next run goes on from there. Ends with 1 after a finding;
put its file into tests/fuzz/findings, where every run of the tests tries it.
"""

import argparse
import ctypes
import faulthandler
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

FINDINGS = Path(__file__).resolve().parent / "findings"
CODEC = Path(__file__).resolve().parent.parent.parent / "codec"
MEMORY_BYTES = 2_000_000_000
PATIENCE_S = 60.0
"""Of a processor, for one input."""
WAIT_S = 1800
"""By the clock, for one input: what waits for something uses no processor."""
SHARES = {"jpeg": 5, "png": 5, "archive": 5, "stream": 4, "coded": 2, "metadata": 3, "labels": 3, "piece": 2, "message": 1}
"""Of the time."""


def findings(name: str) -> Iterator[Path]:
    """Inputs that were findings once."""
    yield from sorted(FINDINGS.glob(f"{name}-*"))


def limited() -> None:
    """As a worker process is."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def impatient() -> None:
    """From now on the process aborts PATIENCE_S of its own processor time after `begin`: a busy machine makes nothing look like a hang.

    Not a Python handler, which would wait until compiled code returns.
    """
    library = ctypes.CDLL(None)
    library.signal(signal.SIGPROF, library.abort)


def begin() -> None:
    """An input is about to be tried."""
    signal.setitimer(signal.ITIMER_PROF, PATIENCE_S)


def guided(name: str, seconds: int, work: Path) -> None:
    """Led by coverage; never returns."""
    import atheris

    # A module with compiled loops can't be instrumented: numba would compile the instruments.
    sources = [path for path in CODEC.rglob("*.py") if "codec.compiled import" in path.read_text(encoding="utf-8")]
    compiled = [".".join(path.relative_to(CODEC.parent).with_suffix("").parts) for path in sources]
    with atheris.instrument_imports(include=["codec", "daemon", "tests.fuzz.targets"], exclude=compiled, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS, small_pictures
    target = TARGETS[name]
    corpus = work / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in (*target.seeds(), *(path.read_bytes() for path in findings(name))):
        (corpus / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.3:
            return target.mutated(data, rng)[:most_bytes]
        return target.mutated(data, rng, lambda part: bytes(atheris.Mutate(part, max(len(part) + 64, 64))))[:most_bytes]

    until = time.process_time() + seconds

    def check(data: bytes) -> None:
        if time.process_time() > until or _held_bytes() > MEMORY_BYTES * 3 // 4:
            os.kill(os.getpid(), signal.SIGUSR1)  # libFuzzer ends after this input, and tells its figures; `_one` begins it again
        begin()
        target.check(data)

    options = [f"-timeout={WAIT_S}", "-rss_limit_mb=0", f"-max_len={target.most_bytes}"]
    options += [f"-artifact_prefix={work}/{name}-", "-print_final_stats=1", "-verbosity=0", "-detect_leaks=0", "-len_control=0"]
    limited()
    impatient()
    with small_pictures():
        atheris.Setup([sys.argv[0], *options, str(corpus)], check, custom_mutator=mutate)
        atheris.Fuzz()


def _held_bytes() -> int:
    """What RLIMIT_DATA counts. Coverage grows without end, and a thread that finds no memory to start in is waited for for ever."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()


def blind(name: str, seconds: int, work: Path) -> None:
    """By chance. The input that is being tried lies in the work folder, so that a crash leaves it there."""
    from tests.fuzz.targets import TARGETS, small_pictures

    target, rng, tried = TARGETS[name], random.Random(time.time_ns()), 0
    known = [*target.seeds(), *(path.read_bytes() for path in findings(name))]
    current = work / f"{name}-current"
    limited()
    impatient()
    faulthandler.enable()
    until = time.process_time() + seconds
    with small_pictures():
        while time.process_time() < until:
            data = target.mutated(rng.choice(known), rng)
            current.write_bytes(data)
            faulthandler.dump_traceback_later(WAIT_S, exit=True)
            begin()
            target.check(data)
            faulthandler.cancel_dump_traceback_later()
            tried += 1
    current.unlink(missing_ok=True)
    print(f"stat::number_of_executed_units: {tried}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz everything that reads what strangers wrote.")
    parser.add_argument("--minutes", type=float, default=10.0, help="of one processor, for all targets together")
    parser.add_argument("--only", default="", help="targets, with commas between them")
    parser.add_argument("--work", type=Path, default=Path(".fuzz"), help="where the corpus grows and findings are put")
    parser.add_argument("--blind", action="store_true", help="without atheris")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=10, help=argparse.SUPPRESS)
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    try:
        import atheris  # noqa: F401
    except ImportError:
        told.blind = True
    if told.one:
        (blind if told.blind else guided)(told.one, told.seconds, told.work)
        return 0
    names = told.only.split(",") if told.only else list(SHARES)
    whole, found = sum(SHARES[name] for name in names), 0
    print(f"{'target':10} {'tried':>10} {'seconds':>8}  findings", flush=True)
    for name in names:
        seconds = max(1, round(60 * told.minutes * SHARES[name] / whole))
        tried, spent, files = _one(name, seconds, told.work, blind=told.blind)
        found += len(files)
        print(f"{name:10} {tried:10} {spent:8.0f}  {', '.join(path.name for path in files) or '-'}", flush=True)
    return 1 if found else 0


def _one(name: str, seconds: int, work: Path, *, blind: bool) -> tuple[int, float, list[Path]]:
    """Inputs tried, processor seconds, and the files of what was found; the process starts again after a finding, a few times."""
    before, began = set(work.glob(f"{name}-*")), _children_s()
    tried = 0
    for _ in range(20):
        left = seconds - (_children_s() - began)
        if left < 1:
            break
        command = [sys.executable, "-m", "tests.fuzz.run", "--one", name, "--seconds", str(round(left)), "--work", str(work)]
        done = subprocess.run([*command, *(["--blind"] if blind else [])], capture_output=True, check=False)
        text = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
        tried += sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith("stat::number_of_executed_units"))
        if done.returncode:
            (work / f"{name}.log").open("a").write(text[-6000:])
            current = work / f"{name}-current"
            if current.exists():
                current.rename(work / f"{name}-{hashlib.sha256(current.read_bytes()).hexdigest()[:12]}")
    return tried, _children_s() - began, sorted(set(work.glob(f"{name}-*")) - before)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
