"""What phones hang behind a picture: found in the copy by the rules that readers go by, bit for bit."""

import io
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec import container
from codec.jpeg_segments import walk

EXIFTOOL = shutil.which("exiftool")
VIDEO = (
    struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"mp42", 0, b"mp42", b"isom")
    + struct.pack(">I4s", 8 + 3000, b"mdat")
    + np.random.default_rng(1).bytes(2990)
    + b"\xff\xd8\xff\xd9\xff\xd9MPF\0xx"  # what looks like a JPEG inside
    + struct.pack(">I4s", 8, b"moov")
)
XMP = (
    "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>{}</rdf:RDF></x:xmpmeta>"
)
CONTAINER = (
    "<rdf:Description xmlns:Camera='http://ns.google.com/photos/1.0/camera/' xmlns:Container='http://ns.google.com/photos/1.0/container/' "
    "xmlns:Item='http://ns.google.com/photos/1.0/container/item/' xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' "
    "hdrgm:Version='1.0' Camera:MotionPhoto='1' Camera:MotionPhotoVersion='1'>"
    "<Container:Directory><rdf:Seq>{}</rdf:Seq></Container:Directory></rdf:Description>"
)
ITEM = "<rdf:li rdf:parseType='Resource'><Container:Item Item:Mime='{}' Item:Semantic='{}' Item:Length='{}' Item:Padding='{}'/></rdf:li>"


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """Behind EXIF, where phones put them."""
    first = next(s for s in walk(data)[0] if s.marker == 0xE1)
    return data[: first.end] + b"".join(segments) + data[first.end :]


def xmp(text: str) -> bytes:
    return segment(0xE1, XMP.format(text).encode())


