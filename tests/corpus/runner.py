"""Every file of a corpus through optimize, restore, optimize and restore, in one gallery and with two worker processes.

The corpus (../shared/corpus; its README says what "preserved" means for each class of file) is a folder with a `manifest.tsv` and a
`facts.py` that prints what can be said of a file without looking at its pixels. Whatever is expected of a file: it must not crash, hang
or take endless memory, and must not lose a byte where it is left alone.
"""

import hashlib
import io
import math
import os
import re
import shutil
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from daemon import eligibility, keys, settings
from daemon.child import Bounds
from daemon.composition import Workshop
from daemon.ignoring import Rules
from daemon.messages import EncodeJob
from daemon.places import Places
from daemon.ports import Silence
from daemon.reasons import REASONS
from daemon.restorer import restore
from daemon.run import optimize
from daemon.worker import Workers
from storage.attributes import Attributes
from storage.records import PhotoRow
from storage.states import State
from tests.corpus.manifest import Entry, load_facts

MAY_DIFFER = re.compile(r"sha256|size|pixels|mpf|jpeg_(sof|scans|sampling|subsampling|r.*|ids|junk|dac)|png_idat_bytes")
"""Facts that may differ after a lossy restore: rule 8 of the corpus README; the bytes of new image data are a matter of course."""

MOST_SECONDS = 60.0
"""Of processor time, for one file in one of its four steps."""
MOST_BYTES = 2_000_000_000
"""Of one worker's resident memory."""
LEAST_PSNR = 24.0
"""Between the pixels of an original and its copy, in dB: below it the copy shows something else. The guard looks far closer."""

NEVER = frozenset({"unforeseen", "timed-out", "worker-died", "out-of-memory", "proof-failed", "disk-error", "not-safe", "no-space",
                   "not-permitted", "model-missing", "unknown-version", "changed", "gone", "archive-in-use"})  # fmt: skip
"""Reasons that tell of a trouble of ours, never of a file."""


