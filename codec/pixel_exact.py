"""The pixel-exact lane: a PNG whose samples and chunks all come back, in one of two ways.

    read(original)                 -> Png: chunks, and the rows of its image data, unfiltered
    repacked(png)                  -> a smaller PNG that can take the original's place: same samples, same chunks, nothing to restore
    to_sections(png)               -> archive sections: the samples as a lossless WebP, the chunks beside it
    from_sections(sections)        -> a PNG with those samples and chunks
    difference(png, other)         -> what is not the same in two of them, or ""

What counts as the same: IHDR (size, depth, colour type, interlacing), every other chunk but IDAT in order (palette, transparency, gamma,
profile, texts), what follows the picture, and every bit of every sample, those under transparent pixels too.
"""

import io
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import oxipng
from numpy.typing import NDArray
from PIL import Image

from codec import canonical, surroundings
from codec.errors import Corrupt, Unsupported
from codec.leads import PNG_SIGNATURE
from codec.png_chunks import CRITICAL, chunks, image_chunks, split
from codec.rust import Refusal, call, reserve
from codec.scanlines import Layout, Rows, inflated, rows_of, samples, unfiltered, without_filling

WEBP_SIDE: Final = 16383
"""The longest side that WebP has room for."""

SLOW_PIXELS: Final = 6_000_000
"""Above it WebP's slowest search takes too long for the percent or two that it finds."""


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG read strictly. `before` begins with IHDR, `after` ends with IEND, raw with their CRCs; `rows` as `scanlines.unfiltered`."""

    layout: Layout
    before: tuple[bytes, ...]
    after: tuple[bytes, ...]
    trailer: bytes
    rows: Rows
    size_bytes: int


def read(data: bytes) -> Png:
    """Every chunk's CRC, every row's length and filter checked.

    Raises NotAPicture, Corrupt, Unsupported('animated', 'idot', 'signed', 'cgbi', 'critical-chunk', 'too-large').
    """
    parts = split(data)
    parts.check_kept()
    layout = Layout.of(parts.before[0])
    parts.check_kept_bytes()
    rows = unfiltered(inflated((chunk[8:-4] for chunk in parts.image_data), layout), layout)
    if layout.colour == 3:
        colours = next((len(chunk) - 12 for chunk in parts.before if chunk[4:8] == b"PLTE"), 0) // 3
        if int(samples(rows, layout).max()) >= colours:
            raise Corrupt("damaged: a pixel has a colour that the palette lacks")
    return Png(layout, parts.before, parts.after, parts.trailer, rows, len(data))


def difference(png: Png, other: Png) -> str:
    """What is not the same, in words; empty where nothing is."""
    if png.layout != other.layout or png.before[0] != other.before[0]:
        return "size, depth or colour type"
    if (png.before, png.after) != (other.before, other.after):
        return "chunks"
    if png.trailer != other.trailer:
        return "what follows the picture"
    same = np.array_equal(without_filling(png.rows, png.layout), without_filling(other.rows, other.layout))
    return "" if same else "pixels"


def repacked(png: Png, level: int) -> bytes:
    """The same PNG with its image data packed anew, checked. `level` of oxipng, 0..6. Raises Unsupported('repack-failed')."""
    data = _packed_anew(png, level)
    found = difference(png, read(data))
    if found:
        raise Unsupported("repack-failed", f"{found} changed")
    return data


def seen_alike(data: bytes, other: bytes) -> bool:
    """Whether another decoder finds the same pixels in two PNGs: a mistake of ours in undoing filters must not hide one of theirs.

    It sees no ancillary chunk but tRNS, and 16 bits of colour as 8.
    """
    views = []
    for each in (data, other):
        needed = [each[start:end] for kind, start, end in chunks(each) if kind in (*CRITICAL, b"tRNS")]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a bomb: our own reader has measured it
            try:
                with Image.open(io.BytesIO(b"".join((PNG_SIGNATURE, *needed))), formats=("PNG",)) as image:
                    views.append((image.mode, image.size, image.tobytes()))
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                return False
    return views[0] == views[1]


def to_sections(png: Png) -> dict[str, bytes]:
    """The archive sections from which `from_sections` gives samples and chunks back, checked.

    Raises Unsupported('16-bit', 'too-large') for what WebP has no room for.
    """
    if png.layout.depth == 16:
        raise Unsupported("16-bit", "a lossless archive holds 8 bits a sample")
    if max(png.layout.width, png.layout.height) > WEBP_SIDE:
        raise Unsupported("too-large", f"a side of more than {WEBP_SIDE} pixels")
    picture = samples(png.rows, png.layout)
    reserve(picture.size * 8)
    buffer = io.BytesIO()
    method = 6 if picture.shape[0] * picture.shape[1] <= SLOW_PIXELS else 4
    _as_image(picture).save(buffer, "WEBP", lossless=True, quality=100, method=method, exact=True)
    kept = (*png.before, *png.after)
    around, more = surroundings.to_sections(kept, png.trailer)
    fields = {
        "kind": "png-exact",
        "width": png.layout.width,
        "height": png.layout.height,
        "before": len(png.before),
    }
    sections = {"STRC": canonical.dump(fields | more), "WEBP": buffer.getvalue(), **around}
    found = difference(png, _opened(sections))
    if found:
        raise Unsupported("exact-failed", f"WebP did not give the same {found} back")
    return sections


def from_sections(sections: Mapping[str, bytes]) -> bytes:
    """A PNG with the samples and chunks of the original, its image data packed well, and checked as at the proof. Raises Corrupt."""
    png = _opened(sections)
    try:
        return repacked(png, 2)
    except (Corrupt, Unsupported):  # a later packer may do what the one at the proof did not; packed plainly it is right all the same
        return _around(png, _bare(png))


def _opened(sections: Mapping[str, bytes]) -> Png:
    try:
        fields = canonical.load(sections["STRC"])
        kept, trailer = surroundings.from_sections(sections, fields)
        count = fields["before"]
        if fields["kind"] != "png-exact" or type(count) is not int or not 1 <= count < len(kept):
            raise Corrupt("the structure is of another kind")
        layout = Layout.of(kept[0])
        if (fields["width"], fields["height"]) != (layout.width, layout.height) or layout.depth > 8:
            raise Corrupt("the structure is not that of its picture")
        picture = _samples_of(sections["WEBP"], layout)
    except KeyError as error:
        raise Corrupt(f"the archive lacks {error}") from None
    except Unsupported as error:
        raise Corrupt(f"the archive holds what is never archived ({error})") from None
    if layout.depth < 8 and int(picture.max(initial=0)) >= 1 << layout.depth:
        raise Corrupt("the archive's samples have more bits than their picture")
    return Png(layout, kept[:count], kept[count:], trailer, rows_of(picture, layout), 0)


def _as_image(picture: NDArray[np.uint8]) -> Image.Image:
    """Samples as WebP takes them: grey and indices thrice, which its subtraction of green makes nothing of."""
    if picture.shape[2] in (1, 2):
        picture = np.concatenate([picture[:, :, :1]] * 3 + [picture[:, :, 1:]], axis=2)
    return Image.fromarray(np.ascontiguousarray(picture))


def _samples_of(webp: bytes, layout: Layout) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a bomb: the size is compared before anything is decoded
            image = Image.open(io.BytesIO(webp), formats=("WEBP",))
        with image:
            if image.size != (layout.width, layout.height):
                raise Corrupt("the archive's picture is not of the size that its structure says")
            picture = np.asarray(image.convert("RGBA" if layout.channels in (2, 4) else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Corrupt(f"the archive's picture cannot be decoded ({error})") from None
    return picture[:, :, {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[layout.channels]]


def _packed_anew(png: Png, level: int) -> bytes:
    """With oxipng's choice of filters and packing; where it fails, without filters."""
    plain = _bare(png)
    reserve(4 * png.rows.size)
    try:
        packed = call(_oxipng, plain, level)
    except Refusal:
        packed = plain
    headers = [packed[start:end] for kind, start, end in chunks(packed) if kind == b"IHDR"]
    return _around(png, packed if headers == [png.before[0]] else plain)


def _around(png: Png, packed: bytes) -> bytes:
    """The chunks of `png` around the image data of `packed`."""
    image_data = [packed[start:end] for kind, start, end in chunks(packed) if kind == b"IDAT"]
    return b"".join((PNG_SIGNATURE, *png.before, *image_data, *png.after, png.trailer))


def _oxipng(plain: bytes, level: int) -> bytes:
    packed: bytes = oxipng.optimize_from_memory(
        plain,
        level=level,
        strip=oxipng.StripChunks.none(),
        interlace=None,  # as it is: the default would take it away
        bit_depth_reduction=False,
        color_type_reduction=False,
        palette_reduction=False,
        grayscale_reduction=False,
        optimize_alpha=False,
    )
    return packed


def _bare(png: Png) -> bytes:
    """IHDR, palette and transparency, image data without filters, IEND: all that decides what the pixels are."""
    needed = [chunk for chunk in png.before if chunk[4:8] in (b"IHDR", b"PLTE", b"tRNS")]
    return b"".join((PNG_SIGNATURE, *needed, *image_chunks(zlib.compress(png.rows.tobytes(), 6)), png.after[-1]))
