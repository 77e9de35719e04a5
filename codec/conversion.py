"""A copy as the other kind of file: a PNG of a JPEG, or a JPEG of a PNG."""

import io
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.errors import Corrupt

Format = Literal["jpeg", "png"]
_MOST_BYTES: Final = 65_500
"""Of EXIF or XMP in a JPEG, as Pillow writes it."""


def pixels_of(copy: bytes) -> NDArray[np.uint8]:
    """A file's pixels, uint8 [H, W, 3] or, where it is grey, [H, W]; without what is transparent. Raises Corrupt."""
    try:
        with Image.open(io.BytesIO(copy)) as image:
            return np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Corrupt(f"the copy cannot be decoded ({error})") from None


def converted(copy: bytes, pixels: NDArray[np.uint8], format: Format) -> bytes:
    """`pixels` in a file of the other kind, with what both kinds can hold of `copy`: EXIF, XMP and the colour profile.

    A JPEG has 64 KB for EXIF and for XMP; of a PNG that has more, they are left out.
    """
    with Image.open(io.BytesIO(copy)) as source:
        info = {
            name: source.info[key]
            for name, key in (("exif", "exif"), ("icc_profile", "icc_profile"), ("xmp", "xmp"))
            if source.info.get(key) and (format == "png" or key == "icc_profile" or len(source.info[key]) <= _MOST_BYTES)
        }
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if format == "jpeg":
        image.save(out, "JPEG", quality=95, subsampling=0, optimize=True, **info)
    else:
        info.pop("xmp", None)  # Pillow writes no XMP into a PNG
        image.save(out, "PNG", optimize=True, **info)
    return out.getvalue()
