"""`decode --reference`: the way out, through the command."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from codec.bitstream import Archive, pack
from daemon.cli.main import cli
from daemon.exits import ExitCode

GOLDEN = Path(__file__).parents[1] / "codec/golden/model-m1-grey.npix"


def archive_of(stream: bytes) -> bytes:
    return pack(Archive("neural", stream[7:15] + bytes(24), {"PIXL": stream}))


def test_it_gives_the_pixels(tmp_path: Path) -> None:
    archive, out = tmp_path / "a.nphoto", tmp_path / "b.png"
    archive.write_bytes(archive_of(GOLDEN.read_bytes()))
    result = CliRunner().invoke(cli, ["decode", "--reference", str(archive), "-o", str(out), "--json"])
    assert json.loads(result.stdout)["bytes"] == out.stat().st_size
    with Image.open(out) as image, Image.open(GOLDEN.with_suffix(".png")) as expected:
        assert image.mode == "L"
        assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize(
    ("source", "goal", "code", "says"),
    [
        ("nothing.nphoto", "b.png", ExitCode.FAILED, "not there"),
        ("a.jpg", "b.png", ExitCode.FAILED, "not an .nphoto file"),
        ("a.jpg", "b.jpg", ExitCode.USAGE, "must end in .png"),
        ("foreign.nphoto", "b.png", ExitCode.FAILED, "model"),
    ],
)
def test_it_says_what_is_wrong(tmp_path: Path, source: str, goal: str, code: ExitCode, says: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 and so on")
    stream = bytearray(GOLDEN.read_bytes())
    stream[7] ^= 1
    stream[15:19] = zlib.crc32(stream[:15]).to_bytes(4, "little")
    payload_end = len(stream) - 4
    stream[payload_end:] = zlib.crc32(stream[19:payload_end], zlib.crc32(stream[:15])).to_bytes(4, "little")
    (tmp_path / "foreign.nphoto").write_bytes(archive_of(bytes(stream)))
    result = CliRunner().invoke(cli, ["decode", "--reference", str(tmp_path / source), "-o", str(tmp_path / goal)])
    assert result.exit_code == code
    assert says in result.stderr
    assert not (tmp_path / goal).exists()
