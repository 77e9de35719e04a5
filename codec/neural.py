"""Pixels <-> the pixel stream, by the neural codec. docs/bitstream.md gives the layout of the stream.

encode: pad -> analysis -> units -> bytes        decode: bytes -> strips of units -> synthesis -> pixels
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec.bitstream import MAGIC
from codec.errors import Corrupt, ModelMissing, UnknownVersion
from codec.inference import ANALYSIS_HALO, Cells
from codec.model import SHORT_DIGEST, Model
from codec.network.constants import CELL, CELL_PIXELS, TOP_QUALITY
from codec.quantisers import Coded
from codec.rowwise import Floats
from codec.strips import Strip, columns_of, each, paint
from codec.unit import UNIT_COLUMNS, UNIT_ROWS, Unit, encode_unit, quantise_unit

Pixels = NDArray[np.uint8]

STREAM_VERSION: Final = 1
LARGEST_SIDE: Final = 65535
MOST_PIXELS: Final = 1 << 28

_HEAD: Final = struct.Struct(f"<BBHHB{SHORT_DIGEST}s")  # version, flags, width, height, quality, model
_CRC: Final = struct.Struct("<I")
_LENGTH: Final = struct.Struct("<I")
_GREY, _MAPPED = 1, 2
_HELD_PIXELS: Final = 1 << 25
"""Up to so many pixels, features and latents are kept between encodings: 14 bytes for each pixel."""
_BUSY_PIXELS: Final = 1 << 24
"""So many pixels may be worked at at the same time."""


def quality_of(rate: float) -> int:
    """Rate 0..1, from smallest to best -> the integer quality of a file. Raises ValueError, or TypeError for what is no number."""
    _check_number(rate)
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in 0..1, not {rate}")
    return round(rate * TOP_QUALITY)


def _check_number(rate: object) -> None:
    if not isinstance(rate, Real):
        raise TypeError(f"rate must be a number in 0..1, not {type(rate).__name__}")


def encode_pixels(pixels: Pixels, model: Model, rate: float) -> bytes:
    """uint8 (H, W, 3) RGB or (H, W) grey, any size from 1 x 1 to 65535 a side and 2^28 pixels; rate 0..1, from smallest to best -> a pixel
    stream.

    Raises ValueError for other pixels or rates, TypeError for what is no array, no model or no number.
    """
    return Analysed(pixels, model).encode(quality_of(rate)).stream


def decode_pixels(data: bytes | bytearray | memoryview, model: Model) -> Pixels:
    """A pixel stream -> uint8 (H, W, 3), or (H, W) where it was made from grey.

    Raises Corrupt for any damage, UnknownVersion for a later version's stream, ModelMissing where the stream was made with another model,
    TypeError for what are no bytes or no model.
    """
    if not isinstance(data, bytes):
        if not isinstance(data, bytearray | memoryview):
            raise TypeError(f"a pixel stream must be bytes, not {type(data).__name__}")
        data = bytes(data)
    _check_model(model)
    head = read_head(data)
    if not model.digest.startswith(head.model):
        raise ModelMissing(head.model)
    units = list(_units(data, head))  # all are checked before one is read, and before there is memory for the picture
    abreast = -(-head.cells.shape[1] // UNIT_COLUMNS)

    def strip(number: int) -> Strip:
        within = units[number * abreast : (number + 1) * abreast]
        read = [Unit(model, payload, _unit_cells(head.cells, row, column)) for row, column, payload in within]
        return lambda left, right: _side_by_side(read, left, right)

    out = _empty(head)
    _paint(model, head, strip, out)
    return out


def _check_model(model: object) -> None:
    if not isinstance(model, Model):
        raise TypeError(f"model must be what codec.load_model gives, not {type(model).__name__}")


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
    if data[: len(MAGIC)] == MAGIC:
        raise Corrupt("this is an archive; the pixel stream is one of its sections")
    if version != STREAM_VERSION or flags & ~(_GREY | _MAPPED):
        raise UnknownVersion(f"the pixel stream is of version {version} with flags {flags:#x}, and this program reads {STREAM_VERSION}")
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


def _empty(head: Head) -> Pixels:
    return np.empty((head.height, head.width) if head.grey else (head.height, head.width, 3), np.uint8)


def _paint(model: Model, head: Head, make: Callable[[int], Strip], out: Pixels) -> None:
    """Pixels out of strips of latents, each as high as a unit and as wide as the picture."""
    count, channels = -(-head.cells.shape[0] // UNIT_ROWS), out[..., None] if head.grey else out
    paint(model.networks.synthesis, make, count, head.cells, channels, ahead=_at_once(head.cells))


def _side_by_side(units: list[Unit], left: int, right: int) -> Iterator[Floats]:
    """Bands of latents across the units of one strip."""
    wide, parts = UNIT_COLUMNS * CELL, []
    for number in range(left // wide, -(-right // wide)):
        parts.append(units[number].bands(max(left - number * wide, 0), min(right - number * wide, wide)))
    return parts[0] if len(parts) == 1 else (np.concatenate(side, 1) for side in zip(*parts, strict=True))


def _joined(parts: list[Floats]) -> Floats:
    """What lies side by side."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, 1)


