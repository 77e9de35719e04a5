"""The one button."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.errors import CommandFailed
from daemon.explanation import Explanation
from daemon.restorer import Came, Restoration
from daemon.selection import Chosen
from daemon.web.giving_back import MOST, GivingBack, chosen
from daemon.web.library import Found, Library
from daemon.web.trouble import Trouble
from storage.states import State

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.daemon.conftest import Home
    from tests.daemon.web.conftest import Browse

Photo = Callable[..., bytes]


def press(browser: TestClient, photo: int) -> None:
    found = re.search(r'name="mark" value="([^"]+)"', browser.get(f"/photo/{photo}").text)
    assert found is not None
    answer = browser.post(f"/photo/{photo}/restore", data={"mark": found[1]}, headers={"origin": "http://127.0.0.1:8765"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/photo/{photo}")


def told(browser: TestClient, photo: int) -> str:
    for _ in range(400):
        text = browser.get(f"/photo/{photo}").text
        if 'http-equiv="refresh"' not in text:
            return text
        threading.Event().wait(0.01)
    raise AssertionError("it never ended")


@pytest.mark.parametrize("purged", [False, True])
def test_the_photo_comes_back_in_its_place(home: Home, browse: Browse, photo: Photo, purged: bool) -> None:
    path = home.root / "Möwe.jpg"
    path.write_bytes(photo())
    home.optimize()
    if purged:
        home.purge()
    number = home.rows()["Möwe.jpg"].id
    browser = browse()
    press(browser, number)
    text = told(browser, number)
    assert ("a copy from the archive" if purged else "the original, bit for bit") in text.lower()
    assert home.state_of("Möwe.jpg")[0] is State.RESTORED
    assert purged or path.read_bytes() == photo()
    assert "Put it back" not in text
    assert ("<dd>a copy out of its archive</dd>" if purged else "<dd>the original, bit for bit</dd>") in text
    assert "measured loss" not in text
    assert browser.get(f"/photo/{number}/full").content == path.read_bytes()


def test_a_page_never_says_that_it_is_back_and_shows_it_as_it_was(
    home: Home, browse: Browse, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    number = home.rows()["a.jpg"].id
    told_of = Library.told

    def late(library: Library, photo: int) -> tuple[Found, Explanation]:
        """It comes back between the look at the catalogue and the end of that page."""
        found = told_of(library, photo)
        giving.ask(number, home.root / "a.jpg")
        while (order := giving.order(number)) is not None and not order.over:
            threading.Event().wait(0.001)
        return found

    browser = browse()
    site = browser.app._app.routes[0].endpoint.__self__  # type: ignore[attr-defined]
    giving = site._giving
    monkeypatch.setattr(Library, "told", late)
    text = browser.get(f"/photo/{number}").text
    assert "Given back" not in text
    assert "Put it back" in text
    monkeypatch.setattr(Library, "told", told_of)
    text = browser.get(f"/photo/{number}").text
    assert "Given back" in text
    assert "Put it back" not in text


def test_a_photo_without_a_stand_in_whose_name_is_a_pattern_brings_no_other(home: Home, browse: Browse, photo: Photo) -> None:
    home.configure(gallery='stand_in = "none"')
    for seed, name in enumerate(("a.jpg", "b.jpg", "*.jpg", "[ab].jpg")):
        (home.root / name).write_bytes(photo(seed))
    home.optimize()
    browser = browse()
    for name in ("*.jpg", "[ab].jpg"):
        number = home.rows()[name].id
        press(browser, number)
        told(browser, number)
        assert home.state_of(name)[0] is State.RESTORED
    assert {name: home.state_of(name)[0] for name in ("a.jpg", "b.jpg")} == {"a.jpg": State.RETIRED, "b.jpg": State.RETIRED}


def test_what_is_in_its_place_has_no_button(home: Home, browse: Browse, photo: Photo) -> None:
    home.configure(gallery='keep = ["*"]')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    browser = browse()
    number = home.rows()["a.jpg"].id
    page = browser.get(f"/photo/{number}").text
    assert "<form" not in page
    mark = browser.app._pages.form_mark  # type: ignore[attr-defined]
    assert browser.post(f"/photo/{number}/restore", data={"mark": mark}).status_code == 409


def test_what_went_wrong_is_told(home: Home, browse: Browse, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.purge()
    home.archives()[0].unlink()
    browser = browse()
    number = home.rows()["a.jpg"].id
    press(browser, number)
    assert "is not there; a backup of the vault may have it" in told(browser, number)


def test_where_another_instance_works_that_is_told(home: Home, browse: Browse, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    browser = browse()
    number = home.rows()["a.jpg"].id
    with home.shop():
        press(browser, number)
        assert "another instance" in told(browser, number).lower()
    press(browser, number)
    assert "bit for bit" in told(browser, number)


class Held:
    """Restores that end when the test says so."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[Path] = []

    def __call__(self, wanted: Chosen) -> list[Restoration]:
        self.asked += wanted.paths
        assert self.go.wait(30)
        if wanted.paths[0].name == "bad":
            raise CommandFailed("no")
        return [Restoration("a", Came.ORIGINAL, wanted.paths[0])]


def test_orders_wait_in_a_row_of_a_known_length() -> None:
    held = Held()
    giving = GivingBack(held)
    giving.ask(0, Path("/0"))
    while not held.asked:
        threading.Event().wait(0.001)
    for number in range(1, MOST + 1):
        giving.ask(number, Path(f"/{number}"))
    giving.ask(1, Path("/1"))  # again: it waits already
    with pytest.raises(Trouble):
        giving.ask(MOST + 1, Path("/more"))
    order = giving.order(1)
    assert order is not None
    assert not order.over
    assert giving.order(MOST + 1) is None
    held.go.set()
    giving.close()
    first = giving.order(0)
    assert first is not None
    assert first.over
    assert len(held.asked) <= MOST + 1


def test_after_a_failure_the_next_one_is_served() -> None:
    held = Held()
    held.go.set()
    giving = GivingBack(held)
    giving.ask(1, Path("/bad"))
    giving.ask(2, Path("/good"))
    for number, failed in ((1, True), (2, False)):
        while (order := giving.order(number)) is None or not order.over:
            threading.Event().wait(0.001)
        assert order.failed is failed
    giving.close()


def test_a_plain_name_stays_as_it_is(tmp_path: Path) -> None:
    there = tmp_path / "[1].jpg"
    there.write_bytes(b"")
    assert chosen(there).paths == [there]
    assert chosen(tmp_path / "a.jpg").paths == [tmp_path / "a.jpg"]
    assert chosen(tmp_path / "*.jpg").paths == [tmp_path / "[*].jpg"]