def copy_of(data: bytes) -> bytes:
    """Restored from other pixels than the original's: as if coded with loss."""
    picture = container.read(data)
    changed = (picture.pixels.astype(np.int16) // 2 * 2 + 1).clip(0, 255).astype(np.uint8)
    sections = container.to_sections(picture.structure)
    copy = container.write(changed, container.from_sections(sections))
    assert copy != data
    return copy


def given(copy: bytes, tmp_path: Path, tag: str) -> bytes:
    place = tmp_path / "copy.jpg"
    place.write_bytes(copy)
    return subprocess.run([EXIFTOOL or "exiftool", "-q", "-q", "-b", tag, place], capture_output=True, check=True).stdout


@pytest.fixture
def photo(make_jpeg: Callable[..., bytes]) -> bytes:
    return make_jpeg(240, 320, quality=92)


@pytest.mark.parametrize("padding", [0, 8])
def test_a_motion_photos_video_lies_where_its_container_says(photo: bytes, padding: int) -> None:
    items = ITEM.format("image/jpeg", "Primary", 0, padding) + ITEM.format("video/mp4", "MotionPhoto", len(VIDEO), 0)
    data = with_segments(photo, xmp(CONTAINER.format(items))) + bytes(padding) + VIDEO
    copy = copy_of(data)
    found = re.search(rb"Item:Semantic='MotionPhoto' Item:Length='(\d+)'", copy)
    assert found is not None
    assert copy[-int(found[1]) :] == VIDEO
    assert copy[walk(copy)[1] :] == bytes(padding) + VIDEO


def test_a_micro_videos_offset_from_the_end_still_holds(photo: bytes) -> None:
    text = (
        "<rdf:Description xmlns:GCamera='http://ns.google.com/photos/1.0/camera/' GCamera:MicroVideo='1' GCamera:MicroVideoVersion='1' "
        f"GCamera:MicroVideoOffset='{len(VIDEO)}'/>"
    )
    copy = copy_of(with_segments(photo, xmp(text)) + VIDEO)
    assert copy[-len(VIDEO) :] == VIDEO


def samsung(blocks: list[tuple[int, bytes, bytes]]) -> bytes:
    """A SEF trailer: blocks, then a directory of places counted backwards, its length and SEFT."""
    data, directory, starts = b"", b"SEFH" + struct.pack("<II", 106, len(blocks)), []
    for kind, name, body in blocks:
        starts.append(len(data))
        data += struct.pack("<HHI", 0, kind, len(name)) + name + body
    for (kind, name, body), start in zip(blocks, starts, strict=True):
        directory += struct.pack("<HHII", 0, kind, len(data) - start, 8 + len(name) + len(body))
    return data + directory + struct.pack("<I", len(directory)) + b"SEFT"


def test_a_samsung_trailer_is_the_end_of_the_file_with_its_video(photo: bytes, tmp_path: Path) -> None:
    trailer = samsung([(0x0A01, b"Image_UTC_Data", b"1530736200000"), (0x0A30, b"MotionPhoto_Data", VIDEO)])
    copy = copy_of(photo + trailer)
    assert copy.endswith(trailer)
    assert copy[walk(copy)[1] :] == trailer
    if EXIFTOOL:
        assert given(copy, tmp_path, "-EmbeddedVideoFile") == VIDEO


@pytest.mark.parametrize(
    "trailer",
    [
        bytes(4096),
        b"\xff",
        b"\xff" * 700,
        b"\n",
        b"\0" * 24 + b"LIVE_" + b"1234567890123456",  # Huawei
        b"PK\3\4" + VIDEO,  # Lumia
        VIDEO + b"v3_f30     30:1500     LIVE_33219     ",
        b"\xff\xd9\xff\xd9",
        b"#!/bin/sh\n",
    ],
    ids=lambda trailer: repr(trailer[:6]),
)
def test_whatever_follows_the_picture_follows_the_copy(photo: bytes, trailer: bytes) -> None:
    copy = copy_of(photo + trailer)
    assert copy[walk(copy)[1] :] == trailer


def ultra_hdr(photo: bytes, gain_map: bytes, order: str, item: str) -> bytes:
    """A primary with index and Container XMP, and the gain map behind it."""
    items = ITEM.format("image/jpeg", "Primary", item, 0) + ITEM.format("image/jpeg", "GainMap", len(gain_map), 0)

    def index(primary: int, place: int) -> bytes:
        ifd = struct.pack(order + "H", 3)
        for tag, kind, count, value in ((0xB000, 7, 4, b"0100"), (0xB001, 4, 1, struct.pack(order + "I", 2))):
            ifd += struct.pack(order + "HHI", tag, kind, count) + value
        ifd += struct.pack(order + "HHII", 0xB002, 7, 32, 50) + struct.pack(order + "I", 0)
        entries = struct.pack(order + "IIIHH", 0x030000, primary, 0, 0, 0) + struct.pack(order + "IIIHH", 0, len(gain_map), place, 0, 0)
        return segment(0xE2, b"MPF\0" + {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8) + ifd + entries)

    own = xmp(CONTAINER.format(items))
    length = len(with_segments(photo, own, index(0, 0)))
    start = with_segments(photo, own, index(0, 0)).index(b"MPF\0") + 4
    if item:
        items = items.replace(f"Item:Length='{item}'", f"Item:Length='{length:0{len(item)}}'", 1)
        own = xmp(CONTAINER.format(items))
    return with_segments(photo, own, index(length, length - start)) + gain_map


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("item", ["", "000000"])
@pytest.mark.parametrize("verbatim", [True, False])
def test_a_gain_map_is_the_second_picture_and_hdr_stays(
    photo: bytes, make_jpeg: Callable[..., bytes], order: str, item: str, verbatim: bool, tmp_path: Path
) -> None:
    gain_map = make_jpeg(60, 80, 5, quality=80, exif=False)
    data = ultra_hdr(photo, gain_map, order, item)
    picture = container.read(data)
    pixels = picture.pixels if verbatim else np.random.default_rng(0).integers(0, 256, picture.pixels.shape, dtype=np.uint8)
    copy = container.write(pixels, picture.structure, verbatim=verbatim)
    end = walk(copy)[1]
    assert copy[end:] == gain_map
    assert (end == walk(data)[1]) is verbatim  # filled up, or longer than the original
    with Image.open(io.BytesIO(copy)) as opened, Image.open(io.BytesIO(gain_map)) as wanted:
        assert (opened.format, opened.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
        opened.seek(1)
        assert np.array_equal(np.asarray(opened), np.asarray(wanted))
    if item:
        told = re.search(rb"Item:Semantic='Primary' Item:Length='(\d+)'", copy)
        assert told is not None
        assert int(told[1]) == end
    if EXIFTOOL:
        assert given(copy, tmp_path, "-MPImage2") == gain_map


def test_extended_xmp_and_a_profile_in_parts_keep_their_order(photo: bytes) -> None:
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    depth = np.random.default_rng(2).bytes(150_000)
    extended = [
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">II", len(depth), at) + depth[at : at + 65_400])
        for at in range(0, len(depth), 65_400)
    ]
    profile = [segment(0xE2, b"ICC_PROFILE\0" + bytes((number, 3)) + bytes([number]) * 500) for number in (2, 3, 1)]
    photoshop = [segment(0xED, b"Photoshop 3.0\x008BIM" + bytes([number]) * 40) for number in range(2)]
    data = with_segments(photo, *extended, *photoshop, *profile, photoshop[0])
    copy = copy_of(data)
    kept = [[whole[s.start : s.end] for s in walk(whole)[0] if s.kept] for whole in (data, copy)]
    assert kept[0] == kept[1]
