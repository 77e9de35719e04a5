"""Harvest training crops from a photo collection: `python -m codec.training.fragments --photos DIR --out CROPS.tar`.

The idea of 2016 that this project comes from (Toderici et al., "Full Resolution Image Compression with Recurrent Neural Networks", arXiv
1608.05148): learn on the fragments that ordinary compression handles worst. Every 32 x 32 fragment of a photo is scored by the bytes that
PNG needs for it. Most crops are cut around the hardest fragments, the rest anywhere, since half of the hyperlatents' bits go to smooth
ground.

Photos are taken one at a time, so that a collection of any size streams through. Large ones are also used shrunk, which removes the traces
of their JPEG; at native size they keep a camera's noise and softness.
"""

import argparse
import io
import logging
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from codec.training.generated import Crop

log = logging.getLogger("codec.training")

FRAGMENT: Final = 32
CROP: Final = 256
HARD_SHARE: Final = 0.7
"""Of the crops; the others lie anywhere."""
HARDEST: Final = 0.1
"""Fragments of a photo that count as hard."""

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})
_SHRINK_FROM: Final = 2_000
"""Pixels of the longer side from which a photo is also used shrunk."""
_SHRUNK: Final = (0.35, 0.7)


def fragment_bytes(picture: Crop) -> npt.NDArray[np.int32]:
    """(H, W, 3) uint8 -> (H // 32, W // 32): the bytes of each fragment as a PNG of its own, less those of a blank one."""
    rows, columns = picture.shape[0] // FRAGMENT, picture.shape[1] // FRAGMENT
    blank = _png_bytes(np.zeros((FRAGMENT, FRAGMENT, 3), np.uint8))
    out = np.zeros((rows, columns), np.int32)
    for i in range(rows):
        for j in range(columns):
            out[i, j] = _png_bytes(picture[FRAGMENT * i :][:FRAGMENT, FRAGMENT * j :][:, :FRAGMENT]) - blank
    return out


def _png_bytes(pixels: Crop) -> int:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=6)
    return buffer.tell()


def choose(scores: npt.NDArray[np.int32], count: int, rng: np.random.Generator, hard_share: float = HARD_SHARE) -> list[tuple[int, int]]:
    """Where to cut `count` crops (top, left) out of a picture with these fragment scores; crops overlap by a quarter of a side at most.

    Fewer are given where no more fit. Raises ValueError for a picture smaller than a crop.
    """
    rows, columns = scores.shape
    side = CROP // FRAGMENT
    if rows < side or columns < side:
        raise ValueError(f"a picture of {rows} x {columns} fragments has no room for a crop")
    hardest = np.argsort(scores, axis=None)[::-1][: max(1, round(scores.size * HARDEST))]
    chosen: list[tuple[int, int]] = []
    for _ in range(20 * count):
        if len(chosen) == count:
            break
        if rng.random() < hard_share:  # the fragment anywhere inside the crop
            i, j = divmod(int(rng.choice(hardest)), columns)
            i, j = i - int(rng.integers(side)), j - int(rng.integers(side))
        else:
            i, j = int(rng.integers(rows)), int(rng.integers(columns))
        i, j = min(max(i, 0), rows - side), min(max(j, 0), columns - side)
        if all(max(abs(i - a), abs(j - b)) >= side * 3 // 4 for a, b in chosen):
            chosen.append((i, j))
    return [(i * FRAGMENT, j * FRAGMENT) for i, j in chosen]


def harvest(photos: Sequence[Path], a_photo: int, seed: int = 0, hard_share: float = HARD_SHARE) -> Iterator[tuple[str, Crop]]:
    """(name, crop) of at most `a_photo` crops of each photo that opens and is large enough; names end in `_` and a number, so that
    `load_crops` keeps the crops of one photo together."""
    rng = np.random.default_rng(seed)
    for number, path in enumerate(photos):
        try:
            with Image.open(path) as opened:
                image = opened.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            log.warning("%s is passed by: %s", path, error)
            continue
        pictures = [image]
        if max(image.size) >= _SHRINK_FROM:
            factor = rng.uniform(*_SHRUNK)
            pictures.append(image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS))
        taken = 0
        for picture in pictures:
            if min(picture.size) < CROP:
                continue
            pixels = np.asarray(picture)
            for top, left in choose(fragment_bytes(pixels), a_photo // len(pictures), rng, hard_share):
                yield f"{number:06d}_{taken}", pixels[top : top + CROP, left : left + CROP]
                taken += 1


def write_pack(crops: Iterator[tuple[str, Crop]], out: Path) -> int:
    """Write crops as a tar of JPEGs (4:4:4, quality 95), which `load_crops` reads; gives their number."""
    count = 0
    with tarfile.open(out, "w") as tar:
        for name, crop in crops:
            buffer = io.BytesIO()
            Image.fromarray(crop).save(buffer, "JPEG", quality=95, subsampling=0)
            info = tarfile.TarInfo(f"crops/{name}.jpg")
            info.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(info, buffer)
            count += 1
    return count


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; `arguments` default to those of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos, searched with all below it")
    parser.add_argument("--out", type=Path, required=True, help="tar to write, for codec.training.train --data")
    parser.add_argument("--crops", type=int, default=12, help="at most so many of one photo")
    parser.add_argument("--hard", type=float, default=HARD_SHARE, help="share of crops around hard fragments, 0..1 (default %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 <= options.hard <= 1:
        parser.error(f"--hard must be in 0..1, not {options.hard}")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    photos = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    count = write_pack(harvest(photos, options.crops, hard_share=options.hard), options.out)
    log.info("%d crops of %d photos in %s", count, len(photos), options.out)


if __name__ == "__main__":
    main()
