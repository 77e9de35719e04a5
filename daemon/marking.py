"""How a stand-in is told from a photo: by a comment that names its original. Light, since the daemon itself asks, not only a worker."""

import re

MARK = b"gallery-optimizer stand-in of "
"""Followed by the original's digest in hex: the text of a JPEG's COM segment or of a PNG's Comment."""

_MARKED = re.compile(rb"(?:\xff\xfe..|tEXtComment\x00)" + MARK + rb"([0-9a-f]{64})", re.DOTALL)


def original_of(data: bytes) -> str | None:
    """Digest (hex) of the original that these bytes say they stand for; None where they are no stand-in of ours, nor made from one."""
    found = _MARKED.search(data)
    return found[1].decode("ascii") if found else None
