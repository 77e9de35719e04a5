"""The format's specification in code: a second decoder, slow and written to be read, in nothing but Python and numpy.

    python -m codec.reference IN.nphoto OUT.png [WEIGHTS.safetensors]

It shares no line with the decoder that is in use, reads archive, pixel stream and weight file by itself, and gives the same levels exactly
and the same pixels within one level. docs/bitstream.md says the same in words. Sizes come from the weights.
"""

import hashlib
import json
import struct
import sys
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.errors import Corrupt, ModelMissing, UnknownVersion

Weights = dict[str, NDArray[Any]]
Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


def pixel_stream(archive: bytes) -> bytes:
    """The section PIXL of an archive, after checking all of it. Raises Corrupt or UnknownVersion."""
    if archive[:8] != b"\x9eNPH\r\n\x1a\n" or len(archive) < 56:
        raise Corrupt("not an .nphoto file")
    version, lane, flags, count, reserved, size = struct.unpack_from("<HBBHH32xQ", archive, 8)
    if version != 1:
        raise UnknownVersion(f"the archive is of version {version} of the format, and this decoder reads 1")
    if lane != 1 or flags > 3 or reserved:
        raise UnknownVersion("the archive uses a lane or a flag that this decoder does not read")
    end = 56 + 24 * count
    if len(archive) != size or size < end + 36 or zlib.crc32(archive[:end]) != int.from_bytes(archive[end : end + 4], "little"):
        raise Corrupt("the archive's header is damaged")
    if hashlib.sha256(archive[:-32]).digest() != archive[-32:]:
        raise Corrupt("the archive does not match its digest")
    for entry in range(56, end, 24):
        name, offset, length = struct.unpack_from("<4sQQ", archive, entry)
        if name == b"PIXL":
            return archive[offset : offset + length]
    raise Corrupt("the archive holds no pixels")


def read_weights(data: bytes) -> Weights:
    """The tensors of a weight file (safetensors: length of a JSON head, the head, the numbers)."""
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    if head.pop("__metadata__")["format"] not in ("1", "2"):
        raise UnknownVersion("this decoder reads weight files of formats 1 and 2")
    types, numbers = {"U8": "u1", "U16": "<u2", "I16": "<i2", "I32": "<i4", "F16": "<f2", "F32": "<f4"}, data[8 + length :]
    return {
        name: np.frombuffer(numbers[slice(*about["data_offsets"])], types[about["dtype"]]).reshape(about["shape"])
        for name, about in head.items()
    }


class Stream(NamedTuple):
    """What stands in front of the units, and the units: row and column in cells, the qualities of their cells, the coded stream."""

    width: int
    height: int
    grey: bool
    cells: Integers
    model: bytes
    units: list[tuple[int, int, Integers, bytes]]


