"""Bytes that must come back verbatim -> zstd frames, and back with a limit."""

from collections.abc import Iterable

import zstandard

from codec.errors import Corrupt

MAGIC = b"\x28\xb5\x2f\xfd"
"""What every zstd frame begins with."""


def pack(data: bytes) -> bytes:
    """One zstd frame that states its content size."""
    level = 19 if len(data) < 2**20 else 3  # a video does not get smaller, and level 19 would take a minute to find out
    return zstandard.ZstdCompressor(level=level, write_content_size=True).compress(data)


def unpack(data: bytes, limit: int) -> bytes:
    """The content of one frame of at most `limit` bytes. Raises Corrupt."""
    # The library allocates what the frame's header says, whatever max_output_size is: look at the header first.
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= limit:
            raise Corrupt("a packed section says no size, or more than it may have")
        unpacked: bytes = zstandard.ZstdDecompressor().decompress(data, max_output_size=limit, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Corrupt(f"a packed section cannot be unpacked ({error})") from None
    return unpacked


def join(parts: Iterable[bytes]) -> bytes:
    """Each part behind its length in four bytes, big-endian."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def split(data: bytes) -> tuple[bytes, ...]:
    """What `join` put together. Raises Corrupt."""
    parts = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            raise Corrupt("the kept segments are cut")
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return tuple(parts)
