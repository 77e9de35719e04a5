"""`make bench-search`: how near the rate search comes to the best of all, and what it costs.

For each photo the search runs as it does for an archive whose restored copy does not matter. Then every quality below what it found is
encoded, until three in a row fail the guard: the lowest that passes is the exhaustive optimum for an even quality. What the quality map
saves can make the search's bytes fewer. With --copies it runs as for an archive, and nothing is compared.

`encodes` is what the search encoded, sample included, in photos: 1.00 is the later part of the analysis, entropy coding, synthesis and
judgement of the whole photo, once. The first part of the analysis runs once in every case and is not counted in it; CPU seconds hold
everything, the copy's fineness too. `map` counts the cells that were raised, `growth` the copy's bytes over the original's.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from codec import container
from codec.fineness import Copies
from codec.levels import COPY_MARGIN, LEVELS, Level
from codec.model import Model, load_model
from codec.neural import Analysed
from codec.picture import JpegStructure, Picture
from codec.profile import Profile, profile_of
from codec.rate import MARGIN, SPARE, Found, fewest_bits

_FAILS_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One photo at one level."""

    photo: str
    level: str
    pixels: int
    quality: int
    raised_cells: int
    whole: float
    worst_tile: float
    search_bytes: int
    best_quality: int
    best_bytes: int
    over_percent: float
    encodes: float
    cpu_s: float
    copy_growth: float
    copy_whole: float


def crop_of(picture: Picture, size: tuple[int, int] | None) -> Picture:
    """The middle of a JPEG, on the grid of its blocks, with its structure; the whole where it is no larger."""
    structure, pixels = picture.structure, picture.pixels
    assert isinstance(structure, JpegStructure)
    if size is None or pixels.shape[0] <= size[1] or pixels.shape[1] <= size[0]:
        return picture
    top, left = ((side - wanted) // 2 // 16 * 16 for side, wanted in zip(pixels.shape[:2], size[::-1], strict=True))
    cut = np.ascontiguousarray(pixels[top : top + size[1], left : left + size[0]])
    bare = replace(structure, width=size[0], height=size[1], index_at=None, trailer=b"")
    return Picture(cut, bare)


def counted(work: Callable[[], Any]) -> tuple[Any, int, float]:
    """What `work` gives, the pixels that it encoded, and its CPU seconds."""
    encoded, encode = list[int](), Analysed.encode

    def counting(self: Analysed, quality: int, offsets: NDArray[np.int8] | None = None) -> Any:
        encoded.append(self.width * self.height)
        return encode(self, quality, offsets)

    with patch.object(Analysed, "encode", counting):
        begun = time.process_time()
        result = work()
        return result, sum(encoded), time.process_time() - begun


def optimum(picture: Picture, model: Model, level: Level, found: Found, profile: Profile | None) -> Found:
    """The lowest even quality that passes, by going down from what was found (from where an even quality passes, if it has a map)."""
    raised = level.raised(MARGIN, SPARE)

    def at(quality: int) -> Found:
        return Found.at(quality, picture.pixels, found.analysed, model, level=raised, profile=profile)

    best, quality = found, found.quality
    if found.offsets is not None and found.offsets.any():
        while not (best := at(quality)).passed:
            quality += 1
    fails = 0
    while fails < _FAILS_IN_A_ROW and quality > 0:
        quality -= 1
        other = at(quality)
        fails = 0 if other.passed else fails + 1
        best = other if other.passed else best
    return best


def measured(path: Path, model: Model, level: Level, size: tuple[int, int] | None, with_copies: bool) -> Row:
    """Search as for an archive, then compare."""
    data = path.read_bytes()
    read = container.read(data)
    picture = crop_of(read, size)
    assert isinstance(picture.structure, JpegStructure)
    original_bytes = len(data) if picture is read else len(container.write(picture.pixels, picture.structure, fineness=100))
    profile = profile_of(picture.structure)
    copies = Copies(picture, original_bytes, level.whole - COPY_MARGIN + MARGIN if with_copies else None)

    def work() -> tuple[Found, Any, float]:
        needs = copies if with_copies else None
        return copies.fit(fewest_bits(picture.pixels, model, level, most_bytes=float("inf"), profile=profile, needs=needs), model)

    (found, structure, copy_whole), encoded, cpu = counted(work)
    best = found if with_copies else optimum(picture, model, level, found, profile)
    area = picture.pixels.shape[0] * picture.pixels.shape[1]
    return Row(
        photo=path.stem,
        level=level.name,
        pixels=area,
        quality=found.quality,
        raised_cells=0 if found.offsets is None else int(np.count_nonzero(found.offsets)),
        whole=found.score.whole,
        worst_tile=found.score.worst_tile,
        search_bytes=found.size_bytes,
        best_quality=best.quality,
        best_bytes=best.size_bytes,
        over_percent=100 * (found.size_bytes / best.size_bytes - 1),
        encodes=encoded / area,
        cpu_s=cpu,
        copy_growth=len(container.write(found.decoded, structure)) / original_bytes,
        copy_whole=copy_whole,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phone", type=Path, required=True, help="a folder of JPEGs")
    parser.add_argument("--only", default="", help="comma-separated beginnings of names")
    parser.add_argument("--level", default="high", help="comma-separated levels")
    parser.add_argument("--crop", default="2048x1536", help="WxH out of the middle, or 'whole'")
    parser.add_argument("--copies", action="store_true", help="search also for what restored copies need, as for an archive; no comparison")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    size = None
    if options.crop != "whole":
        width, height = map(int, options.crop.split("x"))
        size = width, height
    model, rows = load_model(), list[Row]()
    print("photo                   level                q  best  over %  encodes   CPU s  score   tile  map   copy  growth")
    for path in sorted(options.phone.glob("*.jp*g")):
        if not path.name.startswith(tuple(options.only.split(","))):
            continue
        for level in options.level.split(","):
            row = measured(path, model, LEVELS[level], size, options.copies)
            rows.append(row)
            print(
                f"{row.photo[:23]:24}{row.level:18}{row.quality:4}{row.best_quality:6}{row.over_percent:8.2f}{row.encodes:9.2f}"
                f"{row.cpu_s:8.1f}"
                f"{row.whole:7.2f}{row.worst_tile:7.2f}{row.raised_cells:5}{row.copy_whole:7.2f}{row.copy_growth:8.3f}",
                flush=True,
            )
    if rows:
        over, encodes = [row.over_percent for row in rows], [row.encodes for row in rows]
        print(f"over the optimum: mean {np.mean(over):.2f} %, most {max(over):.2f} %")
        print(f"encodes: mean {np.mean(encodes):.2f}, most {max(encodes):.2f}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
