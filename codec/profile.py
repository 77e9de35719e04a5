"""What the numbers of a picture mean: from its colour profile to linear light, for the guard to look at.

A PNG's chunks cICP, iCCP, sRGB, and gAMA with cHRM count in this order (PNG, third edition, 4.3). Of ICC profiles those of a matrix and
curves (ICC.1:2022, 8.3.3) and grey ones (8.3.4) are read: every camera and phone writes these. A profile with tables (print, XYB) gives
None, as does one that can't be read; such pictures are judged as if they were sRGB, which is what a viewer without colour management shows.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec.exif import is_adobe_rgb
from codec.picture import JpegStructure, Structure

_ICC: Final = b"ICC_PROFILE\0"
_EXIF: Final = b"Exif\0"
_MOST_BYTES: Final = 1 << 20
_D50: Final = (0.9642, 1.0, 0.8249)
_BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
"""XYZ -> what the eye's cones take for their own when the light changes (ICC.1:2022, annex E)."""
_SRGB: Final = ((0.4360747, 0.3850649, 0.1430804), (0.2225045, 0.7168786, 0.0606169), (0.0139322, 0.0971045, 0.7141733))
"""Linear sRGB -> XYZ under D50, the profile connection space (IEC 61966-2-1, adapted by Bradford's matrix)."""
_ADOBE: Final = ((0.6097559, 0.2052401, 0.1492240), (0.3111242, 0.6256560, 0.0632197), (0.0194811, 0.0608902, 0.7448387))
_ADOBE_GAMMA: Final = 563 / 256
"""Adobe RGB (1998), 4.3."""
_PRIMARIES: Final = {
    1: _SRGB,
    12: ((0.5151187, 0.2919778, 0.1571035), (0.2411892, 0.6922441, 0.0665668), (-0.0010505, 0.0418791, 0.7840713)),  # Display P3
    9: ((0.6734241, 0.1656411, 0.1251286), (0.2790177, 0.6753402, 0.0456377), (-0.0019300, 0.0299784, 0.7973330)),  # BT.2020
}
"""By the code of ITU-T H.273, which a PNG's cICP chunk names: linear RGB -> XYZ under D50."""
HDR: Final = (b"\x10", b"\x12")
"""Transfer functions of H.273, PQ and HLG, of whose light the guard knows nothing."""
_SDR: Final = frozenset({1, 6, 13, 14, 15})
"""Transfer codes whose pictures are looked at as sRGB ones are."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """How numbers become light. `curves`: float32 [3, 256], value -> linear light; `matrix`: float32 [3, 3], to linear sRGB, unbounded."""

    curves: NDArray[np.float32]
    matrix: NDArray[np.float32]

    def linear(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Linear sRGB light, float32 [H, W, 3]: below 0 or above 1 where a colour lies outside of sRGB."""
        colours = np.stack([self.curves[k][pixels[..., k] if pixels.ndim == 3 else pixels] for k in range(3)], axis=-1)
        return colours @ self.matrix.T


def profile_of(structure: Structure) -> Profile | None:
    """The profile of a picture, or None where its numbers are sRGB, or have to be taken for it."""
    if isinstance(structure, JpegStructure):
        return profile_of_segments(structure.segments)
    chunks = {chunk[4:8]: chunk[8:-4] for chunk in reversed(structure.before)}
    if (code := chunks.get(b"cICP")) is not None and len(code) == 4:
        return _coded(code[0]) if code[1] in _SDR else None
    if (packed := chunks.get(b"iCCP")) is not None:
        data = _inflated(packed)
        return None if data is None else _parsed(data)
    gamma = chunks.get(b"gAMA", b"")
    if b"sRGB" in chunks or len(gamma) != 4 or not 10_000 <= int.from_bytes(gamma, "big") <= 200_000:
        return None
    exponent = 100_000 / int.from_bytes(gamma, "big")
    matrix = np.array(_SRGB) if structure.grey else _from_primaries(chunks.get(b"cHRM", b""))
    if abs(exponent - 2.2) < 0.02 and np.abs(matrix - _SRGB).max() < 0.01:  # what encoders write for sRGB
        return None
    return _made([(np.arange(256) / 255) ** exponent] * 3, matrix)


def profile_of_segments(segments: Iterable[bytes]) -> Profile | None:
    """As `profile_of`, of a JPEG's segments: by its profile, or by the EXIF of a camera that was told to use Adobe RGB."""
    segments = tuple(segments)
    data = joined(segments)
    if data is not None:
        return _parsed(data)
    block = next((body[9:] for each in segments if (body := each.lstrip(b"\xff")).startswith(b"\xe1") and body.startswith(_EXIF, 3)), b"")
    return _made([(np.arange(256) / 255) ** _ADOBE_GAMMA] * 3, np.array(_ADOBE)) if is_adobe_rgb(block) else None


def joined(segments: Iterable[bytes]) -> bytes | None:
    """The ICC profile in a JPEG's segments, put together by its parts' numbers; None where there is none or a part is missing."""
    parts: dict[int, bytes] = {}
    total = 0
    for segment in segments:
        body = segment.lstrip(b"\xff")
        if body[:1] == b"\xe2" and body.startswith(_ICC, 3) and len(body) > 17:
            parts.setdefault(body[15], body[17:])
            total = body[16]
    if not parts or sorted(parts) != list(range(1, total + 1)):
        return None
    return b"".join(parts[number] for number in sorted(parts))


def icc_of(chunk: bytes) -> bytes:
    """The ICC profile in a whole iCCP chunk; empty where it can't be read."""
    return _inflated(chunk[8:-4]) or b""


