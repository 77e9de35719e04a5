"""What a visitor reads."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes
from zoneinfo import ZoneInfo

import pytest

from daemon.web.leaves import PAGE, Leaf
from daemon.web.overview import HEAD, HEIGHT, WIDTH, bars
from storage.records import RunRow

if TYPE_CHECKING:
    from tests.daemon.conftest import Home
    from tests.daemon.web.conftest import Browse

Photo = Callable[..., bytes]


class Page(HTMLParser):
    """Links, pictures, texts, and everything that could run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.runs: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        told = dict(attrs)
        self.runs += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag == "a":
            self.links.append(told["href"] or "")
        if tag == "img":
            self.pictures.append(told)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def gallery(home: Home, photo: Photo) -> Home:
    """An album with one photo that is purged, and in the gallery itself one in grace and one that is left."""
    (home.root / "Sommer").mkdir()
    (home.root / "Sommer" / "Möwe.jpg").write_bytes(photo(1))
    home.optimize()
    home.purge()
    (home.root / "a.jpg").write_bytes(photo(2))
    (home.root / "kept.jpg").write_bytes(photo(3))
    home.configure(gallery='keep = ["kept.jpg"]')
    home.optimize()
    return home


def test_before_anything_was_archived(home: Home, browse: Browse) -> None:
    browser = browse()
    page = browser.get("/")
    assert page.status_code == 200
    assert "Nothing was archived yet." in page.text
    nothing = browser.get("/albums/0")
    assert nothing.status_code == 404
    assert "there is no catalogue yet" in nothing.text.lower()


def test_from_the_first_page_to_a_photo(gallery: Home, browse: Browse) -> None:
    browser = browse()
    first = Page(browser.get("/").text)
    assert "3 photos" in first.text
    assert "saved by archiving 1 photo" in first.text
    albums = Page(browser.get("/albums/0").text)
    assert [link for link in albums.links if "/album/" in link] == ["/album/0", "/album/0?folder=Sommer"]
    album = Page(browser.get("/album/0?folder=Sommer").text)
    (link,) = (link for link in album.links if link.startswith("/photo/"))
    shown = Page(browser.get(link).text)
    for text in ("Möwe.jpg", "is archived", "Put it back in its place", "Saved", "Original went"):
        assert text in shown.text
    assert f"{link}/full" in shown.links
    assert f"{link}/download" in shown.links


def test_every_page_reads_well_without_script_and_for_a_screen_reader(gallery: Home, browse: Browse) -> None:
    browser = browse()
    for address in ("/", "/albums/0", "/album/0", "/album/0?folder=Sommer", "/photo/1", "/photo/99", "/nowhere"):
        answer = browser.get(address)
        page = Page(answer.text)
        assert not {"script", "iframe", "object", "embed"} & page.tags
        assert page.runs == []
        assert {"h1", "main", "nav", "title"} <= page.tags
        assert all("alt" in each for each in page.pictures)
        assert '<html lang="en">' in answer.text


def test_nothing_is_decoded_for_a_page_or_a_thumbnail(gallery: Home, browse: Browse) -> None:
    browser = browse()
    before = len(gallery.codec.jobs)
    for address in ("/", "/albums/0", "/album/0", "/album/0?folder=Sommer", "/photo/1"):
        for picture in Page(browser.get(address).text).pictures:
            assert browser.get(picture["src"] or "").status_code in (200, 302)
    assert len(gallery.codec.jobs) == before


