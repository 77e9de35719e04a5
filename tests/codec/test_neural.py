import itertools
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from codec import decode_pixels, encode_pixels, neural, strips
from codec.bitstream import Archive, pack
from codec.errors import CodecError, Corrupt, ModelMissing, UnknownVersion
from codec.model import Model, model_from
from codec.network.constants import CELL_PIXELS, TOP_QUALITY
from codec.neural import Analysed, Pixels, quality_of, read_head
from tests.codec.psnr import psnr


def cut(photo: Pixels, height: int, width: int) -> Pixels:
    """Any size out of a photo: cut, or laid beside itself again and again."""
    return np.tile(photo, (-(-height // photo.shape[0]), -(-width // photo.shape[1]), 1))[:height, :width]


def parts_of(stream: bytes) -> tuple[bytes, list[bytes]]:
    """Head without its CRC, and the payload of each unit."""
    head = read_head(stream)
    return stream[: head.end - 4], [payload for _, _, payload in neural._units(stream, head)]


def sealed(head: bytes, payloads: list[bytes]) -> bytes:
    """A stream with CRCs as docs/bitstream.md tells them: each that of all before it, other CRCs left out."""
    stream, covered = head + struct.pack("<I", zlib.crc32(head)), head
    for payload in payloads:
        unit = struct.pack("<I", len(payload)) + payload
        covered += unit
        stream += unit + struct.pack("<I", zlib.crc32(covered))
    return stream


@pytest.fixture(scope="module")
def small(model: Model, photo: Pixels) -> bytes:
    return encode_pixels(photo[100:170, 200:260], model, 0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (7, 3), (63, 64), (64, 64), (65, 64), (129, 70), (1, 1500), (1500, 1)])
@pytest.mark.parametrize("grey", [False, True])
def test_any_size_comes_back(model: Model, photo: Pixels, shape: tuple[int, int], grey: bool) -> None:
    pixels = cut(photo[60:], *shape)
    pixels = pixels[..., 1].copy() if grey else pixels
    encoded = Analysed(pixels, model).encode(quality_of(0.7))
    decoded = decode_pixels(encoded.stream, model)
    assert decoded.shape == pixels.shape
    assert decoded.dtype == np.uint8
    assert (decoded == encoded.decoded(model)).all()
    assert psnr(pixels, decoded) > 25
    head = read_head(encoded.stream)
    assert (head.height, head.width, head.grey, head.quality) == (*shape, grey, 175)


def test_pixels_may_lie_anyhow_in_memory(model: Model, photo: Pixels) -> None:
    turned = photo[:130, :70].transpose(1, 0, 2)[:, ::-1]
    assert encode_pixels(turned, model, 0.3) == encode_pixels(np.ascontiguousarray(turned), model, 0.3)


@pytest.mark.parametrize("shape", [(1100, 64), (2100, 40), (64, 8200), pytest.param((1030, 8200), marks=pytest.mark.slow)])
def test_pictures_of_several_units(model: Model, photo: Pixels, shape: tuple[int, int]) -> None:
    if shape[0] * shape[1] > 4e6:
        pixels = cut(photo[:8, :8], *shape)  # cheap to code
    else:
        pixels = cut(photo, *shape)
    encoded = Analysed(pixels, model).encode(100)
    decoded = decode_pixels(encoded.stream, model)
    assert (decoded == encoded.decoded(model)).all()
    assert psnr(pixels, decoded) > 25
    assert len(parts_of(encoded.stream)[1]) == -(-shape[0] // 1024) * -(-shape[1] // 8192)


def test_units_are_coded_apart(model: Model, photo: Pixels) -> None:
    """What changes below the border changes neither the upper unit's bytes nor, beyond the halo, its pixels."""
    upper, lower = cut(photo, 1024, 64), cut(photo[::-1], 70, 64)
    both, alone = (Analysed(pixels, model).encode(100) for pixels in (np.concatenate([upper, lower]), upper))
    assert parts_of(both.stream)[1][0] == parts_of(alone.stream)[1][0]
    difference = np.abs(both.decoded(model)[:1024].astype(int) - alone.decoded(model))
    assert difference[: 1024 - 64].max() <= 1
    assert difference[-16:].max() > 1  # the synthesis looks across, so that there is no seam


@pytest.mark.parametrize("columns", [[(0, 3)], [(0, 1), (1, 3)], [(0, 1), (1, 2), (2, 3)]])
def test_columns_and_strips_leave_no_seam(
    model: Model, photo: Pixels, monkeypatch: pytest.MonkeyPatch, columns: list[tuple[int, int]]
) -> None:
    """Cut into columns by threads, and into strips by units, a picture is within one level what the trained network makes of it at once."""
    offsets = np.zeros((17, 3), np.int8)
    offsets[::3, 1] = 40
    encoded = Analysed(cut(photo, 1080, 180), model).encode(90, offsets)
    assert encoded.latents is not None
    latents = torch.from_numpy(np.concatenate(encoded.latents)).permute(2, 0, 1)[None]
    quality = torch.from_numpy(encoded.head.cells / np.float32(25)).float()[None].repeat_interleave(4, 1).repeat_interleave(4, 2)
    with torch.inference_mode():
        whole = (model.network.synthesis(latents, quality)[0, :, :1080, :180] * 255).round().clamp(0, 255).permute(1, 2, 0).numpy()
    monkeypatch.setattr(strips, "columns_of", lambda width: columns)
    difference = np.abs(encoded.decoded(model) - whole)
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_quality_map_raises_quality_where_it_says_so(model: Model, photo: Pixels) -> None:
    pixels = photo[:256, 100:420]
    analysed = Analysed(pixels, model)
    offsets = np.zeros((4, 5), np.int8)
    offsets[2:, :2] = 75
    plain, mapped, raised = analysed.encode(75), analysed.encode(75, offsets), analysed.encode(150)
    a, b = plain.decoded(model), decode_pixels(mapped.stream, model)
    assert (b == mapped.decoded(model)).all()
    inside, outside = np.s_[128:, :128], np.s_[:112, 144:]
    assert psnr(pixels[inside], b[inside]) > psnr(pixels[inside], a[inside]) + 1.5
    # z is shared by its neighbours, so that some of the gain reaches beyond the raised cells.
    assert -0.3 < psnr(pixels[outside], b[outside]) - psnr(pixels[outside], a[outside]) < 0.6
    more, all_more = len(mapped.stream) - len(plain.stream), len(raised.stream) - len(plain.stream)
    inner = Analysed(pixels[inside], model)
    alone = len(inner.encode(150).stream) - len(inner.encode(75).stream)
    assert 0 < more < 0.6 * all_more
    assert more == pytest.approx(alone, rel=0.25, abs=100)


def test_a_map_of_zeros_is_none(model: Model, photo: Pixels) -> None:
    analysed = Analysed(photo[:64, :130], model)
    assert analysed.encode(80, np.zeros((1, 3), np.int8)).stream == analysed.encode(80).stream


@pytest.mark.parametrize(("quality", "offset", "found"), [(0, -128, 0), (10, -20, 0), (240, 127, TOP_QUALITY), (100, 25, 125)])
def test_offsets_are_added_and_clipped(model: Model, photo: Pixels, quality: int, offset: int, found: int) -> None:
    offsets = np.array([[0, offset]], np.int8)
    head = read_head(Analysed(photo[:64, :100], model).encode(quality, offsets).stream)
    assert head.cells.tolist() == [[quality, found]]


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_more_rate_is_never_worse(model: Model, package_photos: dict[str, Path], name: str) -> None:
    """At the best qualities latents become larger than any that the tables were fitted to."""
    if name not in package_photos:
        pytest.skip(f"scikit-image without {name}")
    with Image.open(package_photos[name]) as image:
        photo = np.asarray(image.convert("RGB").crop((0, 0, 448, 300))).copy()
    analysed = Analysed(photo, model)
    encoded = [analysed.encode(quality_of(rate)) for rate in np.linspace(0, 1, 8)]
    sizes, decibels = [len(e.stream) for e in encoded], [psnr(photo, e.decoded(model)) for e in encoded]
    assert sizes == sorted(set(sizes))
    assert all(after > before - 0.1 for before, after in itertools.pairwise(decibels))
    assert decibels[-1] > decibels[0] + 5


def test_every_flipped_bit_is_noticed(model: Model, small: bytes) -> None:
    for at in range(len(small)):
        for bit in range(8):
            damaged = bytearray(small)
            damaged[at] ^= 1 << bit
            with pytest.raises((Corrupt, UnknownVersion)):
                decode_pixels(bytes(damaged), model)


def test_every_cut_and_every_addition_is_noticed(model: Model, small: bytes) -> None:
    for length in range(len(small)):
        with pytest.raises(Corrupt):
            decode_pixels(small[:length], model)
    for more in (b"\0", small):
        with pytest.raises(Corrupt):
            decode_pixels(small + more, model)


def test_damage_beside_a_map_is_noticed(model: Model, photo: Pixels) -> None:
    offsets = np.array([[3, -7, 100]], np.int8)
    stream = Analysed(photo[:64, :150], model).encode(20, offsets).stream
    decode_pixels(stream, model)
    for at in range(read_head(stream).end + 8):
        damaged = bytearray(stream)
        damaged[at] ^= 1 + at % 255
        with pytest.raises((Corrupt, UnknownVersion)):
            decode_pixels(bytes(damaged), model)


@pytest.mark.parametrize(
    "packed", [b"", b"x", zlib.compress(bytes(2)), zlib.compress(bytes(4)), zlib.compress(bytes(3))[:-1], zlib.compress(bytes(3)) + b"x",
               zlib.compress(bytes(10**6))],
)  # fmt: skip
def test_a_map_of_another_size_is_corrupt(model: Model, photo: Pixels, packed: bytes) -> None:
    stream = Analysed(photo[:64, :150], model).encode(20, np.array([[3, -7, 100]], np.int8)).stream
    head, payloads = parts_of(stream)
    assert sealed(head, payloads) == stream
    with pytest.raises(Corrupt):
        decode_pixels(sealed(head[:15] + struct.pack("<I", len(packed)) + packed, payloads), model)


def test_units_of_another_stream_or_place_are_noticed(model: Model, photo: Pixels) -> None:
    """Even where size, quality and model are the same, so that both heads are."""
    one, two = (Analysed(cut(p, 2100, 40), model).encode(50).stream for p in (photo, photo[::-1]))
    end = read_head(one).end
    assert one[:end] == two[:end]

    def units(stream: bytes) -> list[bytes]:
        _, payloads = parts_of(stream)
        lengths = [len(payload) + 8 for payload in payloads]
        starts = np.cumsum([end, *lengths])
        return [stream[start : start + length] for start, length in zip(starts, lengths)]

    mine, theirs = units(one), units(two)
    assert one[:end] + b"".join(mine) == one
    for swapped in ([theirs[0], *mine[1:]], [mine[0], theirs[1], mine[2]], [*mine[:2], theirs[2]], [mine[1], mine[0], mine[2]], mine[:2],
                    [mine[0], mine[0], mine[2]], [*mine, mine[2]]):  # fmt: skip
        with pytest.raises(Corrupt):
            decode_pixels(one[:end] + b"".join(swapped), model)


def changed_head(small: bytes, **fields: int) -> bytes:
    head, payloads = parts_of(small)
    names = ("version", "flags", "width", "height", "quality")
    values = dict(zip(names, struct.unpack("<BBHHB", head[:7]))) | fields
    return sealed(struct.pack("<BBHHB", *values.values()) + head[7:], payloads)


@pytest.mark.parametrize("fields", [{"version": 2}, {"version": 0}, {"version": 255}, {"flags": 4}, {"flags": 128}])
def test_streams_of_a_later_version(model: Model, small: bytes, fields: dict[str, int]) -> None:
    with pytest.raises(UnknownVersion):
        decode_pixels(changed_head(small, **fields), model)


@pytest.mark.parametrize("fields", [{"width": 0}, {"height": 0}, {"quality": 251}, {"width": 65535, "height": 65535}, {"flags": 2},
                                    {"width": 16384, "height": 16384}, {"width": 65}, {"height": 64}])  # fmt: skip
def test_heads_that_no_encoder_writes(model: Model, small: bytes, fields: dict[str, int]) -> None:
    with pytest.raises(Corrupt):
        decode_pixels(changed_head(small, **fields), model)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_crafted_payloads_end_in_a_picture_or_a_named_error(model: Model, small: bytes, data: Any) -> None:
    head, payloads = parts_of(small)
    payload = bytearray(payloads[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        assert decode_pixels(sealed(head, [bytes(payload)]), model).shape == (70, 60, 3)
    except Corrupt:
        pass


@given(st.binary(max_size=60), st.booleans())
@settings(max_examples=200, deadline=None)
def test_foreign_bytes_end_in_a_named_error(model: Model, data: bytes, versioned: bool) -> None:
    with pytest.raises(CodecError):
        decode_pixels(b"\1\0" + data if versioned else data, model)


def test_a_foreign_model_is_missing(model: Model, small: bytes, resaved: Callable[..., bytes]) -> None:
    other = model_from(resaved("other"))
    with pytest.raises(ModelMissing) as caught:
        decode_pixels(small, other)
    assert model.digest.startswith(caught.value.digest)
    assert len(caught.value.digest) == 8


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((4, 4, 4), np.uint8), "not uint8 (4, 4, 4)"),
        (np.zeros((4, 4, 1), np.uint8), "not uint8 (4, 4, 1)"),
        (np.zeros((3, 40, 40), np.uint8), "not uint8 (3, 40, 40)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "not uint8 (1, 4, 4, 3)"),
        (np.zeros((4, 4, 0), np.uint8), "not uint8 (4, 4, 0)"),
        (np.full((4, 4, 3), np.nan), "not float64 (4, 4, 3)"),
        (np.zeros((4, 4, 3), np.float32), "not float32 (4, 4, 3)"),
        (np.zeros((4, 4), np.uint16), "not uint16 (4, 4)"),
        (np.zeros((4, 4), np.int8), "not int8 (4, 4)"),
        (np.zeros((4, 4), bool), "not bool (4, 4)"),
        (np.zeros((4, 4, 3), object), "not object (4, 4, 3)"),
        (np.zeros(4, np.uint8), "not uint8 (4,)"),
        (np.array(4, np.uint8), "not uint8 ()"),
        (np.zeros((0, 4, 3), np.uint8), "4 x 0 (width x height) have no room"),
        (np.zeros((4, 0), np.uint8), "0 x 4 (width x height) have no room"),
        (np.broadcast_to(np.uint8(0), (1, 65536)), "65536 x 1 (width x height) have no room"),
        (np.broadcast_to(np.uint8(0), (65536, 1)), "a side has 1 to 65535 pixels"),
        (np.broadcast_to(np.uint8(0), (16385, 16384, 3)), "a picture at most 268435456"),
    ],
)
def test_other_pixels_are_refused(model: Model, pixels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        encode_pixels(pixels, model, 0.5)


@pytest.mark.parametrize("pixels", [None, [[1, 2], [3, 4]], b"abc", Image.new("RGB", (8, 8)), torch.zeros(8, 8, 3, dtype=torch.uint8)])
def test_what_is_no_array_is_refused(model: Model, pixels: Any) -> None:
    with pytest.raises(TypeError, match=f"numpy array, not {type(pixels).__name__}"):
        encode_pixels(pixels, model, 0.5)


@pytest.mark.parametrize("rate", [-0.01, 1.01, float("nan"), float("inf")])
def test_other_rates_are_refused(model: Model, photo: Pixels, rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        encode_pixels(photo[:8, :8], model, rate)


@pytest.mark.parametrize("rate", [None, "0.5", 0.5j, np.array([0.5])])
def test_a_rate_is_a_number(model: Model, photo: Pixels, rate: Any) -> None:
    with pytest.raises(TypeError, match="rate must be a number"):
        encode_pixels(photo[:8, :8], model, rate)
    assert quality_of(np.float32(0.5)) == quality_of(0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [None, "m3"])
def test_a_model_is_what_was_loaded(model: Model, photo: Pixels, small: bytes, other: Any) -> None:
    for call in (lambda: encode_pixels(photo[:8, :8], other, 0.5), lambda: decode_pixels(small, other)):
        with pytest.raises(TypeError, match="load_model"):
            call()


def test_a_stream_is_bytes_of_any_kind_and_nothing_else(model: Model, small: bytes) -> None:
    expected = decode_pixels(small, model)
    for data in (bytearray(small), memoryview(small)):
        assert (decode_pixels(data, model) == expected).all()
    for other in (None, "abc", list(small), np.frombuffer(small, np.uint8), Path("photo.npix")):
        with pytest.raises(TypeError, match=f"must be bytes, not {type(other).__name__}"):
            decode_pixels(other, model)  # type: ignore[arg-type]


def test_a_whole_archive_is_told_from_a_stream_of_a_later_version(model: Model, small: bytes) -> None:
    with pytest.raises(Corrupt, match="this is an archive"):
        decode_pixels(pack(Archive("neural", model.digest, {"PIXL": small})), model)


def test_other_qualities_and_offsets_are_refused(model: Model, photo: Pixels) -> None:
    analysed = Analysed(photo[:CELL_PIXELS, : 2 * CELL_PIXELS], model)
    for quality in (-1, TOP_QUALITY + 1):
        with pytest.raises(ValueError, match="quality"):
            analysed.encode(quality)
    for offsets in (np.zeros((2, 1), np.int8), np.ones((1, 2), np.int16), np.ones(2, np.int8), np.ones((1, 3), np.int8)):
        with pytest.raises(ValueError, match="offsets"):
            analysed.encode(100, offsets)  # type: ignore[arg-type]


def test_rates_are_spread_over_all_qualities() -> None:
    assert [quality_of(rate) for rate in (0, 0.5, 1)] == [0, TOP_QUALITY // 2, TOP_QUALITY]
    assert {quality_of(step / 1000) for step in range(1001)} == set(range(TOP_QUALITY + 1))


@pytest.mark.slow
def test_the_best_quality_reaches_forty_decibels_on_kodak(model: Model, shared: Path) -> None:
    """Each of the suite's pictures, one model, no other setting."""
    found = {}
    for path in sorted((shared / "data" / "kodak").glob("*.png")):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        encoded = Analysed(pixels, model).encode(TOP_QUALITY)
        found[path.stem] = psnr(pixels, encoded.decoded(model)), 8 * len(encoded.stream) / pixels[..., 0].size
    print("; ".join(f"{name} {decibels:.1f} dB, {bits:.2f} bits a pixel" for name, (decibels, bits) in found.items()))
    assert len(found) == 24
    assert np.mean([decibels for decibels, _ in found.values()]) > 40
    assert min(decibels for decibels, _ in found.values()) > 38
