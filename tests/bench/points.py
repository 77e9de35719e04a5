"""One picture, one codec: the points of its curve, measured where they are not known from an earlier run."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.bench.measures import REVISION, measure
from tests.bench.peers import OURS, Codec, named

Pixels = NDArray[np.uint8]

LOW, HIGH, OUR_HIGH = 60.0, 90.0, 94.0
"""SSIMULACRA2: the curves reach beyond these where the codec does. Ours goes further up: where another codec has 88, that one may have more
of another measure than ours has at 90."""

_FIRST = 3
"""Which of a codec's settings is tried first: for most pictures in the middle of the range."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture of a set; `crop` is the side of the square around its centre, 0 for all of it."""

    collection: str
    path: Path
    crop: int

    @property
    def name(self) -> str:
        return self.path.stem

    def pixels(self) -> Pixels:
        with Image.open(self.path) as image:
            return centre(np.asarray(image.convert("RGB")), self.crop)


@dataclass(frozen=True, slots=True)
class Point:
    """One picture at one setting of one codec; `values` holds what `measures.measure` gives."""

    collection: str
    picture: str
    codec: str
    setting: int
    pixels: int
    bytes: int
    values: dict[str, float]

    @property
    def bpp(self) -> float:
        return 8 * self.bytes / self.pixels


def centre(pixels: Pixels, side: int) -> Pixels:
    """The square of that side around the centre; a picture that is smaller stays as it is, and so does one for side 0."""
    if not side:
        return pixels
    top, left = (max(0, (size - side) // 2) for size in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def sources(collection: str, folder: Path, crop: int, limit: int | None = None) -> list[Source]:
    """The pictures of a folder, by name."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".jpeg"})
    return [Source(collection, path, crop) for path in found[:limit]]


class Cache:
    """What was measured of one picture with one codec, in a file of its own.

    The file's key holds the digest of the picture's file, the crop, the codec's version and the measures' revision: when one of
    them is another, the file says nothing.
    """

    def __init__(self, folder: Path, source: Source, codec: Codec) -> None:
        digest = hashlib.sha256(source.path.read_bytes()).hexdigest()
        self._key = f"{digest} {source.crop} {codec.name} {codec.version} {REVISION}"
        self._path = folder / f"{source.name}-{source.crop}-{codec.name}-{hashlib.sha256(self._key.encode()).hexdigest()[:12]}.json"
        self._known: dict[str, list[object]] = {}
        try:
            stored = json.loads(self._path.read_text())
            if stored["key"] == self._key:
                self._known = stored["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing is lost but time

    def get(self, setting: int) -> tuple[int, dict[str, float]] | None:
        """(bytes, values)"""
        found = self._known.get(str(setting))
        return None if found is None else (int(found[0]), dict(found[1]))  # type: ignore[call-overload]

    def put(self, setting: int, size: int, values: dict[str, float]) -> None:
        """Written at once, so that a run that is stopped loses one point."""
        self._known[str(setting)] = [size, values]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({"key": self._key, "settings": self._known}))
        fresh.replace(self._path)


def curve(source: Source, pixels: Pixels, codec: Codec, folder: Path | None) -> list[Point]:
    """From the setting just below LOW to the one just above HIGH. `folder` holds caches; None measures everything.

    Our own codec is always measured: neither the encoder's nor the model's name says that nothing changed.
    """
    cache = Cache(folder, source, codec) if folder is not None and codec.name != OURS else None
    encode: Callable[[int], bytes] | None = None
    found: dict[int, Point] = {}

    def score(rung: int) -> float:
        nonlocal encode
        setting = codec.settings[rung]
        known = cache.get(setting) if cache is not None else None
        if known is None:
            encode = encode or codec.prepare(pixels)
            data = encode(setting)
            known = len(data), measure(pixels, codec.decode(data))
            if cache is not None:
                cache.put(setting, *known)
        found[setting] = Point(source.collection, source.name, codec.name, setting, pixels.shape[0] * pixels.shape[1], *known)
        return known[1]["ssimulacra2"]

    first = min(_FIRST, len(codec.settings) - 1)
    at, value = first, score(first)
    beginning = value
    while value > LOW and at > 0:
        at -= 1
        value = score(at)
    at, value = first, beginning
    while value < (OUR_HIGH if codec.name == OURS else HIGH) and at < len(codec.settings) - 1:
        at += 1
        value = score(at)
    return [found[setting] for setting in sorted(found)]


def curves(source: Source, names: list[str], model: str | None, folder: Path | None) -> list[Point]:
    """The work of one process: all codecs over one picture."""
    pixels = source.pixels()
    return [point for name in names for point in curve(source, pixels, named(name, 1, model if name == OURS else None), folder)]