@dataclass(slots=True)
class Result:
    """What became of one file; `problems` is empty where all is right."""

    entry: Entry
    lane: str = ""
    reason: str = ""
    detail: str = ""
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Counting:
    """The two workers, kept alive from one command to the next, with the processor time of every photo's jobs."""

    def __init__(self) -> None:
        self._workers = Workers(bounds=Bounds(threads=1, memory_bytes=2_000_000_000))
        self.encoded = 0
        self.now_at = ""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.peaks: list[int] = []

    def _timed(self, ask: Callable[..., Any], *asked: Any) -> Any:
        self.encoded += any(isinstance(job, EncodeJob) for job in asked)
        before = self._processor_time()
        try:
            return ask(*asked)
        finally:
            self.seconds[self.now_at] += max(0.0, self._processor_time() - before)
            self._note_peaks()

    def _pids(self) -> list[int]:
        return [pid for pid in (self._workers.encoder.pid, self._workers.verifier.pid) if pid is not None]

    def _processor_time(self) -> float:
        total = 0.0
        for pid in self._pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def _note_peaks(self) -> None:
        for pid in self._pids():
            try:
                found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            except OSError:
                continue
            if found is not None:
                self.peaks.append(int(found[1]) * 1024)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Whatever else the workers can be asked."""
        return partial(self._timed, getattr(self._workers, name))

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        """Not between two commands: the processes are long-lived."""

    def end(self) -> None:
        self._workers.close()


class _Watch(Silence):
    """Tells the codec which file its jobs are for, and writes a line for each."""

    def __init__(self, codec: Counting, tell: Callable[[str], None]) -> None:
        self._codec = codec
        self._tell = tell

    def step(self, name: str) -> None:
        self._codec.now_at = name

    def done(self, name: str, outcome: str) -> None:
        self._tell(f"{self._codec.seconds[name]:7.1f} s  {name}: {outcome}")


class _Later:
    """The time of day, moved forward by what the tests wish."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Run:
    """One gallery with the chosen files of a corpus, taken through the four steps."""

    def __init__(self, corpus: Path, chosen: Iterable[Entry], folder: Path, tell: Callable[[str], None] = lambda _line: None) -> None:
        self._facts = load_facts(corpus)
        self._root = folder / "gallery"
        self._places = Places(folder / "config.toml", folder / "state")
        self._clock = _Later()
        self._codec = Counting()
        self._tell = tell
        self.results = [Result(entry) for entry in chosen]
        self._before: dict[str, Attributes] = {}
        for result in self.results:
            self._lay(result.entry)
        self._places.config_file.write_text(configuration(self._root), encoding="utf-8")

    def _lay(self, entry: Entry) -> None:
        goal = self._root / entry.name
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(entry.source, goal)
        goal.chmod(0o640)
        try:
            os.setxattr(goal, "user.test.note", entry.name.encode())
        except OSError:
            pass  # a file system without them
        stamp = 1_500_000_000_123_456_789 + int.from_bytes(hashlib.sha256(entry.name.encode()).digest()[:6], "big")
        os.utime(goal, ns=(stamp, stamp))
        self._before[entry.name] = Attributes.of(goal)

    def __call__(self) -> list[Result]:
        try:
            self._step("optimize")
            archived = self._look()
            self._step("restore")
            first = {result.entry.name: self._check_copy(result) for result in archived}
            encoded = self._codec.encoded
            self._clock.ahead += timedelta(days=400)  # no pin lasts so long
            self._step("optimize again")
            if self._codec.encoded != encoded:
                self._complain(self.results[0], f"the second pass encoded {self._codec.encoded - encoded} photos anew")
            again = {result.entry.name for result in self._look()}
            for result in archived:
                if result.entry.name not in again:
                    self._complain(result, f"the second pass did not put the copy away: {result.reason} {result.detail}")
            self._step("restore again")
            for result in archived:
                name = result.entry.name
                if first[name] is not None and _digest(self._root / name) != first[name]:
                    self._complain(result, "the second restore is not the first")
            self._check_all()
        finally:
            self._codec.end()
        return self.results

    def _step(self, what: str) -> None:
        self._tell(f"--- {what}")
        self._codec.seconds.clear()
        began = time.monotonic()
        with Workshop(self._places, settings.read(self._places.config_file), self._clock, lambda _: self._codec) as shop:
            if what.startswith("optimize"):
                done = optimize(shop, [], _Watch(self._codec, self._tell))
                for gone in done.gone:
                    raise AssertionError(gone)
            else:
                known = shop.catalog.rows(gallery=shop.galleries[0].key)
                there = [row.location for row in known if row.has_archive and row.state in (State.RETIRED, State.PURGED)]
                for came in restore(shop, there, None, None, _Watch(self._codec, self._tell)) if there else []:
                    if came.trouble:
                        self._complain(self._named(came.name), f"restore: {came.trouble}")
        self._tell(f"--- {what}: {time.monotonic() - began:.0f} s")
        for result in self.results:
            spent = self._codec.seconds[result.entry.name]
            result.seconds += spent
            if spent > MOST_SECONDS:
                self._complain(result, f"{what} took {spent:.0f} s of processor time")

    def _named(self, name: str) -> Result:
        return next((result for result in self.results if result.entry.name == name), self.results[0])

    def _complain(self, result: Result, problem: str) -> None:
        if problem in result.problems:
            return
        result.problems.append(problem)
        self._tell(f"!!! {result.entry.name}: {problem}")

    def _look(self) -> list[Result]:
        """What the catalogue says of each file after a pass; those that are archived."""
        archived = []
        with Workshop(self._places, settings.read(self._places.config_file), self._clock, reading=True) as shop:
            gallery = shop.galleries[0]
            for result in self.results:
                row = shop.catalog.find(gallery.key, result.entry.name.encode())
                if self._judge(result, row):
                    archived.append(result)
        return archived

    def _judge(self, result: Result, row: PhotoRow | None) -> bool:
        entry = result.entry
        if row is not None and row.state in (State.RETIRED, State.PURGED):
            result.lane, result.reason, result.detail = row.lane or "?", "", ""
            if not entry.may_be_archived():
                self._complain(result, f"archived, though {entry.expected}")
            if row.state is not State.PURGED:
                self._complain(result, f"{row.state} instead of purged")
            return True
        result.lane = "leave"
        passed_by = eligibility.passed_by(os.fsencode(entry.name), Rules(()))
        result.reason = passed_by or "the walk did not meet it" if row is None else row.reason or row.state.value
        result.detail = "" if row is None else row.detail or ""
        if result.reason not in REASONS or result.reason in NEVER:
            self._complain(result, f"{result.reason} ({result.detail}) is no reason to leave a file")
        if not entry.may_be_left(result.reason):
            self._complain(result, f"left: {result.reason} ({result.detail}), though {entry.expected}")
        if _digest(self._root / entry.name) != _digest(entry.source):
            self._complain(result, "left, and not the bytes that it was")
        self._check_worn(result)
        return False

    def _check_worn(self, result: Result) -> None:
        different = self._before[result.entry.name].differences(Attributes.of(self._root / result.entry.name))
        if different:
            self._complain(result, f"attributes differ: {', '.join(different)}")

    def _check_copy(self, result: Result) -> str | None:
        """Everything that must come back; the digest of the copy."""
        place = self._root / result.entry.name
        if not place.is_file():
            self._complain(result, "it did not come back")
            return None
        self._check_worn(result)
        original, copy = result.entry.source.read_bytes(), place.read_bytes()
        if result.lane == "exact" and original != copy:
            self._complain(result, "the exact lane gave other bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before, after = self._facts.facts(str(result.entry.source)), self._facts.facts(str(place))
        for key in sorted(before.keys() | after.keys()):
            if not MAY_DIFFER.fullmatch(key) and before.get(key) != after.get(key):
                self._complain(result, f"{key}: {before.get(key)!r} came back as {after.get(key)!r}")
        places = [re.sub(r"len=\d+,", "", str(each.get("mpf", ""))) for each in (before, after)]
        if places[0] != places[1]:
            self._complain(result, f"the index of pictures was {before.get('mpf')!r} and is {after.get('mpf')!r}")
        if original != copy:
            likeness = psnr(original, copy)
            if likeness < (math.inf if result.lane == "pixel-exact" else LEAST_PSNR):
                self._complain(result, f"the copy looks different: {likeness:.1f} dB")
        return hashlib.sha256(copy).hexdigest()

    def _check_all(self) -> None:
        known = {result.entry.name for result in self.results}
        for path in self._root.rglob("*"):
            name = str(path.relative_to(self._root))
            if path.is_file() and not name.startswith(".gallery-optimizer/") and name not in known:
                self._complain(self.results[0], f"{name} was not there before")
        if max(self._codec.peaks, default=0) > MOST_BYTES:
            self._complain(self.results[0], f"a worker took {max(self._codec.peaks) / 1e6:.0f} MB")


def configuration(root: Path) -> str:
    """Files of a few kilobytes can't save a fifth, and nobody's only copy is at stake: those rules are off, the others as always."""
    wished = {
        "gallery": {"path": f'"{root}"', "grace": '"0 days"', "one_copy": "true"},
        "limits": {"min_saving": '"off"', "min_saving_lossless": '"off"'},
        "schedule": {"grace_minimum": '"0 days"'},
    }
    lines = []
    for table, values in wished.items():
        known = {key: value for key, value in values.items() if key in keys.of_table(table)}
        if known:
            lines += ["[[gallery]]" if table == "gallery" else f"[{table}]", *(f"{key} = {value}" for key, value in known.items())]
    return "\n".join(lines) + "\n"


def psnr(one: bytes, other: bytes) -> float:
    """Between the pixels of two files as Pillow reads them, in dB; 0 where they are of another shape, infinite where they are equal."""
    first, second = _pixels(one), _pixels(other)
    if first.shape != second.shape:
        return 0.0
    error = float(np.mean(np.square(first.astype(np.float32) - second.astype(np.float32))))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _pixels(data: bytes) -> np.ndarray[Any, Any]:
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 1 << 30  # a text that is a bomb is none of the pixels' business
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return np.asarray(image)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def table(results: list[Result]) -> Iterator[str]:
    """Lines for a person: what became of each category, then every problem."""
    by_category: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_category[result.entry.category].append(result)
    yield f"{'category':<18} {'files':>5} {'archived':>8} {'left':>5} {'wrong':>5}  lanes and reasons"
    for category, found in sorted(by_category.items()):
        left = sum(result.lane == "leave" for result in found)
        wrong = sum(bool(result.problems) for result in found)
        how = Counter(result.reason or result.lane for result in found)
        told = ", ".join(f"{name} {count}" for name, count in how.most_common())
        yield f"{category:<18} {len(found):>5} {len(found) - left:>8} {left:>5} {wrong:>5}  {told}"
    right = sum(not result.problems for result in results)
    yield f"{right} of {len(results)} as expected, {sum(result.seconds for result in results):.0f} s of the workers' processor time"
    for result in results:
        for problem in result.problems:
            yield f"{result.entry.name}: {problem}"
