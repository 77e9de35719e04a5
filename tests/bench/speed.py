"""Decode and encode of one photo of twelve megapixels: ours beside what people would pick instead, in one run.

    python -m tests.bench.speed --phone DIR [--threads 1,2] [--repeat 3] [--megapixels 12] [--json FILE]

Each codec works at the setting that gives SSIMULACRA2 80 in the photo's middle, where the guard's level `high` lies. Each measurement is a
process of its own that has coded a small picture before, so that what is loaded or compiled once does not count. The codecs take turns;
the figures are medians. Encoding is transform and code at one setting: no search, no proof. Peak memory is that of the process, with the
picture and the libraries in it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.bench.matching import with_score
from tests.bench.peers import OURS, PEERS, TITLES, named
from tests.bench.points import centre
from tests.bench.tables import markdown

Pixels = NDArray[np.uint8]
Result = TypeVar("Result")
YARDSTICK = "jxl"
SCORE = 80.0


def photo(folder: Path | None, megapixels: float) -> Pixels:
    """Exactly so many megapixels, 4 : 3: the middle of the first photo that has them; else a photo from scikit-image, repeated."""
    width, height = (round(side * (megapixels / 12) ** 0.5) for side in (4000, 3000))
    for path in sorted(folder.iterdir()) if folder else ():
        if path.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
            continue
        with Image.open(path) as image:
            if max(image.size) < width or min(image.size) < height:
                continue
            pixels = np.asarray(image.convert("RGB"))
        rows, columns = (height, width) if pixels.shape[1] > pixels.shape[0] else (width, height)
        top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
        return np.ascontiguousarray(pixels[top : top + rows, left : left + columns])
    from skimage import data

    small = data.coffee()
    mirrored = np.concatenate((np.concatenate((small, small[:, ::-1]), 1), np.concatenate((small[::-1], small[::-1, ::-1]), 1)), 0)
    times = -(-height // mirrored.shape[0]), -(-width // mirrored.shape[1]), 1
    return np.ascontiguousarray(np.tile(mirrored, times)[:height, :width])


def timed(work: Callable[[], Result]) -> tuple[Result, dict[str, float]]:
    """Seconds of the clock, and seconds of the processor over all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def peak_mib() -> float:
    """This program's own peak; what getrusage says includes the memory of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@contextmanager
def entropy_coding() -> Iterator[list[float]]:
    """The processor's seconds that our codec spends inside its entropy coder, call by call, whichever thread calls."""
    from codec import rans

    spent: list[float] = []

    def counted(work: Callable[..., Result]) -> Callable[..., Result]:
        def call(*arguments: object) -> Result:
            began = time.thread_time()
            result = work(*arguments)
            spent.append(time.thread_time() - began)
            return result

        return call

    encode, decode = rans.encode, rans.Decoder.decode
    rans.encode, rans.Decoder.decode = counted(encode), counted(decode)  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        rans.encode, rans.Decoder.decode = encode, decode  # type: ignore[method-assign]


def child(job: dict[str, object]) -> dict[str, float]:
    """One measurement: {'wall', 'cpu', 'peak_mib'}, and of ours 'entropy', 'analysis'; the stream is written where the job says."""
    codec = named(str(job["codec"]), int(str(job["threads"])), job.get("model") or None)
    setting, stream = int(str(job["setting"])), Path(str(job["stream"]))
    small = centre(np.load(str(job["pixels"]), mmap_mode="r"), 256)
    codec.decode(codec.prepare(np.array(small))(setting))
    parts: dict[str, float] = {}
    with entropy_coding() as spent:
        if job["what"] == "decode":
            data = stream.read_bytes()
            _, found = timed(lambda: codec.decode(data))
        else:
            pixels = np.load(str(job["pixels"]))
            encode, prepared = timed(lambda: codec.prepare(pixels))
            data, found = timed(lambda: encode(setting))
            stream.write_bytes(data)
            found = {name: prepared[name] + found[name] for name in found}
            parts["analysis"] = prepared["cpu"] if codec.name == OURS else 0.0
    if codec.name == OURS:
        parts["entropy"] = sum(spent)
    return {**found, **parts, "peak_mib": peak_mib(), "bytes": len(data)}


def in_child(job: dict[str, object]) -> dict[str, float]:
    threads = str(job["threads"])
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}  # as the daemon's
    command = [sys.executable, "-m", "tests.bench.speed", "--child", json.dumps(job)]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout))


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def table(found: dict[str, dict[str, float]], megapixels: float) -> str:
    """`found`: codec -> medians of one kind of work with one number of threads."""
    head = ["", "seconds", "megapixels a second", f"times {TITLES[YARDSTICK]}'s", "processor's seconds", "times", "peak MiB"]
    rows = []
    for name, row in found.items():
        against = [f"{row[kind] / found[YARDSTICK][kind]:.2f}" if YARDSTICK in found else "-" for kind in ("wall", "cpu")]
        seconds = [f"{row['wall']:.2f}", f"{megapixels / row['wall']:.1f}", against[0], f"{row['cpu']:.2f}", against[1]]
        rows.append([TITLES[name], *seconds, f"{row['peak_mib']:.0f}"])
    return markdown(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phone", type=Path, help="folder of phone photos (default: a photo from scikit-image, repeated)")
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peers", default="jpeg,avif,jxl", help=f"of {', '.join(PEERS)} (default %(default)s)")
    parser.add_argument("--model", help="a shipped model's name, or a weight file")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(json.loads(options.child))))
        return
    names = [OURS, *dict.fromkeys(options.peers.split(","))]
    if unknown := set(names) - {OURS, *PEERS}:
        parser.error(f"unknown codec: {', '.join(sorted(unknown))}")
    pixels = photo(options.phone, options.megapixels)
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    settings = {name: with_score(named(name, 1, options.model if name == OURS else None), centre(pixels, 512), SCORE)[0] for name in names}
    results: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder, "pixels.npy")
        np.save(stored, pixels)
        measured: dict[tuple[str, str, str], list[dict[str, float]]] = {}
        for turn in range(options.repeat):
            for threads in options.threads.split(","):
                for name in names:
                    job = {"codec": name, "threads": threads, "setting": settings[name], "model": options.model if name == OURS else None}
                    for what in ("encode", "decode"):
                        row = in_child({**job, "what": what, "pixels": str(stored), "stream": str(Path(folder, name))})
                        measured.setdefault((threads, what, name), []).append(row)
            print(f"turn {turn + 1} of {options.repeat}", file=sys.stderr, flush=True)
    for (threads, what, name), rows in measured.items():
        results.setdefault(threads, {}).setdefault(what, {})[name] = medians(rows)
    print(f"{pixels.shape[1]} x {pixels.shape[0]} pixels, {options.repeat} turns, medians; the processor has {os.cpu_count()} cores")
    first = results[options.threads.split(",")[0]]["encode"]
    rates = {name: 8e-6 * row["bytes"] / megapixels for name, row in first.items()}
    print("; ".join(f"{TITLES[name]} at {settings[name]}: {rate:.3f} bits a pixel" for name, rate in rates.items()))
    for threads, works in results.items():
        for what, found in works.items():
            print(f"\n{what}, {threads} thread{'s' * (threads != '1')}\n\n{table(found, megapixels)}")
            mine = found[OURS]
            before = f"analysis {mine['analysis']:.2f}, " if what == "encode" else ""
            print(f"\nof ours: {before}entropy coding {mine['entropy']:.2f} of the processor's seconds")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"settings": settings, "megapixels": megapixels, "threads": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
