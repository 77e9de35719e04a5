"""The file around the pixels of a JPEG: read it strictly, and build a copy from pixels and structure."""

import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from codec.compiled import most_threads
from codec.errors import Corrupt, Unsupported
from codec.health import check_end
from codec.jpeg_segments import APP11, APP14, SOFS, Frame, Segment, frame, walk
from codec.multi_picture import fill, filler, is_index, move_places, places_matter
from codec.picture import MAX_KEPT_BYTES, JpegStructure, Picture, check_area, check_pixels
from codec.profile import is_hdr, joined
from codec.requantise import Tables, requantised

_MAX_SCANS = 100
_MAX_SCANNED_PIXELS = 2_000_000_000  # pixels times scans: a small file must not take minutes

_SMALL_PIXELS = 32_000_000
"""Of larger pictures only one coding at a time has room in memory."""

_END = b"\xff\xd9"


def read(data: bytes) -> Picture:
    """The pixels of the primary image, uint8 [H, W, 3] or [H, W], and the structure around them.

    Raises NotAPicture, Unsupported(reason) or Corrupt. Corrupt is everything at which libjpeg would warn and go on.
    """
    segments, end = walk(data)
    found = frame(data, segments)
    transform = _check_colours(data, segments, found)
    if any(s.marker == APP11 and data.startswith(b"JP", s.body, s.body_end) for s in segments):
        raise Unsupported("signed", "a JUMBF box (C2PA), whose digest no re-coded picture can match")
    _check_work(found)
    kept = tuple(data[s.start : s.end] for s in segments if s.kept)
    frame_at = next(s.start for s in segments if s.marker in SOFS)
    if sum(map(len, kept)) > MAX_KEPT_BYTES:
        raise Unsupported("too-large", "more metadata than pictures have")
    if is_hdr(joined(kept) or b""):
        raise Unsupported("hdr-png", "PQ or HLG, by its profile")
    index = next((s.start for s in segments if s.kept and is_index(data[s.start : s.end])), None)
    structure = JpegStructure(
        width=found.width,
        height=found.height,
        component_ids=tuple(c.id for c in found.components),
        sampling=tuple((c.horizontal, c.vertical) for c in found.components),
        quantisation=found.quantisation,
        progressive=found.progressive,
        restart_interval=found.restart_interval,
        adobe_transform=transform,
        primary_bytes=end,
        index_at=index,
        segments=kept,
        ahead=sum(s.kept and s.start < frame_at for s in segments),
        trailer=data[end:],
    )
    # The decoder sees no metadata: it would only warn of odd ICC chunks or JFIF versions, which are not damage to the pixels.
    bare = b"\xff\xd8" + b"".join(data[s.start : s.end] for s in segments if not s.kept) + _END
    pixels = _decode(bare, structure)
    check_end(pixels)
    return Picture(pixels, structure)


def write(pixels: NDArray[np.uint8], structure: JpegStructure, *, fineness: int | None = None, verbatim: bool = True) -> bytes:
    """A JPEG of `pixels` with the segments and the trailer of `structure`, verbatim and in order.

    `fineness` is the percentage of the original's quantisation steps to use (50 halves them); by default what the structure
    says. Where it names a size, fill bytes make the file as long, unless it is longer already. Sampling is the original's, or the
    next finer one that the encoder has (4:4:0 becomes 4:4:4, 4:1:1 becomes 4:2:2).
    Raises Unsupported('multi-picture') where other pictures in the file are found by offsets that would no longer fit; unless
    `verbatim` is False: then the index alone is changed to fit.
    """
    check_pixels(pixels, structure)
    percent = structure.fineness if fineness is None else fineness
    if not 1 <= percent <= 100:
        raise ValueError(f"fineness is {percent}, not 1..100 percent")
    placed = places_matter(structure)
    ways = (True,) if structure.progressive and not placed else (True, False)
    tables = _scaled(structure.quantisation, percent)
    subsampling = "4:4:4" if structure.grey else _subsampling(structure.sampling)
    snapped = requantised(pixels, tables, *_SHARED[subsampling])
    encode = partial(_encode, snapped, tables, None if structure.grey else subsampling)
    small = structure.height * structure.width <= _SMALL_PIXELS
    coded: Iterable[tuple[bytes, bytes]] = _side_by_side(encode, ways) if small else map(encode, ways)
    head, rest = min(coded, key=lambda halves: sum(map(len, halves)))
    parts = [b"\xff\xd8", *structure.segments[: structure.ahead], head, *structure.segments[structure.ahead :], rest, _END]
    if placed:
        try:
            parts = fill(parts, structure)
        except Unsupported:
            if verbatim:
                raise
            parts = move_places(parts, structure)
    elif structure.copy_bytes is not None:
        missing = structure.copy_bytes - sum(map(len, parts)) - len(structure.trailer)
        parts.insert(-1, filler(max(0, missing)))
    return b"".join((*parts, structure.trailer))


