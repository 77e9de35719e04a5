"""A PNG's samples as a viewer shows them: eight bits each, palette and transparency applied."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.pixel_exact import Png, read
from codec.scanlines import Rows, samples

_WHITE = 255


def shown(png: Png) -> NDArray[np.uint8]:
    """uint8 [H, W, n]: grey, grey and opacity, red green and blue, or these and opacity, as n is 1 to 4.

    A sample of fewer bits is scaled to eight; of sixteen the higher byte is taken, as most viewers do.
    """
    layout, transparent = png.layout, _chunk(png, b"tRNS")
    picture = _half(png, 0) if layout.depth == 16 else samples(png.rows, layout)
    if layout.colour == 3:
        return _coloured(picture[:, :, 0], _chunk(png, b"PLTE"), transparent)
    scaled = picture * np.uint8(255 // ((1 << layout.depth) - 1)) if layout.depth < 8 else picture
    if layout.channels in (2, 4) or len(transparent) != 2 * layout.channels:
        return scaled
    key = np.frombuffer(transparent, np.uint8).reshape(layout.channels, 2)
    opaque = (picture != key[:, 1 if layout.depth < 16 else 0]).any(axis=2)
    if layout.depth == 16:
        opaque |= (_half(png, 1) != key[:, 1]).any(axis=2)
    return np.concatenate([scaled, np.where(opaque, 255, 0).astype(np.uint8)[..., None]], axis=2)


def flat(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What `shown` gave, before white: uint8 [H, W, 3], or [H, W] where it is grey."""
    if picture.shape[2] in (2, 4):
        opacity = picture[:, :, -1:].astype(np.uint16)
        mixed = picture[:, :, :-1] * opacity + _WHITE * (255 - opacity)
        picture = ((mixed + 127) // 255).astype(np.uint8)
    return picture[:, :, 0] if picture.shape[2] == 1 else picture


def preview(data: bytes, side: int) -> tuple[Image.Image, tuple[bytes, ...]]:
    """A PNG of any kind as RGB or RGBA, its longer side at most `side` pixels, and its chunks but IDAT. Raises what `read` raises."""
    png = read(data)
    picture = shown(png)
    small = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small.convert("RGBA" if picture.shape[2] in (2, 4) else "RGB"), (*png.before, *png.after)


def _chunk(png: Png, kind: bytes) -> bytes:
    return next((chunk[8:-4] for chunk in png.before if chunk[4:8] == kind), b"")


def _half(png: Png, which: int) -> NDArray[np.uint8]:
    """The higher bytes of samples of sixteen bits (0), or the lower ones (1)."""
    parts, at = list[Rows](), 0
    for columns, count, _ in png.layout.passes:
        size = count * (1 + png.layout.row_bytes(columns))
        part = png.rows[at : at + size].reshape(count, -1)
        parts.append(np.concatenate([part[:, :1], part[:, 1 + which :: 2]], axis=1).ravel())
        at += size
    return samples(np.concatenate(parts), replace(png.layout, depth=8))


def _coloured(indices: NDArray[np.uint8], palette: bytes, opacity: bytes) -> NDArray[np.uint8]:
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    count = min(len(palette) // 3, 256)
    colours[:count, :3] = np.frombuffer(palette[: 3 * count], np.uint8).reshape(-1, 3)
    colours[: len(opacity), 3] = np.frombuffer(opacity[:256], np.uint8)
    return colours[indices] if opacity else colours[indices, :3]
