"""The file around the pixels of a JPEG: what comes back, and what is refused."""

import io
import random
import shutil
import subprocess
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


def coded(pixels: np.ndarray, **save: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90, **save})
    return buffer.getvalue()


def noise(height: int = 40, width: int = 56, channels: int = 3, seed: int = 1) -> np.ndarray:
    shape = (height, width, 3) if channels == 3 else (height, width)
    ramp = np.random.default_rng(seed).integers(0, 60, shape) + np.arange(width).reshape((1, width) + (1,) * (len(shape) - 2))
    return ramp.astype(np.uint8)


def structure_of(data: bytes) -> JpegStructure:
    structure = jpeg.read(data).structure
    assert isinstance(structure, JpegStructure)
    return structure


def insert(data: bytes, extra: bytes, at: int = 2) -> bytes:
    return data[:at] + extra + data[at:]


def frame_header(data: bytes) -> int:
    """Offset of the payload of the frame header."""
    return next(s.body for s in walk(data)[0] if s.marker in (0xC0, 0xC1, 0xC2))


def segment(marker: int, payload: bytes, fill: int = 0) -> bytes:
    return b"\xff" * fill + bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


SMALL = coded(noise())
PROGRESSIVE = coded(noise(), progressive=True)


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


def two_pictures(first: np.ndarray, second: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(first).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(second)], quality=95)
    return buffer.getvalue()


def test_the_second_picture_of_a_file_is_found_where_the_index_says(make_photo: Callable[..., np.ndarray], tmp_path: Path) -> None:
    data = two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3))
    picture = jpeg.read(data)
    structure = picture.structure
    assert isinstance(structure, JpegStructure)
    copy = jpeg.write(picture.pixels, structure)
    assert walk(copy)[1] == structure.primary_bytes
    with Image.open(io.BytesIO(copy)) as image, Image.open(io.BytesIO(data)) as original:
        assert image.format == "MPO"
        for frame in (0, 1):
            image.seek(frame)
            original.seek(frame)
            assert image.size == original.size
        assert image.tobytes() == original.tobytes()
    assert structure_of(copy).index_at == structure.index_at
    if shutil.which("exiftool"):
        path = tmp_path / "two.jpg"
        path.write_bytes(copy)
        taken = subprocess.run(["exiftool", "-b", "-MPImage2", str(path)], capture_output=True, check=True).stdout
        assert taken == structure.trailer


@pytest.mark.parametrize("behind", [0xDB, 0xC0], ids=["tables", "frame"])
def test_an_index_behind_other_segments_keeps_its_place(make_photo: Callable[..., np.ndarray], behind: int) -> None:
    data = two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3))
    segments, _ = walk(data)
    index = next(s for s in segments if data[s.body : s.body + 4] == b"MPF\0")
    last = [s for s in segments if s.marker == behind][-1]
    assert index.end <= last.start
    # Twice the tables, so that those of the copy are shorter than what stood before the index.
    tables = b"".join(data[s.start : s.end] for s in segments if s.marker == 0xDB)
    moved = data[: index.start] + tables + data[index.end : last.end] + data[index.start : index.end] + data[last.end :]
    picture = jpeg.read(moved)
    structure = picture.structure
    assert isinstance(structure, JpegStructure)
    copy = jpeg.write(picture.pixels, structure)
    assert copy.find(b"MPF\0") == moved.find(b"MPF\0")
    assert walk(copy)[1] == structure.primary_bytes
    again = structure_of(copy)
    assert jpeg.write(picture.pixels, again) == copy


def test_a_picture_too_big_for_its_place_is_refused(make_photo: Callable[..., np.ndarray]) -> None:
    structure = structure_of(two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3)))
    wild = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    with pytest.raises(Unsupported) as caught:
        jpeg.write(wild, structure, fineness=10)
    assert caught.value.reason == "multi-picture"


