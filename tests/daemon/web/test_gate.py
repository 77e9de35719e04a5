"""Who may ask, from where, and what a browser may do with what it gets."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import hypothesis
import pytest
from hypothesis import strategies as st

from daemon.errors import CommandFailed
from daemon.web.secret import Attempts, kept
from daemon.web.secret import given as read_secret

if TYPE_CHECKING:
    from tests.daemon.conftest import Home
    from tests.daemon.web.conftest import Browse

Photo = Callable[..., bytes]
SECRET = "correct horse battery"
NET = "0.0.0.0:8765"
FAR = "http://192.168.1.5:8765"


@pytest.fixture
def archived(home: Home, photo: Photo) -> int:
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    return home.rows()["a.jpg"].id


ADDRESSES = (
    "/",
    "/albums/0",
    "/album/0",
    "/photo/1",
    "/photo/1/full",
    "/photo/1/small",
    "/static/style.css",
    "/nowhere",
    "/photo/1/restore",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_says_what_a_browser_may_do(browse: Browse, archived: int, address: str) -> None:
    for answer in (
        browse().get(address),
        browse(NET, secret=SECRET, address=FAR).get(address),
        browse(address="http://evil.example").get(address),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy, "none at all"
        if answer.headers["content-type"].startswith("text/html"):
            assert "unsafe" not in policy
        elif "unsafe" in policy:
            assert "sandbox" in policy
            assert answer.headers["content-type"] == "image/jpeg"
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "cache-control" in answer.headers
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "192.168.1.5", "localhost.evil.example", ""])
def test_another_name_gets_nothing(browse: Browse, archived: int, host: str) -> None:
    answer = browse().get(f"/photo/{archived}/full", headers={"host": host})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")


def test_a_name_that_was_given_is_answered(browse: Browse, archived: int) -> None:
    assert browse(names=("fotos.example",)).get("/", headers={"host": "fotos.example"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods(browse: Browse, archived: int, method: str) -> None:
    answer = browse().request(method, "/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_nothing_is_changed_by_looking(browse: Browse, archived: int, home: Home) -> None:
    before = home.files()
    assert browse().get(f"/photo/{archived}/restore").status_code == 405
    assert home.files() == before


@pytest.mark.parametrize("address", ["/", "/albums/0", "/photo/1/full"])
def test_another_site_may_neither_embed_nor_send(browse: Browse, archived: int, address: str) -> None:
    browser = browse()
    for site in ("cross-site", "same-site"):
        embedded = browser.get(address, headers={"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"})
        assert embedded.status_code == 403
        framed = browser.get(address, headers={"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"})
        assert framed.status_code == 403
    followed = browser.get(address, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"})
    assert followed.status_code == 200


def mark(text: str) -> str:
    found = re.search(r'name="mark" value="([^"]+)"', text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("headers", "with_mark"),
    [
        ({}, False),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://127.0.0.1:9999"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"host": "evil.example"}, True),
    ],
)
def test_a_forged_form_changes_nothing(browse: Browse, archived: int, home: Home, headers: dict[str, str], with_mark: bool) -> None:
    browser = browse()
    told = mark(browser.get(f"/photo/{archived}").text) if with_mark else "x"
    before = home.files()
    answer = browser.post(f"/photo/{archived}/restore", data={"mark": told}, headers=headers)
    assert answer.status_code == 403
    assert home.files() == before
    assert "being given back" not in browser.get(f"/photo/{archived}").text


@pytest.mark.parametrize("body", [b"", b"\xff\xfe=%zz&mark=%ff%fe", b"mark", b"mark=" + b"x" * 3000])
def test_a_strange_form(browse: Browse, archived: int, body: bytes) -> None:
    assert browse().post(f"/photo/{archived}/restore", content=body).status_code == 403


def test_a_huge_form(browse: Browse, archived: int) -> None:
    assert browse().post(f"/photo/{archived}/restore", content=b"x" * 100_000).status_code == 413


def test_without_the_secret_there_is_only_a_form(browse: Browse, archived: int, photo: Photo) -> None:
    browser = browse(NET, secret=SECRET, address=FAR)
    for address in ADDRESSES:
        answer = browser.get(address)
        if address.startswith("/static"):
            assert answer.status_code == 200
            continue
        assert answer.status_code == 401
        assert "a.jpg" not in answer.text
        assert photo() not in answer.content
        assert SECRET not in answer.text
    assert browser.post(f"/photo/{archived}/restore", data={"mark": "x"}).status_code == 401


def test_the_secret_opens_it_by_the_address_and_by_the_form(browse: Browse, archived: int, photo: Photo) -> None:
    for by_form in (False, True):
        browser = browse(NET, secret=SECRET, address=FAR)
        given = {"secret": f" {SECRET} "}
        answer = browser.post("/login", data=given) if by_form else browser.get("/login", params=given)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert "httponly" in cookie.lower()
        assert "samesite=strict" in cookie.lower()
        assert SECRET not in cookie
        assert answer.headers["referrer-policy"] == "no-referrer", "the secret stands in the address"
        assert browser.get(f"/photo/{archived}/full").content == photo()


def test_a_cookie_of_another_secret_opens_nothing(browse: Browse, archived: int) -> None:
    browser = browse(NET, secret=SECRET, address=FAR)
    browser.get("/login", params={"secret": SECRET})
    mine = browser.cookies["gallery-optimizer"]
    other = browse(NET, secret="another secret", address=FAR)
    for cookie in (mine, SECRET, "", "x" * 5000, 'a="b', "\xff"):
        answer = other.get("/", headers={b"cookie": f"gallery-optimizer={cookie}".encode("latin-1")})
        assert answer.status_code == 401


def test_wrong_secrets_are_soon_not_listened_to(browse: Browse) -> None:
    browser = browse(NET, secret=SECRET, address=FAR)
    answers = [browser.post("/login", data={"secret": f"wrong {each}"}) for each in range(11)]
    assert [each.status_code for each in answers] == [401] * 10 + [429]
    assert "not the secret" in answers[0].text
    assert browser.post("/login", data={"secret": SECRET}).status_code == 429
    assert "retry-after" in answers[-1].headers


def test_attempts_are_forgotten_after_a_while() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(10):
        attempts.failed("a")
    assert attempts.too_many("a")
    assert not attempts.too_many("b")
    now[0] = 61
    assert not attempts.too_many("a")
    for each in range(5000):
        attempts.failed(str(each))
    assert len(attempts._wrong) <= 1000


def test_on_this_computer_nobody_is_asked(browse: Browse, archived: int) -> None:
    browser = browse()
    assert browser.get("/").status_code == 200
    assert browser.get("/login").headers["location"] == "/"


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "serve-secret"
    first = kept(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first.text) >= 24
    assert kept(path).text == first.text
    assert first.is_it(first.text)
    assert first.is_mark(first.mark)
    assert not first.is_it("")
    assert not first.is_mark(first.text)


@pytest.mark.parametrize(
    ("text", "mode", "why"), [(SECRET, 0o644, "read by others"), ("short", 0o600, "too short"), ("x" * 9999, 0o600, "too large")]
)
def test_a_bad_secret_is_refused(tmp_path: Path, text: str, mode: int, why: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(CommandFailed, match=why):
        read_secret(path)


def test_a_secret_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"  {SECRET}\nmore\n")
    path.chmod(0o400)
    assert read_secret(path).text == SECRET


PARTS = [
    "photo",
    "album",
    "albums",
    "static",
    "login",
    "1",
    "0",
    "99",
    "full",
    "small",
    "preview",
    "download",
    "restore",
    "..",
    ".",
    "style.css",
    "~",
    ".gallery-optimizer",
    "archives",
]
PARTS += ["%2e%2e", "%2f", "%00", "%ff", "%0d%0a", "", "catalog.sqlite3", "\u00f6", "?folder=%ff", "?page=-1", "?a"]
HEADERS = [
    "range",
    "if-none-match",
    "if-range",
    "origin",
    "cookie",
    "accept",
    "sec-fetch-site",
    "referer",
    "x-forwarded-host",
    "content-length",
]
METHODS = st.sampled_from(["GET", "HEAD", "POST"])
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def test_whatever_is_asked_for_gets_an_answer_in_words_and_never_what_is_no_photo(browse: Browse, archived: int, home: Home) -> None:
    browser = browse()
    before = home.files()

    @hypothesis.given(METHODS, st.lists(st.sampled_from(PARTS), max_size=5), st.dictionaries(st.sampled_from(HEADERS), TEXTS))
    def ask(method: str, parts: list[str], headers: dict[str, str]) -> None:
        try:
            answer = browser.request(method, f"http://127.0.0.1:8765/{'/'.join(parts)}", headers=headers)
        except httpx2.InvalidURL:
            return
        assert answer.status_code < 500
        assert "content-security-policy" in answer.headers
        kind = answer.headers.get("content-type", "")
        assert kind.partition(";")[0] in ("", "text/html", "text/plain", "text/css", "image/svg+xml", "image/jpeg", "multipart/byteranges")

    ask()
    assert home.files() == before