def read_stream(data: bytes) -> Stream:
    """Raises Corrupt or UnknownVersion."""
    try:
        version, flags, width, height, quality, model = struct.unpack_from("<BBHHB8s", data)
        if version != 1 or flags > 3:
            raise UnknownVersion(f"the pixel stream is of version {version} with flags {flags:#x}, and this decoder reads 1")
        rows, columns, at = -(-height // 64), -(-width // 64), 15
        if flags & 2:
            at += 4 + struct.unpack_from("<I", data, at)[0]
        crc = zlib.crc32(data[:at])
        if struct.unpack_from("<I", data, at)[0] != crc or not 0 < width * height <= 2**28 or quality > 250:
            raise Corrupt("the head of a pixel stream is damaged")
        cells = np.full((rows, columns), quality, np.int64)
        if flags & 2:
            inflate = zlib.decompressobj()
            offsets = np.frombuffer(inflate.decompress(data[19:at], rows * columns + 1), np.int8).reshape(rows, columns)
            cells = np.clip(cells + offsets, 0, 250)
            if not inflate.eof or inflate.unused_data:
                raise Corrupt("the quality map is damaged")
        units, at = [], at + 4
        for row in range(0, rows, 16):
            for column in range(0, columns, 128):
                end = at + 4 + struct.unpack_from("<I", data, at)[0]
                crc = zlib.crc32(data[at:end], crc)
                if struct.unpack_from("<I", data, end)[0] != crc:
                    raise Corrupt("a unit of a pixel stream is damaged")
                units.append((row, column, cells[row : row + 16, column : column + 128], data[at + 4 : end]))
                at = end + 4
    except (struct.error, zlib.error, ValueError) as error:
        raise Corrupt(f"a pixel stream is damaged: {error}") from error
    if at != len(data):
        raise Corrupt("a pixel stream is followed by other bytes")
    return Stream(width, height, bool(flags & 1), cells, model, units)


class Coder:
    """rANS: interleaved lanes that read one sequence of 16-bit words."""

    def __init__(self, data: bytes) -> None:
        self._lanes = data[0] if data else 0
        if not 1 <= self._lanes <= 64 or len(data) < 1 + 4 * self._lanes or len(data) % 2 == 0:
            raise Corrupt("the head of a coded stream is damaged")
        self._states = list(struct.unpack_from(f"<{self._lanes}I", data, 1))
        self._words: Iterator[int] = iter(np.frombuffer(data, "<u2", offset=1 + 4 * self._lanes).tolist())
        self._turns = cycle(range(self._lanes))
        if min(self._states) < 65536:
            raise Corrupt("a coded stream starts in a state that no encoder leaves")

    def _refill(self, x: int) -> int:
        if x >= 65536:
            return x
        word = next(self._words, None)
        if word is None:
            raise Corrupt("a coded stream ends too early")
        return x * 65536 + word

    def levels(self, rows: Integers, table: NDArray[Any], follow: Any = ((0, 0),), second: Any = (0,)) -> Integers:
        """One level for each of the rows of the table of frequencies. With one quantiser, levels are symbols."""
        frequencies = table.tolist()
        starts = [[0, *np.cumsum(row[:-1]).tolist()] for row in table.astype(np.int64)]
        out, chains = np.zeros(len(rows), np.int64), [0] * 16
        for i, (first_row, lane) in enumerate(zip(rows.tolist(), self._turns, strict=False)):
            state = chains[i % 16]
            row = first_row + 64 * second[state]
            if frequencies[row][0] == 4096:  # surely zero: nothing was sent
                continue
            x = self._states[lane]
            slot = x % 4096
            token = bisect_right(starts[row], slot) - 1
            x = self._refill(frequencies[row][token] * (x // 4096) + slot - starts[row][token])
            v = token
            if token >= 16:
                left, done, low = 2 + (token - 16) // 4, 0, 0
                while left:
                    k = min(left, 12)
                    low += (x % 2**k) << done
                    x = self._refill(x >> k)
                    left, done = left - k, done + k
                v = (4 + token % 4 << done) + low
            self._states[lane] = x
            symbol = -(v + 1) // 2 if v % 2 else v // 2
            out[i] = symbol * (1 + max(second)) - second[state] * ((symbol > 0) - (symbol < 0))
            chains[i % 16] = follow[state][symbol % 2]
        return out

    def finish(self) -> None:
        """Every word was read, and every lane is where the encoder began."""
        if next(self._words, None) is not None or set(self._states) != {65536}:
            raise Corrupt("a coded stream does not end where its symbols do")


def read_unit(w: Weights, payload: bytes, cells: Integers) -> tuple[Integers, Integers]:
    """z (h, w, 96) and all levels (4h, 4w, 320) of a unit. Raises Corrupt."""
    hyper, base, coder = w["rows.weight"].shape[1], w["rows.base"].astype(np.int64), Coder(payload)
    z = coder.levels((hyper * ((cells + 12) // 25)[..., None] + np.arange(hyper)).ravel(), w["tables.z"]).reshape(*cells.shape, hyper)
    # sum = W z + bias + base, at each of the 4 x 4 latents of a cell; float64 holds these integers exactly
    product = np.rint(np.clip(z, -127, 127).astype(np.float64) @ w["rows.weight"].T.astype(np.float64)).astype(np.int64) + w["rows.bias"]
    low = np.minimum(cells // 25, len(base) - 2)
    part = (cells - 25 * low)[..., None]
    mixed = (base[low] * (25 - part) + base[low + 1] * part) // 25
    sums = _spread(product, 4) + mixed.repeat(4, 0).repeat(4, 1)
    i, j, c = np.indices(sums.shape)
    first, levels = (i + j + c) % 2 == 0, np.zeros_like(sums)
    trellis = [w[f"trellis.{part}"].tolist() for part in ("follow", "second") if "trellis.unit" in w]  # none in files of format 1
    levels[first] = coder.levels(np.clip(sums >> 7, 0, 63)[first], w["tables.y"], *trellis)
    size = np.pad(w["rows.sizes"].astype(np.int64)[np.minimum(np.abs(levels), 255)] * first, ((1, 1), (1, 1), (0, 0)))
    above, below, left, right = w["rows.neighbours"].T.astype(np.int64)
    near = above * size[:-2, 1:-1] + below * size[2:, 1:-1] + left * size[1:-1, :-2] + right * size[1:-1, 2:]
    shrunk = np.clip(sums, *w["rows.limits"].tolist()) * w["rows.shrink"].astype(np.int64) >> 12
    rows = np.clip((sums + shrunk + (near >> 6) + w["rows.offset"]) >> 7, 0, 63)
    levels[~first] = coder.levels(rows[~first], w["tables.y"], *trellis)
    coder.finish()
    return z, levels


class Network:
    """The layers under the names that the weight file uses, on arrays (height, width, channels)."""

    def __init__(self, weights: Weights) -> None:
        self.w = {name.removeprefix("network."): x.astype(np.float32) for name, x in weights.items() if name.startswith("network.")}

    def conv(self, name: str, x: Floats) -> Floats:
        """1 x 1."""
        return np.asarray(x @ self.w[f"{name}.weight"][:, :, 0, 0].T + self.w[f"{name}.bias"])

    def depthwise(self, name: str, x: Floats) -> Floats:
        """3 x 3, each channel by itself, zeros beyond the border."""
        h, w, _ = x.shape
        kernel, padded = self.w[f"{name}.weight"], np.pad(x, ((1, 1), (1, 1), (0, 0)))
        taps = (padded[i : i + h, j : j + w] * kernel[:, 0, i, j] for i in range(3) for j in range(3))
        return np.asarray(self.w[f"{name}.bias"] + sum(taps))

    def block(self, name: str, x: Floats) -> Floats:
        x = x + self.conv(f"{name}.b", _leaky(self.depthwise(f"{name}.dw", self.conv(f"{name}.a", x))))
        return x + self.conv(f"{name}.f2", _leaky(self.conv(f"{name}.f1", x)))

    def told(self, name: str, cells: Integers) -> Floats:
        """A table's numbers (4h, 4w, channels) at the qualities of the cells."""
        table, q = self.w[f"{name}.table"], (cells / 25).astype(np.float32)
        low = np.clip(np.floor(q).astype(int), 0, len(table) - 2)
        part = (q - low.astype(np.float32))[..., None]
        return np.asarray(table[low] * (1 - part) + table[low + 1] * part).repeat(4, 0).repeat(4, 1)

    def latents(self, z: Integers, values: NDArray[Any], cells: Integers) -> Floats:
        """Of one unit, from z and what its levels are worth, in steps."""
        x = self.conv("means.up.0", (z + self.w["z_mean"]).astype(np.float32))
        x = _spread(self.conv("means.up.2", self.block("means.up.1", x)), 2)
        x = _spread(self.conv("means.up.5", self.block("means.up.4", x)), 2)
        hidden = x * np.exp(self.told("means.told_hidden", cells))
        step = np.exp(np.float32(0.7) * np.tanh(self.conv("means.step", hidden)))
        mean = self.conv("means.first.1", self.block("means.first.0", hidden))
        first = np.indices(values.shape).sum(0) % 2 == 0
        known = np.where(first, values + mean, 0).astype(np.float32)
        x = self.conv("means.second_in", np.concatenate([hidden, np.arcsinh(known)], 2)) * np.exp(self.told("means.told_second", cells))
        mean = mean + self.conv("means.second.2", self.block("means.second.1", self.block("means.second.0", x)))
        y = np.where(first, known, values + mean) * step * np.exp(self.told("correction", cells) - self.told("log_gain", cells))
        return np.asarray(y, np.float32)

    def synthesis(self, y: Floats, cells: Integers) -> Floats:
        """Latents (4h, 4w, 320) -> RGB (64h, 64w, 3), around 0..1."""
        fine = _spread(self.conv("synthesis.content", y), 4)
        body = self.conv("synthesis.body.0", y * np.float32(0.1))
        body = self.block("synthesis.body.2", self.block("synthesis.body.1", body)) * np.exp(self.told("synthesis.told", cells))
        adapt = self.conv("synthesis.adapt", _leaky(_spread(self.conv("synthesis.condition", body), 4)))
        scale, shift, gate = np.split(adapt, 3, 2)
        mixed = self.depthwise("synthesis.mix_dw", self.conv("synthesis.mix1", fine * 8 * (1 + scale) + shift))
        fine = fine + gate * self.conv("synthesis.mix2", _leaky(mixed))
        near = self.depthwise("synthesis.near_dw", self.conv("synthesis.near1", fine * 8))
        fine = fine + self.conv("synthesis.near2", _leaky(near)) * np.float32(0.125)
        return np.asarray(_spread(self.conv("synthesis.out", fine), 4) + np.float32(0.45))


def _leaky(x: Floats) -> Floats:
    return np.asarray(np.maximum(x, np.float32(0.01) * x))


def _spread(x: NDArray[Any], side: int) -> NDArray[Any]:
    """Pixel shuffle: (h, w, C side^2) -> (side h, side w, C); channel, row, column is the order of the numbers."""
    h, w, channels = x.shape
    return x.reshape(h, w, -1, side, side).transpose(0, 3, 1, 4, 2).reshape(h * side, w * side, channels // side**2)


def shipped_weights(digest: bytes) -> bytes:
    """Raises ModelMissing."""
    for path in sorted((Path(__file__).parent / "weights").glob("*.safetensors")):
        if hashlib.sha256(weights := path.read_bytes()).digest().startswith(digest):
            return weights
    raise ModelMissing(digest)


def decode(data: bytes, weights: bytes | None = None) -> NDArray[np.uint8]:
    """An archive, or the pixel stream in it, and the bytes of its model's weight file (by default one that lies beside this file)
    -> (H, W, 3), or (H, W) for grey. Raises Corrupt, UnknownVersion, ModelMissing."""
    head = read_stream(pixel_stream(data) if data[:1] == b"\x9e" else data)
    weights = shipped_weights(head.model) if weights is None else weights
    if not hashlib.sha256(weights).digest().startswith(head.model):
        raise ModelMissing(head.model)
    w = read_weights(weights)
    network, (rows, columns), unit = Network(w), head.cells.shape, w.get("trellis.unit", np.ones(1, np.float32))
    latents = np.zeros((4 * rows, 4 * columns, len(w["rows.shrink"])), np.float32)
    for row, column, cells, payload in head.units:
        z, levels = read_unit(w, payload, cells)
        y = network.latents(z, unit * levels, cells)
        latents[4 * row :, 4 * column :][: y.shape[0], : y.shape[1]] = y
    strips = []
    for top in range(0, rows, 4):  # 16 rows of latents at a time, with four more on each side, which no pixel looks beyond
        first, last = max(0, top - 1), min(rows, top + 5)
        rgb = network.synthesis(latents[4 * first : 4 * last], head.cells[first:last])
        strips.append(np.rint((rgb.mean(2) if head.grey else rgb) * 255).clip(0, 255).astype(np.uint8)[64 * (top - first) :][:256])
    return np.concatenate(strips)[: head.height, : head.width]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) or (H, W) as a PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    header = struct.pack(">IIBBBBB", *pixels.shape[1::-1], 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


if __name__ == "__main__":
    found = decode(Path(sys.argv[1]).read_bytes(), Path(sys.argv[3]).read_bytes() if sys.argv[3:] else None)
    Path(sys.argv[2]).write_bytes(png(found))