def _side_by_side(encode: Callable[[bool], tuple[bytes, bytes]], ways: Sequence[bool]) -> list[tuple[bytes, bytes]]:
    """Each way in a thread of its own, as far as there are some: somebody waits for the copy."""
    with ThreadPoolExecutor(min(len(ways), most_threads())) as workers:
        return list(workers.map(encode, ways))


def _check_colours(data: bytes, segments: list[Segment], found: Frame) -> int | None:
    """The transform of the Adobe segment, if any. Raises Unsupported where three components are not YCbCr."""
    adobe = (s for s in segments if s.marker == APP14 and s.body_end - s.body >= 12 and data.startswith(b"Adobe", s.body))
    transforms = [data[s.body + 11] for s in adobe]
    transform = transforms[-1] if transforms else None
    if len(found.components) == 3 and (0 in transforms or bytes(c.id for c in found.components) == b"RGB"):
        raise Unsupported("rgb-jpeg", "the components are red, green and blue")
    return transform


def _check_work(found: Frame) -> None:
    """Raise Unsupported('too-large') from the headers alone, before memory or time is spent."""
    check_area(found.width, found.height)
    if found.scans > _MAX_SCANS or found.scans * found.width * found.height > _MAX_SCANNED_PIXELS:
        raise Unsupported("too-large", f"{found.scans} scans")


def _decode(bare: bytes, structure: JpegStructure) -> NDArray[np.uint8]:
    # Slow integer DCT and smooth chroma are this decoder's defaults as they are Pillow's: the pixels are the same. Unlike
    # Pillow it raises where libjpeg warns, and libjpeg warns of every MCU that it had to invent.
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(bare, "GRAY" if structure.grey else "RGB", strict=True)
    except ValueError as error:
        if "subsampling" in str(error):
            factors = " ".join(f"{h}x{v}" for h, v in structure.sampling)
            raise Unsupported("sampling", f"factors {factors}") from None
        raise Corrupt(f"damaged: {str(error).removeprefix('Corrupt JPEG data: ')}") from None
    pixels = pixels[:, :, 0] if structure.grey else pixels
    if pixels.shape[:2] != (structure.height, structure.width):
        raise Corrupt("damaged: the decoder found another size than the frame header's")
    return pixels


def _encode(snapped: NDArray[np.uint8], tables: Tables, subsampling: str | None, progressive: bool) -> tuple[bytes, bytes]:
    """The coded picture, YCbCr or grey, without SOI, metadata and EOI: up to the frame header, and from there on."""
    image = Image.frombytes("L" if snapped.ndim == 2 else "YCbCr", (snapped.shape[1], snapped.shape[0]), snapped)
    distinct = tables[:2] if len(tables) == 3 and tables[1] == tables[2] else tables
    options: dict[str, object] = {"qtables": distinct, "progressive": progressive}
    if subsampling is not None:
        options["subsampling"] = subsampling
    buffer = io.BytesIO()
    try:
        image.save(buffer, "JPEG", optimize=True, **options)
    except OSError:
        # Pillow guesses the buffer that an optimized JPEG needs, and noise at the finest steps exceeds it.
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **{**options, "progressive": False})
    data = buffer.getvalue()
    segments, _ = walk(data)
    coded = [data[s.start : s.end] for s in segments if not s.kept]
    split = 1 + next(k for k, part in enumerate(coded) if part[1] in SOFS)
    return b"".join(coded[:split]), b"".join(coded[split:])


_CHROMA: Final = 70
"""Percent of luma's share of the steps that chroma gets in a copy finer than its original: at equal score that takes fewer bytes."""

_SHARED: Final = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}
"""Pixels across and down that share a chroma sample."""


def _scaled(tables: Tables, percent: int) -> Tables:
    shares = [percent, *[percent if percent == 100 else max(1, percent * _CHROMA // 100)] * (len(tables) - 1)]
    return tuple(tuple(min(255, max(1, (step * share + 50) // 100)) for step in table) for table, share in zip(tables, shares, strict=True))


def _subsampling(factors: tuple[tuple[int, int], ...]) -> str:
    """The coarsest of the encoder's samplings that throws away no chroma which the original had."""
    widest, tallest = max(h for h, _ in factors), max(v for _, v in factors)
    if factors[0] != (widest, tallest):
        return "4:4:4"
    across = min(widest // h for h, _ in factors[1:])
    down = min(tallest // v for _, v in factors[1:])
    if across < 2:
        return "4:4:4"
    return "4:2:0" if down >= 2 else "4:2:2"
