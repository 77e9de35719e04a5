"""Photos as they are sent: the right bytes under the right name, conditions and ranges, and nothing that is no photo."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from daemon import restorer
from daemon.messages import RestoreJob
from daemon.ports import Silence

if TYPE_CHECKING:
    from tests.daemon.conftest import Home
    from tests.daemon.web.conftest import Browse

Photo = Callable[..., bytes]
NAME = "Möwe am Strand.jpg"
DOWNLOAD = "attachment; filename=\"Mowe am Strand.jpg\"; filename*=UTF-8''M%C3%B6we%20am%20Strand.jpg"


@pytest.fixture
def in_grace(home: Home, photo: Photo) -> int:
    """Its id."""
    (home.root / NAME).write_bytes(photo())
    assert home.optimize().archived == 1
    return home.rows()[NAME].id


@pytest.fixture
def purged(home: Home, in_grace: int) -> int:
    home.purge()
    return in_grace


def decodings(home: Home) -> int:
    return sum(isinstance(job, RestoreJob) for job in home.codec.jobs)


def test_in_grace_it_is_the_original(browse: Browse, in_grace: int, photo: Photo, home: Home) -> None:
    answer = browse().get(f"/photo/{in_grace}/full")
    assert answer.content == photo()
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith("inline; ")
    assert decodings(home) == 0


def test_later_it_is_what_restore_gives(browse: Browse, purged: int, home: Home, tmp_path: Path) -> None:
    answer = browse().get(f"/photo/{purged}/download")
    with home.shop(reading=True) as shop:
        (done,) = restorer.restore(shop, [home.root / NAME], tmp_path, None, Silence())
    assert done.written is not None
    assert answer.content == done.written.read_bytes()
    assert answer.headers["content-disposition"] == DOWNLOAD
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_it_is_decoded_once_and_a_browser_that_has_it_is_told_so(browse: Browse, purged: int, home: Home) -> None:
    browser = browse()
    first = browser.get(f"/photo/{purged}/full")
    for given in (first.headers["etag"], f'"x", W/{first.headers["etag"]}', "*"):
        again = browser.get(f"/photo/{purged}/full", headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    assert browser.get(f"/photo/{purged}/download", headers={"if-none-match": '"other"'}).content == first.content
    assert decodings(home) == 1
    assert "no-cache" in first.headers["cache-control"]
    assert "private" in first.headers["cache-control"]


def test_a_condition_is_answered_without_decoding(browse: Browse, purged: int, home: Home) -> None:
    browser = browse()
    head = browser.head(f"/photo/{purged}/full")
    assert head.status_code == 200
    assert head.content == b""
    assert browser.get(f"/photo/{purged}/full", headers={"if-none-match": head.headers["etag"]}).status_code == 304
    assert decodings(home) == 0
    full = browser.get(f"/photo/{purged}/full")
    assert int(head.headers["content-length"]) == len(full.content)


@pytest.mark.parametrize("where", ["in grace", "purged"])
def test_ranges(browse: Browse, in_grace: int, home: Home, where: str) -> None:
    if where == "purged":
        home.purge()
    browser = browse()
    whole = browser.get(f"/photo/{in_grace}/full")
    assert whole.headers["accept-ranges"] == "bytes"
    part = browser.get(f"/photo/{in_grace}/full", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert browser.get(f"/photo/{in_grace}/full", headers={"range": "bytes=-5"}).content == whole.content[-5:]
    beyond = browser.get(f"/photo/{in_grace}/full", headers={"range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    other = browser.get(f"/photo/{in_grace}/full", headers={"range": "bytes=10-19", "if-range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)


def test_where_the_disk_has_no_room_the_copy_comes_from_the_memory(
    browse: Browse, purged: int, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.cache.Cache.put", lambda *_: False)
    browser = browse()
    first, second = (browser.get(f"/photo/{purged}/full") for _ in range(2))
    assert first.status_code == 200
    assert first.content == second.content
    assert decodings(home) == 1


def test_no_descriptor_stays_open(browse: Browse, purged: int) -> None:
    browser = browse()
    for _ in range(2):
        browser.get(f"/photo/{purged}/full")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        tag = browser.get(f"/photo/{purged}/full", headers={"range": "bytes=1-2"}).headers["etag"]
        browser.head(f"/photo/{purged}/full")
        browser.get(f"/photo/{purged}/full", headers={"if-none-match": tag})
        small = browser.get(f"/photo/{purged}/small").headers["etag"]
        assert browser.get(f"/photo/{purged}/small", headers={"if-none-match": small}).status_code == 304
        browser.get(f"/photo/{purged}/full", headers={"range": "bytes=99999999-"})
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_missing_archive(browse: Browse, purged: int, home: Home) -> None:
    home.archives()[0].unlink()
    answer = browse().get(f"/photo/{purged}/full")
    assert answer.status_code == 404
    assert "is not there; a backup of the vault may have it" in answer.text


def test_a_damaged_archive(browse: Browse, purged: int, home: Home) -> None:
    (archive,) = home.archives()
    archive.chmod(0o600)
    archive.write_bytes(archive.read_bytes()[:-9])
    answer = browse().get(f"/photo/{purged}/full")
    assert answer.status_code == 500
    assert "gallery-optimizer verify" in answer.text
    assert "Traceback" not in answer.text


def test_a_decoder_that_dies_is_told(browse: Browse, purged: int, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from daemon.errors import WorkerDied

    def restore(job: RestoreJob) -> None:
        raise WorkerDied("the decoding process ended by a signal")

    monkeypatch.setattr(home.codec, "restore", restore)
    answer = browse().get(f"/photo/{purged}/full")
    assert answer.status_code == 503
    assert "memory" in answer.text


def test_a_photo_that_was_never_archived_is_itself(browse: Browse, home: Home, photo: Photo) -> None:
    home.configure(gallery='keep = ["*"]')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    row = home.rows()["a.jpg"]
    browser = browse()
    assert browser.get(f"/photo/{row.id}/full").content == photo()
    (home.root / "a.jpg").unlink()
    assert browser.get(f"/photo/{row.id}/full").status_code == 404


@pytest.mark.parametrize(
    "content", [b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b"<!doctype html><script>alert(1)</script>", b""]
)
def test_what_is_no_picture_is_only_given_to_be_saved(browse: Browse, home: Home, photo: Photo, content: bytes) -> None:
    path = home.root / "a.jpg"
    home.configure(gallery='keep = ["*"]')
    path.write_bytes(photo())
    home.optimize()
    row = home.rows()["a.jpg"]
    path.write_bytes(content)
    browser = browse()
    answer = browser.get(f"/photo/{row.id}/full")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert browser.get(f"/photo/{row.id}/small").headers["location"] == "/static/none.svg"


def test_no_link_leads_out_of_the_gallery(browse: Browse, home: Home, photo: Photo) -> None:
    home.configure(gallery='keep = ["*"]')
    (home.root / "album").mkdir()
    (home.root / "album" / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    home.optimize()
    outside = home.root.with_name("outside")
    (home.root / "album").rename(outside)
    (home.root / "album").symlink_to(outside)
    (home.root / "b.jpg").unlink()
    (home.root / "b.jpg").symlink_to(outside / "a.jpg")
    browser = browse()
    for row in home.rows().values():
        for what in ("full", "download"):
            answer = browser.get(f"/photo/{row.id}/{what}")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        for what in ("small", "preview"):
            assert browser.get(f"/photo/{row.id}/{what}").headers["location"] == "/static/none.svg"


def test_a_thumbnail_is_the_stand_in(browse: Browse, purged: int, home: Home) -> None:
    browser = browse()
    for what in ("small", "preview"):
        answer = browser.get(f"/photo/{purged}/{what}")
        assert answer.content == (home.root / NAME).read_bytes()
        assert browser.get(f"/photo/{purged}/{what}", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_a_thumbnail_of_a_large_photo_is_the_cameras(browse: Browse, home: Home) -> None:
    camera = io.BytesIO()
    Image.new("RGB", (160, 120), (200, 30, 30)).save(camera, "JPEG")
    tiff = b"II*\0" + (8).to_bytes(4, "little") + (1).to_bytes(2, "little")
    tiff += b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + (26).to_bytes(4, "little")
    tiff += (2).to_bytes(2, "little") + b"\x01\x02\x04\0\x01\0\0\0" + (56).to_bytes(4, "little")
    tiff += b"\x02\x02\x04\0\x01\0\0\0" + len(camera.getvalue()).to_bytes(4, "little") + b"\0" * 4
    tiff += camera.getvalue()
    noise = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, "JPEG", quality=98, exif=b"Exif\0\0" + tiff)
    assert len(whole.getvalue()) > 1 << 20
    home.configure(gallery='keep = ["*"]')
    (home.root / "a.jpg").write_bytes(whole.getvalue())
    home.optimize()
    answer = browse().get(f"/photo/{home.rows()['a.jpg'].id}/small")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (160, 120)
        assert image.getexif()[0x0112] == 6, "turned as the photo is"
        assert image.convert("RGB").getpixel((80, 60))[0] > 180  # type: ignore[index]


def test_without_stand_ins_the_original_tells_its_thumbnail(browse: Browse, home: Home, photo: Photo) -> None:
    home.configure(gallery='stand_in = "none"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    number = home.rows()["a.jpg"].id
    browser = browse()
    assert f"/photo/{number}" in browser.get("/album/0").text
    assert browser.get(f"/photo/{number}/full").content == photo()
    assert browser.get(f"/photo/{number}/small").content == photo(), "a small one"
    text = browser.get(f"/photo/{number}").text
    assert "nothing is in its place" in text
    assert "goes back to its place" in text
    home.purge()
    assert browser.get(f"/photo/{number}/small").headers["location"] == "/static/none.svg"
    assert browser.get("/static/none.svg").headers["content-type"] == "image/svg+xml"
