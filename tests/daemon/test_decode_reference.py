"""`decode --reference`: the way out, through the command; and what `decode` says of archives that later versions wrote."""

import hashlib
import json
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from codec.bitstream import Archive, pack
from daemon import backend, composition
from daemon.cli.main import cli
from daemon.exits import ExitCode
from tests.daemon.conftest import InProcess

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


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of a worker, by the real codec, without a process that imports it anew for each test."""
    worker = InProcess()
    worker.backend = backend.load()
    monkeypatch.setattr(composition, "start_workers", lambda _: worker)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("source", "goal", "code", "says"),
    [
        ("nothing.nphoto", "b.png", ExitCode.USAGE, "not there"),
        ("a.jpg", "b.png", ExitCode.FAILED, "not an .nphoto file"),
        ("exact.nphoto", "b.png", ExitCode.FAILED, "leave --reference out"),
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
    (tmp_path / "exact.nphoto").write_bytes(pack(Archive("exact", None, {"LEPT": b"packed"})))
    (tmp_path / "foreign.nphoto").write_bytes(archive_of(bytes(stream)))
    result = CliRunner().invoke(cli, ["decode", "--reference", str(tmp_path / source), "-o", str(tmp_path / goal)])
    assert result.exit_code == code
    assert says in result.stderr
    assert not (tmp_path / goal).exists()


def refreshed(archive: bytearray, entries: int) -> bytes:
    """With the checksums of header and file made right again."""
    end = 56 + 24 * entries
    archive[end : end + 4] = zlib.crc32(archive[:end]).to_bytes(4, "little")
    archive[-32:] = hashlib.sha256(archive[:-32]).digest()
    return bytes(archive)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("part", "reference"), [("archive", []), ("lane", []), ("archive", ["--reference"]), ("stream", ["--reference"])], ids=str
)
def test_an_archive_by_a_later_version(tmp_path: Path, part: str, reference: list[str]) -> None:
    stream = bytearray(GOLDEN.read_bytes())
    if part == "stream":
        stream[0] += 1
    archive = bytearray(archive_of(bytes(stream)))
    if part == "archive":
        archive[8] += 1
    elif part == "lane":
        archive[10] = 77
    source = tmp_path / "later.nphoto"
    source.write_bytes(refreshed(archive, 1))
    result = CliRunner().invoke(cli, ["decode", *reference, str(source), "-o", str(tmp_path / "b.png")])
    assert result.exit_code == ExitCode.FAILED
    assert "Nothing is wrong with the file: a later version of gallery-optimizer wrote it" in result.stderr
    assert ("version 2" in result.stderr) is (part != "lane")
    assert not (tmp_path / "b.png").exists()


def test_it_is_bounded_as_any_work_on_strange_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file claims a picture of 268 megapixels; the limit holds in another process, and not in this one."""
    stream = struct.pack("<BBHHB8s", 1, 0, 16384, 16384, 100, GOLDEN.read_bytes()[7:15])
    crc = zlib.crc32(stream)
    stream += crc.to_bytes(4, "little")
    for _ in range(16 * 2):
        crc = zlib.crc32(bytes(4), crc)
        stream += bytes(4) + crc.to_bytes(4, "little")
    archive = tmp_path / "a.nphoto"
    archive.write_bytes(archive_of(stream))
    monkeypatch.setenv("GALLERY_OPTIMIZER_LIMITS_MEMORY", "500 MB")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    result = CliRunner().invoke(cli, ["decode", "--reference", str(archive), "-o", str(tmp_path / "b.png")])
    assert result.exit_code == ExitCode.FAILED
    assert "more memory than `memory` allows" in result.stderr
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
