"""Pixels <-> the pixel stream, by the neural codec. docs/bitstream.md gives the layout of the stream.

encode: pad -> analysis -> units -> bytes        decode: bytes -> units -> synthesis -> crop
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.errors import Corrupt, ModelMissing, UnknownVersion
from codec.model import SHORT_DIGEST, Model
from codec.network.constants import CELL, CELL_PIXELS, PATCH, TOP_QUALITY
from codec.unit import UNIT_COLUMNS, UNIT_ROWS, Cells, at_latents, decode_unit, encode_unit

Pixels = NDArray[np.uint8]

STREAM_VERSION: Final = 1
LARGEST_SIDE: Final = 65535
MOST_PIXELS: Final = 1 << 28

_HEAD: Final = struct.Struct(f"<BBHHB{SHORT_DIGEST}s")  # version, flags, width, height, quality, model
_CRC: Final = struct.Struct("<I")
_LENGTH: Final = struct.Struct("<I")
_GREY, _MAPPED = 1, 2
_TILE_ROWS, _TILE_COLUMNS = 32, 128
"""Latents that are synthesised at a time: bounds memory and keeps the finest layers near the processor."""


def quality_of(rate: float) -> int:
    """Rate 0..1, from smallest to best -> the integer quality of a file. Raises ValueError."""
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in 0..1, not {rate}")
    return round(rate * TOP_QUALITY)


def encode_pixels(pixels: Pixels, model: Model, rate: float) -> bytes:
    """uint8 (H, W, 3) RGB or (H, W) grey, any size from 1 x 1 to 65535 a side and 2^28 pixels; rate 0..1, from smallest to best -> a pixel
    stream.

    Raises ValueError for other pixels or rates.
    """
    return Analysed(pixels, model).encode(quality_of(rate)).stream


def decode_pixels(data: bytes, model: Model) -> Pixels:
    """A pixel stream -> uint8 (H, W, 3), or (H, W) where it was made from grey.

    Raises Corrupt for any damage, UnknownVersion for a later version's stream, ModelMissing where the stream was made with another model.
    """
    head = read_head(data)
    if not model.digest.startswith(head.model):
        raise ModelMissing(head.model)
    canvas = _Canvas(head)
    with torch.inference_mode():
        for row, column, payload in _units(data, head):
            canvas.place(decode_unit(model, payload, _unit_cells(head.cells, row, column)), row * CELL, column * CELL)
        return canvas.picture(model)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What stands in front of the units."""

    width: int
    height: int
    grey: bool
    quality: int
    cells: Cells
    model: bytes  # the first bytes of its digest
    crc: int
    end: int


