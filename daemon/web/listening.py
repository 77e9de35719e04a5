"""Where the page is served: an address and a port, the names that it answers to there, and the addresses to open."""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from daemon.errors import CommandFailed

DEFAULT = "127.0.0.1:8765"
_BACKLOG = 128
_NOBODY = "192.0.2.1"
"""An address for documents (RFC 5737): asked for the way to it, the kernel tells which of ours leads out; nothing is sent."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An address of this computer."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> "Listening":
        """'127.0.0.1:8765', '0.0.0.0', '[::1]:80', 'localhost'. Raises ValueError."""
        host, port = _split(text)
        number = int(port) if port else int(_split(DEFAULT)[1])
        address = "127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host))
        if not 0 <= number <= 65535:
            raise ValueError(f"there is no port {number}")
        return cls(address, number)

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer itself can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def opened(self) -> socket.socket:
        """Raises CommandFailed."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise CommandFailed(f"{_joined(self.host, self.port)} can't be listened on: {error.strerror or error}.") from error

    def address(self, port: int) -> str:
        """What to open in a browser; `port`: the one that was really got."""
        host = self.host
        if ipaddress.ip_address(host).is_unspecified:
            host = _own_address() or host
        return f"http://{_joined(host, port)}/"


class Names:
    """What a request's Host may say: a stranger's page can have its own name lead to us, but never with another name in that header
    (DNS rebinding)."""

    def __init__(self, listening: Listening, given: Iterable[str] = ()) -> None:
        """`given`: further names, without a port, such as those of a proxy in front."""
        self._only_loopback = listening.is_loopback
        self._names = {"localhost", *(name.lower().rstrip(".") for name in given)}
        if not listening.is_loopback:
            own = socket.gethostname().lower().partition(".")[0]
            self._names |= {own, f"{own}.local", f"{own}.lan", f"{own}.fritz.box", f"{own}.home.arpa", socket.gethostname().lower()}

    def may_be(self, header: str) -> bool:
        """Whether a Host header is one of ours. A bare address always is, since no name led to it."""
        try:
            host, _ = _split(header)
        except ValueError:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host.lower().rstrip(".") in self._names
        return address.is_loopback or not self._only_loopback


def _split(text: str) -> tuple[str, str]:
    """Host and port (digits, or empty) of 'host:port', '[v6]:port', or either without a port. Raises ValueError."""
    host, bracket, rest = text.removeprefix("[").partition("]") if text.startswith("[") else (text, "", "")
    if text.startswith("["):
        port = rest.removeprefix(":")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no address")
    elif text.count(":") > 1:  # an IPv6 address without a port
        port = ""
    else:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit())):
        raise ValueError(f"{text!r} is no address")
    return host, port


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _own_address() -> str:
    """In the home network; empty where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_NOBODY, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""
