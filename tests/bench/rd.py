"""Rate and distortion of our codec beside what people would pick instead, on real bytes.

    python -m tests.bench.rd --kodak DIR --phone DIR --json out.json [--model NAME|FILE]

Every picture is encoded at a row of settings and decoded from those very bytes; measures.py says what is measured, comparison.py what is
made of it, peers.py how each codec is called. Ours is the pixel stream with its head and its checks; the archive around it adds what it
keeps beside the pixels. The peers' files hold no metadata and no profile.

What was measured of a peer is kept in a folder, keyed by the picture's digest and the peer's version, so that a second run measures our
codec alone.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.bench.comparison import REFERENCE, artefacts_at, by_codec, difference, gaps, places, rates_at
from tests.bench.measures import METRICS, measure
from tests.bench.peers import ANCHOR, OURS, PEERS, named
from tests.bench.points import Cache, Point, Source, curves, sources
from tests.bench.tables import report

SETS = {"phone": "phone photos", "kodak": "Kodak"}
_SCORES = (70.0, 80.0, 85.0, 90.0)


def measured(todo: list[Source], names: list[str], model: str | None, cache: Path | None, jobs: int) -> Iterator[list[Point]]:
    """The points of each picture, as they come."""
    if jobs == 1:
        for source in todo:
            yield curves(source, names, model, cache)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as workers:
        yield from workers.map(curves, todo, [names] * len(todo), [model] * len(todo), [cache] * len(todo))


def stale(source: Source, folder: Path) -> bool:
    """Whether a point that the cache holds comes out otherwise today."""
    codec = named(ANCHOR)
    cache, pixels = Cache(folder, source, codec), source.pixels()
    for setting in codec.settings:
        if (known := cache.get(setting)) is not None:
            data = codec.prepare(pixels)(setting)
            fresh = measure(pixels, codec.decode(data))
            return known[0] != len(data) or any(abs(fresh[name] - known[1].get(name, -1e9)) > 0.02 for name in fresh)
    return False


def summary(points: list[Point]) -> dict[str, object]:
    """What the tables say, for a program."""
    found = by_codec(points)
    peers = [name for name in found if name != OURS]
    return {
        "bd_rate": {peer: {metric: asdict(difference(found, OURS, peer, metric)) for metric in METRICS} for peer in peers},
        "places": places(found) if REFERENCE in found else {},
        "gaps": [asdict(gap) | {"points": gap.points} for gap in gaps(found)],
        "bpp_at_ssimulacra2": {f"{score:.0f}": {name: list(value) for name, value in rates_at(found, score).items()} for score in _SCORES},
        "artefacts_at_ssimulacra2": {f"{score:.0f}": {name: artefacts_at(found, name, score) for name in found} for score in _SCORES[:2]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kodak", type=Path, help="folder of the Kodak pictures")
    parser.add_argument("--phone", type=Path, help="folder of phone photos")
    parser.add_argument("--limit", type=int, help="only the first so many of each folder")
    parser.add_argument("--crop", type=int, default=1024, help="side of the centre crops of phone photos; 0: whole (default %(default)s)")
    parser.add_argument("--peers", default=",".join(PEERS), help="what to compare with (default %(default)s)")
    parser.add_argument("--model", help="a shipped model's name, or a weight file (default: the default model)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    parser.add_argument("--cache", type=Path, help="folder in which the peers' points are kept (default: none are)")
    parser.add_argument("--figures", type=Path, help="draw the curves into this folder")
    parser.add_argument("--json", type=Path, help="write every point and the summary here")
    options = parser.parse_args()
    names = [OURS, *dict.fromkeys(options.peers.split(","))]
    if unknown := set(names) - {OURS, *PEERS}:
        parser.error(f"unknown codec: {', '.join(sorted(unknown))}")
    if not (options.kodak or options.phone):
        parser.error("give --kodak, --phone or both")
    versions = {name: named(name, 1, options.model if name == OURS else None).version for name in names}
    print("; ".join(versions.values()))
    sets: dict[str, object] = {}
    for collection, title in SETS.items():
        folder = getattr(options, collection)
        if folder is None:
            continue
        crop = options.crop if collection == "phone" else 0
        todo = sources(collection, folder, crop, options.limit)
        if options.cache and stale(todo[0], options.cache):
            parser.error(f"{options.cache} holds what other measures gave: raise REVISION in measures.py, or remove the folder")
        points: list[Point] = []
        for number, found in enumerate(measured(todo, names, options.model, options.cache, options.jobs), 1):
            points += found
            print(f"{collection} {number} of {len(todo)}", file=sys.stderr, flush=True)
        size = f"{crop} x {crop} around the centre" if crop else "whole"
        print(f"\n## {title}: {len(todo)} pictures, {size}\n\n" + "\n\n".join(report(by_codec(points))), flush=True)
        if options.figures:
            from tests.bench.figures import draw

            draw(by_codec(points), f"{title[0].upper()}{title[1:]}: {len(todo)} pictures, {size}", options.figures / f"rd-{collection}.svg")
        sets[collection] = {"summary": summary(points), "points": [asdict(point) | {"bpp": point.bpp} for point in points]}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"versions": versions, "crop": options.crop, "sets": sets}, indent=1) + "\n")


if __name__ == "__main__":
    main()
