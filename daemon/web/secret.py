"""The secret that a browser has to know: other users of a computer, and of its network, reach its addresses, too."""

import hashlib
import hmac
import os
import secrets
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from daemon.errors import CommandFailed
from storage import durable
from storage.digest import opened
from storage.errors import AlreadyThere, Missing, shown, translated
from storage.fingerprint import Fingerprint

COOKIE = "gallery-optimizer"
LEAST = 12
"""Characters of a secret that somebody chose."""
_MOST_BYTES = 4096
_WRONG, _WITHIN_S = 10, 60.0
"""So many wrong ones in so many seconds, and an address is not listened to until they are over."""
_CLIENTS = 1000


class Secret:
    """It is compared in constant time. A browser keeps no secret but a mark that follows from it: another secret ends its stay."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.mark = hmac.new(text.encode(), b"gallery-optimizer serve: the mark of a browser", hashlib.sha256).hexdigest()

    def is_it(self, given: str) -> bool:
        return _same(self.text, given)

    def is_mark(self, given: str) -> bool:
        return _same(self.mark, given)


def _same(ours: str, theirs: str) -> bool:
    """Digests are compared, so that not even the length is told."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (ours, theirs)]
    return hmac.compare_digest(*digests)


def kept(path: Path) -> Secret:
    """The one in the state folder, made at the first call. Raises CommandFailed, StorageError."""
    with suppress(Missing):
        return given(path)
    with suppress(AlreadyThere):  # by another one, in this very moment
        durable.write_new(path, f"{secrets.token_urlsafe(24)}\n".encode())  # mode 0600
    return given(path)


def given(path: Path) -> Secret:
    """The first line of a file that nobody else may read. Raises CommandFailed, Missing, StorageError."""
    with opened(path) as descriptor, translated(path):
        found, data = Fingerprint.of_open(descriptor), os.pread(descriptor, _MOST_BYTES, 0)
    if stat.S_IMODE(found.mode) & 0o077:
        raise CommandFailed(f"{shown(path)} may be read by others, and so is no secret: chmod 600 it.")
    if found.size_bytes > _MOST_BYTES:
        raise CommandFailed(f"{shown(path)} is too large for a secret, which is one line.")
    text = data.decode("utf-8", "surrogateescape").strip().partition("\n")[0].strip()
    if len(text) < LEAST:
        raise CommandFailed(f"the secret in {shown(path)} is too short: at least {LEAST} characters.")
    return Secret(text)


class Attempts:
    """Wrong secrets by the address that they came from, for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def too_many(self, client: str) -> bool:
        since = self._clock() - _WITHIN_S
        return sum(at > since for at in self._wrong.get(client, ())) >= _WRONG

    def failed(self, client: str) -> None:
        found = self._wrong.setdefault(client, [])
        found.append(self._clock())
        del found[:-_WRONG]
        self._wrong.move_to_end(client)
        if len(self._wrong) > _CLIENTS:
            self._wrong.popitem(last=False)
