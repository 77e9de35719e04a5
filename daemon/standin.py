"""The stand-in: a small, ordinary picture under the photo's own name, with the photo's own EXIF, XMP, IPTC and colour profile.

A JPEG's is a JPEG, long side 1280; a PNG's a PNG, long side 640, 64 colours. Pixels stay unrotated as the original's do, since the EXIF
block, orientation included, is copied verbatim, but without the camera's thumbnail: a stand-in is a small picture itself. XMP is copied
without what it says of a video, a gain map or a depth map, which the stand-in hasn't got; the archive keeps that, and a restored photo
says it again.
Runs in a worker process only, since it decodes what strangers wrote.
"""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from codec import container, exact, iptc, jpeg_segments, shown, xmp
from codec.errors import CodecError, Unsupported
from codec.exif import without_thumbnail
from codec.iptc import MOST_REPEATED_BYTES
from codec.jpeg_segments import COM
from codec.labels import APP13, MOST, Labels, comments_of, labels_of, picture_digest, segment, xmp_chunk
from codec.leads import EXIF_LEAD, IPTC_LEAD, PNG_SIGNATURE, XMP_LEAD
from codec.png_chunks import chunk
from codec.profile import icc_of
from codec.small_jpeg import small_jpeg
from daemon.marking import CHANGED, Mark
from daemon.messages import StandInJob

JPEG_TRIES = (
    *((side, quality) for side in (1280, 960, 640) for quality in (76, 66, 61)),
    *((640, quality) for quality in (56, 46)),
    *((side, quality) for side in (480, 320, 240, 160, 96) for quality in (61, 46)),
)
"""Long side and quality, from the best: quality does not fall below 61 before the side has fallen to 640. The quality of
`codec.small_jpeg`: 76 looks like an ordinary encoder's 75."""
PNG_SIDES = (640, 480, 320, 240, 160, 96)
COLOURS = 64
_NO_PICTURE = "0" * 32
"""As long as the digest of a picture that is not made yet."""

_COLOUR_CHUNKS = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP")


def make(job: StandInJob) -> bytes:
    """The best stand-in of at most `job.share` of the original's size.

    A small photo's labels, our own mark among them, and its profile may be above that alone; then the share is the picture's, and they
    come on top (the saving, from which the whole stand-in is taken off, decides whether that is still worth it). Raises what reading the
    original raises (NotAPicture, Unsupported, Corrupt), and Unsupported('stand-in-too-large') where even the smallest picture is above
    the share.
    """
    original = job.original
    if original[:2] == b"\xff\xd8":
        pixels, segments = exact.preview(original, 2 * JPEG_TRIES[0][0])
        tries = _jpegs(Image.fromarray(pixels), segments, job)
    elif original[:8] == PNG_SIGNATURE:
        image, chunks = shown.preview(original, PNG_SIDES[0])
        tries = _pngs(image, chunks, job)
    else:
        container.read(original)  # raises: it knows other formats by name
        raise Unsupported("unsupported-format")
    most = job.share * len(original)
    fitting: bytes | None = None
    for data, kept_bytes in tries:
        if len(data) <= most:
            return data
        if fitting is None and len(data) - kept_bytes <= most:
            fitting = data
    if fitting is None:
        raise Unsupported("stand-in-too-large", f"at most {int(most)} bytes would do")
    return fitting


def _labels(job: StandInJob) -> Labels:
    """Those of the original, as far as a stand-in repeats them."""
    try:
        own = labels_of(job.original)
    except CodecError:  # the picture can be read all the same
        own = Labels()
    marks = {"Original": job.sha256, "Picture": _NO_PICTURE, **({"Vault": job.vault} if job.vault else {})}
    resources = own.iptc if len(own.iptc) <= MOST_REPEATED_BYTES else iptc.alone(own.iptc)
    resources = resources if len(resources) <= MOST_REPEATED_BYTES else b""
    exif = without_thumbnail(own.exif)
    exif = exif if len(EXIF_LEAD + exif) <= MOST else b""  # a PNG's may be of any size
    return Labels(exif, xmp.for_stand_in(own.xmp, marks), resources)


