"""Pictures that collections chosen for what is hard to compress have hardly any of, and photos have much: smooth ground, and print."""

import functools
import string
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Crop = npt.NDArray[np.uint8]

_VIVID_SHARE = 0.3
_COLOURLESS_SHARE = 0.4
_LUMA = 0.299, 0.587, 0.114
_FONTS = Path("/usr/share/fonts")
_FONT_PIXELS = 9, 44
_SIGNS = string.ascii_lowercase * 4 + string.ascii_uppercase + string.digits
_MARKS = ("", "", "", "", ",", ".", ":", "-", ")")


def blotches(size: int, knots: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(size, size, 3) of 0..1: coloured noise drawn on a grid of `knots` a side and enlarged."""
    small = rng.integers(0, 256, (knots, knots, 3), np.uint8)
    large: npt.NDArray[np.float32] = np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC), np.float32)
    return large * np.float32(1 / 255)


def grey(crop: Crop) -> Crop:
    """(..., 3) uint8 without its colour: all three channels alike, as in a black and white photo."""
    luma = (crop @ np.array(_LUMA, np.float32)).round().astype(np.uint8)
    return np.repeat(luma[..., None], 3, -1)


def sky(size: int, rng: np.random.Generator) -> Crop:
    """(size, size, 3) uint8 of smooth ground: a gradient between two colours, a soft bank of cloud or a soft edge, a little noise.
    Banding shows nowhere else. Some of it is saturated or clipped, as signs, lamps and petals are, which crops hold little of, too."""
    along, vivid = _gradient(size, rng), rng.random() < _VIVID_SHARE
    base = rng.uniform(-50, 305, 3) if vivid else rng.uniform(10, 245) + rng.normal(0, 25, 3)
    other = base + rng.uniform(-60, 60) + rng.normal(0, 12, 3)
    v = base + (other - base) * along + (blotches(size, 6, rng).mean(2, keepdims=True) - 0.5) * rng.uniform(0, 40)
    if rng.random() < 0.4:  # a wall, a horizon, a roof: one edge on smooth ground
        edge = 1 / (1 + np.exp(-(along - rng.uniform(0.2, 0.8)) * rng.uniform(20, 400)))
        v = v + edge * (rng.uniform(-200, 200, 3) if vivid else rng.uniform(-120, 120))
    return _finished(v, rng)


def page(size: int, rng: np.random.Generator) -> Crop:
    """(size, size, 3) uint8 of a photographed page: lines of letters without sense, askew, in uneven light, a little out of focus;
    some without any colour, where a tint that a codec adds is seen most."""
    sheet = Image.new("L", (2 * size, 2 * size), 0)
    draw = ImageDraw.Draw(sheet)
    pixels = float(np.exp(rng.uniform(*np.log(_FONT_PIXELS))))
    font, top = _font(rng, 1.4 * pixels), -int(rng.integers(int(2 * pixels)))
    leading, loud = 1.4 * pixels * rng.uniform(1.05, 1.8), rng.uniform(0.6, 1)
    while top < 2 * size:
        draw.text((-int(rng.integers(int(4 * pixels))), top), _line(rng), fill=int(255 * loud), font=font)
        top += max(6, int(leading * (2 if rng.random() < 0.1 else 1)))
    ink = np.asarray(_askew(sheet, size, rng).filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9))), np.float32)[..., None] / 255
    paper = rng.uniform(120, 250) + rng.normal(0, 7, 3)
    letters = rng.uniform(5, 90) + rng.normal(0, 12, 3)
    if rng.random() < 0.25:
        paper, letters = letters, paper
    v = (paper + (letters - paper) * ink) * (1 - rng.uniform(0, 0.4) * _gradient(size, rng))
    out = _finished(v + (blotches(size, 5, rng) - 0.5) * rng.uniform(0, 10), rng)
    return grey(out) if rng.random() < _COLOURLESS_SHARE else out


def _gradient(size: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(size, size, 1) of 0..1, rising in any direction."""
    y, x = np.mgrid[0:size, 0:size] / size
    angle = rng.uniform(0, 2 * np.pi)
    along: npt.NDArray[np.float64] = np.clip((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) + 0.5, 0, 1)
    return along[..., None]


def _finished(v: npt.NDArray[np.floating], rng: np.random.Generator) -> Crop:
    v = v + rng.normal(0, 1, v.shape) * rng.uniform(0, 1.5)
    out: Crop = v.clip(0, 255).round().astype(np.uint8)
    return out


@functools.cache
def _files() -> tuple[Path, ...]:
    return tuple(sorted(_FONTS.rglob("*.ttf")))


@functools.lru_cache(256)
def _loaded(file: Path | None, pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(file, pixels) if file else ImageFont.load_default(pixels)


def _font(rng: np.random.Generator, pixels: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """One of the system's, or Pillow's own where it has none."""
    files = _files()
    return _loaded(files[rng.integers(len(files))] if files else None, max(8, round(pixels)))


def _line(rng: np.random.Generator) -> str:
    words = ("".join(rng.choice(list(_SIGNS), rng.integers(1, 11))) + str(rng.choice(_MARKS)) for _ in range(40))
    return " ".join(words)


def _askew(sheet: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """The middle of a page of twice the size, turned by some degrees, a little sheared, about 1.4 times reduced."""
    angle, shear = np.deg2rad(rng.normal(0, 5)), rng.normal(0, 0.08)
    turn = 1.4 * np.array([[np.cos(angle), -np.sin(angle) + shear], [np.sin(angle), np.cos(angle)]])
    start = size - turn @ (size / 2, size / 2)
    matrix = (turn[0, 0], turn[0, 1], start[0], turn[1, 0], turn[1, 1], start[1])
    return sheet.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