def read_head(data: bytes) -> Head:
    """Raises Corrupt or UnknownVersion; takes memory only for the quality map."""
    if len(data) < _HEAD.size + _CRC.size:
        raise Corrupt("a pixel stream ends inside its head")
    version, flags, width, height, quality, model = _HEAD.unpack_from(data)
    if version != STREAM_VERSION or flags & ~(_GREY | _MAPPED):
        raise UnknownVersion(f"the pixel stream has version {version} and flags {flags:#x}")
    end = _HEAD.size
    shape = -(-height // CELL_PIXELS), -(-width // CELL_PIXELS)
    packed = b""
    if flags & _MAPPED:
        length = _LENGTH.unpack_from(data, end)[0]
        packed = data[end + _LENGTH.size : end + _LENGTH.size + length]
        end += _LENGTH.size + length
    if len(data) < end + _CRC.size or _CRC.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
        raise Corrupt("the head of a pixel stream is damaged")
    if not (width and height) or width * height > MOST_PIXELS or quality > TOP_QUALITY:
        raise Corrupt(f"a pixel stream claims {width} x {height} pixels at quality {quality}")
    cells = np.full(shape, quality, np.int32)
    if flags & _MAPPED:
        cells = np.clip(cells + _unpacked_map(packed, shape), 0, TOP_QUALITY).astype(np.int32)
    return Head(width, height, bool(flags & _GREY), quality, cells, model, zlib.crc32(data[:end]), end + _CRC.size)


def _unpacked_map(packed: bytes, shape: tuple[int, int]) -> NDArray[np.int8]:
    try:
        inflate = zlib.decompressobj()
        offsets = inflate.decompress(packed, shape[0] * shape[1] + 1)
    except zlib.error as error:
        raise Corrupt(f"the quality map is damaged: {error}") from error
    if len(offsets) != shape[0] * shape[1] or not inflate.eof or inflate.unused_data:
        raise Corrupt("the quality map has another size than the picture")
    return np.frombuffer(offsets, np.int8).reshape(shape)


def _units(data: bytes, head: Head) -> Iterator[tuple[int, int, bytes]]:
    """(row, column, payload) of every unit, rows and columns in cells; checked before they are given out."""
    at, crc = head.end, head.crc
    for number, (row, column) in enumerate(_grid(head.cells.shape)):
        if at + _LENGTH.size > len(data):
            raise Corrupt("a pixel stream ends before its units do")
        length = _LENGTH.unpack_from(data, at)[0]
        unit = data[at : at + _LENGTH.size + length]
        at, crc = at + len(unit), zlib.crc32(unit, crc)
        if at + _CRC.size > len(data) or _CRC.unpack_from(data, at)[0] != crc:
            raise Corrupt(f"unit {number} of a pixel stream is damaged")
        at += _CRC.size
        yield row, column, unit[_LENGTH.size :]
    if at != len(data):
        raise Corrupt("a pixel stream is followed by other bytes")


def _grid(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(0, shape[0], UNIT_ROWS) for column in range(0, shape[1], UNIT_COLUMNS))


def _unit_cells(cells: Cells, row: int, column: int) -> Cells:
    return np.ascontiguousarray(cells[row : row + UNIT_ROWS, column : column + UNIT_COLUMNS])


class _Canvas:
    """Gathers the latents of all units; then synthesises the picture tile by tile, each with a halo, so that no border shows and tiling
    changes nothing."""

    def __init__(self, head: Head) -> None:
        self._head = head
        h, w = (side * CELL for side in head.cells.shape)
        self._latents: list[tuple[int, int, Tensor]] = []
        self._shape = h, w

    def place(self, latents: Tensor, row: int, column: int) -> None:
        self._latents.append((row, column, latents))

    def _window(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """Latents (1, LATENTS, bottom - top, right - left) out of the units that hold them."""
        rows = []
        for row in sorted({r for r, _, _ in self._latents}):
            strips = [(c, y) for r, c, y in self._latents if r == row]
            height = strips[0][1].shape[2]
            if row >= bottom or row + height <= top:
                continue
            cut = slice(max(0, top - row), min(height, bottom - row))
            rows.append(
                torch.cat([y[:, :, cut, max(0, left - c) : max(0, right - c)] for c, y in strips if c < right and c + y.shape[3] > left], 3)
            )
        return torch.cat(rows, 2).contiguous(memory_format=torch.channels_last)

    def picture(self, model: Model) -> Pixels:
        head, (h, w) = self._head, self._shape
        out = np.empty((head.height, head.width) if head.grey else (head.height, head.width, 3), np.uint8)
        for top in range(0, h, _TILE_ROWS):
            for left in range(0, w, _TILE_COLUMNS):
                tile = self._tile(model, top, left)
                cut = out[top * PATCH : (top + _TILE_ROWS) * PATCH, left * PATCH : (left + _TILE_COLUMNS) * PATCH]
                cut[...] = tile[: cut.shape[0], : cut.shape[1]]
        return out

    def _tile(self, model: Model, top: int, left: int) -> Pixels:
        (h, w), halo = self._shape, model.network.synthesis.HALO
        bottom, right = min(top + _TILE_ROWS, h), min(left + _TILE_COLUMNS, w)
        t, b, l, r = max(0, top - halo), min(h, bottom + halo), max(0, left - halo), min(w, right + halo)  # noqa: E741
        quality = at_latents(self._head.cells[t // CELL : b // CELL, l // CELL : r // CELL])  # the halo is one cell wide
        rgb = model.network.synthesis(self._window(t, b, l, r), quality)
        inner = rgb[0, :, (top - t) * PATCH : (bottom - t) * PATCH, (left - l) * PATCH : (right - l) * PATCH]
        if self._head.grey:
            inner = inner.mean(0, keepdim=True)
        levels: Pixels = (inner * 255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
        return levels[..., 0] if self._head.grey else levels


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A stream, and what its decoder will show."""

    stream: bytes
    quality: int
    head: Head
    latents: tuple[tuple[int, int, Tensor], ...]

    def decoded(self, model: Model) -> Pixels:
        """The pixels that `decode_pixels` gives, without reading the stream again."""
        canvas = _Canvas(self.head)
        for row, column, latents in self.latents:
            canvas.place(latents, row, column)
        with torch.inference_mode():
            return canvas.picture(model)


class Analysed:
    """A picture after the part of the analysis that is the same for every quality, so that a search over rates pays for it once."""

    def __init__(self, pixels: Pixels, model: Model) -> None:
        """Raises ValueError for pixels that are not uint8 (H, W, 3) or (H, W), or of a size that the format has no room for."""
        if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
            raise ValueError(f"pixels must be uint8 (H, W, 3) or (H, W), not {pixels.dtype} {pixels.shape}")
        height, width = pixels.shape[:2]
        if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE and height * width <= MOST_PIXELS):
            raise ValueError(f"{width} x {height} pixels have no room in the format")
        self._model, self.grey, self.width, self.height = model, pixels.ndim == 2, width, height
        self.shape = -(-height // CELL_PIXELS), -(-width // CELL_PIXELS)
        with torch.inference_mode():
            self.units = [(row, column, *self._features(pixels, row, column)) for row, column in _grid(self.shape)]

    def _features(self, pixels: Pixels, row: int, column: int) -> tuple[Tensor, Tensor]:
        cut = pixels[row * CELL_PIXELS : (row + UNIT_ROWS) * CELL_PIXELS, column * CELL_PIXELS : (column + UNIT_COLUMNS) * CELL_PIXELS]
        cut = np.pad(
            cut, [(0, -cut.shape[0] % CELL_PIXELS), (0, -cut.shape[1] % CELL_PIXELS), *([(0, 0)] if cut.ndim == 3 else [])], mode="edge"
        )
        rgb = torch.from_numpy(cut if cut.ndim == 3 else np.repeat(cut[..., None], 3, 2)).permute(2, 0, 1)[None].float() / 255
        return self._model.network.analysis.features(rgb)

    def encode(self, quality: int, offsets: NDArray[np.int8] | None = None) -> Encoded:
        """Code at a quality 0..TOP_QUALITY; `offsets` (int8, for each 64 x 64 pixels, `shape` in all) adds to it cell by cell.

        Raises ValueError for another quality or other offsets.
        """
        if not 0 <= quality <= TOP_QUALITY:
            raise ValueError(f"quality must be in 0..{TOP_QUALITY}, not {quality}")
        if offsets is not None and (offsets.dtype != np.int8 or offsets.shape != self.shape):
            raise ValueError(f"offsets must be int8 {self.shape}, not {offsets.dtype} {offsets.shape}")
        mapped = offsets is not None and bool(offsets.any())
        head = _HEAD.pack(
            STREAM_VERSION, _GREY * self.grey | _MAPPED * mapped, self.width, self.height, quality, self._model.digest[:SHORT_DIGEST]
        )
        if mapped:
            assert offsets is not None
            packed = zlib.compress(offsets.tobytes(), 9)
            head += _LENGTH.pack(len(packed)) + packed
        head += _CRC.pack(zlib.crc32(head))
        parsed = read_head(head)
        parts, latents, crc = [head], [], parsed.crc
        with torch.inference_mode():
            for row, column, linear, trunk in self.units:
                cells = _unit_cells(parsed.cells, row, column)
                payload, y_hat = encode_unit(self._model, self._model.network.analysis.finish(linear, trunk, at_latents(cells)), cells)
                unit = _LENGTH.pack(len(payload)) + payload
                crc = zlib.crc32(unit, crc)
                parts += [unit, _CRC.pack(crc)]
                latents.append((row * CELL, column * CELL, y_hat))
        return Encoded(b"".join(parts), quality, parsed, tuple(latents))