@pytest.mark.parametrize("behind_tables", [False, True])
def test_a_picture_too_big_for_its_place_moves_the_others_where_asked(make_photo: Callable[..., np.ndarray], behind_tables: bool) -> None:
    data = two_pictures(make_photo(120, 160), make_photo(80, 96, seed=3))
    if behind_tables:  # the index then moves too, by another count of bytes
        index = next(s for s in walk(data)[0] if data[s.body : s.body + 4] == b"MPF\0")
        last = [s for s in walk(data)[0] if s.marker == 0xDB][-1]
        own, between = data[index.start : index.end], data[index.end : last.end]
        place = walk(data)[1] - (index.body + 4)
        assert own.count(place.to_bytes(4, "little")) == 1
        own = own.replace(place.to_bytes(4, "little"), (place - len(between)).to_bytes(4, "little"))
        data = data[: index.start] + between + own + data[last.end :]
    structure = structure_of(data)
    second = Image.open(io.BytesIO(data))
    second.seek(1)
    wild = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    copy = jpeg.write(wild, structure, fineness=10, verbatim=False)
    assert walk(copy)[1] > structure.primary_bytes
    opened = Image.open(io.BytesIO(copy))
    assert opened.format == "MPO"
    opened.seek(1)
    assert np.array_equal(np.asarray(opened), np.asarray(second))
    assert copy.endswith(structure.trailer)
    again = structure_of(copy)
    assert [len(part) for part in again.segments] == [len(part) for part in structure.segments]


def container(primary: str) -> bytes:
    items = f'<Container:Item Item:Mime="image/jpeg" {primary}/><Container:Item Item:Semantic="GainMap" Item:Length="{len(SMALL)}"/>'
    return segment(0xE1, f"http://ns.adobe.com/xap/1.0/\0<Container:Directory>{items}</Container:Directory>".encode())


def test_a_container_in_xmp_is_enough_to_keep_the_length() -> None:
    data = insert(coded(noise(120, 160), quality=95), container('Item:Semantic="Primary"'))
    assert len(jpeg.write(noise(120, 160), structure_of(data + SMALL))) == len(data + SMALL)
    assert len(jpeg.write(noise(120, 160), structure_of(data))) < len(data)  # nothing behind it, nothing to find


@pytest.mark.parametrize("primary", ['Item:Semantic="Primary" Item:Length="1234"', 'Item:Length="1234" Item:Semantic="Primary"'])
def test_a_container_binds_only_where_it_gives_the_length(primary: str) -> None:
    wild = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    free = structure_of(insert(SMALL, container('Item:Semantic="Primary"')) + SMALL)
    assert jpeg.write(wild, free, fineness=10).endswith(b"\xff\xd9" + SMALL)
    with pytest.raises(Unsupported, match="multi-picture"):
        jpeg.write(wild, structure_of(insert(SMALL, container(primary)) + SMALL), fineness=10)


def listed(length: str) -> bytes:
    """The same in the longer way of writing it."""
    item = f"<rdf:li><C:Item><I:Semantic>Primary</I:Semantic><I:Length>{length}</I:Length></C:Item></rdf:li>"
    other = f"<rdf:li><C:Item><I:Semantic>GainMap</I:Semantic><I:Length>{len(SMALL)}</I:Length></C:Item></rdf:li>"
    xmp = f"http://ns.adobe.com/xap/1.0/\0<x xmlns:C='http://ns.google.com/photos/1.0/container/'>{other}{item}{other}</x>"
    return segment(0xE1, xmp.encode(), fill=2)


@pytest.mark.parametrize(
    "say",
    [
        lambda length: container(f'Item:Length="{length}" Item:Semantic="Primary"'),
        lambda length: container(f"Item:Semantic='Primary' I:Length='{length}'"),
        listed,
    ],
)
@pytest.mark.parametrize("width", [1, 4, 7])
def test_a_longer_primary_says_its_own_length(say: Callable[[str], bytes], width: int) -> None:
    """Where a number has no room for its new digits, its segment grows, and with it the picture."""
    wild = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    own = len(insert(SMALL, say("0" * width)))
    for _ in range(3):
        own = len(insert(SMALL, say(str(own).rjust(width, "0"))))
    data = insert(SMALL, say(str(own).rjust(width, "0"))) + SMALL
    structure = structure_of(data)
    assert structure.primary_bytes == own
    copy = jpeg.write(wild, structure, fineness=10, verbatim=False)
    end = walk(copy)[1]
    assert end > own
    assert copy[end:] == SMALL
    assert insert(SMALL, say(str(end).rjust(width, "0")))[2:].startswith(structure_of(copy).segments[0])


def test_a_length_of_something_else_stays() -> None:
    wild = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    data = insert(SMALL, container('Item:Semantic="Primary" Item:Length="77"')) + SMALL
    copy = jpeg.write(wild, structure_of(data), fineness=10, verbatim=False)
    assert structure_of(copy).segments == structure_of(data).segments
