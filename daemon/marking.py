"""How a stand-in is told from a photo: by a comment that names its original. Light, since the daemon itself asks, not only a worker."""

import re

MARK = b"gallery-optimizer stand-in of "
"""Followed by the original's digest in hex: the text of a JPEG's COM segment or of a PNG's Comment."""
IN_VAULT = b" in vault "
"""Followed by the id of the vault that has the archive; stand-ins of earlier versions don't say it."""

_MARKED = re.compile(rb"(?:\xff\xfe..|tEXtComment\x00)" + MARK + rb"([0-9a-f]{64})(?:" + IN_VAULT + rb"([0-9a-f]{16}))?", re.DOTALL)


def comment(sha256: str, vault: str = "") -> bytes:
    """What a stand-in of this original says; `vault` is the id of the vault with its archive, "" where that has none."""
    return MARK + sha256.encode("ascii") + (IN_VAULT + vault.encode("ascii") if vault else b"")


def original_of(data: bytes) -> str | None:
    """Digest (hex) of the original that these bytes say they stand for; None where they are no stand-in of ours, nor made from one."""
    found = _MARKED.search(data)
    return found[1].decode("ascii") if found else None


def vault_of(data: bytes) -> str:
    """Id of the vault that a stand-in says has its archive; empty where it does not say."""
    found = _MARKED.search(data)
    return found[2].decode("ascii") if found and found[2] else ""
