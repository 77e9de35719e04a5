"""What the fuzzing begins with: small generated files of every kind, and golden archives of this project."""

import io
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from codec import bitstream, exact, pixel_exact, rans
from codec.facts import Facts, Worn
from codec.tokens import TOKENS, TokenTables, fit
from tests.conftest import photo_like

GOLDEN = Path(__file__).resolve().parent.parent / "codec" / "golden"
XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
    b"xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='4' "
    b"xmlns:GCamera='http://ns.google.com/photos/1.0/camera/' GCamera:BurstID='b-1' "
    b"xmlns:Item='http://ns.google.com/photos/1.0/container/item/' Item:Semantic='Primary' Item:Length='0001234'>"
    b"<xmp:Label>Winner</xmp:Label></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def profile(kind: bytes = b"RGB ") -> bytes:
    """An ICC profile of a matrix and curves, or of a grey curve."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 0x0233)
    steps = b"curv" + bytes(4) + struct.pack(">I3H", 3, 0, 20000, 65535)
    shape = b"para" + bytes(4) + struct.pack(">HHiiiii", 3, 0, 157286, 62119, 3417, 5072, 2651)
    point = b"XYZ " + bytes(4)
    numbers = ((28578, 14581, 912), (25241, 46981, 6361), (9376, 3974, 46806))
    columns = [point + struct.pack(">3i", *numbers[k]) for k in range(3)]
    names = (b"rTRC", b"gTRC", b"bTRC", b"rXYZ", b"gXYZ", b"bXYZ")
    tags = [(b"kTRC", shape)] if kind == b"GRAY" else list(zip(names, (curve, steps, shape, *columns), strict=True))
    at, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags:
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytes(12) + b"mntr" + kind + b"XYZ " + bytes(12) + b"acsp" + bytes(88)
    whole = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F], tags[0x0112], tags[0x4746], tags[0x4749] = "Example", 6, 4, 75
    return tags.tobytes()


@cache
def jpegs() -> tuple[bytes, ...]:
    """Baseline and progressive, grey and colour, with restart markers, every kind of metadata and things behind the picture."""
    pixels = Image.fromarray(photo_like(72, 80, 3))
    found = []
    for mode, options in (
        ("RGB", {"subsampling": "4:2:0", "exif": exif(), "icc_profile": profile()}),
        ("RGB", {"subsampling": "4:4:4", "progressive": True, "comment": b"a comment"}),
        ("RGB", {"subsampling": "4:2:2", "restart_marker_blocks": 3}),
        ("L", {"icc_profile": profile(b"GRAY")}),
        ("L", {"progressive": True, "optimize": True}),
    ):
        buffer = io.BytesIO()
        pixels.convert(mode).save(buffer, "JPEG", quality=80, **options)
        found.append(buffer.getvalue())
    first = found[0]
    rich = first[:2] + _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP) + _segment(0xE2, _index()) + first[2:]
    return (*found, rich + found[3], first + b"\0" * 24 + b"LIVE_1234", _written_on(first))


def _written_on(photo: bytes) -> bytes:
    """With all that people and programs write, in the rarer forms: IPTC beside other resources, XMP in UTF-16 and going on, comments."""
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + len(XMP).to_bytes(4, "big")
    return photo[:2] + b"".join(
        (
            _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.decode().encode("utf-16")),
            *(_segment(0xE1, extension + at.to_bytes(4, "big") + XMP[at : at + 200]) for at in range(0, len(XMP), 200)),
            *(_segment(0xED, b"Photoshop 3.0\0" + part) for part in (RESOURCES[:30], RESOURCES[30:])),
            _segment(0xFE, b"at the sea"),
            photo[2:],
        )
    )


def _resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)


_DATASETS = b"".join(
    struct.pack(">BBBH", 0x1C, record, number, len(text)) + text for record, number, text in ((1, 90, b"\x1b%G"), (2, 25, b"sea"))
)
RESOURCES = _resource(0x0404, _DATASETS) + _resource(0x0425, bytes(16)) + _resource(0x0409, b"a thumbnail")


@cache
def pieces() -> tuple[bytes, ...]:
    """What small readers are given: blocks of metadata, a stand-in's mark, parity."""
    from daemon.marking import Mark
    from storage.parity import BLOCK_BYTES, Head

    blocks = [ARCHIVE[at : at + BLOCK_BYTES] for at in range(0, len(ARCHIVE), BLOCK_BYTES)]
    head = Head(1, 1, len(ARCHIVE), "ab" * 32, tuple(map(zlib.crc32, (*blocks, bytes(BLOCK_BYTES))))).packed()
    mark = Mark("ab" * 32, "cd" * 8, "ef" * 16, "01" * 16).comment()
    comments = (b"\xff\xfe\0\xd0" + mark, b"\x89PNG tEXtComment\0" + mark, b"\x89PNG zTXtComment\0\0" + zlib.compress(mark))
    return (exif(), exif()[6:], XMP, XMP.decode().encode("utf-16"), RESOURCES, *comments, head + bytes(BLOCK_BYTES) + head)


ARCHIVE = bytes(range(256)) * 40
"""What the parity among `pieces` says that it is of."""


def _index() -> bytes:
    """A multi-picture index of two."""
    ifd = struct.pack("<H", 3) + struct.pack("<HHI4s", 0xB000, 7, 4, b"0100") + struct.pack("<HHII", 0xB001, 4, 1, 2)
    ifd += struct.pack("<HHII", 0xB002, 7, 32, 50) + struct.pack("<I", 0)
    entries = struct.pack("<IIIHH", 0x030000, 2000, 0, 0, 0) + struct.pack("<IIIHH", 0, 900, 1800, 0, 0)
    return b"MPF\0II*\0" + struct.pack("<I", 8) + ifd + entries


