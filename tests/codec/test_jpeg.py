"""The file around the pixels of a JPEG: what comes back, and what is refused."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec import jpeg
from codec.errors import CodecError, Corrupt, NotAPicture, Unsupported
from codec.jpeg_segments import walk
from codec.picture import JpegStructure
from tests.codec.jpegs import PROGRESSIVE, SMALL, coded, frame_header, insert, noise, segment, structure_of


@pytest.mark.parametrize(
    "save", [{}, {"subsampling": "4:4:4"}, {"subsampling": "4:2:2"}, {"progressive": True}, {"restart_marker_rows": 1}]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_pillow(save: dict[str, object], channels: int) -> None:
    data = coded(noise(channels=channels), **save)
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(jpeg.read(data).pixels, np.asarray(image))


def test_package_photos_read_as_pillow_reads_them(package_photos: dict[str, Path]) -> None:
    for path in package_photos.values():
        if path.suffix == ".jpg":
            with Image.open(path) as image:
                assert np.array_equal(jpeg.read(path.read_bytes()).pixels, np.asarray(image))


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_copy_has_the_tables_and_the_sampling_of_the_original(sampling: str, progressive: bool) -> None:
    original = structure_of(coded(noise(), quality=71, subsampling=sampling, progressive=progressive))
    copy = structure_of(jpeg.write(noise(seed=2), original))
    assert copy.quantisation == original.quantisation
    assert copy.sampling == original.sampling
    assert copy.progressive >= progressive


def test_a_copy_of_a_real_photo_is_near_in_pixels_and_size(make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(quality=92)
    picture = jpeg.read(data)
    assert isinstance(picture.structure, JpegStructure)
    copy = jpeg.write(picture.pixels, picture.structure)
    assert 0.7 < len(copy) / len(data) <= 1.0
    assert np.abs(jpeg.read(copy).pixels.astype(int) - picture.pixels).mean() < 0.8
    with Image.open(io.BytesIO(copy)) as image:
        assert image.getexif()[0x0112] == 6  # the tag stays
        assert image.size == (640, 480)  # and the pixels stay unrotated


def test_grey_stays_grey_and_a_second_copy_is_the_first() -> None:
    structure = structure_of(coded(noise(channels=1)))
    copy = jpeg.write(noise(channels=1), structure)
    again = jpeg.read(copy)
    assert again.pixels.ndim == 2
    assert isinstance(again.structure, JpegStructure)
    assert again.structure.segments == structure.segments
    assert jpeg.write(noise(channels=1), again.structure) == copy


def test_fineness_scales_the_tables() -> None:
    structure = structure_of(coded(noise(), quality=60))
    fine = structure_of(jpeg.write(noise(), structure, fineness=50))
    for before, after, share in zip(structure.quantisation, fine.quantisation, (50, 35, 35), strict=True):  # chroma finer than luma
        assert after == tuple(max(1, (step * share + 50) // 100) for step in before)
    assert structure_of(jpeg.write(noise(), structure)).quantisation == structure.quantisation
    finest = structure_of(jpeg.write(noise(), structure, fineness=1))
    assert {step for table in finest.quantisation for step in table} == {1}
    with pytest.raises(ValueError):
        jpeg.write(noise(), structure, fineness=0)
    with pytest.raises(ValueError):
        jpeg.write(noise(height=41), structure)


def test_noise_at_the_finest_steps_still_fits_the_encoder() -> None:
    wild = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    structure = structure_of(coded(wild, quality=100, subsampling="4:4:4"))
    assert np.abs(jpeg.read(jpeg.write(wild, structure)).pixels.astype(int) - wild).mean() < 1


def test_wide_tables_are_written_as_the_finest_that_a_baseline_file_has() -> None:
    data = coded(noise())
    part = next(s for s in walk(data)[0] if s.marker == 0xDB)
    assert data[part.body] == 0
    wide = b"\x10" + b"".join((step * 40).to_bytes(2, "big") for step in data[part.body + 1 : part.body + 65])
    data = data[: part.start] + segment(0xDB, wide + data[part.body + 65 : part.body_end]) + data[part.end :]
    structure = structure_of(data)
    assert max(structure.quantisation[0]) > 255
    assert max(structure_of(jpeg.write(noise(), structure)).quantisation[0]) == 255


@pytest.mark.parametrize(("sampling", "rebuilt"), [("440", ((1, 1),) * 3), ("411", ((2, 1), (1, 1), (1, 1)))])
def test_odd_samplings_become_the_next_finer_one(sampling: str, rebuilt: tuple[tuple[int, int], ...]) -> None:
    structure = structure_of(simplejpeg.encode_jpeg(np.ascontiguousarray(noise(64, 64)), 90, "RGB", sampling))
    assert structure_of(jpeg.write(noise(64, 64), structure)).sampling == rebuilt


RAW = st.builds(
    segment,
    st.sampled_from([*range(0xE1, 0xEB), 0xEC, 0xED, 0xEF, 0xFE]),
    st.one_of(
        st.binary(max_size=40), st.sampled_from([b"\xff\xd9", b"\xff\xd8\xff\xda", b"Exif\0\0II", b"\xff" * 9, b"ICC_PROFILE\0\0\0"])
    ),
    st.integers(0, 5),
)
TRAILER = st.one_of(st.binary(max_size=60), st.sampled_from([b"\xff\xd9", b"\xff", b"\0" * 50, SMALL, b"\xff\xd8\xff\xd9\xff\xd9"]))


@given(segments=st.lists(RAW, max_size=6), inside=st.lists(RAW, max_size=3), trailer=TRAILER, progressive=st.booleans())
def test_segments_and_trailer_come_back_verbatim_and_in_order(
    segments: list[bytes], inside: list[bytes], trailer: bytes, progressive: bool
) -> None:
    data = PROGRESSIVE if progressive else SMALL
    own = [data[s.start : s.end] for s in walk(data)[0] if s.kept]
    last = [s for s in walk(data)[0] if s.marker == 0xDA][-1]
    data = insert(data, b"".join(inside), last.start)  # between two scans, or in front of the only one
    data = insert(data, b"".join(segments)) + trailer
    structure = structure_of(data)
    assert list(structure.segments) == [*segments, *own, *inside]
    assert structure.trailer == trailer
    copy = jpeg.write(noise(), structure)
    assert copy.startswith(b"\xff\xd8" + b"".join(segments + own))
    assert copy.endswith(b"\xff\xd9" + trailer)
    again = structure_of(copy)
    assert (again.segments, again.ahead, again.trailer) == (structure.segments, len(segments + own), trailer)


@given(seed=st.integers(0, 2**32), progressive=st.booleans())
def test_mutations_give_a_picture_or_a_named_error(seed: int, progressive: bool) -> None:
    chance = random.Random(seed)
    data = bytearray(insert(PROGRESSIVE if progressive else SMALL, segment(0xE1, b"Exif\0\0") + segment(0xE2, b"MPF\0II*\0"), 2) + b"tail")
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 30)]
            case 2:
                data[at:at] = chance.choice([b"\xff", b"\xff\xd9", b"\xff\xd8", b"\xff\xda", b"\0\0", b"\xff\xdb"])
            case _:
                data[at] ^= 1 << chance.randrange(8)
    try:
        picture = jpeg.read(bytes(data))
        assert isinstance(picture.structure, JpegStructure)
        jpeg.write(picture.pixels, picture.structure)
    except CodecError:
        pass


@pytest.mark.parametrize("data", [SMALL, PROGRESSIVE], ids=["baseline", "progressive"])
def test_a_cut_file_is_damage_wherever_it_is_cut(data: bytes) -> None:
    for cut in range(4, len(data) - 1, 7):
        with pytest.raises(Corrupt, match=r"truncated|damaged"):
            jpeg.read(data[:cut])
        with pytest.raises(Corrupt):  # a closed end makes it no better
            jpeg.read(data[:cut].removesuffix(b"\xff") + b"\xff\xd9")
    with pytest.raises(NotAPicture):
        jpeg.read(data[:2])


@pytest.mark.parametrize("save", [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_zero_tail_is_damage(make_jpeg: Callable[..., bytes], save: dict[str, object]) -> None:
    data = make_jpeg(240, 320, **save)
    half = len(data) // 2
    for broken in (data[:half] + bytes(len(data) - half), data[:half] + bytes(len(data) - half - 2) + b"\xff\xd9"):
        with pytest.raises(Corrupt):
            jpeg.read(broken)


def test_a_height_that_lies_is_damage() -> None:
    at = frame_header(SMALL) + 1
    for height in (16, 49, 400):  # blocks are 16 rows high
        with pytest.raises(Corrupt):
            jpeg.read(SMALL[:at] + height.to_bytes(2, "big") + SMALL[at + 2 :])


def test_a_progressive_file_without_its_last_scans_is_damage() -> None:
    scans = [s for s in walk(PROGRESSIVE)[0] if s.marker == 0xDA]
    for scan in scans[1:]:
        with pytest.raises(Corrupt, match="scans of the picture are missing"):
            jpeg.read(PROGRESSIVE[: scan.start] + b"\xff\xd9")


def test_bytes_between_segments_are_damage() -> None:
    with pytest.raises(Corrupt, match="belong to no segment"):
        jpeg.read(insert(SMALL, b"\0\0"))


def patched(offset: int, value: bytes, data: bytes = SMALL) -> bytes:
    at = frame_header(data) + offset
    return data[:at] + value + data[at + len(value) :]


def cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", (32, 32)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (cmyk(), "cmyk"),
        (coded(noise(), keep_rgb=True), "rgb-jpeg"),
        (insert(SMALL, segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")), "rgb-jpeg"),
        (patched(0, b"\x0c"), "12-bit"),
        (patched(-3, b"\xc9"), "arithmetic"),
        (patched(-3, b"\xc3"), "lossless-jpeg"),
        (patched(-3, b"\xc5"), "hierarchical"),
        (patched(1, b"\xff\xf0\xff\xf0"), "too-large"),
        (patched(1, b"\0\0")[:-2] + b"\xff\xdc\0\4\0\x28\xff\xd9", "dnl"),
        (insert(SMALL, segment(0xEB, b"JP\0\1\0\0\0\1jumbc2pa")), "signed"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Unsupported) as caught:
        jpeg.read(data)
    assert caught.value.reason == reason


def test_a_thousand_scans_are_refused_before_they_are_decoded() -> None:
    last = [s for s in walk(PROGRESSIVE)[0] if s.marker == 0xDA][-1]
    bomb = PROGRESSIVE[: last.end] + PROGRESSIVE[last.start : last.end] * 1000 + PROGRESSIVE[last.end :]
    with pytest.raises(Unsupported) as caught:
        jpeg.read(bomb)
    assert caught.value.reason == "too-large"
