"""Rate and distortion of our codec beside what people would pick instead, on real bytes.

    python tests/bench/rd.py --kodak DIR --phone DIR --json out.json

Every picture is encoded at a row of settings and decoded from those very bytes. Metrics: PSNR over all samples of RGB; MS-SSIM, the
mean over the channels of RGB, as -10 log10(1 - value) decibels (package pytorch-msssim); SSIMULACRA2 by codec.quality, a hundred times
faster than the package `ssimulacra2` and checked against it on one picture of each set (--reference measures everything with the
package). The BD-rate is taken for each picture over the qualities that both codecs reach between 0.25 and 1.5 bits a pixel (bdrate.py),
and then averaged over the pictures.

Seconds are medians over all pictures and settings, a megapixel, with as many threads as OMP_NUM_THREADS says; the processor's seconds
stand beside them, since other programs may be running. Peak memory is that of a process of its own, which codes and decodes the set's
largest picture once.
"""

import argparse
import io
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from bdrate import bd_rate, rate_at
from numpy.typing import NDArray
from PIL import Image

from codec.quality import psnr, ssimulacra2

Pixels = NDArray[np.uint8]
Result = TypeVar("Result")
OURS, ANCHOR = "ours", "jpeg"
RANGE = (0.25, 1.5)
METRICS = {"psnr": "PSNR, dB", "ms_ssim": "MS-SSIM, dB", "ssimulacra2": "SSIMULACRA2"}
SCORES = (70.0, 80.0, 85.0, 90.0)


@dataclass(frozen=True, slots=True)
class Codec:
    """Settings from smallest to largest file, encode(pixels, setting) -> bytes, decode(bytes) -> pixels."""

    settings: Sequence[float]
    encode: Callable[[Pixels, float], bytes]
    decode: Callable[[bytes], Pixels]


@dataclass(frozen=True, slots=True)
class Point:
    """One picture at one setting of one codec. Seconds are those of the whole picture."""

    set: str
    picture: str
    codec: str
    setting: float
    pixels: int
    bytes: int
    psnr: float
    ms_ssim: float
    ssimulacra2: float
    encode_s: float
    decode_s: float
    encode_cpu_s: float
    decode_cpu_s: float

    @property
    def bpp(self) -> float:
        return 8 * self.bytes / self.pixels


def saved(**options: object) -> Callable[[Pixels, float], bytes]:
    """An encoder of Pillow's."""

    def encode(pixels: Pixels, setting: float) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, quality=int(setting), **options)
        return buffer.getvalue()

    return encode