def _at_once(cells: Cells) -> int:
    """How many units may be coded at the same time; one at its work takes 40 bytes for each pixel."""
    rows, columns = cells.shape
    unit_pixels: int = min(rows, UNIT_ROWS) * min(columns, UNIT_COLUMNS) * CELL_PIXELS**2
    return max(1, _BUSY_PIXELS // unit_pixels)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A stream, and what its decoder will show."""

    stream: bytes
    quality: int
    head: Head
    latents: tuple[Floats, ...] | None
    """Of each unit; None for a large picture."""

    def decoded(self, model: Model) -> Pixels:
        """The pixels that `decode_pixels` gives; where there are latents, without reading the stream again."""
        latents = self.latents
        if latents is None:
            return decode_pixels(self.stream, model)
        abreast = -(-self.head.cells.shape[1] // UNIT_COLUMNS)
        out = _empty(self.head)

        def strip(number: int) -> Strip:
            whole = _joined(list(latents[number * abreast : (number + 1) * abreast]))
            return lambda left, right: (whole[row : row + CELL, left:right] for row in range(0, len(whole), CELL))

        _paint(model, self.head, strip, out)
        return out


class Analysed:
    """A picture after the part of the analysis that is the same for every quality, so that a search over rates pays for it once.

    What it holds is nine bytes for each pixel; of a picture larger than that, it holds the pixels alone and each encoding pays.
    """

    def __init__(self, pixels: Pixels, model: Model) -> None:
        """Raises ValueError for pixels that are not uint8 (H, W, 3) or (H, W), or of a size that the format has no room for; TypeError for
        what is no array or no model."""
        if not isinstance(pixels, np.ndarray):
            raise TypeError(f"pixels must be a numpy array, not {type(pixels).__name__}")
        _check_model(model)
        if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
            raise ValueError(f"pixels must be uint8 (H, W, 3) or (H, W), not {pixels.dtype} {pixels.shape}")
        height, width = pixels.shape[:2]
        if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE and height * width <= MOST_PIXELS):
            room = f"a side has 1 to {LARGEST_SIDE} pixels, a picture at most {MOST_PIXELS}"
            raise ValueError(f"pixels of {width} x {height} (width x height) have no room in the format: {room}")
        self._model, self._pixels, self.grey, self.width, self.height = model, pixels, pixels.ndim == 2, width, height
        self.shape = -(-height // CELL_PIXELS), -(-width // CELL_PIXELS)
        self._grid = list(_grid(self.shape))
        self._small = height * width <= _HELD_PIXELS
        self._features = [self._analysis(row, column) for row, column in self._grid] if self._small else None

    def _analysis(self, row: int, column: int) -> tuple[Floats, Floats]:
        """Features of a unit, its columns side by side in as many threads as there are."""
        rows = slice(row * CELL_PIXELS, (row + UNIT_ROWS) * CELL_PIXELS)
        pixels = self._pixels[rows, column * CELL_PIXELS : (column + UNIT_COLUMNS) * CELL_PIXELS]
        rest = -pixels.shape[0] % CELL_PIXELS, -pixels.shape[1] % CELL_PIXELS
        pixels = np.pad(pixels, [(0, rest[0]), (0, rest[1]), (0, 0)][: pixels.ndim], mode="edge")
        rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
        width = rgb.shape[1] // CELL_PIXELS
        halo = ANALYSIS_HALO // CELL

        def features(part: tuple[int, int]) -> tuple[Floats, Floats]:
            left, right = part
            first, last = max(0, left - halo), min(width, right + halo)
            linear, trunk = self._model.networks.features(rgb[:, first * CELL_PIXELS : last * CELL_PIXELS])
            inner = slice((left - first) * CELL, (right - first) * CELL)
            return linear[:, inner], trunk[:, inner]

        parts = each(features, columns_of(width))
        return _joined([linear for linear, _ in parts]), _joined([trunk for _, trunk in parts])

    def _latents(self, number: int, cells: Cells) -> Floats:
        """Of one unit, times the gain."""
        features = self._features[number] if self._features is not None else self._analysis(*self._grid[number])
        return self._model.networks.finish(*features, cells)

    def symbols(self, quality: int) -> Iterator[list[Coded]]:
        """What would be coded at a quality, unit by unit."""
        for number, (row, column) in enumerate(self._grid):
            cells = _unit_cells(np.full(self.shape, quality, np.int32), row, column)
            yield quantise_unit(self._model, self._latents(number, cells), cells)

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

        def coded(number: int) -> tuple[bytes, Floats | None]:
            cells = _unit_cells(parsed.cells, *self._grid[number])
            payload, latents = encode_unit(self._model, self._latents(number, cells), cells)
            return payload, latents if self._small else None

        units = each(coded, range(len(self._grid)), most=_at_once(parsed.cells))
        parts, crc = [head], parsed.crc
        for payload, _ in units:
            unit = _LENGTH.pack(len(payload)) + payload
            crc = zlib.crc32(unit, crc)
            parts += [unit, _CRC.pack(crc)]
        held = tuple(latents for _, latents in units if latents is not None)
        return Encoded(b"".join(parts), quality, parsed, held if self._small else None)
