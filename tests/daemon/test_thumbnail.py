"""Thumbnails of archives: out of the EXIF, of the stand-in, or of the photo."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from codec.facts import Facts
from codec.labels import Labels, labelled
from codec.lanes import Wanted, choose
from codec.levels import EXACT
from daemon import thumbnail
from daemon.cli.main import cli
from daemon.errors import CommandFailed
from daemon.messages import Restored
from daemon.places import Places
from storage.digest import sha256_of_bytes


def exif_with(picture: bytes, orientation: int) -> bytes:
    """A TIFF block whose second directory holds a thumbnail."""
    first = struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 26)
    second = struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(picture), 0)
    return b"MM\0*" + struct.pack(">I", 8) + first + second + picture


def small(colour: str, size: tuple[int, int] = (160, 120)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "config.toml", tmp_path / "state")


@pytest.fixture
def archive(tmp_path: Path, make_jpeg: Callable[..., bytes]) -> Callable[..., Path]:
    def make(exif: bytes = b"") -> Path:
        photo = make_jpeg(240, 320, quality=95)
        photo = labelled(photo, Labels(exif=exif)) if exif else photo
        facts = Facts(len(photo), sha256_of_bytes(photo), b"a.jpg", 0, 0o644)
        made = choose(photo, facts, lambda: pytest.fail("no network is needed"), Wanted(EXACT, 0.0, -1.0))
        path = tmp_path / "a.nphoto"
        path.write_bytes(made.archive)
        return path

    return make


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_the_exifs_own_upright(places: Places, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnail, "start_workers", lambda: pytest.fail("nothing is decoded"))
    picture = opened(thumbnail.thumbnail(places, archive(exif_with(small("red"), 6)), 128))
    assert (picture.format, picture.size) == ("PNG", (96, 128))
    red, green, blue = picture.convert("RGB").getpixel((48, 64))  # type: ignore[misc]
    assert red > 240 > 20 > max(green, blue)


class Workers:
    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def restore(self, job: object) -> Restored:
        return Restored(small("blue", (640, 480)), "")


@pytest.mark.parametrize("exif", [b"", exif_with(small("red"), 1), b"MM\0*\0\0\0\x63", exif_with(b"no picture", 1)])
def test_a_larger_one_is_of_the_photo(places: Places, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, exif: bytes) -> None:
    monkeypatch.setattr(thumbnail, "start_workers", Workers)
    picture = opened(thumbnail.thumbnail(places, archive(exif), 256))
    assert picture.size == (256, 192)
    assert picture.convert("RGB").getpixel((9, 9))[2] > 240  # type: ignore[index]


@pytest.mark.parametrize(
    ("shape", "own"), [((160, 120), True), ((160, 119), True), ((160, 90), False), ((120, 160), False), ((160, 160), False)]
)
def test_the_exifs_own_only_where_it_is_of_the_photo_s_shape(
    places: Places, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], own: bool
) -> None:
    """Of a photo that was cropped by a program that left the thumbnail as it was, it shows something else."""
    monkeypatch.setattr(thumbnail, "start_workers", Workers)
    picture = opened(thumbnail.thumbnail(places, archive(exif_with(small("red", shape), 1)), 128))
    assert (picture.convert("RGB").getpixel((9, 9))[0] > 240) is own  # type: ignore[index]


def test_of_a_photo_that_pillow_refuses(places: Places, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does with 200 megapixels, which phones have."""
    turned = labelled(small("blue", (640, 480)), Labels(exif=exif_with(b"no picture", 6)))
    monkeypatch.setattr(thumbnail, "start_workers", Workers)
    monkeypatch.setattr(Workers, "restore", lambda *_: Restored(turned, ""))
    path = archive()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    picture = opened(thumbnail.thumbnail(places, path, 256))
    assert picture.size == (192, 256)
    assert picture.convert("RGB").getpixel((9, 9))[2] > 240  # type: ignore[index]


def test_what_is_no_archive(places: Places, tmp_path: Path) -> None:
    (tmp_path / "a.nphoto").write_bytes(b"text")
    with pytest.raises(CommandFailed, match="no archive"):
        thumbnail.thumbnail(places, tmp_path / "a.nphoto", 128)


def test_the_command(tmp_path: Path, archive: Callable[..., Path]) -> None:
    goal = tmp_path / "out.png"
    goal.write_bytes(b"")  # what the desktop made beforehand
    source = archive(exif_with(small("red"), 1))
    words = ["--state", str(tmp_path / "state"), "thumbnail", str(source), str(goal), "128"]
    assert CliRunner().invoke(cli, words).exit_code == 0
    with Image.open(goal) as picture:
        assert picture.size == (128, 96)
    assert CliRunner().invoke(cli, ["thumbnail", str(tmp_path / "none"), str(goal), "128"]).exit_code == 2
    assert CliRunner().invoke(cli, [*words[:4], str(tmp_path / "none" / "a.png"), "128"]).exit_code == 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "text"])
def test_a_thumbnail_takes_no_photos_place(tmp_path: Path, archive: Callable[..., Path], kind: str) -> None:
    goal, buffer = tmp_path / "IMG_1.jpg", io.BytesIO(b"text")
    if kind != "text":
        Image.new("RGB", (64, 64), "green").save(buffer, kind)
    goal.write_bytes(buffer.getvalue())
    source = archive(exif_with(small("red"), 1))
    words = ["--state", str(tmp_path / "state"), "thumbnail", str(source), str(goal), "128"]
    answer = CliRunner().invoke(cli, words)
    assert (answer.exit_code, "stays as it is" in answer.stderr) == (1, True)
    assert goal.read_bytes() == buffer.getvalue()
    goal.unlink()
    assert [CliRunner().invoke(cli, words).exit_code for _ in range(2)] == [0, 0], "its own it draws anew"
