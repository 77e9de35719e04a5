"""Contact sheets to look at: original, ours, and a peer at equal bytes, at 100 % and a detail at 300 %.

    python -m tests.bench.look --phone DIR --kodak DIR --out FOLDER [--score 80] [--peer avif]
    python -m tests.bench.look --figure FILE [--score 70]

Each area is encoded as a picture of its own at the score asked for; the peer then gets as many bytes. The figures above a sheet are those
of the area. What lies in the folder are photos of other people: it is not for the repository. --figure draws details of photos that come
with scikit-image and scikit-learn, for the documents.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from codec.quality import ssimulacra2
from tests.bench.artefacts import artefacts
from tests.bench.matching import with_bytes, with_score
from tests.bench.peers import OURS, PEERS, TITLES, Codec, named
from tests.codec.psnr import psnr

Pixels = NDArray[np.uint8]
SIDE, DETAIL, TIMES = 512, 170, 3


@dataclass(frozen=True, slots=True)
class Area:
    """`left` and `top` of SIDE x SIDE pixels of a photo; `at`: where in it the detail of DETAIL x DETAIL lies."""

    title: str
    collection: str
    stem: str
    left: int
    top: int
    at: tuple[int, int]


AREAS = (
    Area("face", "kodak", "kodim15", 60, 0, (170, 150)),
    Area("hand", "phone", "p40_Pixel_8_Pro", 760, 2500, (120, 120)),
    Area("foliage", "phone", "p10_iPhone_6", 1300, 300, (170, 170)),
    Area("text", "kodak", "kodim08", 256, 0, (290, 255)),
    Area("sky", "phone", "p34_Pixel_6_Pro", 2500, 1500, (170, 170)),
    Area("night", "phone", "p53_SM-F721N", 1500, 1000, (170, 170)),
    Area("edges", "phone", "p15_iPhone_6s", 1900, 700, (60, 40)),
)

FIGURE_DETAIL = 90
FIGURE = (
    ("face", "astronaut", (170, 90)),
    ("foliage", "china.jpg", (350, 330)),
    ("text", "page", (100, 45)),
    ("sky", "china.jpg", (250, 110)),
    ("night", "rocket", (100, 335)),
    ("edges", "coffee", (165, 10)),
    ("defocus", "flower.jpg", (150, 60)),
)
"""What it shows, photos of the packages, and where the detail lies."""


def packaged(name: str) -> Pixels:
    """A photo that comes with scikit-learn (those with a suffix) or scikit-image, (H, W, 3)."""
    if "." in name:
        from sklearn.datasets import load_sample_image

        return np.ascontiguousarray(load_sample_image(name))
    from skimage import data

    found = getattr(data, name)()
    return np.ascontiguousarray(found if found.ndim == 3 else np.repeat(found[..., None], 3, 2))


def coded(original: Pixels, score: float, ours: Codec, peer: Codec) -> list[tuple[str, Pixels, bytes]]:
    """(title, decoded, bytes) of ours at the score and of the peer at as many bytes."""
    _, data = with_score(ours, original, score)
    _, other = with_bytes(peer, original, len(data))
    return [(TITLES[codec.name], codec.decode(stream), stream) for codec, stream in ((ours, data), (peer, other))]


def figure(target: Path, score: float, ours: Codec, peer: Codec) -> None:
    """Details at 300 %, a row for each photo; few colours and large pixels make it a small file."""
    side = FIGURE_DETAIL * TIMES
    image = Image.new("RGB", (3 * side + 12, len(FIGURE) * (side + 18)), "white")
    pen = ImageDraw.Draw(image)
    for row, (shown, name, (x, y)) in enumerate(FIGURE):
        original = packaged(name)
        for column, (title, pixels, data) in enumerate([(f"{shown}: original", original, b""), *coded(original, score, ours, peer)]):
            left, top = column * (side + 6), row * (side + 18)
            bits = f", {8 * len(data) / original[..., 0].size:.2f} bits a pixel" if data else ""
            figures = f", SSIMULACRA2 {ssimulacra2(original, pixels):.1f}" if data else ""
            pen.text((left + 2, top + 2), f"{title}{bits}{figures}", fill="black")
            detail = Image.fromarray(pixels[y : y + FIGURE_DETAIL, x : x + FIGURE_DETAIL])
            image.paste(detail.resize((side, side), Image.Resampling.NEAREST), (left, top + 16))
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, optimize=True)


def sheet(original: Pixels, columns: list[tuple[str, Pixels]], at: tuple[int, int]) -> Image.Image:
    """Originals and decoded areas side by side, below them the detail of each, each pixel TIMES as wide."""
    side, times = DETAIL * TIMES, TIMES
    image = Image.new("RGB", ((side + 6) * (len(columns) + 1), 16 + SIDE + 6 + side), "white")
    pen = ImageDraw.Draw(image)
    for i, (title, pixels) in enumerate([("original", original), *columns]):
        left, (x, y) = i * (side + 6), at
        pen.text((left + 2, 2), title, fill="black")
        image.paste(Image.fromarray(pixels).crop((0, 0, side, SIDE)), (left, 16))
        detail = Image.fromarray(pixels[y : y + DETAIL, x : x + DETAIL]).resize((DETAIL * times, DETAIL * times), Image.Resampling.NEAREST)
        image.paste(detail, (left, 16 + SIDE + 6))
    return image


def caption(title: str, original: Pixels, decoded: Pixels, size: int) -> str:
    found = artefacts(original, decoded)
    figures = f"SSIMULACRA2 {ssimulacra2(original, decoded):.1f}, {psnr(original, decoded):.1f} dB"
    return f"{title}: {size} bytes, {figures}; seams {found.seams:+.2f}, dots {found.dots:+.2f}, Nyquist {found.nyquist:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kodak", type=Path)
    parser.add_argument("--phone", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the sheets")
    parser.add_argument("--figure", type=Path, help="draw the documents' figure instead")
    parser.add_argument("--score", type=float, default=80.0, help="SSIMULACRA2 of ours (default %(default)s)")
    parser.add_argument("--peer", default="avif", choices=PEERS)
    parser.add_argument("--model", help="a shipped model's name, or a weight file")
    parser.add_argument("--only", help="only the areas of these titles, comma between")
    options = parser.parse_args()
    ours, peer = named(OURS, 1, options.model), named(options.peer)
    if options.figure:
        figure(options.figure, options.score, ours, peer)
        return
    if not (options.kodak and options.phone and options.out):
        parser.error("give --kodak, --phone and --out, or --figure")
    options.out.mkdir(parents=True, exist_ok=True)
    for area in AREAS:
        if options.only and area.title not in options.only.split(","):
            continue
        (path,) = getattr(options, area.collection).glob(f"{area.stem}.*")
        with Image.open(path) as whole:
            box = (area.left, area.top, area.left + SIDE, area.top + SIDE)
            original = np.asarray(whole.convert("RGB").crop(box))
        found = coded(original, options.score, ours, peer)
        columns = [(caption(title, original, decoded, len(stream)), decoded) for title, decoded, stream in found]
        target = options.out / f"{area.title}-{options.score:.0f}.png"
        sheet(original, columns, area.at).save(target)
        print(f"{target}: " + "; ".join(title for title, _ in columns), flush=True)


if __name__ == "__main__":
    main()