def opened(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def our_codec() -> Codec:
    import codec

    model = codec.load_model()
    settings = [step / 7 for step in range(8)]
    return Codec(settings, lambda pixels, rate: codec.encode_pixels(pixels, model, rate), lambda data: codec.decode_pixels(data, model))


_POSITIONS = (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95)
CODECS: dict[str, Callable[[], Codec]] = {
    OURS: our_codec,
    ANCHOR: lambda: Codec(_POSITIONS, saved(format="JPEG", subsampling="4:2:0", optimize=True, progressive=True), opened),
    "webp": lambda: Codec(_POSITIONS, saved(format="WEBP", method=6), opened),
    "avif": lambda: Codec(_POSITIONS, saved(format="AVIF", speed=6), opened),
}


def pictures(folder: Path, crop: int, limit: int | None) -> Iterator[tuple[str, Pixels]]:
    """The photos of a folder by name, cropped around the centre (0: whole)."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".jpeg"})
    for path in found[:limit]:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        if crop:
            top, left = (max(0, (size - crop) // 2) for size in pixels.shape[:2])
            pixels = np.ascontiguousarray(pixels[top : top + crop, left : left + crop])
        yield path.stem, pixels


def ms_ssim(original: Pixels, decoded: Pixels) -> float:
    """Decibels; inf for equal pictures."""
    import torch
    from pytorch_msssim import ms_ssim as measure

    a, b = (torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() for pixels in (original, decoded))
    with torch.inference_mode():
        value = float(measure(a, b, data_range=255))
    return math.inf if value >= 1 else -10 * math.log10(1 - value)


def reference_ssimulacra2(original: Pixels, decoded: Pixels) -> float:
    """By the package, which reads files."""
    from ssimulacra2 import compute_ssimulacra2

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("original.png", "decoded.png")]
        for path, pixels in zip(paths, (original, decoded), strict=True):
            Image.fromarray(pixels).save(path, compress_level=1)
        return float(compute_ssimulacra2(*map(str, paths)))


def timed(work: Callable[[], Result]) -> tuple[Result, float, float]:
    """(result, seconds, seconds of the processor)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def curve(
    collection: str, picture: str, name: str, codec: Codec, pixels: Pixels, score: Callable[[Pixels, Pixels], float]
) -> Iterator[Point]:
    """Points from the smallest file on, until one is beyond the range that counts."""
    for setting in codec.settings:
        data, encode_s, encode_cpu_s = timed(lambda setting=setting: codec.encode(pixels, setting))
        decoded, decode_s, decode_cpu_s = timed(lambda data=data: codec.decode(data))
        size = pixels.shape[0] * pixels.shape[1]
        measured = psnr(pixels, decoded), ms_ssim(pixels, decoded), score(pixels, decoded)
        point = Point(collection, picture, name, setting, size, len(data), *measured, encode_s, decode_s, encode_cpu_s, decode_cpu_s)
        yield point
        if point.bpp > RANGE[1]:
            return


def mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return statistics.fmean(known) if known else math.nan


def by_picture(points: Sequence[Point], name: str) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        if point.codec == name:
            found.setdefault(point.picture, []).append(point)
    return found


def differences(points: Sequence[Point], name: str, metric: str) -> dict[str, float]:
    """BD-rate against the anchor for each picture, percent; nan where the two share no quality."""
    result = {}
    anchors = by_picture(points, ANCHOR)
    for picture, ours in by_picture(points, name).items():
        pair = [([p.bpp for p in curve], [getattr(p, metric) for p in curve]) for curve in (anchors[picture], ours)]
        try:
            result[picture] = bd_rate(*pair[0], *pair[1], within=RANGE)
        except ValueError as error:
            print(f"  {picture}, {METRICS[metric]}: {error}")
            result[picture] = math.nan
    return result


def report(collection: str, points: Sequence[Point], names: Sequence[str]) -> dict[str, object]:
    """Print the tables of one set of pictures and return what they say."""
    print(f"\n== {collection}: {len({point.picture for point in points})} pictures")
    print(f"{'codec':<6} {'setting':>7} {'pictures':>8} {'bpp':>7} " + " ".join(f"{title:>12}" for title in METRICS.values()))
    for name in names:
        for setting in sorted({point.setting for point in points if point.codec == name}):
            row = [point for point in points if point.codec == name and point.setting == setting]
            means = " ".join(f"{mean([getattr(point, metric) for point in row]):12.3f}" for metric in METRICS)
            print(f"{name:<6} {setting:7.3g} {len(row):8d} {mean([point.bpp for point in row]):7.3f} {means}")
    summary: dict[str, object] = {"bd_rate": {}, "bpp_at_ssimulacra2": {}, "seconds_per_megapixel": {}}
    print(f"\nBD-rate against {ANCHOR}, {RANGE[0]} to {RANGE[1]} bpp, percent: mean over the pictures (worst)")
    for name in names:
        if name == ANCHOR:
            continue
        found = {metric: differences(points, name, metric) for metric in METRICS}
        summary["bd_rate"][name] = {metric: {"mean": mean(list(values.values())), "pictures": values} for metric, values in found.items()}
        cells = [f"{METRICS[metric]} {mean(list(values.values())):+.1f} ({max(values.values()):+.1f})" for metric, values in found.items()]
        print(f"{name:<6} " + "   ".join(cells))
    print("\nBits a pixel at SSIMULACRA2, mean over the pictures that every codec brings there")
    rates = {
        name: {
            picture: [rate_at([p.bpp for p in curve], [p.ssimulacra2 for p in curve], score) for score in SCORES]
            for picture, curve in by_picture(points, name).items()
        }
        for name in names
    }
    for name in names:
        cells = []
        for i, score in enumerate(SCORES):
            reached = [picture for picture in rates[name] if all(math.isfinite(rates[other][picture][i]) for other in names)]
            value = mean([rates[name][picture][i] for picture in reached])
            cells.append(f"{score:.0f}: {value:.3f} ({len(reached)})")
            summary["bpp_at_ssimulacra2"].setdefault(name, {})[f"{score:.0f}"] = {"bpp": value, "pictures": len(reached)}
        print(f"{name:<6} " + "   ".join(cells))
    print(f"\nSeconds a megapixel (processor's seconds; times {ANCHOR}'s), median")
    medians = {}
    for name in names:
        mine = [point for point in points if point.codec == name]
        fields = ("encode_s", "decode_s", "encode_cpu_s", "decode_cpu_s")
        medians[name] = {field: statistics.median(getattr(point, field) * 1e6 / point.pixels for point in mine) for field in fields}
    for name in names:
        cells = []
        for what in ("encode", "decode"):
            value, cpu = medians[name][f"{what}_s"], medians[name][f"{what}_cpu_s"]
            cells.append(f"{what} {value:.3f} ({cpu:.3f}; x {value / medians[ANCHOR][f'{what}_s']:.1f})")
        print(f"{name:<6} " + "   ".join(cells))
    summary["seconds_per_megapixel"] = medians
    return summary


def memory(picture: Path, crop: int, name: str) -> dict[str, float]:
    """Peak memory and seconds of a process that codes and decodes one picture in the middle of the range."""
    command = [sys.executable, __file__, "--one", str(picture), "--crop", str(crop), "--peers", name]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def peak_mib() -> float:
    """This program's own peak; what getrusage says includes the memory of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def one(path: Path, crop: int, name: str) -> None:
    """The process of `memory`: prints JSON."""
    codec = CODECS[name]()
    small = np.zeros((64, 64, 3), np.uint8)
    codec.decode(codec.encode(small, codec.settings[0]))  # compiles and loads what is loaded once
    pixels = next(pixels for stem, pixels in pictures(path.parent, crop, None) if stem == path.stem)
    before = peak_mib()
    data, encode_s, _ = timed(lambda: codec.encode(pixels, codec.settings[len(codec.settings) // 2]))
    _, decode_s, _ = timed(lambda: codec.decode(data))
    after = peak_mib()
    size = pixels.shape[0] * pixels.shape[1] / 1e6
    print(json.dumps({"megapixels": size, "encode_s": encode_s, "decode_s": decode_s, "before_mib": before, "peak_mib": after}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kodak", type=Path, help="folder of the Kodak pictures")
    parser.add_argument("--phone", type=Path, help="folder of phone photos")
    parser.add_argument("--limit", type=int, help="only the first so many of each folder")
    parser.add_argument(
        "--crop", type=int, default=1024, help="side of the centre crops of phone photos, pixels; 0: whole (default %(default)s)"
    )
    parser.add_argument("--peers", default=ANCHOR, help=f"what to compare with, of {', '.join(CODECS)} (default %(default)s)")
    parser.add_argument("--reference", action="store_true", help="SSIMULACRA2 by the package ssimulacra2, slow")
    parser.add_argument("--json", type=Path, help="write every point and the summary here")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.crop, options.peers)
        return
    names = list(dict.fromkeys([OURS, ANCHOR, *options.peers.split(",")]))
    if unknown := set(names) - set(CODECS):
        parser.error(f"unknown codec: {', '.join(sorted(unknown))}")
    if not (options.kodak or options.phone):
        parser.error("give --kodak, --phone or both")
    codecs = {name: CODECS[name]() for name in names}
    for codec in codecs.values():  # what is compiled or loaded at the first call is not the codec's speed
        codec.decode(codec.encode(np.zeros((256, 256, 3), np.uint8), codec.settings[0]))
    score = reference_ssimulacra2 if options.reference else ssimulacra2
    results: dict[str, object] = {"threads": os.environ.get("OMP_NUM_THREADS"), "crop": options.crop, "sets": {}}
    for collection, folder, crop in (("kodak", options.kodak, 0), ("phone", options.phone, options.crop)):
        if folder is None:
            continue
        points: list[Point] = []
        largest = ("", 0)
        for picture, pixels in pictures(folder, crop, options.limit):
            if not points and not options.reference:
                decoded = codecs[ANCHOR].decode(codecs[ANCHOR].encode(pixels, 60))
                ours, theirs = ssimulacra2(pixels, decoded), reference_ssimulacra2(pixels, decoded)
                print(f"SSIMULACRA2 of {picture}, {ANCHOR} at 60: {ours:.4f}, by the package {theirs:.4f}")
            largest = max(largest, (picture, pixels.size), key=lambda entry: entry[1])
            for name in names:
                points += curve(collection, picture, name, codecs[name], pixels, score)
            print(f"{collection} {picture} {pixels.shape[1]} x {pixels.shape[0]}", file=sys.stderr, flush=True)
        summary = report(collection, points, names)
        path = next(path for path in folder.iterdir() if path.stem == largest[0])
        summary["one_picture"] = {name: memory(path, crop, name) for name in names}
        print("\nOne picture in a process of its own")
        for name, figures in summary["one_picture"].items():
            print(
                f"{name:<6} {figures['megapixels']:.1f} megapixels: encode {figures['encode_s']:.2f} s, "
                f"decode {figures['decode_s']:.2f} s, "
                f"peak memory {figures['peak_mib']:.0f} MiB ({figures['before_mib']:.0f} MiB before it began)"
            )
        results["sets"][collection] = {"summary": summary, "points": [asdict(point) | {"bpp": point.bpp} for point in points]}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
