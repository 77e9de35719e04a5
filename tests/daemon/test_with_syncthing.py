"""A gallery between two real Syncthings on this computer: what travels, what does not, and what "Revert Local Changes" leaves."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon import settings
from daemon.marking import original_of
from daemon.sync_guard import guard

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("syncthing") is None, reason="syncthing is not installed")]
Photo = Callable[..., bytes]
KEY = "k" * 32
QUIET = {
    "globalAnnounceEnabled": False,
    "localAnnounceEnabled": False,
    "relaysEnabled": False,
    "natEnabled": False,
    "crashReportingEnabled": False,
    "urAccepted": -1,
    "reconnectionIntervalS": 5,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Syncthing:
    """One of the two, on loopback only; it announces itself to nobody."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder, self.gui, self.port = folder, free_port(), free_port()
        environment = {**os.environ, "STNOUPGRADE": "1", "HOME": str(home.parent)}
        for place in (home, folder):
            place.mkdir(parents=True, exist_ok=True)
        common = ["--home", str(home)]
        subprocess.run(["syncthing", "generate", "--no-default-folder", *common], check=True, env=environment, capture_output=True)
        address = ["--gui-address", f"127.0.0.1:{self.gui}", "--gui-apikey", KEY]
        self.process = subprocess.Popen(
            ["syncthing", "serve", "--no-browser", "--no-restart", *address, *common],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.identity = until(self._identity)

    def _identity(self) -> str:
        try:
            return str(self.api("system/status")["myID"])
        except (OSError, urllib.error.URLError):
            return ""

    def api(self, path: str, data: object = None, method: str = "") -> Any:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.gui}/rest/{path}", body, {"X-API-Key": KEY})
        request.method = method or ("GET" if data is None else "PUT")
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def join(self, other: Syncthing) -> None:
        options = {**self.api("config/options"), **QUIET, "listenAddresses": [f"tcp://127.0.0.1:{self.port}"]}
        self.api("config/options", options)
        device = {"deviceID": other.identity, "name": "other", "addresses": [f"tcp://127.0.0.1:{other.port}"]}
        self.api(f"config/devices/{other.identity}", {**self.api("config/defaults/device"), **device})
        self.configure(devices=[{"deviceID": self.identity}, {"deviceID": other.identity}], type="sendreceive")

    def configure(self, **values: Any) -> None:
        kept = next((each for each in self.api("config/folders") if each["id"] == "pictures"), self.api("config/defaults/folder"))
        self.api("config/folders/pictures", {**kept, "id": "pictures", "path": str(self.folder), **values})

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def until(question: Callable[[], Any], patience_s: float = 90) -> Any:
    ends_at = time.monotonic() + patience_s
    while time.monotonic() < ends_at:
        answer = question()
        if answer:
            return answer
        time.sleep(0.3)
    raise AssertionError("it did not come about")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "DCIM").glob("*.jpg"))}


@pytest.fixture
def pair(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Syncthing, Syncthing]]:
    """(the computer with the gallery, the phone); the gallery is a folder in what they share."""
    base = home.root.parent
    home.root = base / "Sync/DCIM"
    home.root.mkdir(parents=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(base / "xdg"))
    with ExitStack() as stack:
        here, phone = Syncthing(base / "xdg/syncthing", base / "Sync"), Syncthing(base / "phone-home", base / "phone")
        stack.callback(here.stop)
        stack.callback(phone.stop)
        here.join(phone)
        phone.join(here)
        yield here, phone


def synced(here: Syncthing, phone: Syncthing, same: bool = True) -> None:
    """Wait until both have seen everything and have nothing to fetch."""

    def at_rest() -> bool:
        for each in (here, phone):
            each.api("db/scan?folder=pictures", method="POST")
        states = [each.api("db/status?folder=pictures") for each in (here, phone)]
        alike = bytes_of(here.folder) == bytes_of(phone.folder)
        return alike is same and all(each["state"] == "idle" and not each["needFiles"] for each in states)

    until(at_rest)


def test_stand_ins_travel_and_the_vault_does_not(home: Home, photo: Photo, pair: tuple[Syncthing, Syncthing]) -> None:
    here, phone = pair
    (here.folder / ".stignore").write_text("*.tmp\n")  # read before the line comes, and again only where its date is another
    (phone.folder / "DCIM").mkdir()
    for seed in range(3):
        (phone.folder / f"DCIM/{seed}.jpg").write_bytes(photo(seed))
    originals = bytes_of(phone.folder)
    synced(here, phone)
    home.configure()
    assert home.optimize().archived == 0, "nobody has said that this is meant so"
    home.configure('two_way_sync = "stand-ins travel"')
    assert home.optimize().archived == 0, "the vault would travel"
    (gallery,) = settings.read(home.places.config_file).galleries
    for line in guard(home.root, gallery).lines:
        line.write()
    assert home.optimize().archived == 3
    synced(here, phone)
    assert all(original_of(data) for data in bytes_of(phone.folder).values())
    assert (home.root / ".gallery-optimizer").is_dir()
    assert not (phone.folder / "DCIM/.gallery-optimizer").exists()
    home.clock.forward(days=30)
    assert home.optimize().purged == 0, "the archives would be the only full copies"

    with home.shop() as shop:
        from daemon import restorer
        from daemon.ports import Silence

        restorer.restore(shop, [home.root], None, None, Silence())
    synced(here, phone)
    assert bytes_of(phone.folder) == originals

    here.configure(type="receiveonly")
    (phone.folder / "DCIM/new.jpg").write_bytes(photo(7))
    synced(here, phone)
    home.configure()
    assert home.optimize().archived == 1, "nothing is sent from here, so nobody has to know"
    synced(here, phone, same=False)
    assert (phone.folder / "DCIM/new.jpg").read_bytes() == photo(7)
    vault = {path: path.read_bytes() for path in (home.root / ".gallery-optimizer/archives").rglob("*.nphoto")}
    here.api("db/revert?folder=pictures", method="POST")
    synced(here, phone)
    assert {path: path.read_bytes() for path in vault} == vault
    before = home.codec.encoded
    assert home.optimize().archived == 1
    assert home.codec.encoded == before, "the archive was still there"
