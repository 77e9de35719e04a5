import hashlib
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.bitstream import MAX_SECTIONS, PEEK_BYTES, SMALL_SECTIONS, Archive, pack, peek, unpack
from codec.errors import Corrupt, UnknownVersion

GOLDEN = Path(__file__).parent / "golden"
DIGEST = bytes(range(32))
ARCHIVE = Archive(
    lane="neural",
    model_digest=DIGEST,
    sections={
        "PIXL": bytes(range(256)),
        "STRC": b'{"kind":"jpeg"}',
        "META": b"\0" + b"Exif",
        "TRLR": b"",
        "FACT": b'{"mode":420}',
        "QUAL": b'{"whole":81.5}',
        "XTRA": b"from a later version",
    },
)
LEAD = 56  # bytes before the section table
ENTRY = 24
NAMES = st.text("ABCXYZ019", min_size=4, max_size=4) | st.sampled_from(["FACT", "QUAL", "STRC", "META", "PIXL", "TRLR"])
ARCHIVES = st.builds(
    Archive,
    lane=st.sampled_from(["neural", "exact", "pixel-exact"]),
    model_digest=st.none() | st.binary(min_size=32, max_size=32).filter(any),
    sections=st.dictionaries(NAMES, st.binary(max_size=60), min_size=1, max_size=8),
    preview=st.booleans(),
)
NAMED = (Corrupt, UnknownVersion)


def sealed(data: bytes, sections: int) -> bytes:
    """The same with header CRC and digest made right again: what only a forger or a later version would write."""
    end = LEAD + ENTRY * sections
    body = data[:end] + struct.pack("<I", zlib.crc32(data[:end])) + data[end + 4 : -32]
    return body + hashlib.sha256(body).digest()


