"""The stand-in: a small, ordinary picture under the photo's own name, with the photo's own EXIF and colour profile.

A JPEG's is a JPEG, long side 1280; a PNG's a PNG, long side 640, 64 colours. Pixels stay unrotated as the original's do, since the EXIF
block, orientation included, is copied verbatim. XMP is not copied: it would announce a video or a gain map that the stand-in hasn't got;
but for the name of the burst that the photo belongs to, so that viewers still show its frames as one.
Runs in a worker process only, since it decodes what strangers wrote.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from codec import container, exact, jpeg_segments, pixel_exact
from codec.errors import Unsupported
from codec.png import SIGNATURE
from daemon.marking import comment
from daemon.messages import STAND_IN_SHARE

JPEG_SIDES = (1280, 960, 640, 480, 320, 240, 160, 96)
JPEG_QUALITIES = (75, 65, 55, 45)
PNG_SIDES = (640, 480, 320, 240, 160, 96)
COLOURS = 64

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_BURST = re.compile(rb"""[\w-]+:(BurstID|BurstPrimary)(?:\s*=\s*["']|>\s*)([\w.:-]{1,80})(?=\s*["'<])""")
_PACKET = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"<rdf:Description xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'%b/></rdf:RDF></x:xmpmeta>"
)
_COLOUR_CHUNKS = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"eXIf")


def make(original: bytes, sha256: str, share: float = STAND_IN_SHARE, vault: str = "") -> bytes:
    """The stand-in of an original whose digest (hex) is `sha256`: the best one of at most `share` of its size. `vault`: the vault's id.

    A small photo's EXIF and profile may be above that alone; then the share is the picture's, and they come on top (the saving, from
    which the whole stand-in is taken off, decides whether that is still worth it). Raises what reading the original raises
    (NotAPicture, Unsupported, Corrupt), and Unsupported('stand-in-too-large') where even the smallest picture is above the share.
    """
    mark = comment(sha256, vault)
    if original[:2] == b"\xff\xd8":
        pixels, segments = exact.preview(original, 2 * JPEG_SIDES[0])
        tries = _jpegs(Image.fromarray(pixels), segments, mark)
    elif original[:8] == SIGNATURE:
        image, chunks = pixel_exact.preview(original, PNG_SIDES[0])
        tries = _pngs(image, chunks, mark)
    else:
        container.read(original)  # raises: it knows other formats by name
        raise Unsupported("unsupported-format")
    most = share * len(original)
    fitting: bytes | None = None
    for data, kept_bytes in tries:
        if len(data) <= most:
            return data
        if fitting is None and len(data) - kept_bytes <= most:
            fitting = data
    if fitting is None:
        raise Unsupported("stand-in-too-large", f"at most {int(most)} bytes would do")
    return fitting


def _jpegs(image: Image.Image, segments: tuple[bytes, ...], mark: bytes) -> Iterator[tuple[bytes, int]]:
    """From the best to the smallest, each with the bytes that are the original's own EXIF and profile."""
    exif = [segment for segment in segments if _holds(segment, 0xE1, b"Exif\0\0")][:1]
    profile = [segment for segment in segments if _holds(segment, 0xE2, b"ICC_PROFILE\0")]
    burst = _burst(segments)
    kept_bytes = sum(map(len, (*exif, *burst, *profile)))
    said = b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark
    for side in _sides(image, JPEG_SIDES):
        small = _shrunk(image, side)
        for quality in JPEG_QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
            data = buffer.getvalue()
            own, _ = jpeg_segments.walk(data)
            # EXIF has to come first, in JFIF's place; a photo without it keeps the JFIF segment that every reader knows.
            front = exif or [data[s.start : s.end] for s in own if s.marker == 0xE0]
            coded = [data[s.start : s.end] for s in own if not s.kept]
            yield b"".join((b"\xff\xd8", *front, *burst, *profile, said, *coded, b"\xff\xd9")), kept_bytes


def _burst(segments: tuple[bytes, ...]) -> list[bytes]:
    """An XMP segment that says to which burst the photo belongs, and nothing else; none for a single photo."""
    found: dict[bytes, bytes] = {}
    for segment in segments:
        if _holds(segment, 0xE1, _XMP):
            found |= dict(_BURST.findall(segment))
    if b"BurstID" not in found:
        return []
    body = _XMP + _PACKET % b"".join(b" GCamera:%b='%b'" % item for item in sorted(found.items()))
    return [b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body]


def _pngs(image: Image.Image, chunks: tuple[bytes, ...], mark: bytes) -> Iterator[tuple[bytes, int]]:
    kept = [chunk for chunk in chunks if chunk[4:8] in _COLOUR_CHUNKS]
    kept.sort(key=lambda chunk: chunk[4:8] == b"eXIf")  # colour chunks have to stand before the palette, eXIf may
    kept_bytes = sum(map(len, kept))
    kept.append(_chunk(b"tEXt", b"Comment\0" + mark))
    for side in _sides(image, PNG_SIDES):
        buffer = io.BytesIO()
        small = _shrunk(image, side)
        method = Image.Quantize.FASTOCTREE if small.mode == "RGBA" else Image.Quantize.MEDIANCUT  # the only one that knows transparency
        small.quantize(COLOURS, method).save(buffer, "PNG", optimize=True)
        data = buffer.getvalue()
        yield data[:33] + b"".join(kept) + data[33:], kept_bytes  # signature 8, IHDR 25


def _sides(image: Image.Image, sides: tuple[int, ...]) -> list[int]:
    """Never larger than the photo itself."""
    longest = max(image.size)
    return [longest, *(side for side in sides if side < longest)] if longest < sides[0] else list(sides)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _holds(segment: bytes, marker: int, lead: bytes) -> bool:
    body = segment.lstrip(b"\xff")  # fill bytes and the marker's own
    return body[:1] == bytes((marker,)) and body[3:].startswith(lead)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
