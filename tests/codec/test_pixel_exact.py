"""The pixel-exact lane: every sample and chunk of a PNG, of whatever kind, or a named reason."""

import io
import struct
import zlib

import numpy as np
import oxipng
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from PIL import Image

from codec import pixel_exact
from codec.errors import CodecError, Corrupt, NotAPicture, Unsupported
from codec.leads import PNG_SIGNATURE
from codec.pixel_exact import Png, difference, from_sections, read, repacked, seen_alike, to_sections
from codec.scanlines import CHANNELS, Layout, inflated, rows_of, samples, unfiltered

KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)]
"""Every colour type and depth of the specification."""


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(colour: int, depth: int, interlaced: bool, width: int = 21, height: int = 13, filters: bool = True, *extra: bytes) -> bytes:
    """A PNG by hand: smooth samples with some noise, filters 0 and 2 by turns, chunks before and after the image data, and a trailer."""
    rng = np.random.default_rng(colour * 100 + depth)
    layout = Layout(width, height, depth, colour, interlaced)
    y, x = np.mgrid[0:height, 0:width]
    most = (1 << depth) - 1
    smooth = [(x * 3 + y * (k + 1)) / (3 * width + 4 * height) * most for k in range(4)]
    planes = [(plane + rng.integers(0, 2, (height, width))) % (most + 1) for plane in smooth]
    picture = np.stack(planes, 2)[:, :, : CHANNELS[colour]].astype(np.uint16)
    if depth == 16:
        wide = np.stack([picture >> 8, picture & 255], 3).reshape(height, width, -1).astype(np.uint8)
        rows = rows_of(wide, Layout(width, height, 8, colour, interlaced))  # two bytes for each sample, in the same places
    else:
        rows = rows_of(picture.astype(np.uint8), layout)
    if filters and not interlaced:
        stride = rows.size // height
        lines = rows.reshape(height, stride).copy()
        lines[1::2, 1:] -= rows.reshape(height, stride)[0:-1:2, 1:][: lines[1::2].shape[0]]
        lines[1::2, 0] = 2
        rows = lines.ravel()
    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    before = [chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"sBIT", b"\5" * CHANNELS[colour]) if colour != 3 else b""]
    if colour == 3:
        before.append(chunk(b"PLTE", bytes(range(3 * (1 << depth)))[: 3 << depth] if depth < 7 else bytes(768)))
        before.append(chunk(b"tRNS", b"\x80\x10"))
    packed = zlib.compress(rows.tobytes(), 1)
    data = [chunk(b"IDAT", packed[:20]), chunk(b"IDAT", packed[20:])]
    parts = [chunk(b"IHDR", ihdr), *before, chunk(b"tEXt", b"Author\0me"), *extra, *data, chunk(b"tEXt", b"Late\0one"), chunk(b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(parts) + b"behind the end"


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_kind_survives_both_ways(colour: int, depth: int, interlaced: bool) -> None:
    data = png_of(colour, depth, interlaced)
    png = read(data)
    again = repacked(png, 2)
    assert difference(png, read(again)) == ""
    assert seen_alike(data, again)
    assert again.endswith(b"behind the end")
    if depth == 16:
        with pytest.raises(Unsupported) as caught:
            to_sections(png)
        assert caught.value.reason == "16-bit"
        return
    copy = from_sections(to_sections(png))
    assert difference(png, read(copy)) == ""
    assert seen_alike(data, copy)
    with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(copy)) as other:
        image.load()
        other.load()
        assert (image.mode, image.info, image.tobytes()) == (other.mode, other.info, other.tobytes())


def test_what_is_under_transparent_pixels_comes_back() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 50, 4)).astype(np.uint8)
    picture[5:30, :, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    copy = from_sections(to_sections(read(buffer.getvalue())))
    assert (np.asarray(Image.open(io.BytesIO(copy))) == picture).all()
    assert difference(read(buffer.getvalue()), read(repacked(read(buffer.getvalue()), 2))) == ""


def test_packing_anew_makes_a_badly_packed_png_smaller() -> None:
    y, x = np.mgrid[0:200, 0:300]
    buffer = io.BytesIO()
    Image.fromarray(((x * y // 99) % 256).astype(np.uint8)).save(buffer, "PNG", compress_level=1)
    again = repacked(read(buffer.getvalue()), 2)
    assert len(again) < 0.9 * len(buffer.getvalue())
    assert repacked(read(again), 2) == again  # a second time changes no byte


def test_a_packer_that_changes_something_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    png = read(png_of(2, 8, False))
    assert repacked(png, 2)
    turned = Png(png.layout, png.before, png.after, png.trailer, png.rows.copy(), 0)
    turned.rows[-1] ^= 1
    monkeypatch.setattr(oxipng, "optimize_from_memory", lambda *_, **__: pixel_exact._bare(turned))
    with pytest.raises(Unsupported, match="pixels changed"):
        repacked(png, 2)


def test_a_later_packer_that_changes_something_spoils_no_restored_png(monkeypatch: pytest.MonkeyPatch) -> None:
    png = read(png_of(2, 8, False))
    sections = to_sections(png)
    turned = Png(png.layout, png.before, png.after, png.trailer, png.rows.copy(), 0)
    turned.rows[-1] ^= 1
    for packed in (pixel_exact._bare(turned), b"no PNG at all"):
        monkeypatch.setattr(oxipng, "optimize_from_memory", lambda *_, packed=packed, **__: packed)
        assert difference(png, read(from_sections(sections))) == ""


class Panic(BaseException):
    """As PyO3's, which is no Exception."""


def test_a_packer_that_panics_costs_only_the_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> bytes:
        raise Panic("assertion failed")

    monkeypatch.setattr(oxipng, "optimize_from_memory", panic)
    png = read(png_of(2, 8, True))
    assert difference(png, read(repacked(png, 2))) == ""


def test_what_differs_is_named() -> None:
    data = png_of(2, 8, False)
    png = read(data)
    assert difference(png, read(data[:-1])) == "what follows the picture"
    assert difference(png, read(png_of(2, 8, True))) == "size, depth or colour type"
    assert difference(png, read(png_of(2, 8, False, 21, 13, True, chunk(b"tEXt", b"x\0y")))) == "chunks"
    assert not seen_alike(data, png_of(2, 8, False, 21, 14))


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (chunk(b"acTL", bytes(8)), "animated"),
        (chunk(b"iDOT", b"index"), "idot"),
        (chunk(b"caBX", b"jumb"), "signed"),
        (chunk(b"dSIG", b"x"), "signed"),
        (chunk(b"ABCD", b"x"), "critical-chunk"),
    ],
)
def test_what_is_left_and_why(extra: bytes, reason: str) -> None:
    with pytest.raises(Unsupported) as caught:
        read(png_of(2, 8, False, 21, 13, True, extra))
    assert caught.value.reason == reason


def test_damage() -> None:
    data = png_of(3, 8, False)
    for damaged in (data[: len(data) // 2], data.replace(b"IEND", b"IENE"), png_of(3, 8, False).replace(b"PLTE", b"qLTE")):
        with pytest.raises(Corrupt):
            read(damaged)
    beyond = png_of(3, 4, False).replace(chunk(b"PLTE", bytes(range(48))), chunk(b"PLTE", bytes(6)))
    with pytest.raises(Corrupt, match="palette"):
        read(beyond)
    with pytest.raises(NotAPicture):
        read(b"\x89PNG\r\n\x1a\n")
    grey = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    with pytest.raises(Corrupt, match="filter"):
        read(PNG_SIGNATURE + grey + chunk(b"IDAT", zlib.compress(b"\0ab\5ab")) + chunk(b"IEND", b""))
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    bomb = PNG_SIGNATURE + huge + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    with pytest.raises(Unsupported, match="too-large"):
        read(bomb)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(KINDS), st.booleans(), st.integers(1, 20), st.integers(1, 20))
def test_filters_are_undone_as_another_decoder_does(
    data: DataObject, kind: tuple[int, int], interlaced: bool, width: int, height: int
) -> None:
    colour, depth = kind
    layout = Layout(width, height, depth, colour, interlaced)
    raw = np.frombuffer(data.draw(st.binary(min_size=layout.size_bytes, max_size=layout.size_bytes)), np.uint8).copy()
    at = 0
    for columns, rows, _ in layout.passes:
        stride = 1 + layout.row_bytes(columns)
        raw[at : at + rows * stride : stride] %= 5  # the filters
        at += rows * stride
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour == 3 else b""
    end = chunk(b"IEND", b"")
    plain = unfiltered(inflated([zlib.compress(raw.tobytes())], layout), layout)
    files = [PNG_SIGNATURE + ihdr + palette + chunk(b"IDAT", zlib.compress(each.tobytes())) + end for each in (raw, plain)]
    assert seen_alike(*files)
    if depth <= 8:
        picture = samples(plain, layout)
        assert (rows_of(picture, layout) == unfiltered(rows_of(picture, layout), layout)).all()
        assert (samples(rows_of(picture, layout), layout) == picture).all()


@settings(max_examples=100)
@given(
    st.sampled_from(["WEBP", "STRC", "META", "TRLR"]), st.integers(0, 10**6), st.integers(0, 255), st.sampled_from(["set", "cut", "drop"])
)
def test_damaged_sections_give_a_png_or_a_named_error(name: str, at: int, value: int, how: str) -> None:
    sections = to_sections(read(png_of(6, 8, False)))
    part = bytearray(sections[name])
    at %= len(part)
    if how == "set":
        part[at] = value
    else:
        del part[at:]
    damaged = {key: bytes(part) if key == name else held for key, held in sections.items() if key != name or how != "drop"}
    try:
        from_sections(damaged)
    except CodecError:
        pass


def test_interlaced_pictures_stay_small() -> None:
    """A packer that takes the interlacing away gives nothing that can be used."""
    ramp = np.linspace(0, 255, 200, dtype=np.uint8)
    rows = rows_of(np.stack([ramp[None] + ramp[:, None]] * 3, 2).astype(np.uint8), Layout(200, 200, 8, 2, True))
    ihdr = struct.pack(">IIBBBBB", 200, 200, 8, 2, 0, 0, 1)
    data = PNG_SIGNATURE + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")
    assert len(repacked(read(data), 2)) < len(data)
    assert len(from_sections(to_sections(read(data)))) < 1.1 * len(data)
