"""All XMP packets of a file, in whatever encoding they are and wherever they go on, as UTF-8.

XMP specification part 1, 7.3.1 (any encoding of Unicode, in a sidecar), part 3, 1.1.3.1 (a packet of more than 64 KB goes on in further
segments, put together by a digest and offsets). In a JPEG or PNG it should be UTF-8; programs read the others there, too.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from codec import jpeg_segments
from codec.errors import CodecError, Corrupt
from codec.leads import PNG_SIGNATURE, XMP_EXTENSION_LEAD, XMP_KEYWORD, XMP_LEAD, international_text, raw_profile

_BLANKS: Final = b"\0 \t\r\n"
_MARK: Final = b"\xef\xbb\xbf"
_ANY: Final = re.compile(rb"<\?xml\b[^>]*\?>")
_UNICODE: Final = re.compile(rb"""<\?xml\b[^>]*\bencoding\s*=\s*["'](?:utf|ucs|iso-10646)[^>]*\?>""", re.IGNORECASE)
_FORMS: Final = {"utf-32-le": (4, 0), "utf-32-be": (4, 3), "utf-16-le": (2, 0), "utf-16-be": (2, 1)}
"""Bytes of a letter, and which of them is not zero in ASCII."""
_BEGIN_BYTES: Final = 4096
_MOST_EXTENSION_BYTES: Final = 16 << 20
"""Of all that goes on; depth maps stand there, in base 64."""


def as_utf8(packet: bytes) -> bytes:
    """A packet in UTF-8, without the blanks around it; what can't be told stays as it is, and is then no XML."""
    encoding = _encoding(packet)
    if encoding is None:
        text, declared = packet.removeprefix(_MARK).strip(_BLANKS), _UNICODE
    else:
        whole = packet[: len(packet) // _FORMS[encoding][0] * _FORMS[encoding][0]]
        text, declared = whole.decode(encoding, "replace").encode().strip(_BLANKS).removeprefix(_MARK).strip(_BLANKS), _ANY
    found = declared.match(text)  # it would say another encoding than the one that it is in now
    return text if found is None else text[found.end() :].lstrip(_BLANKS)


def is_wide(packet: bytes) -> bool:
    """Whether a packet is in UTF-16 or UTF-32."""
    return _encoding(packet) is not None


def packets_of(data: bytes) -> Iterator[bytes]:
    """Those of a JPEG or PNG, as they stand there, and what goes on in further segments. Never raises: as far as it can be walked."""
    extensions: dict[bytes, dict[int, bytes]] = {}
    for body in jpeg_bodies(data):
        if body.startswith(XMP_LEAD):
            yield body[len(XMP_LEAD) :]
        elif body.startswith(XMP_EXTENSION_LEAD) and len(body) >= len(XMP_EXTENSION_LEAD) + 40:
            at = len(XMP_EXTENSION_LEAD)
            extensions.setdefault(body[at : at + 32], {}).setdefault(int.from_bytes(body[at + 36 : at + 40], "big"), body[at + 40 :])
    for pieces in extensions.values():
        whole = b"".join(pieces[offset] for offset in sorted(pieces))
        if len(whole) <= _MOST_EXTENSION_BYTES:
            yield whole
    for kind, body in png_chunks(data):
        if kind == b"iTXt" and body.startswith(XMP_KEYWORD):
            with suppress(Corrupt):
                yield international_text(body[len(XMP_KEYWORD) :])
        elif body.startswith((b"Raw profile type xmp\0", b"Raw profile type APP1\0")):
            yield raw_profile(kind, body).removeprefix(XMP_LEAD)


def jpeg_bodies(data: bytes) -> Iterator[bytes]:
    """Payloads of a JPEG's APP1 segments; none of a file that can't be walked."""
    try:
        segments, _ = jpeg_segments.walk(data)
    except CodecError:
        return
    for segment in segments:
        if segment.marker == jpeg_segments.APP1:
            yield data[segment.body : segment.body_end]


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks with text or EXIF; as far as there are whole ones."""
    if not data.startswith(PNG_SIGNATURE):
        return
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf"):
            yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _encoding(packet: bytes) -> str | None:
    """By the first tag; None for UTF-8, and all that is none of these. A mark in front is as long as a letter."""
    at = packet[:_BEGIN_BYTES].find(b"<")
    for name, (width, place) in _FORMS.items():
        begin = packet[max(0, at - place) :][: 2 * width].decode(name, "replace")
        if at >= place and (at - place) % width == 0 and re.fullmatch("<[!-~]", begin):
            return name
    return None
