"""Write the golden archives of the lossless lanes, once: `python tests/codec/make_golden_lossless.py`. They are kept for ever."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from codec.facts import Facts
from codec.lanes import Wanted, choose
from codec.levels import EXACT, LEVELS

GOLDEN = Path(__file__).resolve().parent / "golden"


def scene() -> Image.Image:
    """A picture of 120 x 88 by formula."""
    y, x = np.mgrid[0:88, 0:120]
    planes = [60 + y + x // 2, 40 + ((x * x + y * y) // 60) % 160, 200 - y + ((x // 8 + y // 8) % 2) * 20]
    return Image.fromarray(np.stack(planes, 2).clip(0, 255).astype(np.uint8))


def originals() -> dict[str, bytes]:
    files = {}
    for name, options in (("baseline", {"restart_marker_blocks": 5}), ("progressive", {"progressive": True}), ("grey", {})):
        buffer = io.BytesIO()
        image = scene().convert("L") if name == "grey" else scene()
        image.save(buffer, "JPEG", quality=92, comment=b"a comment", **options)
        files[f"exact-{name}"] = buffer.getvalue() + b"behind the picture"
    preview = io.BytesIO()
    scene().resize((240, 176)).save(preview, "JPEG", quality=85)
    segment = b"\xff\xe5" + (len(preview.getvalue()) + 9).to_bytes(2, "big") + b"Preview" + preview.getvalue()
    plain = files["exact-baseline"]
    files["exact-inner"] = plain[:2] + segment + plain[2:] + preview.getvalue()[:-2]
    for name, image in (("palette", scene().quantize(13)), ("transparent", scene())):
        if name == "transparent":
            image.putalpha(Image.fromarray(((np.mgrid[0:88, 0:120][1] * 5) % 256).astype(np.uint8)))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        files[f"pixel-exact-{name}"] = buffer.getvalue()
    return files


def nobody() -> None:
    raise AssertionError("a lossless lane needs no model")


if __name__ == "__main__":
    for name, data in originals().items():
        facts = Facts(len(data), hashlib.sha256(data).hexdigest(), b"golden", 0, 0o644)
        level = EXACT if name.startswith("exact") else LEVELS["high"]
        made = choose(data, facts, nobody, Wanted(level, float("-inf"), float("-inf"), 0, repack=False))  # type: ignore[arg-type]
        place = GOLDEN / f"lossless-{name}.nphoto"
        if place.exists():  # golden files never change
            continue
        place.write_bytes(made.archive)
        if name.startswith("pixel"):
            place.with_suffix(".png").write_bytes(data)
