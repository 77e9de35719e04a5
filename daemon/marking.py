"""How a stand-in is told from a photo: by a comment and an XMP property that name its original. Light, since the daemon itself asks.

The comment says it all: the original's digest, a digest of what makes the stand-in's picture, one of the labels that it was made with
(EXIF, XMP, IPTC), and the vault that has the archive. So an edit of the picture is told from one of the labels, wherever the file is.
The property says the same but for the labels: digiKam, Exiv2 and others put what a person writes in the comment's place.
"""

import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from codec.leads import STAND_IN_WORDS

MARK = STAND_IN_WORDS
"""Followed by the original's digest in hex: how the text of a JPEG's COM segment or of a PNG's Comment begins."""
IN_VAULT = b" in vault "
"""Followed by the id of the vault that has the archive; stand-ins of earlier versions don't say it."""

_WORDS = MARK + rb"([0-9a-f]{64})(?:" + IN_VAULT + rb"([0-9a-f]{16}))?(?: with picture ([0-9a-f]{32}) and labels ([0-9a-f]{32}))?"
_MARKED = re.compile(rb"(?:\xff\xfe..|[ti][ET]Xt(?i:comment)\x00(?:\x00\x00[^\x00]{0,40}\x00[^\x00]{0,200}\x00)?)" + _WORDS, re.DOTALL)
_PACKED = re.compile(rb"(?:zTXt(?i:comment)\x00\x00|iTXt(?i:comment)\x00\x01\x00[^\x00]{0,40}\x00[^\x00]{0,200}\x00)")
"""In front of such a text of a PNG that is deflated: ImageMagick and GraphicsMagick write every longer one so."""
_MOST_PACKED = 8
_PACKED_BYTES = 1024
_PROPERTY = re.compile(rb"""GalleryOptimizer:Original(?:\s*=\s*["']|>)([0-9a-f]{64})\b""")
_PICTURE = re.compile(rb"""GalleryOptimizer:Picture(?:\s*=\s*["']|>)([0-9a-f]{32})\b""")
_VAULT = re.compile(rb"""GalleryOptimizer:Vault(?:\s*=\s*["']|>)([0-9a-f]{16})\b""")
MOST_STAND_IN_BYTES = 4 << 20
"""A larger file is not asked whether it is a stand-in, unless its name or its place says so; those are far smaller."""
CHANGED = "0" * 32
"""As digest of the labels: they are not those of the archive, whatever they are."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a stand-in says of itself; digests in hex, empty where it says nothing: one of an earlier version, an edit without comment."""

    original: str
    vault: str = ""
    picture: str = ""
    labels: str = ""

    def comment(self) -> bytes:
        """Its text in the file."""
        vault = IN_VAULT + self.vault.encode("ascii") if self.vault else b""
        return MARK + self.original.encode("ascii") + vault + f" with picture {self.picture} and labels {self.labels}".encode("ascii")


def mark_of(data: bytes) -> Mark | None:
    """None for a file that is no stand-in of ours, nor made from one."""
    found = _MARKED.search(data) or _packed(data)
    if found is not None:
        return Mark(*((each or b"").decode("ascii") for each in found.groups()))
    named = _PROPERTY.search(data)
    if named is None:
        return None
    vault, picture = _VAULT.search(data), _PICTURE.search(data)
    # Programs that write a comment of their own put it in the place of ours: then the labels are somebody's.
    known = (picture[1].decode("ascii"), CHANGED) if picture else ()
    return Mark(named[1].decode("ascii"), vault[1].decode("ascii") if vault else "", *known)


def _packed(data: bytes) -> "re.Match[bytes] | None":
    if not data.startswith(b"\x89PNG"):
        return None
    for each in islice(_PACKED.finditer(data), _MOST_PACKED):
        with suppress(zlib.error):
            text = zlib.decompressobj().decompress(data[each.end() : each.end() + _PACKED_BYTES], _PACKED_BYTES)
            if (found := re.match(_WORDS, text)) is not None:
                return found
    return None


def original_of(data: bytes) -> str | None:
    """Digest (hex) of the original that these bytes say they stand for; None where they are no stand-in of ours, nor made from one."""
    found = mark_of(data)
    return None if found is None else found.original


def vault_of(data: bytes) -> str:
    """Id of the vault that a stand-in says has its archive; empty where it does not say."""
    found = mark_of(data)
    return "" if found is None else found.vault


def relabelled(data: bytes, original: str) -> bool:
    """Whether these bytes are a stand-in of this original of which somebody changed the labels, and nothing else."""
    from codec.labels import same_picture

    mark = mark_of(data)
    return mark is not None and mark.original == original and same_picture(data, mark.picture)


def has_picture_of(data: bytes, other: bytes) -> bool:
    """Whether two files have the very same picture, whatever their labels. False where that can't be told."""
    from codec.errors import CodecError
    from codec.labels import picture_digest, same_picture

    try:
        return same_picture(data, picture_digest(other))
    except CodecError:
        return False


def has_own_labels(data: bytes) -> bool:
    """Whether a stand-in has other labels than it was made with. False where that can't be told."""
    from codec.errors import CodecError
    from codec.labels import comments_of, labels_of

    mark = mark_of(data)
    if mark is None or not mark.labels:
        return False
    try:
        return labels_of(data).digest() != mark.labels or bool(comments_of(data))
    except CodecError:
        return False
