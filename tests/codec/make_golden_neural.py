"""Write whole archives of the neural lane for each model without any: `python tests/codec/make_golden_neural.py`. They are kept for ever.

Beside them lie the two originals that all models have in common, written once: what Pillow makes of a picture changes with its version.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from codec.facts import Facts
from codec.levels import LEVELS
from codec.model import Model, load_model, manifest
from codec.photo import archive_photo

GOLDEN = Path(__file__).resolve().parent / "golden"
KINDS = {
    "jpeg": "original.jpg",
    "png": "original.png",
    "tall": "original-tall.png",
    "wide": "original-wide.png",
    "inner": "original-inner.jpg",
}
"""Tall and wide are larger than a coding unit; in the last, a preview stands among the metadata and another behind the picture."""
RATE = 0.4


def original_of(kind: str) -> Path:
    return GOLDEN / f"neural-{KINDS[kind]}"


def archive_of(name: str, kind: str) -> Path:
    return GOLDEN / f"neural-{name}-{kind}.nphoto"


def scene() -> Image.Image:
    """A picture of 150 x 70 by formula: smooth ground, a disc, a corner of grain."""
    y, x = np.mgrid[0:70, 0:150]
    disc = np.hypot(y - 30, x - 100) < 22
    grain = (((x * 7919 + y * 104729 + x * y * 31) % 23) - 11) * (x < 40)
    planes = [70 + y + x // 3 + grain, 90 + 60 * disc + x // 4, 210 - y - 80 * disc + grain]
    return Image.fromarray(np.stack(planes, 2).clip(0, 255).astype(np.uint8))


def bands(width: int, height: int) -> Image.Image:
    """Smooth ground that a PNG packs well, with something at the border of the units: at 1024 rows, at 8192 columns."""
    y, x = np.mgrid[0:height, 0:width]
    disc = np.hypot(y - (1024 if height > 1024 else height // 2), x - (8192 if width > 8192 else width // 2)) < 20
    planes = [50 + y // 8 % 128 + x // 64, 200 - (y + x) // 64, 120 + 90 * disc - y // 16 % 64]
    return Image.fromarray(np.stack(planes, 2).clip(0, 255).astype(np.uint8))


def originals() -> dict[str, bytes]:
    """With metadata, and bytes behind the picture."""
    exif, said = Image.Exif(), PngImagePlugin.PngInfo()
    files: dict[str, bytes] = {}
    exif[0x010F], exif[0x0112] = "a maker", 6
    said.add_text("Author", "somebody")
    packed: dict[str, Any] = {"format": "PNG", "pnginfo": said, "optimize": True}
    pictures: tuple[tuple[str, Image.Image, dict[str, Any]], ...] = (
        ("jpeg", scene(), {"format": "JPEG", "quality": 95, "exif": exif, "comment": b"a comment"}),
        ("png", scene(), {"format": "PNG", "pnginfo": said}),
        ("tall", bands(66, 1090), packed),
        ("wide", bands(8250, 66), packed),
    )
    for kind, picture, options in pictures:
        buffer = io.BytesIO()
        picture.save(buffer, **options)
        files[kind] = buffer.getvalue() + b"behind the picture"
    preview, behind = (saved_jpeg(scene().resize((240, 112)), quality) for quality in (85, 75))
    segment = b"\xff\xe5" + (len(preview) + 9).to_bytes(2, "big") + b"Preview" + preview
    files["inner"] = files["jpeg"][:2] + segment + files["jpeg"][2:-18] + behind + b"behind the picture"
    return files


def saved_jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def archived(model: Model, data: bytes) -> bytes:
    """At a rate that is given: neither the guard nor a saving has a say in it."""
    facts = Facts(len(data), hashlib.sha256(data).hexdigest(), b"golden", 0, 0o644)
    return archive_photo(data, facts, model, LEVELS["high"], min_saving=float("-inf"), rate=RATE).archive


if __name__ == "__main__":
    for kind, data in originals().items():
        if not original_of(kind).exists():
            original_of(kind).write_bytes(data)
        for name in manifest():
            if not archive_of(name, kind).exists():
                model = load_model(name)
                model.networks.half = False
                archive_of(name, kind).write_bytes(archived(model, original_of(kind).read_bytes()))
