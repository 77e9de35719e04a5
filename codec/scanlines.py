"""The samples inside a PNG's image data, bit for bit, whatever its depth and colour type: inflated, unfiltered, and as an array.

    Layout.of(ihdr)                         how many rows of how many bytes, in how many passes
    inflated(packed, layout)                the filtered rows
    unfiltered(rows, layout)                the same rows, each with filter 0: equal for equal pictures
    samples(rows, layout)                   uint8 [H, W, channels], where a sample has at most 8 bits
    rows_of(samples, layout)                the way back

PNG specification, third edition: 7.2 (scanlines), 8 (interlacing), 9 (filtering).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from codec import png_chunks
from codec.adam7 import PASSES
from codec.compiled import compiled, types
from codec.errors import Corrupt, Unsupported

MAX_BYTES: Final = 480_000_000
"""Of one picture's rows; 60 million pixels of RGBA in 16 bits."""

MAX_PIXELS: Final = 220_000_000
"""The coders want four bytes for each, whatever the picture's own depth: a bomb of one bit a pixel is small until then."""

CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel, by colour type."""

Rows = NDArray[np.uint8]
"""Flat; each row begins with its filter byte."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an IHDR chunk says of the image data."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @classmethod
    def of(cls, ihdr: bytes) -> "Layout":
        """Of the whole chunk, 25 bytes. Raises Corrupt for what no PNG can be, Unsupported('too-large')."""
        width, height, depth, colour, interlaced = png_chunks.header(ihdr)
        layout = cls(width, height, depth, colour, interlaced)
        if width * height > MAX_PIXELS or (width * CHANNELS[colour] * depth // 8 + 2) * (height + 8) > MAX_BYTES:
            raise Unsupported("too-large", f"{width} x {height} pixels")
        return layout

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def channels(self) -> int:
        return CHANNELS[self.colour]

    @property
    def step(self) -> int:
        """Bytes from a sample to the same one of the pixel before, at least 1."""
        return max(1, self.channels * self.depth // 8)

    @property
    def passes(self) -> tuple[tuple[int, int, tuple[int, int, int, int]], ...]:
        """Columns, rows and place of each pass that has any; a picture that is not interlaced is one pass."""
        places = PASSES if self.interlaced else ((0, 0, 1, 1),)
        sizes = ((-(-(self.width - p[0]) // p[2]), -(-(self.height - p[1]) // p[3]), p) for p in places)
        return tuple((columns, rows, p) for columns, rows, p in sizes if columns > 0 and rows > 0)

    def row_bytes(self, columns: int) -> int:
        """Of a row of so many pixels, without its filter byte."""
        return (columns * self.channels * self.depth + 7) // 8

    @property
    def size_bytes(self) -> int:
        """Of all rows, filter bytes included."""
        return sum(rows * (1 + self.row_bytes(columns)) for columns, rows, _ in self.passes)


def inflated(packed: Iterable[bytes], layout: Layout) -> Rows:
    """The rows in the bodies of the IDAT chunks. Raises Corrupt unless they are exactly the ones that the layout promises."""
    return np.frombuffer(b"".join(png_chunks.inflated(packed, layout.size_bytes)), np.uint8)


def unfiltered(rows: Rows, layout: Layout) -> Rows:
    """The same rows with every filter undone, as if each had been written with filter 0. Raises Corrupt for a filter that there is not."""
    plain = rows.copy()
    at = 0
    for columns, count, _ in layout.passes:
        size = count * (1 + layout.row_bytes(columns))
        if not _unfilter(plain[at : at + size], count, layout.row_bytes(columns), layout.step):
            raise Corrupt("damaged: a row has a filter that does not exist")
        at += size
    return plain


def samples(rows: Rows, layout: Layout) -> NDArray[np.uint8]:
    """Unfiltered rows -> uint8 [H, W, channels], a sample of 1, 2 or 4 bits as its number. Raises ValueError for 16 bits."""
    if layout.depth > 8:
        raise ValueError("samples of 16 bits do not fit")
    picture = np.empty((layout.height, layout.width, layout.channels), np.uint8)
    at = 0
    for columns, count, (left, top, across, down) in layout.passes:
        size = count * (1 + layout.row_bytes(columns))
        body = rows[at : at + size].reshape(count, -1)[:, 1:]
        if layout.depth < 8:
            body = _unpacked(body, layout.depth)
        picture[top::down, left::across] = body[:, : columns * layout.channels].reshape(count, columns, layout.channels)
        at += size
    return picture


def rows_of(picture: NDArray[np.uint8], layout: Layout) -> Rows:
    """The way back from `samples`; the bits that fill a row's last byte are zero."""
    parts = []
    for _, count, (left, top, across, down) in layout.passes:
        body = picture[top::down, left::across].reshape(count, -1)
        if layout.depth < 8:
            body = _packed(body, layout.depth)
        parts.append(np.concatenate([np.zeros((count, 1), np.uint8), body], axis=1).ravel())
    return np.concatenate(parts)


def without_filling(rows: Rows, layout: Layout) -> Rows:
    """Unfiltered rows whose last bytes hold no bits beyond the picture: those mean nothing, and an encoder may change them."""
    if layout.depth >= 8:
        return rows
    clean = rows.copy()
    at = 0
    for columns, count, _ in layout.passes:
        size = count * (1 + layout.row_bytes(columns))
        spare = layout.row_bytes(columns) * 8 - columns * layout.depth
        clean[at : at + size].reshape(count, -1)[:, -1] &= (0xFF << spare) & 0xFF
        at += size
    return clean


def _unpacked(body: NDArray[np.uint8], depth: int) -> NDArray[np.uint8]:
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    return ((body[:, :, None] >> shifts) & np.uint8((1 << depth) - 1)).astype(np.uint8).reshape(body.shape[0], -1)


def _packed(body: NDArray[np.uint8], depth: int) -> NDArray[np.uint8]:
    each = 8 // depth
    padded = np.pad(body, ((0, 0), (0, -body.shape[1] % each))).reshape(body.shape[0], -1, each)
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(padded << shifts, axis=2).astype(np.uint8)
    return packed


@compiled(types.boolean(types.Array(types.uint8, 1, "C"), types.int64, types.int64, types.int64))
def _unfilter(rows: Any, count: int, row_bytes: int, step: int) -> bool:
    """In place; False for an unknown filter. The row above the first is all zero."""
    stride = row_bytes + 1
    for y in range(count):
        here = y * stride
        kind = rows[here]
        rows[here] = 0
        if kind > 4:
            return False
        for x in range(row_bytes):
            at = here + 1 + x
            left = np.int64(rows[at - step]) if x >= step else np.int64(0)
            above = np.int64(rows[at - stride]) if y > 0 else np.int64(0)
            add = np.int64(0)
            if kind == 1:
                add = left
            elif kind == 2:
                add = above
            elif kind == 3:
                add = (left + above) // 2
            elif kind == 4:
                corner = np.int64(rows[at - stride - step]) if y > 0 and x >= step else np.int64(0)
                guess = left + above - corner
                to_left, to_above, to_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
                add = left if to_left <= to_above and to_left <= to_corner else above if to_above <= to_corner else corner
            rows[at] = np.uint8((np.int64(rows[at]) + add) & 255)
    return True