def as_icc(profile: Profile, *, grey: bool) -> bytes:
    """An ICC profile, of version 2, that says what `profile` says: for a file that has no other way to say it."""
    curves = [b"curv\0\0\0\0" + struct.pack(">I256H", 256, *np.rint(curve.clip(0, 1) * 65535).astype(int)) for curve in profile.curves]
    name = b"As the photo says\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),  # 6.5.17 of ICC.1:2001
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz(_D50),
    }
    if grey:
        tags[b"kTRC"] = curves[0]
    else:
        columns = (np.array(_SRGB) @ profile.matrix).T
        tags |= {letter + b"XYZ": _xyz(column) for letter, column in zip((b"r", b"g", b"b"), columns, strict=True)}
        tags |= {letter + b"TRC": curve for letter, curve in zip((b"r", b"g", b"b"), curves, strict=True)}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, 132 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">8xI4s4s4s12x4s", 0x02400000, b"mntr", b"GRAY" if grey else b"RGB ", b"XYZ ", b"acsp")
    whole = head.ljust(68, b"\0") + _xyz(_D50)[8:] + bytes(48) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def _xyz(values: Iterable[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * float(value)) for value in values))


def _from_primaries(chunk: bytes) -> NDArray[np.float64]:
    """A cHRM chunk's body -> linear RGB to XYZ under D50; sRGB's for one that no picture can be meant by."""
    x, y = (np.array(struct.unpack(">8I", chunk)) / 100_000).reshape(4, 2).T if len(chunk) == 32 else np.zeros((2, 4))
    if y.min() <= 0:
        return np.array(_SRGB)
    points = np.stack([x, y, 1 - x - y]) / y  # of white, red, green, blue
    cones = np.array(_BRADFORD)
    white = cones @ points[:, 0]
    try:
        scaled = points[:, 1:] * np.linalg.solve(points[:, 1:], points[:, 0])  # together they give white
    except np.linalg.LinAlgError:
        return np.array(_SRGB)
    return np.array(_SRGB) if white.min() <= 0 else np.asarray(np.linalg.solve(cones, (cones @ _D50 / white)[:, None] * cones) @ scaled)


def _inflated(chunk: bytes) -> bytes | None:
    _, found, packed = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], _MOST_BYTES) if found else None
    except zlib.error:
        return None


def _coded(primaries: int) -> Profile | None:
    matrix = _PRIMARIES.get(primaries)
    return None if matrix is None else _made([_srgb_curve()] * 3, np.array(matrix))


def is_hdr(data: bytes) -> bool:
    """Whether an ICC profile says PQ or HLG (its cicp tag, ICC.1:2022, 9.2.17)."""
    try:
        return _tags(data).get(b"cicp", b"")[9:10] in HDR
    except struct.error:
        return False


def _tags(data: bytes) -> dict[bytes, bytes]:
    """Empty for what is no profile. Raises struct.error."""
    if len(data) < 132 or data[36:40] != b"acsp":
        return {}
    (count,) = struct.unpack_from(">I", data, 128)
    entries = [struct.unpack_from(">4sII", data, 132 + 12 * k) for k in range(min(count, 100))]
    return {name: data[at : at + size] for name, at, size in reversed(entries)}


@lru_cache(maxsize=8)
def _parsed(data: bytes) -> Profile | None:
    try:
        tags = _tags(data)
        if data[16:20] == b"GRAY":
            curve = _curve(tags[b"kTRC"])
            if data[20:24] == b"Lab ":  # it leads to lightness, not to light
                curve = np.where(curve > 0.08, ((curve + 0.16) / 1.16) ** 3, curve / 9.0330)
            return _made([curve] * 3, np.array(_SRGB))
        if data[16:20] != b"RGB " or data[20:24] != b"XYZ " or b"A2B0" in tags:
            return None
        columns = [np.array(struct.unpack_from(">3i", tags[name], 8)) / 65536 for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        return _made([_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")], np.stack(columns, axis=1))
    except (struct.error, KeyError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        return None


def _made(curves: list[NDArray[np.float64]], to_xyz: NDArray[np.float64]) -> Profile | None:
    """None for what is sRGB but for rounding, and for what no picture can be meant to look like."""
    matrix = np.linalg.inv(np.array(_SRGB)) @ to_xyz
    table = np.stack(curves)
    sane = np.abs(matrix).max() <= 8 and table.max() <= 1.01 and table.min() >= -0.01  # False for what is not a number, too
    if not sane:
        return None
    if np.abs(table - _srgb_curve()).max() < 0.004 and np.abs(matrix - np.eye(3)).max() < 0.01:
        return None
    return Profile(table.astype(np.float32), matrix.astype(np.float32))


def _srgb_curve() -> NDArray[np.float64]:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _curve(tag: bytes) -> NDArray[np.float64]:
    """A `curv` (10.6) or `para` (10.18) tag at the 256 values that a sample can have. Raises ValueError, struct.error."""
    value = np.arange(256) / 255
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return value
        if count > 65536:
            raise ValueError("a curve of too many points")
        points = np.array(struct.unpack_from(f">{count}H", tag, 12), np.float64)
        if count == 1:
            return np.asarray(value ** (points[0] / 256))
        return np.interp(value, np.linspace(0, 1, count), points / 65535)
    if tag[:4] != b"para":
        raise ValueError("a curve of an unknown kind")
    (kind,) = struct.unpack_from(">H", tag, 8)
    given = [float(number) / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
    g, a, b, c, d, e, f = given + [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(given) :]
    if not 0 < g < 16 or max(map(abs, (a, b, c, d, e, f))) > 16:
        raise ValueError("a curve that no picture has")
    upper = np.maximum(a * value + b, 0) ** g
    if kind in (1, 2):
        return np.asarray(np.where(value >= -b / a, upper, 0) + c)
    return np.asarray(np.where(value >= d, upper + e, c * value + f))