def test_the_chart() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert bars([], datetime(2026, 3, 1, tzinfo=UTC), zone) == []
    runs = [_run(1, datetime(2026, 2, 24, tzinfo=UTC), 1000), _run(2, datetime(2026, 2, 3, tzinfo=UTC), 500)]
    found = bars(runs, datetime(2026, 3, 1, tzinfo=UTC), zone)
    assert len(found) == 8
    assert [each.height for each in found if each.height] == [(HEIGHT - HEAD) // 2, HEIGHT - HEAD]
    assert all(each.x >= 0 and each.x + each.width <= WIDTH and each.y + each.height == HEIGHT for each in found)
    assert (found[-1].saved, found[-1].text) == ("1 KB", "1 KB, 1 photo")


def _run(number: int, at: datetime, saved: int) -> RunRow:
    return RunRow(
        id=number,
        started_at=int(at.timestamp()),
        ended_at=int(at.timestamp()),
        command="optimize",
        archived=1,
        left=0,
        failed=0,
        purged=0,
        original_bytes=saved,
        archive_bytes=0,
        stand_in_bytes=0,
        outcome="",
    )


def test_why_a_photo_is_left_is_said(gallery: Home, browse: Browse) -> None:
    row = gallery.rows()["kept.jpg"]
    text = Page(browse().get(f"/photo/{row.id}").text).text
    assert "The photo is as it always was" in text
    assert "Put it back" not in text


def test_what_is_not_as_it_should_be_is_said(gallery: Home, browse: Browse) -> None:
    browser = browse()
    rows = gallery.rows()
    (gallery.root / "a.jpg").write_bytes(b"an edit of some length")
    edited = Page(browser.get(f"/photo/{rows['a.jpg'].id}").text)
    assert "was edited since" in edited.text
    (gallery.root / "Sommer" / "Möwe.jpg").unlink()
    gallery.clock.forward(days=1)
    gallery.optimize()
    text = Page(browser.get(f"/photo/{rows['Sommer/Möwe.jpg'].id}").text).text
    assert "Its preview was deleted" in text
    assert "Put it back" in text
    assert "Open in full size" not in text
    assert browser.get("/album/0?folder=Sommer").status_code == 404


def test_several_galleries(gallery: Home, browse: Browse) -> None:
    other = gallery.root.with_name("Other")
    (other / "x").mkdir(parents=True)
    browser = browse()
    text = gallery.places.config_file.read_text()
    gallery.places.config_file.write_text(f'[[gallery]]\npath = "{other}"\n{text}')
    page = Page(browser.get("/").text)
    assert [link for link in page.links if "/albums/" in link] == ["/albums/0"], "the one that was there when it started"
    assert "start the program again" in page.text
    assert "No photo is known" in browse().get("/albums/0").text
    assert "Sommer" in browse().get("/albums/1").text


ODD = (
    b"a\"<b>&amp;'.jpg",
    b"line\nbreak.jpg",
    b"\xff\xfe.jpg",
    "\u202egpj.evil.jpg".encode(),
    b"a?b#c%.jpg",
)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_escaped_everywhere(home: Home, browse: Browse, photo: Photo, name: bytes) -> None:
    folder = os.path.join(os.fsencode(home.root), name[:-4].replace(b"/", b"_"))
    os.mkdir(folder)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(photo())
    assert home.optimize().archived == 1
    browser = browse()
    albums = browser.get("/albums/0")
    (link,) = (link for link in Page(albums.text).links if "/album/" in link)
    assert unquote_to_bytes(link.partition("folder=")[2]) == name[:-4].replace(b"/", b"_")
    album = browser.get(link)
    (photo_link,) = (each for each in Page(album.text).links if each.startswith("/photo/"))
    shown = browser.get(photo_link)
    assert [each.status_code for each in (albums, album, shown)] == [200] * 3
    for page in (albums, album, shown):
        assert "script" not in Page(page.text).tags
        assert "\u202e" not in page.text
    assert browser.get(f"{photo_link}/download").content == photo()


def test_a_long_album_has_several_pages(gallery: Home, browse: Browse, photo: Photo) -> None:
    from daemon.web import leaves

    for number in range(5):
        (gallery.root / "Sommer" / f"{number}.jpg").write_bytes(photo(4))
    gallery.optimize()
    browser = browse()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaves, "PAGE", 4)
        first = Page(browser.get("/album/0?folder=Sommer").text)
        assert sum(link.startswith("/photo/") for link in first.links) == 4
        assert "/album/0?folder=Sommer&page=2" in first.links
        second = Page(browser.get("/album/0?folder=Sommer&page=2").text)
        assert sum(link.startswith("/photo/") for link in second.links) == 2
        assert "/album/0?folder=Sommer&page=1" in second.links


@pytest.mark.parametrize(("wanted", "number"), [("", 1), ("0", 1), ("2", 2), ("-1", 1), ("99", 3), ("9" * 30, 1), ("²", 1), ("2.5", 1)])
def test_pages_that_are_not_there(wanted: str, number: int) -> None:
    assert Leaf.at(wanted, 3 * PAGE).number == number


@pytest.mark.parametrize(
    "address",
    [
        "/photo/99",
        "/photo/99/full",
        "/photo/99999999999999999999999/full",
        "/photo/x",
        "/albums/1",
        "/albums/-1",
        "/album/0?folder=None",
        "/album/0?folder=.gallery-optimizer",
        "/album/0?folder=../state",
        "/static/../page.py",
        "/static/%2e%2e/page.py",
        "/static/templates/base.html",
        "/.gallery-optimizer/archives",
        "//etc/passwd",
    ],
)
def test_what_is_not_there(gallery: Home, browse: Browse, address: str) -> None:
    answer = browse().get(address)
    assert answer.status_code == 404
    assert "first page" in answer.text


def test_a_gallery_whose_disk_is_away(gallery: Home, browse: Browse) -> None:
    browser = browse()
    away = gallery.root.with_name("away")
    gallery.root.rename(away)
    try:
        for address in ("/albums/0", "/album/0", "/photo/1", "/photo/1/full"):
            answer = browser.get(address)
            assert answer.status_code == 503
            assert "is its disk mounted?" in answer.text
        assert "its disk is not there now" in browser.get("/").text
    finally:
        away.rename(gallery.root)
    assert browser.get("/photo/1").status_code == 200, "without a restart"


def test_a_catalogue_of_a_later_version(gallery: Home, browse: Browse) -> None:
    connection = sqlite3.connect(gallery.places.catalog_file)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    answer = browse().get("/albums/0")
    assert answer.status_code == 503
    assert "upgrade gallery-optimizer" in answer.text


def test_a_photo_of_a_gallery_that_is_no_longer_configured(gallery: Home, browse: Browse) -> None:
    other = gallery.root.with_name("other")
    other.mkdir()
    gallery.places.config_file.write_text(f'[[gallery]]\npath = "{other}"\n')
    assert browse().get("/photo/1/full").status_code == 404


def test_the_pages_need_no_torch() -> None:
    import subprocess

    said = subprocess.run(
        [sys.executable, "-c", "import sys, daemon.web.server; print(sorted({'torch', 'numba'} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"
