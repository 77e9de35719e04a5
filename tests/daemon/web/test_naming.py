"""Any name that a file can have goes into an address and comes back, and into a header without breaking it."""

import os
import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.web.naming import disposition, queried, query, title

names = st.binary(min_size=1, max_size=255).filter(lambda name: b"\0" not in name and b"/" not in name)
paths = st.lists(names, max_size=4).map(b"/".join)


@given(paths)
@example(b"a&b=c;d")
@example("Möwe & Düne #1?".encode())
@example(b"caf\xe9/100%25")
def test_a_folder_goes_into_an_address_and_comes_back(folder: bytes) -> None:
    text = query(folder=folder, page=3)
    assert re.fullmatch(r"[?A-Za-z0-9%&=/._~-]*", text)
    found = queried(text.removeprefix("?").encode("ascii"))
    assert os.fsencode(found.get("folder", "")) == folder
    assert found["page"] == "3"


@given(names)
@example(b'"; filename="evil.html')
@example(b"a\r\nSet-Cookie: x=y.jpg")
@example("\u202egpj.exe".encode())
@example(b"\xff\xfe.jpg")
@example(b"..")
@example("Möwe.jpg".encode())
def test_a_name_can_not_break_its_header(name: bytes) -> None:
    header = disposition(name, attached=True)
    assert header.isascii()
    found = re.fullmatch(r"attachment; filename=\"([^\"\\\x00-\x1f\x7f/%]+)\"; filename\*=UTF-8''([A-Za-z0-9%._~-]+)", header)
    assert found is not None, header
    whole = unquote_to_bytes(found[2]).decode("utf-8")
    assert whole not in (".", "..")
    assert not set(whole) & set("/\0\r\n\u202e")


def test_names_are_what_a_browser_saves() -> None:
    assert disposition("Möwe.jpg".encode(), attached=True) == "attachment; filename=\"Mowe.jpg\"; filename*=UTF-8''M%C3%B6we.jpg"
    assert disposition(b"IMG_1.jpg", attached=False) == "inline; filename=\"IMG_1.jpg\"; filename*=UTF-8''IMG_1.jpg"
    assert disposition("日本.png".encode(), attached=True).startswith('attachment; filename="png"')


@given(names)
def test_a_title_is_text(name: bytes) -> None:
    title(name).encode("utf-8")


@pytest.mark.parametrize("text", [b"a=1&a=2", b"%", b"&&=", b"=x", b"\xff=\xfe"])
def test_a_strange_query_is_no_error(text: bytes) -> None:
    assert isinstance(queried(text), dict)
