"""What belongs together: a photo with its raw file, its moving part and its sidecars. By names alone.

A stand-in keeps the photo's name, folder, dates and EXIF (an identifier of a live photo among it), so every pair stays a pair while the
photo is archived, and nothing beside it is ever touched: only photos are archived. What would part them is left alone:

- without a stand-in the photo's name is gone from its folder: such a gallery keeps photos that have companions;
- one member is never renamed: a photo that comes back takes its own name, or none.

An `.aae` or `.xmp` beside the photo describes edits of the full picture. It fits the restored photo, whose size in pixels and orientation
are the original's; with the stand-in it shows the edit at the size of a preview.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

PHOTO: Final = (b"jpg", b"jpeg", b"jpe", b"jfif", b"png", b"heic", b"heif", b"hif", b"avif", b"webp")
KINDS: Final[Mapping[bytes, str]] = MappingProxyType(
    dict.fromkeys(b"dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw x3f rwl iiq 3fr dcr kdc mrw gpr erf mef mos raw".split(), "raw")
    | dict.fromkeys(b"mov mp4 m4v mp 3gp avi".split(), "video")
    | dict.fromkeys(b"wav amr m4a aac".split(), "sound")
    | dict.fromkeys(b"xmp aae pp3 dop cos on1 nksc vrd thm json c2pa".split(), "sidecar")
)
"""End of a name, in small letters -> what such a file beside a photo of the same name is to it."""

_VARIANT = re.compile(rb"\.(?:raw|portrait|night|long_exposure|motion|action_pan|top_shot|burst)-\d+(?:\.[a-z]+)?$", re.IGNORECASE)
"""Pixel phones tell the files of one shot apart so: PXL_20210101_120000000.RAW-01.COVER.jpg and .RAW-02.ORIGINAL.dng."""
_EDITED = re.compile(rb"^(img_)[eo](\d{4})$")
"""An iPhone calls the edited picture IMG_E0001 and the sidecar of its edits IMG_O0001."""


def shot(name: bytes) -> bytes:
    """The key that all files of one shot share, in one folder: IMG_1.JPG, IMG_1.cr2, IMG_1.JPG.xmp and IMG_E1.mov have one."""
    stem, kind = _parts(name)
    if KINDS.get(kind) == "sidecar":
        stem = stem.removesuffix(b".supplemental-metadata")
        inner, inner_kind = _parts(stem)
        if inner_kind in PHOTO or inner_kind in KINDS:
            stem = inner
    elif kind in (b"jpg", b"mp") and stem.lower().endswith(b".mp"):  # Pixel's motion photo, and the video taken out of it
        stem = stem[:-3]
    stem = _VARIANT.sub(b"", stem.lower())
    return _EDITED.sub(rb"\1\2", stem)


def companions(names: Iterable[bytes]) -> dict[bytes, tuple[bytes, ...]]:
    """For each photo among the names of one folder what belongs to it and is no JPEG or PNG; photos without any are not in it."""
    shots: dict[bytes, list[bytes]] = {}
    for name in names:
        shots.setdefault(shot(name), []).append(name)
    found: dict[bytes, tuple[bytes, ...]] = {}
    for members in shots.values():
        beside = tuple(sorted(name for name in members if _parts(name)[1] in KINDS or _parts(name)[1] in PHOTO[5:]))
        found |= {name: beside for name in members if beside and name not in beside and _parts(name)[1] in PHOTO}
    return found


def _parts(name: bytes) -> tuple[bytes, bytes]:
    stem, dot, kind = name.rpartition(b".")
    return (stem, kind.lower()) if dot and stem else (name, b"")
