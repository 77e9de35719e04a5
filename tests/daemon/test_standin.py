"""Stand-ins: small, ordinary, with the photo's own EXIF and profile, and recognisable."""

import hashlib
import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from codec import exif, profile, xmp
from codec.errors import Corrupt, NotAPicture, Unsupported
from codec.jpeg_segments import walk
from codec.labels import OWN_COMMENT, Labels, comments_of, labelled, labels_of, merged, picture_digest
from codec.png_chunks import chunk
from daemon import standin
from daemon.marking import MARK, Mark, has_own_labels, mark_of, original_of, relabelled
from daemon.messages import StandInJob

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


VAULT = "0123456789abcdef"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make(data: bytes, share: float = 0.08) -> bytes:
    return standin.make(StandInJob(data, sha(data), share, VAULT))


@pytest.fixture(scope="module")
def jpeg(make_jpeg: Callable[..., bytes]) -> bytes:
    return make_jpeg(480, 1300, quality=97, icc_profile=PROFILE)


def test_a_jpegs_stand_in(jpeg: bytes) -> None:
    made = make(jpeg)
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
    made = make(data)
    assert made[2:4] == b"\xff\xe0"
    assert original_of(made) == sha(data)


OURS = {f"{{{xmp.OWN}}}{name}" for name in ("Original", "Picture", "Vault")}
HEAD = (
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'"
    " xmlns:GCamera='http://ns.google.com/photos/1.0/camera/' xmlns:Item='http://ns.google.com/photos/1.0/container/item/'"
    " xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' xmlns:xmp='http://ns.adobe.com/xap/1.0/'"
    " xmlns:dc='http://purl.org/dc/elements/1.1/'>"
)


def packet(text: str) -> bytes:
    return f"{HEAD}{text}</rdf:RDF></x:xmpmeta>".encode()


def described(data: bytes) -> tuple[dict[str, str], list[str]]:
    """Attributes and names of children of a picture's XMP."""
    found = ET.fromstring(labels_of(data).xmp.split(b"?>", 1)[1].rsplit(b"<?", 1)[0])[0][0]
    return dict(found.attrib), [child.tag for child in found]


@pytest.mark.parametrize(
    "text",
    [
        "<rdf:Description GCamera:BurstID='7b1f-2' GCamera:BurstPrimary=\"1\" GCamera:MotionPhoto='1' hdrgm:Version='1.0' xmp:Rating='4'/>",
        "<rdf:Description xmlns:Op='http://ns.oplus.com/photos/1.0/camera/' GCamera:BurstID='7b1f-2' GCamera:BurstPrimary='1'"
        " Op:OLivePhotoVersion='2' Op:VideoLength='4321' xmp:Rating='4'/>",
        "<rdf:Description xmp:Rating='4'><GCamera:BurstPrimary>1</GCamera:BurstPrimary><GCamera:BurstID>7b1f-2</GCamera:BurstID>"
        "<GCamera:MicroVideo>1</GCamera:MicroVideo><Item:Length>9</Item:Length></rdf:Description>",
    ],
)
def test_xmp_stays_but_for_what_the_stand_in_can_not_keep(make_jpeg: Callable[..., bytes], text: str) -> None:
    data = make_jpeg(600, 800, quality=97, xmp=packet(text))
    made = make(data)
    attributes, children = described(made)
    told = {*attributes, *children}
    camera = "{http://ns.google.com/photos/1.0/camera/}"
    assert told == {camera + "BurstID", camera + "BurstPrimary", "{http://ns.adobe.com/xap/1.0/}Rating", *OURS}
    for claim in (b"MotionPhoto", b"MicroVideo", b"Length", b"Version", b"oplus"):
        assert claim not in labels_of(made).xmp
    assert labels_of(made).exif == labels_of(data).exif


@pytest.mark.parametrize("text", [b"no packet", packet("<rdf:Description xmp:Label='" + "a" * 40_000 + "' GCamera:BurstID='7'/>")])
def test_xmp_that_is_odd_or_very_long_is_left_to_the_archive(make_jpeg: Callable[..., bytes], text: bytes) -> None:
    made = make(make_jpeg(600, 800, quality=97, xmp=text))
    attributes, children = described(made)
    assert not children
    assert {name for name in attributes if "BurstID" not in name and "about" not in name} == OURS
    assert ("{http://ns.google.com/photos/1.0/camera/}BurstID" in attributes) == (b"BurstID" in text)


