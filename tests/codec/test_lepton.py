"""Lepton files: the same JPEG back, and of forged ones a named error before the decoder takes memory for them."""

import random
import struct
import zlib
from collections.abc import Callable

import lepton_jpeg_python
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec import lepton
from codec.errors import Corrupt
from codec.jpeg_segments import frame, walk
from tests.codec.jpegs import PROGRESSIVE, SMALL, coded, noise, segment

AREA = range(40 * 56, 40 * 56 + 1)
CODED = lepton.coded(SMALL)
HEAD = 28
"""Bytes in front of the packed header."""


def parts(data: bytes = CODED) -> tuple[bytes, bytes, bytes]:
    """What is in front of the packed header, the header, and what is behind it."""
    (packed,) = struct.unpack_from("<I", data, HEAD - 4)
    return data[:HEAD], zlib.decompress(data[HEAD : HEAD + packed]), data[HEAD + packed :]


def with_header(header: bytes, packed: bytes | None = None) -> bytes:
    front, _, rest = parts()
    packed = zlib.compress(header) if packed is None else packed
    return front[:-4] + struct.pack("<I", len(packed)) + packed + rest


def with_tables(change: Callable[[bytes], bytes]) -> bytes:
    """With another JPEG header inside."""
    _, header, _ = parts()
    size = int.from_bytes(header[3:7], "little")
    tables = change(header[7 : 7 + size])
    return with_header(b"HDR" + struct.pack("<I", len(tables)) + tables + header[7 + size :])


@pytest.mark.parametrize("jpeg", [SMALL, PROGRESSIVE, coded(noise(), subsampling="4:4:4"), coded(noise(channels=1))])
def test_the_same_bytes_come_back(jpeg: bytes) -> None:
    data = lepton.coded(jpeg)
    assert lepton.size_bytes_of(data) == len(jpeg)
    assert lepton.decoded(data, len(jpeg), AREA) == jpeg


def test_the_size_that_it_must_have() -> None:
    with pytest.raises(Corrupt, match="another header"):
        lepton.decoded(CODED, len(SMALL) + 1, AREA)
    with pytest.raises(Corrupt, match="not of the size"):
        lepton.decoded(CODED, len(SMALL), range(1, 40 * 56))


@pytest.mark.parametrize("size", range(0, HEAD, 9))
def test_one_that_is_cut(size: int) -> None:
    with pytest.raises(Corrupt, match="is cut"):
        lepton.size_bytes_of(CODED[:size])
    with pytest.raises(Corrupt, match="is cut"):
        lepton.decoded(CODED[:size], len(SMALL), AREA)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xcf\x85" + CODED[2:], "another header"),
        (CODED[: HEAD - 4] + b"\xff\xff\xff\x7f" + CODED[HEAD:], "another header"),
        (with_header(b"", b"no zlib stream"), "cannot be read"),
        (with_header(b"HDX" + parts()[1][3:]), "of another kind"),
        (with_header(b"HDR"), "of another kind"),
        (with_header(parts()[1] + bytes(2 << 20)), "of another kind"),
        (with_header(parts()[1] + b"CRS" + struct.pack("<I", 1 << 30)), "claims more than it has"),
        (with_tables(lambda tables: tables.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")), "none that is ever coded"),
        (with_tables(lambda tables: tables.replace(b"\0\x28\0\x38", b"\xff\xf0\xff\xf0")), "not of the size"),
        (with_tables(lambda tables: tables[:-6]), "truncated|damaged|cannot be decoded"),
    ],
)
def test_forged_ones_are_named(data: bytes, said: str) -> None:
    with pytest.raises(Corrupt, match=said):
        lepton.decoded(data, len(SMALL), AREA)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each part in which the decoder keeps the picture; at a list of no kind that is known it stops."""
    asked: list[int] = []
    monkeypatch.setattr(lepton, "reserve", asked.append)
    monkeypatch.setattr(lepton_jpeg_python, "decompress_bytes", lambda *a: SMALL)
    for more in (b"", b"XYZ" + b"\xff" * 9, b"HH\3" + bytes(48)):
        assert lepton.decoded(with_header(parts()[1] + more), len(SMALL), AREA) == SMALL
    assert asked[0] == asked[1] > lepton.work_bytes(frame(SMALL, walk(SMALL)[0]), 0)
    assert asked[2] in (3 * asked[0], 4 * asked[0])


def test_a_decoder_that_gives_too_little_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lepton_jpeg_python, "decompress_bytes", lambda *a: SMALL[:-1])
    with pytest.raises(Corrupt, match="another length"):
        lepton.decoded(CODED, len(SMALL), AREA)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_damage_gives_bytes_of_that_length_or_a_named_error(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(CODED)
    for _ in range(chance.randint(1, 5)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        assert len(lepton.decoded(bytes(data), len(SMALL), AREA)) == len(SMALL)
    except (Corrupt, MemoryError):
        pass


def test_metadata_in_front_of_the_picture_comes_back_too() -> None:
    jpeg = SMALL[:2] + segment(0xE1, b"x" * 100) + SMALL[2:]
    assert lepton.decoded(lepton.coded(jpeg), len(jpeg), AREA) == jpeg
