"""Parity of an archive: Reed-Solomon blocks beside it, out of which damaged sectors are computed anew. Bytes in, bytes out.

docs/bitstream.md has the layout and the arithmetic. A checksum of each block tells where the damage is, so every parity block makes good
one damaged block of its stripe; a stripe takes every s-th block of the archive, so that a run of damaged sectors falls into all of them.
"""

import hashlib
import math
import struct
import zlib
from dataclasses import dataclass

from storage.errors import Damaged

BLOCK_BYTES = 4096
"""What disks lose at once."""
STRIPE_BLOCKS = 200
"""Most blocks of the archive in one stripe; with its parity it has at most 256."""
LARGEST_SHARE = 0.25

_MAGIC = b"\x9eNPA\r\n\x1a\n"
_VERSION = 1
_HEAD = struct.Struct("<8sHHIQ32s")


@dataclass(frozen=True, slots=True)
class Head:
    """What a parity file says of itself and of its archive."""

    stripes: int
    parity_blocks: int
    """Of each stripe."""
    archive_bytes: int
    archive_sha256: str
    checksums: tuple[int, ...]
    """CRC-32 of each block of the archive, then of each parity block."""

    @property
    def blocks(self) -> int:
        """Of the archive."""
        return -(-self.archive_bytes // BLOCK_BYTES)

    @property
    def width(self) -> int:
        """Blocks of the archive in each stripe; what the last ones lack counts as zeros."""
        return -(-self.blocks // self.stripes)

    def packed(self) -> bytes:
        """The head of a parity file (docs/bitstream.md), with its CRC."""
        digest = bytes.fromhex(self.archive_sha256)
        head = _HEAD.pack(_MAGIC, _VERSION, self.parity_blocks, self.stripes, self.archive_bytes, digest)
        head += struct.pack(f"<{len(self.checksums)}I", *self.checksums)
        return head + struct.pack("<I", zlib.crc32(head))


@dataclass(frozen=True, slots=True)
class Repaired:
    """A whole archive, and how many of its blocks had been damaged."""

    archive: bytes
    blocks: int


def made(archive: bytes, share: float) -> bytes:
    """The parity file of an archive; `share` of its blocks, 0 to LARGEST_SHARE, at least one of each stripe. Needs zfec."""
    from zfec import Encoder

    count = max(1, -(-len(archive) // BLOCK_BYTES))
    stripes = -(-count // STRIPE_BLOCKS)
    width = -(-count // stripes)
    parity_blocks = max(1, math.ceil(min(share, LARGEST_SHARE) * width))
    encoder = Encoder(width, width + parity_blocks)
    rows = [encoder.encode(_stripe(archive, stripes, width, each), range(width, width + parity_blocks)) for each in range(stripes)]
    parity = [bytes(rows[each][number]) for number in range(parity_blocks) for each in range(stripes)]
    checksums = tuple(zlib.crc32(block) for block in (*(_block(archive, number) for number in range(count)), *parity))
    head = Head(stripes, parity_blocks, len(archive), hashlib.sha256(archive).hexdigest(), checksums).packed()
    return head + b"".join(parity) + head


def read_head(parity: bytes) -> Head:
    """Whichever of the two heads is whole. Raises Damaged."""
    for start in dict.fromkeys((0, max(0, parity.rfind(_MAGIC)))):
        head = _head_at(parity, start)
        if head is not None:
            return head
    raise Damaged("the parity is damaged, or was written by a later version")


def damaged_blocks(head: Head, archive: bytes) -> list[int]:
    """Numbers of the archive's blocks that are not as they were; what is missing at its end counts."""
    archive = archive[: head.archive_bytes]
    return [number for number in range(head.blocks) if zlib.crc32(_block(archive, number)) != head.checksums[number]]


def is_whole(parity: bytes) -> bool:
    """Whether both heads and every parity block are as they were written."""
    try:
        head = read_head(parity)
    except Damaged:
        return False
    packed = head.packed()
    blocks = head.stripes * head.parity_blocks
    size = 2 * len(packed) + blocks * BLOCK_BYTES
    return len(parity) == size and parity.startswith(packed) and parity.endswith(packed) and len(_good_parity(head, parity)) == blocks


def repaired(archive: bytes, parity: bytes) -> Repaired:
    """The archive as it was. What is missing at its end counts as damage. Needs zfec.

    Raises Damaged where more blocks of a stripe are damaged than its parity can make good, or the parity itself is.
    """
    from zfec import Decoder

    head = read_head(parity)
    archive = archive[: head.archive_bytes]
    bad = set(damaged_blocks(head, archive))
    at_hand = _good_parity(head, parity)
    blocks = [_block(archive, number) for number in range(head.blocks)]
    decoder = Decoder(head.width, head.width + head.parity_blocks)
    for stripe in range(head.stripes):
        members = range(stripe, head.blocks, head.stripes)
        missing = [number for number in members if number in bad]
        if not missing:
            continue
        spare = [number for number in range(head.parity_blocks) if number * head.stripes + stripe in at_hand]
        if len(spare) < len(missing):
            raise Damaged(f"{len(bad)} blocks of {BLOCK_BYTES} bytes are damaged, which is more than its parity can make good")
        given = _stripe(archive, head.stripes, head.width, stripe)
        numbers = list(range(head.width))
        for number, substitute in zip(missing, spare, strict=False):
            place = number // head.stripes
            given[place] = at_hand[substitute * head.stripes + stripe]
            numbers[place] = head.width + substitute
        found = decoder.decode(given, numbers)
        for number in missing:
            blocks[number] = bytes(found[number // head.stripes])
    whole = b"".join(block.ljust(BLOCK_BYTES, b"\0") for block in blocks)[: head.archive_bytes]
    if hashlib.sha256(whole).hexdigest() != head.archive_sha256:
        raise Damaged("what the parity gives is not the archive that it was made of")
    return Repaired(whole, len(bad))


def _head_at(parity: bytes, start: int) -> Head | None:
    if len(parity) < start + _HEAD.size:
        return None
    magic, version, parity_blocks, stripes, archive_bytes, digest = _HEAD.unpack_from(parity, start)
    if magic != _MAGIC or version != _VERSION or not 0 < stripes <= archive_bytes // BLOCK_BYTES + 1 or not 0 < parity_blocks <= 255:
        return None
    count = max(1, -(-archive_bytes // BLOCK_BYTES)) + stripes * parity_blocks
    end = start + _HEAD.size + 4 * count
    if len(parity) < end + 4 or zlib.crc32(parity[start:end]) != struct.unpack_from("<I", parity, end)[0]:
        return None
    checksums = struct.unpack_from(f"<{count}I", parity, start + _HEAD.size)
    head = Head(stripes, parity_blocks, archive_bytes, digest.hex(), checksums)
    return head if 0 < head.width <= 256 - parity_blocks else None


def _good_parity(head: Head, parity: bytes) -> dict[int, bytes]:
    """Parity blocks that are as they were, by their number."""
    first = len(head.packed())
    found = {}
    for number in range(head.stripes * head.parity_blocks):
        block = parity[first + number * BLOCK_BYTES : first + (number + 1) * BLOCK_BYTES]
        if len(block) == BLOCK_BYTES and zlib.crc32(block) == head.checksums[head.blocks + number]:
            found[number] = block
    return found


def _block(archive: bytes, number: int) -> bytes:
    return archive[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]


def _stripe(archive: bytes, stripes: int, width: int, number: int) -> list[bytes]:
    return [_block(archive, number + stripes * place).ljust(BLOCK_BYTES, b"\0") for place in range(width)]