def test_a_stand_in_says_what_it_stands_for_in_two_places(jpeg: bytes) -> None:
    made = make(jpeg)
    assert mark_of(made) == Mark(sha(jpeg), VAULT, picture_digest(made), labels_of(made).digest())
    bare = b"".join((made[:2], *(made[s.start : s.end] for s in walk(made)[0] if s.marker != 0xFE), b"\xff\xd9"))
    assert mark_of(bare) == Mark(sha(jpeg), VAULT, picture_digest(made), "0" * 32)
    old = re.sub(rb' GalleryOptimizer:Picture="[0-9a-f]{32}"', b"", bare)
    assert mark_of(old) == Mark(sha(jpeg), VAULT), "one of an earlier version"
    with Image.open(io.BytesIO(made)) as image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", xmp=image.info["xmp"])
    assert original_of(buffer.getvalue()) == sha(jpeg), "an editor that knows nothing of comments"


def test_marks_of_earlier_versions_are_read() -> None:
    old = b"\xff\xd8\xff\xfe\x00\x60" + MARK + b"a" * 64 + b"\xff\xd9"
    assert mark_of(old) == Mark("a" * 64)


def test_other_labels_are_told_from_another_picture(jpeg: bytes) -> None:
    made = make(jpeg)
    rated = labelled(made, Labels(xmp=packet("<rdf:Description xmp:Rating='5'/>")))
    assert (has_own_labels(made), has_own_labels(rated)) == (False, True)
    assert relabelled(made, sha(jpeg))
    assert relabelled(rated, sha(jpeg))
    assert not relabelled(rated, "f" * 64)
    with Image.open(io.BytesIO(made)) as image:
        buffer = io.BytesIO()
        image.rotate(180).save(buffer, "JPEG", comment=image.info["comment"])
    assert not relabelled(buffer.getvalue(), sha(jpeg))


def test_the_side_falls_to_640_before_the_quality_falls_below_61() -> None:
    tries = standin.JPEG_TRIES
    assert tries[0] == (1280, 76)
    assert all(quality >= 61 for side, quality in tries if side > 640)
    assert all(side <= 640 for side, quality in tries if quality < 61)


def test_grey_stays_grey(make_photo: Callable[..., np.ndarray]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(600, 800)[:, :, 0]).save(buffer, "JPEG", quality=97)
    with Image.open(io.BytesIO(make(buffer.getvalue()))) as small:
        assert small.mode == "L"


def test_a_pngs_stand_in_is_a_png(make_photo: Callable[..., np.ndarray]) -> None:
    tags = Image.Exif()
    tags[0x0112] = 8
    buffer = io.BytesIO()
    Image.fromarray(make_photo(400, 700)).save(buffer, "PNG", exif=tags.tobytes(), icc_profile=PROFILE)
    data = buffer.getvalue()
    made = make(data)
    assert len(made) <= 0.08 * len(data)
    with Image.open(io.BytesIO(made)) as small:
        small.load()
        assert small.format == "PNG"
        assert max(small.size) <= 640
        assert small.getexif()[0x0112] == 8
        assert small.info["icc_profile"] == PROFILE
        assert len(small.getcolors() or []) <= 64
    assert original_of(made) == sha(data)


