"""From a picture's numbers to light: checked against LittleCMS, and seen through the guard."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from codec import container
from codec.errors import Unsupported
from codec.labels import Labels, labelled
from codec.picture import JpegStructure
from codec.png_chunks import chunk
from codec.profile import _PRIMARIES, _SRGB, Profile, as_icc, joined, profile_of
from codec.quality import score

GAMMA = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(2.2 * 256))
LIKE_SRGB = b"para\0\0\0\0\0\3\0\0" + struct.pack(">5i", *(round(n * 65536) for n in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
POINTS = b"curv\0\0\0\0" + struct.pack(">I5H", 5, 0, 4000, 16000, 36000, 65535)
ADOBE = ((0.6097559, 0.2052401, 0.1492240), (0.3111242, 0.6256560, 0.0632197), (0.0194811, 0.0608902, 0.7448387))


def icc(matrix: tuple[tuple[float, ...], ...], curve: bytes, *, grey: bool = False, connection: bytes = b"XYZ ") -> bytes:
    """A small version 2 profile of a matrix and a curve."""
    curve += bytes(-len(curve) % 4)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc\0\0\0\0\0\0\0\2x\0" + bytes(78 + 4)
    tags = {b"desc": text + bytes(-len(text) % 4), b"wtpt": white, b"cprt": b"text\0\0\0\0x\0\0\0"}
    if grey:
        tags[b"kTRC"] = curve
    else:
        for k, name in enumerate((b"r", b"g", b"b")):
            tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(row[k] * 65536) for row in matrix))
            tags[name + b"TRC"] = curve
    at, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    size = at + len(body)
    space = b"GRAY" if grey else b"RGB "
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x02100000, b"mntr", space, connection, bytes(12), b"acsp")
    head += bytes(68 - len(head)) + struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


P3 = icc(_PRIMARIES[12], LIKE_SRGB)


def profile_in(data: bytes) -> Profile | None:
    return profile_of(container.read(data).structure)


def coded(pixels: np.ndarray, profile: bytes | None, format: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **({} if profile is None else {"icc_profile": profile}))
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "profile",
    [
        P3,
        icc(ADOBE, GAMMA),
        icc(_SRGB, POINTS),
        icc(_SRGB, GAMMA, grey=True),
        icc(_SRGB, POINTS, grey=True, connection=b"Lab "),
    ],
)
def test_light_is_what_littlecms_makes_of_the_numbers(profile: bytes, format: str, make_photo: Callable[..., np.ndarray]) -> None:
    pixels = make_photo(64, 64)
    grey = profile[16:20] == b"GRAY"
    if grey:
        pixels = pixels[..., 0]
    found = profile_in(coded(pixels, profile, format))
    assert found is not None
    light = found.linear(pixels)
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055) * 255
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    wanted = ImageCms.profileToProfile(
        Image.fromarray(pixels), source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB"
    )
    assert wanted is not None
    assert np.abs(np.clip(shown, 0, 255) - np.asarray(wanted, np.float32)).max() < 2.5


def test_srgb_and_what_cannot_be_read_are_taken_for_srgb() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    for profile in (None, icc(_SRGB, LIKE_SRGB), b"nonsense" * 30, P3[:200], P3[:128] + b"\xff" * 100, P3.replace(b"para", b"oops")):
        assert profile_in(coded(pixels, profile)) is None


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize(("transfer", "hdr"), [(16, True), (18, True), (13, False)])
def test_a_profile_of_hdr_is_no_matter_for_the_guard(transfer: int, hdr: bool, format: str) -> None:
    profile = P3.replace(b"cprt", b"cicp").replace(b"text\0\0\0\0x\0\0\0", b"cicp\0\0\0\0" + bytes((9, transfer, 0, 1)))
    data = coded(np.zeros((16, 16, 3), np.uint8), profile, format)
    if not hdr:
        assert profile_in(data) is not None
        return
    with pytest.raises(Unsupported) as caught:
        container.read(data)
    assert caught.value.reason == "hdr-png"


def test_parts_are_joined_by_their_numbers(make_photo: Callable[..., np.ndarray]) -> None:
    lead = b"ICC_PROFILE\0"
    parts = [lead + bytes((k + 1, 3)) + P3[at : at + 200] for k, at in enumerate((0, 200, 400))]
    whole = [b"\xff\xff\xe2" + struct.pack(">H", len(part) + 2) + part for part in parts]
    assert joined([whole[2], b"\xff\xfe\0\4hi", whole[0], whole[1]]) == P3[:600]
    assert joined(whole[:2]) is None
    assert joined([]) is None


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_a_mutated_profile_is_read_or_passed_by(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    data = bytearray(P3)
    for _ in range(count):
        data[chance.integers(128, len(data))] = chance.integers(256)
    part = b"ICC_PROFILE\0\1\1" + bytes(data)
    segment = b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part
    found = profile_of(JpegStructure(8, 8, (1,), ((1, 1),), ((1,) * 64,), False, 0, None, 4, None, (segment,), 1, b""))
    assert found is None or np.isfinite(found.curves).all()


@pytest.mark.parametrize(("code", "known"), [((12, 13, 0, 1), True), ((9, 14, 0, 1), True), ((1, 13, 0, 1), False), ((1, 1, 0, 1), False)])
def test_the_code_of_a_png_says_it_too(code: tuple[int, ...], known: bool) -> None:
    data = coded(np.zeros((16, 16, 3), np.uint8), P3, "PNG")
    body = b"cICP" + bytes(code)
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    assert (profile_in(data[:33] + chunk + data[33:]) is not None) == known


@pytest.mark.parametrize(
    ("chunks", "known"),
    [
        ({b"gAMA": 62_500}, True),
        ({b"gAMA": 100_000}, True),
        ({b"gAMA": 45_455}, False),
        ({b"gAMA": 100_000, b"sRGB": None}, False),
        ({b"gAMA": 0}, False),
    ],
)
def test_a_gamma_alone_is_a_curve(chunks: dict[bytes, int | None], known: bool) -> None:
    data = coded(np.zeros((16, 16, 3), np.uint8), None, "PNG")
    extra = b""
    for kind, value in chunks.items():
        body = kind + (b"\0" if value is None else value.to_bytes(4, "big"))
        extra += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    found = profile_in(data[:33] + extra + data[33:])
    assert (found is not None) == known
    if found is not None:
        assert np.allclose(found.linear(np.full((1, 1, 3), 128, np.uint8)), (128 / 255) ** (100_000 / chunks[b"gAMA"]), atol=1e-3)  # type: ignore[operator]


ADOBE_SAID = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)


def test_primaries_count_beside_the_gamma() -> None:
    """Adobe RGB, as a PNG says it without a profile."""
    data = with_chunks(np.zeros((16, 16, 3), np.uint8), gAMA=(45_455).to_bytes(4, "big"), cHRM=ADOBE_SAID)
    found, wanted = profile_in(data), profile_in(coded(np.zeros((16, 16, 3), np.uint8), icc(ADOBE, GAMMA)))
    assert found is not None
    assert wanted is not None
    assert np.abs(found.matrix - wanted.matrix).max() < 0.002
    assert np.abs(found.curves - wanted.curves).max() < 0.002
    assert profile_in(with_chunks(np.zeros((16, 16), np.uint8), gAMA=(45_455).to_bytes(4, "big"), cHRM=ADOBE_SAID)) is None  # grey has none


FEW = st.lists(st.integers(0, 4), min_size=8, max_size=8)


@given(st.binary(min_size=32, max_size=32) | st.binary(max_size=40) | FEW.map(lambda numbers: struct.pack(">8I", *numbers)))
def test_any_primaries_are_read_or_passed_by(said: bytes) -> None:
    found = profile_in(with_chunks(np.zeros((16, 16, 3), np.uint8), gAMA=(50_000).to_bytes(4, "big"), cHRM=said))
    assert found is None or np.isfinite(found.matrix).all()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("space", "index", "known"), [(0xFFFF, b"R03\0", True), (2, b"R98\0", True), (0xFFFF, b"R98\0", False), (1, b"R03\0", False)]
)
def test_a_camera_says_adobe_rgb_in_its_exif(order: str, space: int, index: bytes, known: bool) -> None:
    """As DCF has it, without a profile."""

    def directory(*entries: bytes) -> bytes:
        return struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)

    def entry(tag: int, kind: int, number: int, value: bytes) -> bytes:
        return struct.pack(order + "HHI", tag, kind, number) + value.ljust(4, b"\0")

    def long(value: int) -> bytes:
        return struct.pack(order + "I", value)

    block = (b"II*\0" if order == "<" else b"MM\0*") + long(8)
    block += directory(entry(0x8769, 4, 1, long(26)))
    block += directory(entry(0xA001, 3, 1, struct.pack(order + "H", space)), entry(0xA005, 4, 1, long(56)))
    block += directory(entry(1, 2, 4, index))
    pixels = np.zeros((16, 16, 3), np.uint8)
    data = labelled(coded(pixels, None), Labels(exif=block))
    found, wanted = profile_in(data), profile_in(coded(pixels, icc(ADOBE, GAMMA)))
    assert (found is not None) == known
    if found is not None:
        assert wanted is not None
        assert np.abs(found.matrix - wanted.matrix).max() < 0.002
        assert np.abs(found.curves - wanted.curves).max() < 0.002
    assert profile_in(labelled(coded(pixels, icc(_SRGB, LIKE_SRGB)), Labels(exif=block))) is None  # a profile says it better
    for cut in range(len(block)):
        profile_in(labelled(coded(pixels, None), Labels(exif=block[:cut] or b"M")))


@pytest.mark.parametrize("grey", [False, True])
def test_a_made_profile_says_the_same(grey: bool, make_photo: Callable[..., np.ndarray]) -> None:
    pixels = make_photo(64, 64)
    found = profile_in(with_chunks(pixels, gAMA=(55_000).to_bytes(4, "big"), cHRM=ADOBE_SAID))
    assert found is not None
    pixels = pixels[..., 0] if grey else pixels
    again = profile_in(coded(pixels, as_icc(found, grey=grey)))
    assert again is not None
    assert np.abs(again.curves - found.curves).max() < 1e-4
    assert grey or np.abs(again.matrix - found.matrix).max() < 1e-3
    ImageCms.profileToProfile(  # it is one for others, too
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(as_icc(found, grey=grey))),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        "RGB",
    )


def with_chunks(pixels: np.ndarray, **chunks: bytes) -> bytes:
    data = coded(pixels, None, "PNG")
    return data[:33] + b"".join(chunk(kind.encode(), body) for kind, body in chunks.items()) + data[33:]


def test_the_guard_sees_the_same_damage_in_any_colour_space(make_photo: Callable[..., np.ndarray]) -> None:
    """One picture and its damage, in sRGB and in Display P3: the same colours to the eye, other numbers."""
    pixels = make_photo(160, 160)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    damaged = np.asarray(Image.open(buffer))
    wide = ImageCms.ImageCmsProfile(io.BytesIO(P3))
    to_wide = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), wide, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    one, other = (np.asarray(ImageCms.applyTransform(Image.fromarray(each), to_wide)) for each in (pixels, damaged))
    wanted = score(pixels, damaged).whole
    through = score(one, other, profile=profile_in(coded(one, P3))).whole
    assert abs(through - wanted) < 0.35
    assert abs(score(one, other).whole - wanted) > abs(through - wanted)
