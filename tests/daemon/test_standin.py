"""Stand-ins: small, ordinary, with the photo's own EXIF and profile, and recognisable."""

import hashlib
import io
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from codec.errors import Corrupt, NotAPicture, Unsupported
from codec.jpeg_segments import walk
from daemon import standin
from daemon.marking import MARK, original_of

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def jpeg(make_jpeg: Callable[..., bytes]) -> bytes:
    return make_jpeg(480, 1300, quality=97, icc_profile=PROFILE)


def test_a_jpegs_stand_in(jpeg: bytes) -> None:
    made = standin.make(jpeg, sha(jpeg))
    assert len(made) <= 0.08 * len(jpeg)
    with Image.open(io.BytesIO(made)) as small, Image.open(io.BytesIO(jpeg)) as original, warnings.catch_warnings():
        small.load()
        assert small.format == "JPEG"
        assert max(small.size) <= 1280
        assert small.info["exif"] == original.info["exif"]
        assert small.info["icc_profile"] == PROFILE
        assert abs(small.width / small.height - original.width / original.height) < 0.02
        shrunk = np.asarray(original.resize(small.size), dtype=float)
        assert np.abs(shrunk - np.asarray(small, dtype=float)).mean() < 12
    assert original_of(made) == sha(jpeg)
    segments, end = walk(made)
    assert end == len(made)
    assert segments[0].marker == 0xE1, "EXIF comes first, where readers look for it"


def test_a_photo_without_exif_keeps_an_ordinary_header(make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(600, 800, quality=97, exif=False)
    made = standin.make(data, sha(data))
    assert made[2:4] == b"\xff\xe0"
    assert original_of(made) == sha(data)


@pytest.mark.parametrize(
    "text",
    [
        "<rdf:Description GCamera:BurstID='7b1f-2' GCamera:BurstPrimary=\"1\" GCamera:MotionPhoto='1'/>",
        "<GCamera:BurstPrimary>1</GCamera:BurstPrimary><GCamera:BurstID> 7b1f-2 </GCamera:BurstID><Item:Length>9</Item:Length>",
    ],
)
def test_a_burst_stays_one_and_nothing_else_is_announced(make_jpeg: Callable[..., bytes], text: str) -> None:
    data = make_jpeg(600, 800, quality=97, xmp=text.encode())
    made = standin.make(data, sha(data))
    with Image.open(io.BytesIO(made)) as small:
        told = ET.fromstring(small.info["xmp"])[0][0].attrib
        assert small.info["exif"]
    camera = "{http://ns.google.com/photos/1.0/camera/}"
    assert told == {camera + "BurstID": "7b1f-2", camera + "BurstPrimary": "1"}
    assert b"MotionPhoto" not in made
    assert b"Length" not in made


def test_a_single_photos_stand_in_has_no_xmp(make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(600, 800, quality=97, xmp=b"<rdf:Description xmp:Rating='5'/>")
    assert b"ns.adobe.com/xap" not in standin.make(data, sha(data))


def test_grey_stays_grey(make_photo: Callable[..., np.ndarray]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(600, 800)[:, :, 0]).save(buffer, "JPEG", quality=97)
    with Image.open(io.BytesIO(standin.make(buffer.getvalue(), "0" * 64))) as small:
        assert small.mode == "L"


def test_a_pngs_stand_in_is_a_png(make_photo: Callable[..., np.ndarray]) -> None:
    tags = Image.Exif()
    tags[0x0112] = 8
    buffer = io.BytesIO()
    Image.fromarray(make_photo(400, 700)).save(buffer, "PNG", exif=tags.tobytes(), icc_profile=PROFILE)
    data = buffer.getvalue()
    made = standin.make(data, sha(data))
    assert len(made) <= 0.08 * len(data)
    with Image.open(io.BytesIO(made)) as small:
        small.load()
        assert small.format == "PNG"
        assert max(small.size) <= 640
        assert small.getexif()[0x0112] == 8
        assert small.info["icc_profile"] == PROFILE
        assert len(small.getcolors() or []) <= 64
    assert original_of(made) == sha(data)


def test_much_metadata_of_a_small_photo_comes_on_top(make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(300, 400, quality=90, icc_profile=PROFILE * 40)
    made = standin.make(data, sha(data))
    assert 0.08 * len(data) < len(made) <= 0.08 * len(data) + len(PROFILE) * 40 + 1000
    with Image.open(io.BytesIO(made)) as small:
        assert small.info["icc_profile"] == PROFILE * 40


def test_a_photo_too_small_for_any_stand_in_is_told(make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(80, 80, quality=40, exif=False)
    with pytest.raises(Unsupported) as caught:
        standin.make(data, sha(data))
    assert caught.value.reason == "stand-in-too-large"


def test_what_is_no_picture_is_told_as_the_codec_tells_it(jpeg: bytes) -> None:
    with pytest.raises(NotAPicture):
        standin.make(b"text", "0" * 64)
    with pytest.raises(Corrupt):
        standin.make(jpeg[:3000], "0" * 64)


@given(st.binary(max_size=300))
def test_nothing_else_is_taken_for_a_stand_in(data: bytes) -> None:
    assert original_of(data) is None
    assert original_of(data + MARK + b"a" * 64) is None, "the words alone are no comment"


@pytest.mark.corpus
@pytest.mark.slow
def test_real_photos(shared: Path) -> None:
    for path in sorted((shared / "data" / "phone").glob("*.jpg")):
        data = path.read_bytes()
        made = standin.make(data, sha(data))
        with Image.open(io.BytesIO(made)) as small, Image.open(path) as original:
            small.load()
            assert small.info.get("exif") == original.info.get("exif"), path.name
            assert small.info.get("icc_profile") == original.info.get("icc_profile"), path.name
            kept_bytes = len(small.info.get("exif", b"")) + len(small.info.get("icc_profile", b""))
        assert len(made) - kept_bytes <= 0.08 * len(data), path.name