def test_a_png_that_is_turned_by_a_text_is_turned_as_a_stand_in(make_photo: Callable[..., np.ndarray]) -> None:
    """ImageMagick and digiKam write EXIF so."""
    tags = Image.Exif()
    tags[0x0112] = 6
    digits = tags.tobytes().hex().encode()
    buffer = io.BytesIO()
    Image.fromarray(make_photo(400, 700)).save(buffer, "PNG")
    plain = buffer.getvalue()
    data = plain[:33] + chunk(b"tEXt", b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(digits) // 2, digits)) + plain[33:]
    with Image.open(io.BytesIO(make(data))) as small:
        small.load()
        assert small.getexif()[0x0112] == 6


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_pngs_profile_is_for_grey(mode: str, make_photo: Callable[..., np.ndarray]) -> None:
    """A palette holds colours, and of those a profile for grey says nothing: viewers would pass it by."""
    linear = profile.Profile(np.stack([np.linspace(0, 1, 256)] * 3).astype(np.float32), np.eye(3, dtype=np.float32))
    icc = profile.as_icc(linear, grey=True)
    buffer = io.BytesIO()
    Image.fromarray(make_photo(400, 700)).convert(mode).save(buffer, "PNG", icc_profile=icc)
    with Image.open(io.BytesIO(make(buffer.getvalue()))) as small:
        assert small.mode == mode
        assert small.info["icc_profile"] == icc
        assert len(small.getcolors() or []) in range(8, 65)


def test_much_metadata_of_a_small_photo_comes_on_top(make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(300, 400, quality=90, icc_profile=PROFILE * 40)
    made = make(data)
    assert 0.08 * len(data) < len(made) <= 0.08 * len(data) + len(PROFILE) * 40 + 1000
    with Image.open(io.BytesIO(made)) as small:
        assert small.info["icc_profile"] == PROFILE * 40


def test_a_photo_too_small_for_any_stand_in_is_told(make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(80, 80, quality=40, exif=False)
    with pytest.raises(Unsupported) as caught:
        make(data)
    assert caught.value.reason == "stand-in-too-large"


def test_what_is_no_picture_is_told_as_the_codec_tells_it(jpeg: bytes) -> None:
    with pytest.raises(NotAPicture):
        make(b"text")
    with pytest.raises(Corrupt):
        make(jpeg[:3000])


@given(st.binary(max_size=300))
def test_nothing_else_is_taken_for_a_stand_in(data: bytes) -> None:
    assert original_of(data) is None
    assert original_of(data + MARK + b"a" * 64) is None, "the words alone are no comment"


@pytest.mark.corpus
@pytest.mark.slow
def test_real_photos(shared: Path) -> None:
    photos = sorted((shared / "data" / "phone").glob("*.jpg"))
    assert photos
    for path in photos:
        data = path.read_bytes()
        made = make(data)
        with Image.open(io.BytesIO(made)) as small, Image.open(path) as original:
            small.load()
            own, left = (each.info.get("exif", b"").removeprefix(b"Exif\0\0") for each in (original, small))
            assert left == exif.without_thumbnail(own), path.name
            assert exif.merged(own, left) == own, path.name
            assert small.info.get("icc_profile") == original.info.get("icc_profile"), path.name
            kept_bytes = len(small.info.get("exif", b"")) + len(small.info.get("icc_profile", b""))
        assert len(made) - kept_bytes <= 0.08 * len(data), path.name


def test_a_png_with_more_exif_than_any_jpeg_has_still_has_a_small_stand_in(make_photo: Callable[..., np.ndarray]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(480, 640)).save(buffer, "PNG")
    exif = b"II*\0\x08\0\0\0\x01\0" + b"\x86\x92\x07\0\xa0\x86\x01\0\x1a\0\0\0" + bytes(4) + bytes(100_000)
    photo = buffer.getvalue()[:33] + chunk(b"eXIf", exif) + buffer.getvalue()[33:]
    made = make(photo, share=1.0)
    assert labels_of(made).exif == b""
    assert not has_own_labels(made), "nobody took anything away"
    assert merged(photo, made) == (photo, ())


def test_of_many_resources_a_stand_in_repeats_what_people_wrote(jpeg: bytes) -> None:
    def resource(number: int, body: bytes) -> bytes:
        return b"8BIM" + number.to_bytes(2, "big") + bytes(2) + len(body).to_bytes(4, "big") + body + bytes(len(body) % 2)

    keyword = resource(0x0404, b"\x1c\x02\x19\0\x03sea")
    for others, repeated in ((b"", keyword), (resource(0x07D0, bytes(100_000)), keyword), (resource(0x0404, bytes(40_000)), b"")):
        own = (others + keyword) if repeated else others
        photo = labelled(jpeg, Labels(iptc=own))
        made = make(photo, share=1.0)
        assert labels_of(made).iptc == repeated
        assert not has_own_labels(made)
        assert merged(photo, made) == (photo, ())


def test_a_comment_in_the_place_of_our_own_leaves_it_a_stand_in(jpeg: bytes) -> None:
    """As digiKam does with every caption, since Exiv2 knows of one comment only."""
    assert MARK.startswith(OWN_COMMENT)
    made = make(jpeg)
    (ours,) = (each for each in walk(made)[0] if each.marker == 0xFE)
    body = b"At the sea"
    edited = made[: ours.start] + b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body + made[ours.end :]
    assert mark_of(made) == Mark(sha(jpeg), VAULT, picture_digest(made), labels_of(made).digest())
    assert mark_of(edited) == Mark(sha(jpeg), VAULT, picture_digest(made), "0" * 32)
    assert relabelled(edited, sha(jpeg))
    assert has_own_labels(edited)
    given_back = merged(jpeg, edited)
    assert given_back.data == labelled(jpeg, Labels(), (body,))
    assert not given_back.left_out
    assert has_own_labels(labelled(made, Labels(), (body,))), "beside our own, too"
    again = standin.make(StandInJob(given_back.data, sha(jpeg), 0.08, VAULT, relabelled=True))
    assert comments_of(again) == (body,), "a stand-in of the copy has to say it once more"
    assert comments_of(make(given_back.data)) == ()
    other = Image.open(io.BytesIO(edited)).rotate(180)
    buffer = io.BytesIO()
    other.save(buffer, "JPEG", xmp=labels_of(edited).xmp)
    assert not relabelled(buffer.getvalue(), sha(jpeg))
