"""Any file -> picture, any picture -> file, and the structure between them <-> sections of an archive.

Sections: 'STRC' is canonical JSON (docs/bitstream.md); those of the kept segments or chunks, in order, and of what follows the picture in
the file, are `codec.surroundings`'.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec import canonical, jpeg, png, surroundings
from codec.errors import Corrupt, NotAPicture, Unsupported
from codec.leads import PNG_SIGNATURE
from codec.picture import JpegStructure, Picture, PngStructure, Structure

MOST_COPY_BYTES = 2**33

_FORMATS = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
    (b"8BPS", "PSD"),
    (b"\x8aMNG", "MNG"),
    (b"\0\0\1\0", "ICO"),
)
_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"miaf", b"avif", b"avis", b"crx ")


def read(data: bytes) -> Picture:
    """The picture in a file's bytes, by what they are and not by what the file is called.

    Raises NotAPicture, Unsupported(reason) for pictures that are left alone, Corrupt for damaged ones.
    """
    if data[:2] == b"\xff\xd8":
        return jpeg.read(data)
    if data[:8] == PNG_SIGNATURE:
        return png.read(data)
    if data[1:4].upper() == b"PNG":
        raise Corrupt("damaged: the signature of the PNG was altered")
    if data[4:8] == b"ftyp" and data[8:12] in _STILL_BRANDS:
        raise Unsupported("unsupported-format", "HEIC or AVIF")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        raise Unsupported("unsupported-format", "WebP")
    for magic, name in _FORMATS:
        if data.startswith(magic) and len(data) > 16:
            raise Unsupported("unsupported-format", name)
    raise NotAPicture("empty" if not data else "neither a JPEG nor a PNG")


def write(pixels: NDArray[np.uint8], structure: Structure, *, fineness: int | None = None, verbatim: bool = True) -> bytes:
    """A file of `pixels` with everything that `structure` keeps, verbatim.

    `fineness` and `verbatim` as in codec.jpeg.write; a PNG has none.
    """
    if isinstance(structure, JpegStructure):
        return jpeg.write(pixels, structure, fineness=fineness, verbatim=verbatim)
    return png.write(pixels, structure)


def to_sections(structure: Structure) -> dict[str, bytes]:
    """The archive sections from which `from_sections` gives the same structure."""
    fields: dict[str, Any]
    if isinstance(structure, JpegStructure):
        kept: tuple[bytes, ...] = structure.segments
        fields = {
            "kind": "jpeg",
            "components": list(structure.component_ids),
            "sampling": [list(factors) for factors in structure.sampling],
            "quantisation": [list(table) for table in structure.quantisation],
            "progressive": structure.progressive,
            "restart_interval": structure.restart_interval,
            "adobe_transform": structure.adobe_transform,
            "primary_bytes": structure.primary_bytes,
            "index_at": structure.index_at,
            "ahead": structure.ahead,
            "fineness": structure.fineness,
        }
        fields |= {} if structure.copy_bytes is None else {"copy_bytes": structure.copy_bytes}
    else:
        kept = structure.before + structure.after
        fields = {"kind": "png", "grey": structure.grey, "interlaced": structure.interlaced, "before": len(structure.before)}
    sections, more = surroundings.to_sections(kept, structure.trailer)
    fields |= {"width": structure.width, "height": structure.height, **more}
    return {"STRC": canonical.dump(fields), **sections}


def from_sections(sections: Mapping[str, bytes]) -> Structure:
    """The structure in an archive's sections. Raises Corrupt for anything that `to_sections` does not write."""
    try:
        fields = canonical.load(sections["STRC"])
        kept, trailer = surroundings.from_sections(sections, fields)
        if fields["kind"] == "jpeg":
            return _jpeg_structure(fields, kept, trailer)
        if fields["kind"] == "png":
            return _png_structure(fields, kept, trailer)
    except KeyError as error:
        raise Corrupt(f"the structure lacks {error}") from None
    except (ValueError, TypeError) as error:
        raise Corrupt(f"the structure cannot be read ({error})") from None
    raise Corrupt("the structure is of an unknown kind")


def _jpeg_structure(fields: dict[str, Any], kept: tuple[bytes, ...], trailer: bytes) -> JpegStructure:
    components = tuple(canonical.integer(name, 0, 255) for name in fields["components"])
    sampling = tuple((canonical.integer(h, 1, 4), canonical.integer(v, 1, 4)) for h, v in fields["sampling"])
    tables = tuple(tuple(canonical.integer(step, 1, 65535) for step in table) for table in fields["quantisation"])
    if len(components) not in (1, 3) or len(sampling) != len(components) or [len(t) for t in tables] != [64] * len(components):
        raise Corrupt("the structure's components and tables do not belong together")
    transform, index_at, copy_bytes = fields["adobe_transform"], fields["index_at"], fields.get("copy_bytes")
    return JpegStructure(
        width=canonical.integer(fields["width"], 1, 65535),
        height=canonical.integer(fields["height"], 1, 65535),
        component_ids=components,
        sampling=sampling,
        quantisation=tables,
        progressive=_flag(fields["progressive"]),
        restart_interval=canonical.integer(fields["restart_interval"], 0, 65535),
        adobe_transform=None if transform is None else canonical.integer(transform, 0, 255),
        primary_bytes=canonical.integer(fields["primary_bytes"], 4, 2**31),
        index_at=None if index_at is None else canonical.integer(index_at, 2, 2**31),
        segments=kept,
        ahead=canonical.integer(fields["ahead"], 0, len(kept)),
        trailer=trailer,
        fineness=canonical.integer(fields["fineness"], 1, 100),
        copy_bytes=None if copy_bytes is None else canonical.integer(copy_bytes, 4, MOST_COPY_BYTES),
    )


def _png_structure(fields: dict[str, Any], kept: tuple[bytes, ...], trailer: bytes) -> PngStructure:
    count = canonical.integer(fields["before"], 1, len(kept) - 1)
    if len(kept[0]) != 25:
        raise Corrupt("the structure's first chunk is no IHDR")
    return PngStructure(
        width=canonical.integer(fields["width"], 1, 2**31 - 1),
        height=canonical.integer(fields["height"], 1, 2**31 - 1),
        grey=_flag(fields["grey"]),
        interlaced=_flag(fields["interlaced"]),
        before=kept[:count],
        after=kept[count:],
        trailer=trailer,
    )


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Corrupt("a flag of the structure is neither true nor false")
    return value
