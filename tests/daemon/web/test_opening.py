"""Nothing but plain files of the gallery is opened, whatever lies there."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.web.opening import JPEG, OTHER, PNG, kind_of, opened_beneath


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("base")
    root = base / "gallery"
    (root / "album").mkdir(parents=True)
    (root / "album" / "a.jpg").write_bytes(b"a")
    (base / "secret.jpg").write_bytes(b"secret")
    (base / "elsewhere").mkdir()
    (base / "elsewhere" / "s.jpg").write_bytes(b"secret")
    (root / "link.jpg").symlink_to(base / "secret.jpg")
    (root / "far").symlink_to(base / "elsewhere")
    os.mkfifo(root / "pipe.jpg")
    return root


def test_a_file(gallery: Path) -> None:
    descriptor = opened_beneath(gallery, b"album/a.jpg")
    assert os.read(descriptor, 9) == b"a"
    os.close(descriptor)


@pytest.mark.parametrize(
    "path",
    [b"link.jpg", b"far/s.jpg", b"../secret.jpg", b"album/../../secret.jpg", b"/etc/passwd", b"album", b"pipe.jpg", b"", b".", b"none.jpg"],
)
def test_anything_else(gallery: Path, path: bytes) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError):  # noqa: RUF100
        opened_beneath(gallery, path)
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor was left open"


@given(
    st.lists(
        st.sampled_from([b"..", b".", b"", b"album", b"far", b"s.jpg", b"secret.jpg", b"a.jpg", b"elsewhere", b"link.jpg"]), max_size=6
    )
)
def test_no_way_leads_out(gallery: Path, parts: list[bytes]) -> None:
    try:
        descriptor = opened_beneath(gallery, b"/".join(parts))
    except OSError:
        return
    found = os.read(descriptor, 9)
    os.close(descriptor)
    assert found == b"a"


def test_what_a_browser_is_told() -> None:
    assert kind_of(b"\xff\xd8\xff\xe0") == JPEG
    assert kind_of(b"\x89PNG\r\n\x1a\n....") == PNG
    for other in (b"", b"<svg xmlns=", b"<!doctype html>", b"GIF89a", b"\xff\xd8", b"%PDF-1.4"):
        assert kind_of(other) == OTHER
