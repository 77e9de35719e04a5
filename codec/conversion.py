"""A copy as the other kind of file: a PNG of a JPEG, or a JPEG of a PNG."""

import io
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec import exact, pixel_exact
from codec.errors import CodecError
from codec.jpeg_segments import walk
from codec.labels import MOST, Labels, labelled, labels_of
from codec.leads import EXIF_LEAD, PNG_SIGNATURE, XMP_LEAD
from codec.picture import PngStructure
from codec.png_chunks import chunks
from codec.profile import as_icc, icc_of, joined, profile_of, profile_of_segments
from codec.shown import flat, shown

Format = Literal["jpeg", "png"]
_LONGEST: Final = 65535


def pixels_of(copy: bytes) -> NDArray[np.uint8]:
    """A JPEG's or PNG's pixels as a viewer shows them, uint8 [H, W, 3] or, where it is grey, [H, W]; what is transparent is white.

    Raises Corrupt or Unsupported('too-large').
    """
    if copy[: len(PNG_SIGNATURE)] == PNG_SIGNATURE:
        return flat(shown(pixel_exact.read(copy)))
    return exact.preview(copy, _LONGEST)[0]


def converted(copy: bytes, pixels: NDArray[np.uint8], format: Format) -> bytes:
    """`pixels` in a file of the other kind, with what both kinds can hold of `copy`: EXIF, XMP and what its colours mean.

    A JPEG has 64 KB for EXIF and for XMP; of a PNG that has more, they are left out. So is EXIF that is none, at which readers stop.
    """
    icc = profile_in(copy, grey=pixels.ndim == 2)
    if pixels.ndim == 2 and icc[16:20] == b"RGB ":  # JPEGs have that; in a grey PNG a reader would pass it by
        pixels = np.stack([pixels] * 3, axis=2)
    options: dict[str, object] = {"icc_profile": icc} if icc else {}
    if format == "jpeg":
        options |= {"quality": 95, "subsampling": 0}
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, format, optimize=True, **options)
    try:
        labels = labels_of(copy)
    except CodecError:  # the picture can be read all the same
        labels = Labels()
    exif = labels.exif.removeprefix(EXIF_LEAD)  # some writers put it into a PNG, too
    exif = exif if exif[:4] in (b"II*\0", b"MM\0*") and len(EXIF_LEAD + exif) <= MOST else b""
    xmp = labels.xmp if len(XMP_LEAD + labels.xmp) <= MOST else b""
    return labelled(out.getvalue(), Labels(exif, xmp))


def profile_in(copy: bytes, *, grey: bool) -> bytes:
    """The ICC profile of a JPEG or PNG; one is made where they say it without. Empty where its colours are sRGB, or what they are can't
    be told. `grey`: for pixels that are."""
    if copy[: len(PNG_SIGNATURE)] != PNG_SIGNATURE:
        segments, _ = walk(copy)
        kept = tuple(copy[s.start : s.end] for s in segments if s.kept)
        profile = profile_of_segments(kept)
        return joined(kept) or (b"" if profile is None else as_icc(profile, grey=grey))
    around = tuple(copy[start:end] for kind, start, end in chunks(copy) if kind != b"IDAT")
    kinds = {chunk[4:8]: chunk for chunk in reversed(around)}
    if b"iCCP" in kinds and b"cICP" not in kinds:
        return icc_of(kinds[b"iCCP"])
    profile = profile_of(PngStructure(0, 0, grey, False, around, (), b""))
    return b"" if profile is None else as_icc(profile, grey=grey)
