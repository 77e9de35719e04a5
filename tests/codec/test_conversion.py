"""A copy as the other kind of file: the same colours to the eye, and the same labels."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from codec import profile
from codec.conversion import converted, pixels_of
from codec.jpeg_segments import walk
from codec.labels import Labels, labelled, labels_of
from codec.png_chunks import chunk
from codec.profile import _PRIMARIES, _SRGB, icc_of, joined

P3_NAMED = {b"cICP": bytes((12, 13, 0, 1))}
P3_SAID = {b"gAMA": (45_455).to_bytes(4, "big"), b"cHRM": struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)}
LINEAR = {b"gAMA": (100_000).to_bytes(4, "big")}


def png(image: Image.Image, chunks: dict[bytes, bytes] | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    data = buffer.getvalue()
    return data[:33] + b"".join(chunk(kind, body) for kind, body in (chunks or {}).items()) + data[33:]


def seen(data: bytes) -> np.ndarray:
    """In sRGB, by the profile that the file holds."""
    with Image.open(io.BytesIO(data)) as image:
        icc = image.info.get("icc_profile")
        if icc is None:
            return np.asarray(image.convert("RGB"), np.int16)
        made = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB"
        )
    return np.asarray(made, np.int16)


@pytest.fixture(scope="module")
def image(make_photo: Callable[..., np.ndarray]) -> Image.Image:
    return Image.fromarray(make_photo(64, 96))


@pytest.mark.parametrize("chunks", [P3_NAMED, P3_SAID])
def test_wide_colours_of_a_png_stay_wide_in_a_jpeg(chunks: dict[bytes, bytes]) -> None:
    y, x = np.mgrid[:64, :96]
    pixels = np.stack([70 + x * 1.5, 130 - y, 60 + y], axis=2).astype(np.uint8)
    data = png(Image.fromarray(pixels), chunks)
    made = converted(data, pixels_of(data), "jpeg")
    linear = np.clip((profile._srgb_curve()[pixels] @ (np.linalg.inv(_SRGB) @ _PRIMARIES[12]).T), 0, 1)
    wanted = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(seen(made) - wanted).mean() < 2
    assert np.abs(pixels - wanted).mean() > 5


@pytest.mark.parametrize("mode", ["L", "LA", "1", "RGB"])
def test_a_gamma_stays_what_it_was(image: Image.Image, mode: str) -> None:
    data = png(image.convert(mode), LINEAR)
    pixels = pixels_of(data)
    made = converted(data, pixels, "jpeg")
    wanted = (pixels / 255) ** (1 / 2.4) * 255
    got = seen(made)
    assert np.abs((got if pixels.ndim == 3 else got[..., 0]) - wanted).mean() < 8
    with Image.open(io.BytesIO(made)) as copy:
        space = copy.info["icc_profile"][16:20]
        assert (copy.mode, space) == (("RGB", b"RGB ") if mode == "RGB" else ("L", b"GRAY"))


@pytest.mark.parametrize("mode", ["LA", "1"])
def test_a_grey_profile_stays_with_grey(image: Image.Image, mode: str) -> None:
    """One for grey in a file of three components is none: readers pass it by."""
    grey = profile.as_icc(
        profile.Profile(np.stack([np.linspace(0, 1, 256)] * 3).astype(np.float32), np.eye(3, dtype=np.float32)), grey=True
    )
    data = png(image.convert(mode), icc_profile=grey)
    with Image.open(io.BytesIO(converted(data, pixels_of(data), "jpeg"))) as copy:
        assert (copy.mode, copy.info["icc_profile"]) == ("L", grey)


def test_a_profile_of_colours_around_grey_makes_a_png_of_colours(image: Image.Image) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    image.convert("L").save(buffer, "JPEG", icc_profile=icc)
    with Image.open(io.BytesIO(converted(buffer.getvalue(), pixels_of(buffer.getvalue()), "png"))) as copy:
        assert (copy.mode, copy.info["icc_profile"]) == ("RGB", icc)


def test_what_is_transparent_is_white_and_not_what_hides_there(image: Image.Image) -> None:
    clear = image.copy()
    clear.putalpha(0)
    assert (pixels_of(png(clear)) == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_labels_go_along(image: Image.Image, kind: str) -> None:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    tags = Image.Exif()
    tags[0x0112] = 6
    labels = Labels(tags.tobytes().removeprefix(b"Exif\0\0"), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>five stars</x:xmpmeta>")
    data = labelled(buffer.getvalue(), labels)
    made = converted(data, pixels_of(data), "png" if kind == "JPEG" else "jpeg")
    assert labels_of(made) == labels
    with Image.open(io.BytesIO(made)) as copy:
        assert copy.getexif()[0x0112] == 6


def test_exif_that_is_none_does_not_go_along(image: Image.Image) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=b"Exif\0\0no EXIF at all")
    made = converted(buffer.getvalue(), pixels_of(buffer.getvalue()), "png")
    assert b"eXIf" not in made
    with Image.open(io.BytesIO(made)) as found:
        assert ImageOps.exif_transpose(found).size == image.size


def test_a_long_text_is_no_damage(image: Image.Image) -> None:
    """Pillow refuses a PNG of which a text or profile is long when inflated."""
    text = b"Workflow\0\0" + zlib.compress(b"a" * 3_000_000)
    data = png(image, {b"zTXt": text})
    made = converted(data, pixels_of(data), "jpeg")
    assert np.abs(seen(made) - np.asarray(image, np.int16)).mean() < 3


def test_a_photo_of_two_hundred_megapixels_is_no_damage(image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", image.width * image.height // 3)  # Pillow raises above twice as many
    for kind in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        image.save(buffer, kind)
        made = converted(buffer.getvalue(), pixels_of(buffer.getvalue()), "png" if kind == "JPEG" else "jpeg")
        assert pixels_of(made).shape == (64, 96, 3)


def test_adobe_rgb_of_the_exif_is_a_profile_in_a_png(image: Image.Image) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0xA001] = 2
    data = labelled(buffer.getvalue(), Labels(tags.tobytes().removeprefix(b"Exif\0\0")))
    with Image.open(io.BytesIO(converted(data, pixels_of(data), "png"))) as made:
        assert b"rTRC" in made.info["icc_profile"]


def test_a_made_profile_is_kept_in_both_kinds(image: Image.Image) -> None:
    data = png(image, P3_NAMED)
    jpeg = converted(data, pixels_of(data), "jpeg")
    back = converted(jpeg, pixels_of(jpeg), "png")
    kept = joined(jpeg[s.start : s.end] for s in walk(jpeg)[0])
    at = back.index(b"iCCP") - 4
    assert icc_of(back[at : at + 12 + int.from_bytes(back[at : at + 4], "big")]) == kept
