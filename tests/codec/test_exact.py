"""The exact lane: whatever JPEG it takes comes back bit for bit, and nothing else does."""

import hashlib
import io
import struct
from collections.abc import Callable

import lepton_jpeg_python
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from codec import exact, packing, rust
from codec.errors import CodecError, Corrupt, NotAPicture, Unsupported
from codec.facts import Facts
from codec.jpeg_segments import walk

Pixels = np.ndarray


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def facts(data: bytes) -> Facts:
    return Facts(len(data), hashlib.sha256(data).hexdigest(), b"a.jpg", 0, 0o644)


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + struct.pack(">H", len(body) + 2) + body


@pytest.fixture(scope="module")
def image(make_photo: Callable[..., Pixels]) -> Image.Image:
    return Image.fromarray(make_photo(120, 168, 3))


KINDS: dict[str, dict[str, object]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "4:2:0": {"subsampling": "4:2:0", "quality": 30},
    "fine": {"quality": 100, "subsampling": "4:4:4"},
    "optimised": {"optimize": True},
    "restart markers": {"restart_marker_blocks": 3},
    "red, green and blue": {"keep_rgb": True},
    "profile and comment": {"icc_profile": b"no profile" * 300, "comment": b"a comment"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_kind_of_jpeg_comes_back_bit_for_bit(image: Image.Image, kind: str, mode: str) -> None:
    if mode == "L" and kind in ("4:4:4", "4:2:2", "red, green and blue"):
        pytest.skip("grey has one sampling")
    data = saved(image.convert(mode), **KINDS[kind])
    sections = exact.to_sections(data)
    assert exact.from_sections(sections, facts(data)) == data
    assert len(sections["LEPT"]) < len(data)


def test_metadata_fill_bytes_and_trailers_stay_where_they_were(image: Image.Image) -> None:
    plain = saved(image, progressive=True)
    scan = plain.index(b"\xff\xc4", plain.index(b"\xff\xda"))  # between two scans
    video = bytes(range(256)) * 40
    data = b"".join(
        (
            plain[:2],
            b"\xff\xff" + segment(0xE1, b"Exif\0\0odd"),
            segment(0xEB, b"JP a signature"),
            segment(0xFE, b""),
            b"\xff\xff\xff",  # fill bytes before a segment that is no metadata
            plain[2:scan],
            segment(0xEF, b"in the midst of it"),
            plain[scan:],
            plain,  # another picture, with an EOI of its own
            video,
        )
    )
    sections = exact.to_sections(data)
    assert exact.from_sections(sections, facts(data)) == data
    assert len(sections["TRLR"]) < len(plain) + len(video)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0xE2, 0xEF), st.binary(max_size=40), st.integers(0, 3)), max_size=4),
    st.integers(0, 7),
    st.booleans(),
    st.binary(max_size=60),
)
def test_whatever_stands_around_the_picture(parts: list[tuple[int, bytes, int]], kind: int, progressive: bool, trailer: bytes) -> None:
    picture = Image.effect_noise((40 + kind, 24), 40 + kind)
    plain = saved(picture, progressive=progressive, quality=50 + 7 * kind)
    front = b"".join(b"\xff" * fill + segment(marker, body) for marker, body, fill in parts)
    data = plain[:2] + front + plain[2:] + trailer
    assert exact.from_sections(exact.to_sections(data), facts(data)) == data


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 7), (3, 200)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    data = saved(Image.new("RGB", size, (200, 10, 30)))
    assert exact.from_sections(exact.to_sections(data), facts(data)) == data