@cache
def pngs() -> tuple[bytes, ...]:
    """Every colour type, 1 to 16 bits, interlaced, with a profile, text and EXIF, and something behind the picture."""
    pixels = Image.fromarray(photo_like(64, 70, 5))
    found = []
    for image in (
        pixels,
        pixels.convert("L"),
        pixels.convert("1"),
        pixels.convert("P", palette=Image.Palette.ADAPTIVE, colors=13),
        pixels.convert("RGBA"),
        pixels.convert("LA"),
        Image.fromarray(photo_like(64, 70, 6)[..., 0].astype(np.uint16) * 257),
    ):
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "a comment")
        text.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=image.mode == "RGB")
        buffer = io.BytesIO()
        image.save(buffer, "PNG", pnginfo=text, exif=exif(), icc_profile=profile() if image.mode == "RGB" else None)
        found.append(buffer.getvalue())
    return (*found, _interlaced(), found[1] + b"behind it")


def _interlaced() -> bytes:
    from codec import png
    from codec.picture import PngStructure

    head = struct.pack(">IIBBBBB", 66, 65, 8, 2, 0, 0, 1)
    parts = ((b"IHDR", head), (b"IEND", b""))
    first, last = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts)
    return png.write(photo_like(65, 66, 7), PngStructure(66, 65, False, True, (first,), (last,), b""))


def facts(original: bytes = b"") -> Facts:
    import hashlib

    return Facts(len(original), hashlib.sha256(original).hexdigest(), b"a.jpg", 1, 0o644, Worn(1, 2, 3, ((b"user.a", b"b"),)))


@cache
def archives() -> tuple[bytes, ...]:
    """Of every lane."""
    found = [path.read_bytes() for path in sorted(GOLDEN.glob("*.nphoto")) if path.stat().st_size < 60_000]
    for original in (*jpegs()[:1], *jpegs()[3:4], *jpegs()[5:]):
        found.append(_packed("exact", original, exact.to_sections(original)))
    for original in (*pngs()[:5], pngs()[7]):
        found.append(_packed("pixel-exact", original, pixel_exact.to_sections(pixel_exact.read(original))))
    return tuple(found)


def _packed(lane: str, original: bytes, sections: dict[str, bytes]) -> bytes:
    qual = b'{"choice":"smallest","level":"high","why":""}'
    return bitstream.pack(bitstream.Archive(lane, None, {"FACT": facts(original).to_bytes(), "QUAL": qual, **sections}))


@cache
def streams() -> tuple[bytes, ...]:
    """Pixel streams of one or a few cells."""
    from codec.model import load_model
    from codec.neural import Analysed

    pixels, model = photo_like(70, 60, 9), load_model()
    mapped = Analysed(pixels, model).encode(20, np.array([[0], [9]], np.int8)).stream
    return mapped, Analysed(pixels[:64, :, 1].copy(), model).encode(120).stream


@cache
def metadata() -> tuple[bytes, ...]:
    """The first byte says what the others are."""
    kinds = (XMP, exif(), profile(), profile(b"GRAY"), facts().to_bytes(), _index(), zlib.compress(XMP))
    return tuple(bytes([kind]) + data for kind, data in enumerate(kinds))


def tables_and_rows(choice: bytes) -> tuple[TokenTables, NDArray[np.int64]]:
    """What the first eight bytes of a coded seed choose: four rows of frequencies, and which of them each symbol has."""
    rng = np.random.default_rng(int.from_bytes(choice, "little"))
    histograms = rng.integers(0, 2, (4, TOKENS)) * rng.integers(0, 10**6, (4, TOKENS))
    tables = TokenTables(fit(histograms, reach=int(rng.choice([0, 1, 8, TOKENS]))))
    return tables, rng.integers(0, 4, int(rng.integers(0, 200)))


@cache
def coded() -> tuple[bytes, ...]:
    """Eight bytes that choose tables and rows, and a coded stream that fits them."""
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        tables, rows = tables_and_rows(choice := rng.bytes(8))
        wanted = np.round(rng.standard_cauchy(rows.size).clip(-1e5, 1e5) * 4**seed).clip(-rans.LARGEST, rans.LARGEST)
        found.append(choice + rans.encode([(tables.clamp(wanted.astype(np.int32), rows), rows, tables)]))
    return tuple(found)


@cache
def messages() -> tuple[bytes, ...]:
    """Each kind that passes between the daemon and its workers."""
    from codec.checks import Measured
    from codec.rating import Rating
    from daemon import messages, wire

    worn = facts().worn
    measured = (Measured("seam", 0.5, (1, 2)), Measured("dots", 1.0))
    return tuple(
        wire.dump(each)
        for each in (
            messages.EncodeJob(b"original", "ab", b"a.jpg", 1, 0o644, "high", 0.2, -float("inf"), True, None, worn, True, "vault"),
            messages.StandInJob(b"original", "ab"),
            messages.RatingJob(b"original", (b"one", b"")),
            messages.ExamineJob(Path("/a/b"), b"original"),
            messages.ExamineJob(b"archive", b"original"),
            messages.RestoreJob(Path("/a/b"), "png"),
            messages.LabelJob(b"original", b"stand-in"),
            messages.Begun(12.5),
            messages.Encoded(b"archive", b"stand-in", "neural", 80.0, 75.5, 120, 0.5, 64, 64, "m1", "smallest", "why"),
            messages.StoodIn(b"stand-in"),
            messages.Rated(Rating(4, ("a", "b"))),
            messages.Examined(80.0, 75.0, float("nan"), True, "ab", "cd", "neural", "m1", 7, measured=measured),
            messages.Restored(b"copy", "ab"),
            messages.Refused("cmyk", "a sentence"),
            messages.Broke("a", "b"),
        )
    )
