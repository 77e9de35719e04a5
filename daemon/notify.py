"""What the service tells its manager: sd_notify(3), a datagram to the socket that systemd names. Silent where there is none."""

import logging
import os
import socket
import time
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Notifier:
    """Told once: READY. Then STATUS as it changes, WATCHDOG while everything lives, RELOADING, STOPPING."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._status = ""
        self.watchdog_s = _watchdog_s(environment)
        """The manager kills us where it hears nothing for so long; None: it does not listen for that."""

    def ready(self, status: str = "") -> None:
        """Started, or done with reloading."""
        self._status = status or self._status
        self._send("READY=1", *([f"STATUS={self._status}"] if self._status else []))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={status}")

    def _send(self, *lines: str) -> None:
        if not self._address.startswith(("/", "\0")):
            return
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(2)
                channel.connect(self._address)  # else a queue that is full looks as if it had room, and sending spins till the time is over
                channel.send(message.encode("utf-8", "backslashreplace"))
        except OSError as error:
            _log.debug("the service manager can't be told: %s", error)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    told, whom = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isdigit() or int(told) == 0 or (whom and whom != str(os.getpid())):
        return None
    return int(told) / 1_000_000
