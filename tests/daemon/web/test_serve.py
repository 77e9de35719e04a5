"""The command itself: started, visited and ended; and what is in its package."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from click.testing import Result

from daemon.places import Places

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

TESTS = Path(__file__).parent.parent
Run = Callable[..., Result]
Start = Callable[..., "Served"]


class Served:
    """The command `serve`, in a process of its own, and what it said first."""

    def __init__(self, home: Home, *options: str) -> None:
        variables = {**os.environ, "GALLERY_OPTIMIZER_BACKEND": "fake_backend"}
        variables["PYTHONPATH"] = os.pathsep.join((str(TESTS.parent.parent), str(TESTS)))
        command = [sys.executable, "-m", "daemon.cli.main", "--config", str(home.places.config_file)]
        command += ["--state", str(home.places.state_folder), "serve", "--cache", str(home.places.state_folder / "copies"), *options]
        self.process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()
        while "Ctrl-C" not in self.said and self.process.poll() is None:
            self.said += self.process.stderr.readline()
        found = re.search(r"http://\S+", self.said)
        self.address = found[0] if found is not None else ""

    def end(self, number: int) -> tuple[int, str, str]:
        """Exit code, stdout, and what it said further."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    begun: list[Served] = []

    def make(*options: str) -> Served:
        begun.append(Served(home, *options))
        return begun[-1]

    yield make
    for each in begun:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(home: Home, start: Start, photo: Callable[..., bytes], number: int) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.purge()
    row = home.rows()["a.jpg"]
    served = start("--listen", "127.0.0.1:0", "--no-secret")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", served.address)
    with urllib.request.urlopen(served.address) as answer:
        assert answer.status == 200
        assert b"1 photo" in answer.read()
    with urllib.request.urlopen(f"{served.address}photo/{row.id}/full") as answer:
        assert len(answer.read()) == row.copy_bytes
    assert served.end(number) == (0, "", "")


def test_it_ends_in_the_midst_of_a_decoding(home: Home, start: Start, photo: Callable[..., bytes]) -> None:
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        (home.root / name).write_bytes(photo(seed))
    home.configure(gallery='grace = "0 days"')
    home.optimize()
    served = start("--listen", "127.0.0.1:0", "--no-secret")
    with urllib.request.urlopen(f"{served.address}photo/1/full"):
        pass
    decoders = [each for each in psutil.Process(served.process.pid).children() if any("spawn_main" in word for word in each.cmdline())]
    assert decoders
    for each in decoders:
        each.suspend()
    answers: list[int] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(f"{served.address}photo/2/full")
        except urllib.error.HTTPError as error:
            answers.append(error.code)
            error.close()

    asking = threading.Thread(target=ask)
    asking.start()
    threading.Event().wait(1)  # it must have come in before the end begins; nothing tells when
    assert served.end(signal.SIGTERM) == (0, "", "")
    asking.join()
    assert answers == [503]
    assert not any(each.is_running() for each in decoders)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "127.0.0.1:0"])
def test_it_asks_for_the_secret_that_it_prints(home: Home, start: Start, listen: str) -> None:
    served = start("--listen", listen)
    port = re.search(r":(\d+)/login\?secret=([\w-]{30,})$", served.address)
    assert port is not None, served.said
    assert ("It is not encrypted" in served.said) == listen.startswith("0.")
    here = f"http://127.0.0.1:{port[1]}"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(here)
    assert refused.value.code == 401
    refused.value.close()
    with urllib.request.urlopen(f"{here}/login?secret={port[2]}") as answer:
        cookie = answer.headers["set-cookie"].partition(";")[0]
    with urllib.request.urlopen(urllib.request.Request(here, headers={"cookie": cookie})) as answer:
        assert answer.status == 200
    assert home.places.secret_file.read_text().strip() == port[2]
    assert home.places.secret_file.stat().st_mode & 0o777 == 0o600


def test_a_port_that_is_taken(home: Home, start: Start, run: Run) -> None:
    served = start("--listen", "127.0.0.1:0")
    result = run("serve", "--listen", served.address.removeprefix("http://").partition("/")[0])
    assert result.exit_code == 1
    assert "can't be listened on" in result.stderr


def test_without_the_extra_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("daemon.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = run("serve")
    assert result.exit_code == 1
    assert "the package uvicorn is missing" in result.stderr
    assert "pip install" in result.stderr


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:99999", ""])
def test_no_address(run: Run, listen: str) -> None:
    result = run("serve", "--listen", listen)
    assert result.exit_code == 2
    assert "--listen" in result.stderr


@pytest.mark.parametrize("options", [("--listen", "0.0.0.0"), ("--secret-file", "own")])
def test_the_network_has_to_know_a_secret(run: Run, options: tuple[str, ...]) -> None:
    result = run("serve", "--no-secret", *options)
    assert result.exit_code == 2
    assert "--no-secret" in result.stderr


def test_without_a_gallery(home: Home, run: Run) -> None:
    home.places.config_file.unlink()
    assert run("serve").exit_code == 10


def test_the_secret_is_no_other_file_of_the_state(home: Home) -> None:
    places = home.places
    files = [getattr(places, name) for name in dir(Places) if name.endswith("_file")]
    assert len(set(files)) == len(files)


def test_the_package_has_templates_and_style(root: Path) -> None:
    data = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["daemon.web"]
    there = [path.relative_to(root / "daemon/web").as_posix() for path in (root / "daemon/web").rglob("*") if path.is_file()]
    left_out = [name for name in there if not name.endswith((".py", ".pyc")) and not any(fnmatch(name, each) for each in data)]
    assert left_out == []
    assert any(name.endswith("base.html") for name in there)