def replaced(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@given(ARCHIVES)
def test_archives_come_back(archive: Archive) -> None:
    data = pack(archive)
    assert unpack(data) == archive
    assert pack(unpack(data)) == data


@given(ARCHIVES)
def test_peek_needs_only_the_front(archive: Archive) -> None:
    data = pack(archive)
    header = peek(data)
    small = {name: section for name, section in archive.sections.items() if name in SMALL_SECTIONS}
    assert (header.lane, header.model_digest, header.preview) == (archive.lane, archive.model_digest, archive.preview)
    assert header.version == 1
    assert header.size_bytes == len(data)
    assert header.small == small
    front = LEAD + ENTRY * len(archive.sections) + 4 + sum(map(len, small.values()))
    assert peek(data[:front]) == header
    with pytest.raises(Corrupt):
        peek(data[: front - 1])


def test_order_of_sections_does_not_change_the_bytes() -> None:
    turned = replace(ARCHIVE, sections=dict(list(ARCHIVE.sections.items())[::-1]))
    assert pack(turned) == pack(ARCHIVE)
    assert [entry.name for entry in peek(pack(ARCHIVE)).entries] == ["FACT", "QUAL", "STRC", "META", "PIXL", "TRLR", "XTRA"]


def test_golden_archive() -> None:
    golden = (GOLDEN / "container_v1.nphoto").read_bytes()
    assert pack(ARCHIVE) == golden
    assert unpack(golden) == ARCHIVE


# ---- damage


@given(ARCHIVES, st.data())
def test_a_flipped_bit_is_named(archive: Archive, data: st.DataObject) -> None:
    packed = bytearray(pack(archive))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(NAMED):
        unpack(bytes(packed))


def test_every_flipped_bit_and_every_cut_of_one_archive_is_named() -> None:
    packed = pack(ARCHIVE)
    for at in range(len(packed)):
        with pytest.raises(Corrupt):
            unpack(packed[:at])
        for bit in range(8):
            altered = replaced(packed, at, bytes([packed[at] ^ 1 << bit]))
            with pytest.raises(Corrupt):
                unpack(altered)


@given(ARCHIVES, st.data())
def test_a_flipped_bit_in_the_front_is_named_by_peek(archive: Archive, data: st.DataObject) -> None:
    packed = bytearray(pack(archive))
    front = (
        LEAD + ENTRY * len(archive.sections) + 4 + sum(len(section) for name, section in archive.sections.items() if name in SMALL_SECTIONS)
    )
    packed[data.draw(st.integers(0, front - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(NAMED):
        peek(bytes(packed))


@given(ARCHIVES, st.binary(min_size=1, max_size=100))
def test_what_follows_an_archive_is_corrupt(archive: Archive, more: bytes) -> None:
    with pytest.raises(Corrupt):
        unpack(pack(archive) + more)


@given(st.binary(max_size=300), st.integers(0, 60))
def test_any_bytes_are_named(data: bytes, kept: int) -> None:
    for foreign in (data, pack(ARCHIVE)[:kept] + data):
        for read in (unpack, peek):
            with pytest.raises(NAMED):
                read(foreign)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0" + bytes(100), b"\x89PNG\r\n\x1a\n" + bytes(100), b"hello, world\n" * 20])
def test_foreign_files_are_told_apart(data: bytes) -> None:
    with pytest.raises(Corrupt, match=r"not an \.nphoto file"):
        unpack(data)


def test_damage_by_text_transfer_shows_in_the_magic() -> None:
    packed = pack(ARCHIVE)
    for altered in (packed.replace(b"\r\n", b"\n"), packed.replace(b"\n", b"\r\n"), bytes(byte & 0x7F for byte in packed)):
        with pytest.raises(Corrupt, match=r"not an \.nphoto file"):
            unpack(altered)


# ---- what is well sealed but contradicts itself, or comes from a later version


def test_a_later_version_is_told_apart() -> None:
    packed = pack(ARCHIVE)
    count = len(ARCHIVE.sections)
    for later in (
        sealed(replaced(packed, 8, b"\2\0"), count),
        sealed(replaced(packed, 8, b"\0\1"), count),
        replaced(packed, 8, b"\2\0\1\0\xff\xff"),  # whose header is a longer one than ours may be
        sealed(replaced(packed, 10, b"\4"), count),  # lane
        sealed(replaced(packed, 11, b"\4"), count),  # flags
        sealed(replaced(packed, 14, b"\1\0"), count),  # reserved
    ):
        for read in (unpack, peek):
            with pytest.raises(UnknownVersion):
                read(later)


def forged(number: int, *, name: bytes | None = None, offset: int | None = None, length: int | None = None) -> bytes:
    packed = pack(ARCHIVE)
    at = LEAD + ENTRY * number
    old_name, old_offset, old_length, crc = struct.unpack_from("<4sQQI", packed, at)
    entry = struct.pack("<4sQQI", name or old_name, old_offset if offset is None else offset, old_length if length is None else length, crc)
    return sealed(replaced(packed, at, entry), len(ARCHIVE.sections))


@pytest.mark.parametrize(
    "data",
    [
        forged(1, name=b"FACT"),  # twice
        forged(1, name=b"qual"),
        forged(1, name=b"Q\xffAL"),
        forged(1, name=b"QU L"),
        forged(1, offset=0),
        forged(1, offset=LEAD + ENTRY * 7 + 4),  # overlaps the first
        forged(1, offset=2**64 - 1),
        forged(1, length=0),
        forged(1, length=13),
        forged(4, length=2**63),
        forged(4, length=2**64 - 1),
        forged(6, length=0),
        sealed(replaced(pack(ARCHIVE), 48, struct.pack("<Q", 2**64 - 1)), 7),
        sealed(replaced(pack(ARCHIVE), 48, struct.pack("<Q", 0)), 7),
        sealed(replaced(pack(ARCHIVE), 12, b"\0\0"), 0),
        sealed(replaced(pack(ARCHIVE), 12, b"\6\0"), 6),
        replaced(pack(ARCHIVE), 12, b"\xff\xff"),
    ],
)
def test_a_table_that_contradicts_itself_is_corrupt(data: bytes) -> None:
    for read in (unpack, peek):
        with pytest.raises(Corrupt):
            read(data)


def test_a_swapped_model_is_corrupt() -> None:
    packed = pack(ARCHIVE)
    with pytest.raises(Corrupt):
        unpack(replaced(packed, 16, bytes(32)))


# ---- what can't be written


@pytest.mark.parametrize(
    "parts",
    [
        {"lane": "leave"},
        {"model_digest": bytes(32)},
        {"model_digest": bytes(31)},
        {"sections": {}},
        {"sections": {f"A{number:03}": b"" for number in range(MAX_SECTIONS + 1)}},
        *({"sections": {name: b""}} for name in ("", "PIX", "PIXEL", "pixl", "PI L", "PIX\u00c4", "PIX\0")),
    ],
)
def test_impossible_archives_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(ARCHIVE, **parts)


def test_most_sections_fit() -> None:
    archive = replace(ARCHIVE, sections={f"A{number:03}": bytes([number]) for number in range(MAX_SECTIONS)})
    assert unpack(pack(archive)) == archive
    assert LEAD + ENTRY * MAX_SECTIONS < PEEK_BYTES
