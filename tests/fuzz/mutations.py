"""Bytes changed the way that damage and malice change them, and checksums made right again, so that what lies behind them is reached."""

import hashlib
import random
import struct
import zlib
from collections.abc import Callable, Sequence

from codec import bitstream, packing
from codec.errors import CodecError
from codec.leads import PNG_SIGNATURE

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def changed(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """One to eight changes: bits, bytes, numbers that programs stumble over, pieces cut, doubled, moved, or taken from `others`."""
    out = bytearray(data)
    for _ in range(1 + min(rng.getrandbits(3), rng.getrandbits(3))):
        at = rng.randrange(len(out) + 1)
        size = min(len(out) - at, 1 << rng.randrange(10))
        match rng.randrange(8):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.randrange(256)
            case 2:
                width, order = rng.choice((1, 2, 4, 8)), rng.choice(("big", "little"))
                number = rng.choice(NUMBERS) & ((1 << 8 * width) - 1)
                out[at : at + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
            case 3:
                del out[at : at + size]
            case 4:
                out[at:at] = out[at : at + size]
            case 5:
                place = rng.randrange(len(out) + 1)
                out[place : place + size] = out[at : at + size]
            case 6:
                out[at:at] = rng.randbytes(1 << rng.randrange(6))
            case _ if others:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                out[at : at + size] = other[start : start + size]
    return bytes(out)


def unsealed(data: bytes) -> bytes:
    """Nothing to make right."""
    return data


def sealed_png(data: bytes) -> bytes:
    """Every chunk's CRC made right, as far as there are whole chunks."""
    out, at = bytearray(data), len(PNG_SIGNATURE)
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


def sealed(data: bytes) -> bytes:
    """Of a PNG or a JPEG, which has no checksums."""
    return sealed_png(data) if data.startswith(PNG_SIGNATURE) else data


def inside(data: bytes, rng: random.Random, change: Callable[[bytes], bytes]) -> bytes:
    """Of a PNG or a JPEG."""
    return inside_png(data, rng, change) if data.startswith(PNG_SIGNATURE) else change(data)


def sealed_archive(data: bytes) -> bytes:
    """Offsets, sizes, CRCs and digest made right for as many sections as the header says."""
    lead, entry = bitstream._LEAD, bitstream._ENTRY
    if len(data) < lead.size + 36:
        return data
    magic, version, lane, flags, count, reserved, model, _ = lead.unpack_from(data)
    count = min(count, 64, (len(data) - lead.size - 36) // entry.size)
    start = at = lead.size + entry.size * count + 4
    table = b""
    for number in range(count):
        name, _, length, _ = entry.unpack_from(data, lead.size + entry.size * number)
        length = len(data) - 32 - at if number == count - 1 else min(length, len(data) - 32 - at)
        table += entry.pack(name, at, max(length, 0), zlib.crc32(data[at : at + max(length, 0)]))
        at += max(length, 0)
    front = lead.pack(magic, version, lane, flags, count, reserved, model, at + 32) + table
    whole = front + struct.pack("<I", zlib.crc32(front)) + data[start:at]
    return whole + hashlib.sha256(whole).digest()


def sealed_stream(data: bytes) -> bytes:
    """Every CRC of a pixel stream of one unit made right, wherever map and unit now end."""
    at = 15
    if len(data) > 19 and data[1] & 2:
        at += 4 + struct.unpack_from("<I", data, at)[0]
    if at + 12 > len(data):
        return data
    unit = data[at + 4 : -4]
    unit = struct.pack("<I", len(unit) - 4) + unit[4:] if len(unit) >= 4 else unit
    return data[:at] + struct.pack("<I", zlib.crc32(data[:at])) + unit + struct.pack("<I", zlib.crc32(unit, zlib.crc32(data[:at])))


def inside_png(data: bytes, rng: random.Random, change: Callable[[bytes], bytes]) -> bytes:
    """What a chunk holds is changed, unpacked where it is packed."""
    chunks, at = [], len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        chunks.append((data[at + 4 : at + 8], data[at + 8 : end]))
        at = end + 4
    if not chunks:
        return change(data)
    chosen = rng.randrange(len(chunks))
    kind, body = chunks[chosen]
    try:
        if kind == b"IDAT":
            body = zlib.compress(change(zlib.decompressobj().decompress(body, 1 << 20)))
        elif kind == b"iCCP" and b"\0\0" in body:
            name, packed = body.split(b"\0\0", 1)
            body = name + b"\0\0" + zlib.compress(change(zlib.decompressobj().decompress(packed, 1 << 20)))
        else:
            body = change(body)
    except zlib.error:
        body = change(body)
    chunks[chosen] = kind, body
    if rng.random() < 0.1:
        rng.shuffle(chunks)
    made = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return data[: len(PNG_SIGNATURE)] + b"".join(made) + data[at:]


def inside_archive(data: bytes, rng: random.Random, change: Callable[[bytes], bytes]) -> bytes:
    """One section is changed, unpacked where it is packed; sections may be missing, or be those of another lane."""
    try:
        archive = bitstream.unpack(data)
    except CodecError:
        return sealed_archive(change(data))
    sections = dict(archive.sections)
    name = rng.choice(sorted(sections))
    if rng.random() < 0.05 and len(sections) > 1:
        del sections[name]
    elif sections[name][:4] == packing.MAGIC and rng.random() < 0.7:
        try:
            sections[name] = packing.pack(change(packing.unpack(sections[name], 1 << 24)))
        except CodecError:
            sections[name] = change(sections[name])
    elif name == "PIXL":
        sections[name] = sealed_stream(change(sections[name]))
    else:
        sections[name] = change(sections[name])
    lane = rng.choice(tuple(bitstream.LANES)) if rng.random() < 0.05 else archive.lane
    return bitstream.pack(bitstream.Archive(lane, archive.model_digest, sections, archive.preview))
