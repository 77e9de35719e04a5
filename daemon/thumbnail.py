"""A thumbnail of an archive, quickly where that can be: the EXIF's own where it is large enough, else the photo's stand-in, else the photo
itself, decoded.

Runs in a process of its own, which a desktop starts for one file and ends.
"""

import io
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from codec import canonical, exact, surroundings
from codec.bitstream import unpack
from codec.conversion import profile_in
from codec.errors import CodecError
from codec.facts import Facts
from codec.labels import labels_of
from codec.leads import PNG_SIGNATURE
from codec.shown import preview as png_preview
from daemon.composition import start_workers
from daemon.errors import CommandFailed
from daemon.exif_thumbnail import ORIENTATION, block_in, camera_thumbnail, orientation_of
from daemon.messages import Refused, RestoreJob
from daemon.places import Places, real
from daemon.reading import reading_room
from daemon.reasons import sentence
from storage.digest import opened, read_once
from storage.errors import Missing, StorageError, shown
from storage.states import State

_ORIGIN = ("Software", "gallery-optimizer")
"""In every thumbnail, by the thumbnail specification of freedesktop.org: it tells one from a photo that must not be overwritten."""
_ROUNDED = 2
"""Pixels that a camera may have rounded a side of a thumbnail by."""
_BEGIN_BYTES = 128
"""Pillow writes it right behind the header."""


def thumbnail(places: Places, archive: Path, size: int) -> bytes:
    """A PNG of at most `size` pixels a side, upright. Raises CommandFailed, StorageError, WorkerError."""
    data = read_once(archive).data
    try:
        sections = unpack(data).sections
        fields = canonical.load(sections["STRC"])
        exif = _exif(surroundings.from_sections(sections, fields)[0])
        digest = Facts.from_bytes(sections["FACT"]).sha256
    except (CodecError, KeyError) as error:
        raise CommandFailed(f"{shown(archive)}: it is no archive, or a damaged one ({error}).") from None
    found = _of_exif(exif, size, fields.get("width"), fields.get("height")) or _of_stand_in(places, digest, size) or _decoded(archive, size)
    buffer = io.BytesIO()
    origin = PngInfo()
    origin.add_text(*_ORIGIN)
    found.save(buffer, "PNG", pnginfo=origin)
    return buffer.getvalue()


def may_be_replaced(goal: Path) -> bool:
    """Whether nothing has this name, or an empty file, as desktops make it, or a thumbnail of ours. Raises StorageError."""
    try:
        with opened(goal) as descriptor:
            begin = os.pread(descriptor, _BEGIN_BYTES, 0)
    except Missing:
        return True
    return not begin or "\0".join(_ORIGIN).encode() in begin


def _exif(kept: Iterable[bytes]) -> bytes:
    """The TIFF block in what an archive keeps of its original."""
    for part in kept:
        if part[4:8] == b"eXIf":
            return part[8:-4]
        if block := block_in(part):  # one part may be several segments
            return block
    return b""


def _of_exif(block: bytes, size: int, width: object, height: object) -> Image.Image | None:
    """The thumbnail that the camera put into the EXIF, where it is as large as what is wanted. Not one of another shape than the photo: it
    has bars, or is of the photo as it was before somebody cropped it."""
    found = camera_thumbnail(block)
    if found is None:
        return None
    try:
        with Image.open(io.BytesIO(found.data), formats=("JPEG",)) as image:
            if max(image.size) < size or not _is_of_shape(image.size, width, height):
                return None
            turned = image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None
    turned.getexif()[ORIENTATION] = found.orientation
    return _fitted(turned, size)


def _is_of_shape(size: tuple[int, int], width: object, height: object) -> bool:
    if not isinstance(width, int) or not isinstance(height, int):
        return True
    return abs(size[0] * height - size[1] * width) <= _ROUNDED * max(width, height)


def _of_stand_in(places: Places, digest: str, size: int) -> Image.Image | None:
    with suppress(StorageError), reading_room(places) as catalog:
        for row in [] if catalog is None else catalog.by_digest(digest):
            if row.state not in (State.RETIRED, State.PURGED, State.RESTORED):
                continue
            with suppress(StorageError, OSError, ValueError, SyntaxError):
                image = Image.open(io.BytesIO(read_once(row.location).data), formats=("JPEG", "MPO", "PNG"))
                if max(image.size) >= min(size, 512):
                    image.draft("RGB", (size, size))
                    return _fitted(image, size)
    return None


def _decoded(archive: Path, size: int) -> Image.Image:
    with start_workers() as workers:
        answer = workers.restore(RestoreJob(real(archive)))
    if isinstance(answer, Refused):
        raise CommandFailed(f"{shown(archive)}: {sentence(answer.reason)} ({answer.detail}).")
    try:
        return _of_photo(answer.data, size)
    except CodecError as error:
        raise CommandFailed(f"{shown(archive)}: its photo can't be shown ({error}).") from None


def _of_photo(data: bytes, size: int) -> Image.Image:
    """Without Pillow's reader, which refuses photos of 200 megapixels, and PNGs with a long text."""
    if data[:8] == PNG_SIGNATURE:
        image = png_preview(data, size)[0]
    else:
        image = Image.fromarray(exact.preview(data, size)[0])
    icc = profile_in(data, grey=image.mode == "L")
    if icc[16:20] == b"GRAY":
        image = image.convert("LA" if image.mode == "RGBA" else "L")
    image.info["icc_profile"] = icc or None
    with suppress(CodecError):
        image.getexif()[ORIENTATION] = orientation_of(labels_of(data).exif)
    return _fitted(image, size)


def _fitted(image: Image.Image, size: int) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((size, size), Image.Resampling.LANCZOS)
    return upright if upright.mode in ("L", "LA", "RGB", "RGBA") else upright.convert("RGB")
