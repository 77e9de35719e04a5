"""What a gallery of phone photos comes to: ours, lane by lane, beside other codecs tuned to the same guard.

    python -m tests.bench.guarded --phone DIR [--level high] [--limit N] [--size SIDE] [--peers-only] [--cache FOLDER] [--json FILE]

Ours is what the program does with a photo: it chooses the lane, searches the rate, packs the archive, examines it against the original, and
makes the stand-in. It has to pass all that the guard looks at. A peer gets the smallest integer quality whose decoded picture reaches the
level's two scores, and around it the same archive: all metadata, facts and the stand-in are counted alike; its search begins, as ours does,
on a sample of the photo. What else the guard would have refused of the peer is named beside it. Seconds are the processor's, with as many
threads as OMP_NUM_THREADS says; a peer's are those of its search.

With --cache a run that was stopped goes on where it was: each photo of each codec is kept as soon as it is known. A peer's is measured anew
when its version or the guard's limits change, ours when the model or any line of the codec does.
"""

import argparse
import hashlib
import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import codec
from codec import container, lanes
from codec.bitstream import Archive, pack
from codec.checks import CHECKS
from codec.errors import CodecError
from codec.facts import Facts
from codec.guard import judge
from codec.levels import LEVELS, Level
from codec.profile import profile_of
from codec.quality import Score, score
from codec.sample import sample_of
from daemon import standin
from daemon.messages import StandInJob
from tests.bench.matching import smallest, with_score
from tests.bench.peers import OURS, PEERS, TITLES, Codec, named
from tests.bench.points import centre
from tests.bench.tables import markdown

if TYPE_CHECKING:
    from codec.model import Model

Pixels = NDArray[np.uint8]
REVISION = 2
"""Raise it when the guard measures otherwise: the peers are then tuned anew, as they are when its limits change."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a photo. `after`: the archive, with its stand-in once `counted` added that; all of the original where it was left."""

    photo: str
    codec: str
    before: int
    after: int
    lane: str
    """Ours: the lane; a peer's: the setting; where the photo was left: why."""
    whole: float
    worst_tile: float
    seconds: float
    refused: str = ""
    """Checks of the guard that a peer's picture fails besides."""
    stands_in: bool = True
    """Whether a stand-in comes on top."""

    @property
    def saved(self) -> float:
        """Share."""
        return 1 - self.after / self.before


def candidate(which: str | None) -> "Model":
    """A shipped model by name, a weight file's, or the default."""
    from codec.model import load_model, model_from

    if which is not None and Path(which).is_file():
        return model_from(Path(which).read_bytes())
    return load_model(which) if which is not None else load_model()


def ours(name: str, original: bytes, stand_in_bytes: int, model: "Model", level: Level) -> Kept:
    """As the daemon does it: archive, then examine what was archived."""
    began = time.process_time()
    wanted = lanes.Wanted(level, 0.0, 0.0, stand_in_bytes, repack=True)
    try:
        chosen = lanes.choose(original, facts_of(name, original), lambda: model, wanted)
        found = lanes.examine(chosen.archive or chosen.repacked, original, lambda: model)
    except CodecError as error:
        return left(name, OURS, original, getattr(error, "reason", type(error).__name__), time.process_time() - began)
    after, seconds = len(chosen.repacked or chosen.archive), time.process_time() - began
    return Kept(name, OURS, len(original), after, chosen.lane, found.whole, found.worst_tile, seconds, stands_in=not chosen.repacked)


def theirs(name: str, original: bytes, peer: Codec, level: Level) -> Kept:
    """The smallest file of a peer that passes, in the archive that ours would have."""
    picture = container.read(original)
    pixels, profile = picture.pixels, profile_of(picture.structure)
    began = time.process_time()
    start, _ = with_score(peer, sample_of(pixels), level.whole)
    encode, files, found = peer.prepare(pixels), dict[int, bytes](), dict[int, Score]()

    def lead(setting: int) -> float:
        files[setting] = encode(setting)
        found[setting] = score(pixels, peer.decode(files[setting]), profile=profile)
        return min(found[setting].whole - level.whole, found[setting].worst_tile - level.worst_tile)

    setting = smallest(lead, peer.reach, start)
    seconds = time.process_time() - began
    if setting is None:
        return left(name, peer.name, original, "quality-not-reached", seconds)
    sections = {"FACT": facts_of(name, original).to_bytes(), "PIXL": files[setting], **container.to_sections(picture.structure)}
    after = len(pack(Archive("neural", hashlib.sha256(peer.name.encode()).digest(), sections)))
    verdict = judge(pixels, peer.decode(files[setting]), level, profile=profile)
    refused = ", ".join(finding.name for finding in verdict.findings)
    scored = found[setting]
    return Kept(name, peer.name, len(original), after, str(setting), scored.whole, scored.worst_tile, seconds, refused)


def left(name: str, codec: str, original: bytes, reason: str, seconds: float) -> Kept:
    return Kept(name, codec, len(original), len(original), f"left: {reason}", math.nan, math.nan, seconds, stands_in=False)