def _naming(picture: bytes, labels: Labels) -> tuple[Labels, str]:
    """The labels, with the digest of a stand-in's picture in their mark, and that digest."""
    digest = picture_digest(picture)
    none, own = (f'{xmp.OWN_PREFIX}:Picture="{each}"'.encode("ascii") for each in (_NO_PICTURE, digest))
    return labels._replace(xmp=labels.xmp.replace(none, own)), digest


def _mark(job: StandInJob, labels: Labels, picture: str = _NO_PICTURE) -> Mark:
    return Mark(job.sha256, job.vault, picture, CHANGED if job.relabelled else labels.digest())


def _jpegs(image: Image.Image, segments: tuple[bytes, ...], job: StandInJob) -> Iterator[tuple[bytes, int]]:
    """From the best to the smallest, each with the bytes that are labels and profile."""
    labels = _labels(job)
    exif = [segment(0xE1, EXIF_LEAD + labels.exif)] if labels.exif else []
    others = [segment(APP13, IPTC_LEAD + labels.iptc)] if labels.iptc else []
    others += [each for each in segments if _holds(each, 0xE2, b"ICC_PROFILE\0")]
    others += [segment(COM, each) for each in comments_of(job.original)] if job.relabelled else []
    kept_bytes = sum(map(len, (*exif, segment(0xE1, XMP_LEAD + labels.xmp), *others, _mark(job, labels).comment())))
    for side, quality in _tries(image):
        data = small_jpeg(np.asarray(_shrunk(image, side)), quality)
        own, _ = jpeg_segments.walk(data)
        # EXIF has to come first, in JFIF's place; a photo without it keeps the JFIF segment that every reader knows.
        front = exif or [data[s.start : s.end] for s in own if s.marker == 0xE0]
        coded = [data[s.start : s.end] for s in own if not s.kept]
        said, digest = _naming(data, labels)
        comment = segment(COM, _mark(job, said, digest).comment())
        yield b"".join((b"\xff\xd8", *front, segment(0xE1, XMP_LEAD + said.xmp), *others, comment, *coded, b"\xff\xd9")), kept_bytes


def _pngs(image: Image.Image, chunks: tuple[bytes, ...], job: StandInJob) -> Iterator[tuple[bytes, int]]:
    labels = _labels(job)
    kept = [each for each in chunks if each[4:8] in _COLOUR_CHUNKS]
    kept += [chunk(b"eXIf", labels.exif)] if labels.exif else []  # behind the colour chunks, which have to stand before the palette
    kept += comments_of(job.original) if job.relabelled else ()
    kept_bytes = sum(map(len, (*kept, xmp_chunk(labels.xmp), _mark(job, labels).comment())))
    grey = any(icc_of(each)[16:20] == b"GRAY" for each in kept if each[4:8] == b"iCCP")
    for side in _sides(image, PNG_SIDES):
        buffer = io.BytesIO()
        small = _shrunk(image, side)
        method = Image.Quantize.FASTOCTREE if small.mode == "RGBA" else Image.Quantize.MEDIANCUT  # the only one that knows transparency
        few = small.quantize(COLOURS, method)
        if grey:  # its profile is none for a palette's colours, and a reader would pass it by
            few = few.convert(small.mode).convert("LA" if small.mode == "RGBA" else "L")
        few.save(buffer, "PNG", optimize=True)
        data = buffer.getvalue()
        said, digest = _naming(data, labels)
        comment = chunk(b"tEXt", b"Comment\0" + _mark(job, said, digest).comment())
        yield data[:33] + b"".join((*kept, xmp_chunk(said.xmp), comment)) + data[33:], kept_bytes  # signature 8, IHDR 25


def _tries(image: Image.Image) -> list[tuple[int, int]]:
    """Never larger than the photo itself."""
    longest = max(image.size)
    own = [(longest, quality) for quality in (76, 66, 61)] if longest < JPEG_TRIES[0][0] else []
    return [*own, *(each for each in JPEG_TRIES if each[0] < longest or (each[0] == longest and not own))]


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
