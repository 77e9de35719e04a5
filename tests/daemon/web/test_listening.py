"""Where the page listens, and the names that it answers to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import CommandFailed
from daemon.web.listening import Listening, Names


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("0.0.0.0", "0.0.0.0", 8765),
        ("localhost:0", "127.0.0.1", 0),
        ("[::1]:99", "::1", 99),
        ("::1", "::1", 8765),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert Listening.of(text) == Listening(host, port)


@pytest.mark.parametrize("text", ["", ":80", "example.org", "127.0.0.1:99999", "127.0.0.1:x", "[::1", "[::1]x", "1.2.3", "127.0.0.1:²"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: RUF100
        Listening.of(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.8.8.8", "[::1]:1", "localhost"])
def test_loopback(text: str) -> None:
    assert Listening.of(text).is_loopback


@pytest.mark.parametrize("text", ["0.0.0.0", "192.168.1.2", "[::]:1"])
def test_no_loopback(text: str) -> None:
    assert not Listening.of(text).is_loopback


@pytest.mark.parametrize(
    ("listen", "header", "ours"),
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST.:1", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.1", "evil.example:8765", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "192.168.1.2", False),
        ("127.0.0.1", "fotos.example", True),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "192.168.1.2:8765", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "fotos.example:443", True),
        ("0.0.0.0", "nas.local:8765", True),
        ("0.0.0.0", "nas", True),
    ],
)
def test_hosts(monkeypatch: pytest.MonkeyPatch, listen: str, header: str, ours: bool) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Nas")
    assert Names(Listening.of(listen), ["Fotos.example"]).may_be(header) is ours


@given(st.text(max_size=40))
def test_any_host_gets_an_answer(header: str) -> None:
    assert Names(Listening.of("0.0.0.0")).may_be(header) in (True, False)


def test_an_address_that_is_taken_is_told() -> None:
    with Listening.of("127.0.0.1:0").opened() as door:
        port = door.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"127.0.0.1:{port} can't be listened on: .*in use"):
            Listening("127.0.0.1", port).opened()


def test_what_to_open() -> None:
    assert Listening.of("127.0.0.1").address(8765) == "http://127.0.0.1:8765/"
    assert Listening.of("[::1]:1").address(2) == "http://[::1]:2/"