def test_damage_is_not_archived(image: Image.Image) -> None:
    for data in (saved(image, quality=90), saved(image, quality=90, progressive=True)):
        for cut in (data[: len(data) // 2], data[:-2], data[: len(data) // 2] + b"\xff\xd9", data[:-700] + bytes(698) + b"\xff\xd9"):
            with pytest.raises(Corrupt):
                exact.to_sections(cut)
            with pytest.raises(Corrupt):
                exact.check(cut)
    with pytest.raises(NotAPicture):
        exact.to_sections(b"text")


def wide_chroma() -> bytes:
    """A grey 4:1:0 JPEG of one MCU, 32 x 16, its ten empty blocks written by hand: DC 0, end of block."""
    data = saved(Image.new("RGB", (32, 16), (9, 8, 7)), subsampling="4:2:0")
    segments, _ = walk(data)
    tables = b"".join(data[s.start : s.end] for s in segments if s.marker in (0xDB, 0xC4))
    frame = b"\xff\xc0\0\x11\x08\0\x10\0\x20\x03\1\x42\0\2\x11\1\3\x11\1"
    bits = "001010" * 8 + "0000" * 2
    return b"\xff\xd8" + tables + frame + b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0" + int(bits, 2).to_bytes(7, "big") + b"\xff\xd9"


def scans_apart() -> bytes:
    """A baseline JPEG with a scan for each component, put together out of three grey ones: lepton takes none."""
    greys = [saved(Image.effect_noise((64, 64), 20 + number), quality=60) for number in range(3)]
    parts = []
    for number, data in enumerate(greys):
        segments, _ = walk(data)
        tables = [data[s.start : s.end] for s in segments if s.marker == 0xC4]
        scan = next(data[s.start : s.end] for s in segments if s.marker == 0xDA)
        parts.append(b"".join(tables) + scan[:5] + bytes((number + 1,)) + scan[6:])
    segments, _ = walk(greys[0])
    quantisation = b"".join(greys[0][s.start : s.end] for s in segments if s.marker == 0xDB)
    frame = b"\xff\xc0\0\x11\x08\0\x40\0\x40\x03" + b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    return b"\xff\xd8" + quantisation + frame + b"".join(parts) + b"\xff\xd9"


def test_what_lepton_does_not_take_is_packed_as_it_is(image: Image.Image) -> None:
    data = scans_apart() + bytes(5000)
    sections = exact.to_sections(data)
    assert sections["LEPT"][:2] != b"\xcf\x84"
    assert exact.from_sections(sections, facts(data)) == data
    for part in (sections["LEPT"][:-1], packing.pack(b"x"), packing.pack(bytes(1 << 20))):
        with pytest.raises(Corrupt):
            exact.from_sections({**sections, "LEPT": part}, facts(data))


def test_a_sampling_that_the_strict_decoder_does_not_take() -> None:
    """Of 4:1:0 and the like: what Pillow reads to its end."""
    data = wide_chroma()
    assert exact.from_sections(exact.to_sections(data), facts(data)) == data
    pixels, _ = exact.preview(data, 8)
    assert pixels.shape == (16, 32, 3)
    assert (pixels == 128).all()
    with pytest.raises(Corrupt):
        exact.check(data[:-9])


def test_what_lepton_does_not_take(image: Image.Image) -> None:
    with pytest.raises(Unsupported) as caught:
        exact.to_sections(saved(image.convert("CMYK")))
    assert caught.value.reason == "cmyk"


def test_a_huge_header_costs_neither_memory_nor_time(image: Image.Image) -> None:
    data = saved(image)
    frame = data.index(b"\xff\xc0") + 5
    with pytest.raises(Unsupported) as caught:
        exact.to_sections(data[:frame] + b"\xff\xff\xff\xff" + data[frame + 4 :])
    assert caught.value.reason == "too-large"


def test_a_packer_that_gives_back_something_else_is_found_out(image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(image)
    honest = lepton_jpeg_python.decompress_bytes
    monkeypatch.setattr(lepton_jpeg_python, "decompress_bytes", lambda *a: honest(*a)[:-3] + b"\0\xff\xd9")
    with pytest.raises(Unsupported) as caught:
        exact.to_sections(data)
    assert caught.value.reason == "exact-failed"


class Panic(BaseException):
    """As PyO3's, which is no Exception."""


def test_a_panic_is_a_named_error(image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object) -> bytes:
        raise Panic("index out of bounds\nat a place in Rust")

    data = saved(image)
    sections = exact.to_sections(data)
    monkeypatch.setattr(lepton_jpeg_python, "compress_bytes", panic)
    monkeypatch.setattr(lepton_jpeg_python, "decompress_bytes", panic)
    with pytest.raises(Corrupt, match="index out of bounds"):
        exact.from_sections(sections, facts(data))
    assert exact.from_sections(exact.to_sections(data), facts(data)) == data  # merely packed
    with pytest.raises(KeyboardInterrupt):
        rust.call(lambda: (_ for _ in ()).throw(KeyboardInterrupt))


def test_memory_that_is_not_to_be_had() -> None:
    with pytest.raises(MemoryError):
        rust.reserve(1 << 50)


def test_the_originals_digest_decides(image: Image.Image) -> None:
    data = saved(image)
    other = saved(image, quality=80)
    with pytest.raises(Corrupt):
        exact.from_sections(exact.to_sections(other), facts(data))


@settings(max_examples=150)
@given(
    st.sampled_from(["LEPT", "STRC", "META", "TRLR"]),
    st.integers(0, 10**6),
    st.integers(0, 255),
    st.sampled_from(["set", "cut", "drop", "more"]),
)
def test_damaged_sections_give_the_original_or_a_named_error(name: str, at: int, value: int, how: str) -> None:
    data = saved(Image.effect_noise((48, 40), 30), comment=b"a comment") + b"behind the picture"
    sections = exact.to_sections(data)
    part = bytearray(sections[name])
    at %= len(part)
    match how:
        case "set":
            part[at] = value
        case "cut":
            del part[at:]
        case "more":
            part += bytes((value,))
    damaged = {key: bytes(part) if key == name else held for key, held in sections.items() if key != name or how != "drop"}
    try:
        assert exact.from_sections(damaged, facts(data)) == data
    except CodecError:
        pass


def test_a_coded_picture_that_claims_to_be_huge_is_refused_unread(image: Image.Image) -> None:
    import zlib

    sections = exact.to_sections(saved(image))
    coded = sections["LEPT"]
    size = int.from_bytes(coded[24:28], "little")
    header = bytearray(zlib.decompress(coded[28 : 28 + size]))
    at = header.index(b"\xff\xc0") + 5
    header[at : at + 4] = b"\xff\xff\xff\xff"
    packed = zlib.compress(bytes(header))
    forged = coded[:24] + len(packed).to_bytes(4, "little") + packed + coded[28 + size :]
    with pytest.raises(Corrupt, match="size"):
        exact.from_sections({**sections, "LEPT": forged}, facts(b""))


def test_a_preview_is_small_and_keeps_what_grey_is(image: Image.Image) -> None:
    data = saved(image, comment=b"a comment")
    pixels, kept = exact.preview(data, 40)
    assert max(pixels.shape[:2]) in range(40, 85)
    assert any(b"a comment" in part for part in kept)
    assert exact.preview(data, 5000)[0].shape == (120, 168, 3)
    assert exact.preview(saved(image.convert("L")), 5000)[0].ndim == 2


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
RGB_SAID, YCBCR_SAID = (segment(0xEE, b"Adobe\0\x64\0\0\0\0" + said) for said in (b"\0", b"\1"))


@pytest.mark.parametrize("names", [b"\1\2\3", b"\0\1\2", b"RGB"])
@pytest.mark.parametrize("front", [b"", JFIF, RGB_SAID, YCBCR_SAID, JFIF + RGB_SAID, RGB_SAID + JFIF, YCBCR_SAID + RGB_SAID])
@pytest.mark.parametrize("behind", [b"", RGB_SAID, YCBCR_SAID])
def test_a_preview_has_the_colours_that_viewers_show(image: Image.Image, names: bytes, front: bytes, behind: bytes) -> None:
    """Components are YCbCr or red, green and blue by three signs that may contradict one another; behind the picture they mean nothing."""
    original = saved(image, quality=95, subsampling="4:4:4")
    data = bytearray(b"".join(original[s.start : s.end] for s in walk(original)[0] if not s.kept))
    for lead, step, first in ((b"\xff\xc0", 3, 10), (b"\xff\xda", 2, 5)):
        at = data.find(lead) + first
        data[at : at + 3 * step : step] = names
    photo = b"\xff\xd8" + front + bytes(data) + behind + b"\xff\xd9"
    shown = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"), np.int16)
    assert np.abs(exact.preview(photo, 5000)[0] - shown).max() <= 1