def counted(kept: Kept, stand_in_bytes: int) -> Kept:
    """With the stand-in; what is then no smaller than the original is left."""
    after = kept.after + stand_in_bytes * kept.stands_in
    if kept.stands_in and after >= kept.before:
        return replace(kept, after=kept.before, lane="left: no-gain", whole=math.nan, worst_tile=math.nan, refused="")
    return replace(kept, after=after)


def facts_of(name: str, original: bytes) -> Facts:
    return Facts(len(original), hashlib.sha256(original).hexdigest(), name.encode(), 1_700_000_000_000_000_000, 0o644)


def remembered(folder: Path | None, key: str, make: Callable[[], Kept]) -> Kept:
    """What an earlier run found under the same key."""
    if folder is None:
        return make()
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    if path.is_file():
        return Kept(**json.loads(path.read_text()))
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.write_text(json.dumps(asdict(made)))
    half.replace(path)
    return made


def sources() -> str:
    """A digest of the code that ours depends on."""
    files = [*sorted(Path(codec.__file__).parent.glob("**/*.py")), Path(standin.__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def photos(folder: Path, limit: int | None, size: int) -> list[tuple[str, bytes]]:
    """(name, bytes of the file); for a trial in little time, the middle of each, coded anew as a JPEG at 93."""
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})[:limit]:
        data = path.read_bytes()
        if size:
            with Image.open(io.BytesIO(data)) as image:
                buffer = io.BytesIO()
                Image.fromarray(centre(np.asarray(image.convert("RGB")), size)).save(buffer, "JPEG", quality=93, subsampling="4:2:0")
            data = buffer.getvalue()
        found.append((path.name, data))
    return found


def table(rows: list[Kept]) -> str:
    head = ["", "lane or setting", "score", "worst tile", "kB before", "kB after", "saved", "seconds", "refused besides"]
    lines = []
    for row in rows:
        scores = ["-" if math.isnan(value) else f"{value:.1f}" for value in (row.whole, row.worst_tile)]
        sizes = [f"{row.before / 1000:.0f}", f"{row.after / 1000:.0f}", f"{100 * row.saved:.1f} %"]
        lines.append([row.photo, row.lane, *scores, *sizes, f"{row.seconds:.1f}", row.refused or "-"])
    return markdown(head, lines)


def totals(rows: list[Kept]) -> str:
    """One line for each codec, the one that saves most first."""
    head = ["", "kB before", "kB after", "saved", "photos left", "seconds"]
    found: dict[str, list[Kept]] = {}
    for row in rows:
        found.setdefault(row.codec, []).append(row)
    lines = []
    for name, mine in sorted(found.items(), key=lambda item: sum(row.after for row in item[1])):
        before, after = sum(row.before for row in mine), sum(row.after for row in mine)
        alone = sum(row.lane.startswith("left") for row in mine)
        saved = f"{100 * (1 - after / before):.1f} %"
        seconds = sum(row.seconds for row in mine)
        lines.append([TITLES[name], f"{before / 1000:.0f}", f"{after / 1000:.0f}", saved, str(alone), f"{seconds:.0f}"])
    return markdown(head, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phone", type=Path, required=True, help="folder of photos")
    parser.add_argument("--level", default="high", choices=LEVELS)
    parser.add_argument("--peers", default="jxl,avif,webp", help=f"of {', '.join(PEERS)} (default %(default)s)")
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument("--size", type=int, default=0, help="only the middle of each photo, a square of this side; 0: all of it")
    parser.add_argument("--model", help="a shipped model's name, or a weight file")
    parser.add_argument("--peers-only", action="store_true", help="leave ours out")
    parser.add_argument("--cache", type=Path, help="folder in which results are kept")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    level, model, code = LEVELS[options.level], None if options.peers_only else candidate(options.model), sources()
    peers = [named(name) for name in dict.fromkeys(options.peers.split(",")) if name]
    limits = {name: check.limits[level.name] for name, check in CHECKS.items()}
    rows: list[Kept] = []
    for name, original in photos(options.phone, options.limit, options.size):
        digest = hashlib.sha256(original).hexdigest()
        stand_in_bytes = len(standin.make(StandInJob(original, digest)))
        mine = list[Kept]()
        if model is not None:
            key = f"{digest} {OURS} {model.digest.hex()} {level} {limits} {stand_in_bytes} {code}"
            mine.append(remembered(options.cache, key, partial(ours, name, original, stand_in_bytes, model, level)))
        for peer in peers:
            key = f"{digest} {peer.name} {peer.version} {level} {limits} {REVISION}"
            mine.append(remembered(options.cache, key, partial(theirs, name, original, peer, level)))
        mine = [counted(kept, stand_in_bytes) for kept in mine]
        rows += mine
        print(f"{name}: " + ", ".join(f"{TITLES[row.codec]} {100 * row.saved:.1f} %" for row in mine), flush=True)
    for name in dict.fromkeys(row.codec for row in rows):
        print(f"\n## {TITLES[name]}, level {level.name}\n\n{table([row for row in rows if row.codec == name])}")
    print(f"\n## All, stand-ins counted\n\n{totals(rows)}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
