"""What leads metadata in: the beginnings of a JPEG's segments and of a PNG's texts, and the text behind them.

XMP specification part 3, 1.1.3 and 1.1.5; EXIF 3.0, 4.7.2; PNG specification, third edition, 11.3.3.4 (iTXt).
"""

import zlib
from typing import Final

from codec.errors import Corrupt

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
EXIF_LEAD: Final = b"Exif\0\0"
XMP_LEAD: Final = b"http://ns.adobe.com/xap/1.0/\0"
XMP_EXTENSION_LEAD: Final = b"http://ns.adobe.com/xmp/extension/\0"
IPTC_LEAD: Final = b"Photoshop 3.0\0"
XMP_KEYWORD: Final = b"XML:com.adobe.xmp\0"
STAND_IN_WORDS: Final = b"gallery-optimizer stand-in of "
"""How the comment begins that marks a stand-in. digiKam takes it for a caption, and GIMP for a comment of the user, and both write it where
they write those: whatever holds these words is nobody's label."""
MOST_TEXT_BYTES: Final = 4 << 20
"""Of a text once it is inflated; a packet in a photo is far below, a sidecar with a long history of edits some hundred kilobytes."""


def international_text(body: bytes) -> bytes:
    """Of an iTXt chunk behind its keyword: two flags, language and translated keyword, and the text, perhaps compressed.

    Empty where something is missing. Raises Corrupt where it does not inflate.
    """
    parts = body[2:].split(b"\0", 2)
    if len(body) < 4 or len(parts) < 3:
        return b""
    if body[0] != 1:
        return parts[2]
    try:
        return zlib.decompressobj().decompress(parts[2], MOST_TEXT_BYTES)
    except zlib.error as error:
        raise Corrupt(f"damaged: the text does not inflate ({error})") from None


def raw_profile(kind: bytes, body: bytes) -> bytes:
    """Of a tEXt or zTXt chunk as ImageMagick and Exiv2 write it: a keyword, a name, a length, and so many bytes in hex, without what leads
    them in as EXIF. Empty where it is none."""
    text = body.partition(b"\0")[2]
    try:
        if kind == b"zTXt":
            text = zlib.decompressobj().decompress(text[1:], MOST_TEXT_BYTES)
        _, size, digits = text.split(maxsplit=2)
        data = bytes.fromhex(digits.decode("ascii"))
        return data.removeprefix(EXIF_LEAD) if len(data) == int(size) else b""
    except (ValueError, zlib.error):
        return b""
