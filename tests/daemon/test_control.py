"""Orders to the running service: over a real socket, to the real work, without the signals and the watchers of a whole service."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from daemon import asking, composition, control, restore_report, settings
from daemon.asked import to_optimize
from daemon.back_in_place import back_in_place
from daemon.cli.main import cli
from daemon.composition import Workshop
from daemon.doing import Doing
from daemon.in_place import Beside
from daemon.messages import Encoded, EncodeJob, Refused
from daemon.nightwork import Nightwork
from daemon.pausing import paused_until
from daemon.places import Places
from daemon.ports import Silence
from daemon.restorer import Came, Restoration
from daemon.run_report import packed, unpacked
from daemon.state_folder import make_state_folder
from daemon.summary import Summary
from daemon.waits import Hold
from daemon.web.giving_back import GivingBack
from storage.lock import InstanceLock

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


class Service:
    """What `control` needs of the real one: work that is done by a thread of its own when it is woken."""

    def __init__(self, home: Home) -> None:
        self.places = home.places
        found = settings.read(home.places.config_file)
        self.work = Nightwork(
            home.places, found, home.clock, UTC, shop=lambda places, wanted: Workshop(places, wanted, home.clock, lambda _: home.codec)
        )
        self._woken, self._over = threading.Event(), threading.Event()
        self._hands = threading.Thread(target=self._works)

    def _works(self) -> None:
        while not self._over.is_set():
            self._woken.wait()
            self._woken.clear()
            self.work.step()

    def wake(self) -> None:
        self._woken.set()

    def __enter__(self) -> Service:
        make_state_folder(self.places)
        self._end = control.serve(self)  # type: ignore[arg-type]
        self._hands.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.wake()
        self._hands.join()
        self._end()


@pytest.fixture
def service(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.root.parent))
    home.configure(limits='[schedule]\nwindow = "01:00-06:00"')
    with Service(home) as found:
        yield found


def run(home: Home, *words: object) -> Result:
    options = ["--config", home.places.config_file, "--state", home.places.state_folder]
    return CliRunner().invoke(cli, [str(word) for word in (*options, *words)])


def test_work_is_handed_over_and_watched(service: Service, home: Home, photo: Photo) -> None:
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    result = run(home, "optimize", "--now", home.root / "0.jpg", home.root / "1.jpg")
    assert result.exit_code == 0, result.output
    assert "Archived: 2 photos" in result.stdout
    assert "[1/2] 0.jpg: archived" in result.stderr
    assert "[2/2] 1.jpg: archived" in result.stderr
    assert json.loads(run(home, "optimize", "--now", "--json").stdout)["archived"] == 1
    assert run(home, "optimize", "--now").exit_code == 3
    assert run(home, "optimize", "--now", "/etc/hostname").exit_code == 2


def held_at(service: Service, home: Home, photo: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The service is at work on `photo`, until the event is set."""
    at_work, go_on, encode = threading.Event(), threading.Event(), home.codec.encode

    def slow(job: EncodeJob) -> Encoded | Refused:
        at_work.set()
        assert go_on.wait(60)
        return encode(job)

    monkeypatch.setattr(home.codec, "encode", slow)
    service.work.ask(to_optimize([photo]))
    service.wake()
    assert at_work.wait(60)
    return go_on


def test_a_restore_is_handed_over_while_the_service_works(
    service: Service, home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks gets the photo between two photos of the night, not an error; what is told is what `restore` tells by itself."""
    for seed in range(4):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize(home.root / "0.jpg", home.root / "1.jpg", home.root / "2.jpg")
    monkeypatch.chdir(home.root)
    go_on = held_at(service, home, home.root / "3.jpg", monkeypatch)
    answers: list[Result] = []
    asking_for = threading.Thread(target=lambda: answers.append(run(home, "restore", "0.jpg", "[1]*.jpg", "--json")))
    asking_for.start()
    while not service.work._asked:
        assert asking_for.is_alive()
    go_on.set()
    asking_for.join()
    told = json.loads(answers[0].stdout)["results"]
    assert answers[0].exit_code == 0
    assert [(each["photo"], each["from"], each["written"]) for each in told] == [
        (name, "original", str(home.root / name)) for name in ("0.jpg", "1.jpg")
    ]
    assert (home.root / "0.jpg").read_bytes() == photo(0)
    with InstanceLock(home.places.lock_file):  # whoever has it: the service says that it can't
        refused = run(home, "restore", "2.jpg")
    assert (refused.exit_code, "lock" in refused.output) == (11, True)
    assert run(home, "restore", "nothing.jpg").exit_code == 2


def test_what_a_visitor_of_the_page_asks_for_is_handed_over_too(
    service: Service, home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(2):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize(home.root / "0.jpg")
    go_on = held_at(service, home, home.root / "1.jpg", monkeypatch)
    giving = GivingBack(lambda chosen: back_in_place(home.places, chosen, Silence()))
    giving.ask(7, home.root / "0.jpg")
    while not service.work._asked:
        order = giving.order(7)
        assert order is not None
        assert not order.over, order.text
    go_on.set()
    giving.close()
    order = giving.order(7)
    assert order is not None
    assert (order.over, order.failed, order.text) == (True, False, "Given back: the original, bit for bit.")
    assert (home.root / "0.jpg").read_bytes() == photo(0)


def test_restorations_travel_whole() -> None:
    done = [
        Restoration("a.jpg", Came.LABELLED, Path("/g/a.jpg"), note="so", left_out=("EXIF", "XMP")),
        Restoration(os.fsdecode(b"\xff.jpg"), Came.NOT, None, "full", full=True),
    ]
    assert restore_report.unpacked(json.loads(json.dumps(restore_report.packed(done)))) == done


def test_the_end_is_told_at_once(service: Service, home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was told with the next beat, a second late."""
    monkeypatch.setattr(control, "_BEAT_S", 60.0)
    (home.root / "a.jpg").write_bytes(photo())
    begun = time.monotonic()
    assert run(home, "optimize", "--now").exit_code == 0
    assert run(home, "restore", home.root / "a.jpg").exit_code == 0
    assert time.monotonic() - begun < 60


def test_what_goes_wrong_there_is_told_here(service: Service, home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo(0, "raise"))
    result = run(home, "optimize", "--now")
    assert result.exit_code == 1
    assert "Failed: a.jpg" in result.stderr


def test_pause_and_resume(service: Service, home: Home) -> None:
    result = run(home, "pause", "--for", "2h")
    assert result.exit_code == 0
    assert "Paused until" in result.stdout
    assert "does not run" not in result.stderr
    until = paused_until(home.places, datetime.now(UTC))
    assert until is not None
    assert 7190 < (until - datetime.now(UTC)).total_seconds() <= 7200
    assert run(home, "resume").exit_code == 0
    assert run(home, "resume").exit_code == 3
    assert run(home, "pause", "--for", "soon").exit_code == 2
    assert json.loads(run(home, "pause", "--json").stdout)["until_at"] is None


def test_without_a_service_the_commands_do_it_themselves(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition.Workshop.__init__, "__defaults__", (home.clock, lambda settings: home.codec))
    (home.root / "a.jpg").write_bytes(photo())
    assert asking.doing(home.places) is None
    result = run(home, "pause")
    assert result.exit_code == 0
    assert "does not run" in result.stderr
    assert paused_until(home.places, datetime.now(UTC)) is not None
    assert "Archived: 1 photo" in run(home, "optimize", "--now").stdout


def test_what_it_is_at(service: Service, home: Home) -> None:
    found = asking.doing(home.places)
    assert found is not None
    assert found["what"] == "waiting"


def test_only_its_own_user_reaches_it(service: Service, home: Home) -> None:
    path = home.places.socket_files[0]
    assert path.is_relative_to(home.root.parent / "gallery-optimizer")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"nonsense\n", b"[]\n", b'{"version": 1, "command": 1}\n', b'{"version": 2, "command": "status"}\n', b'{"version": 1}\n'],
)
def test_nonsense_gets_an_answer(service: Service, home: Home, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(home.places.socket_files[0]))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        answer = json.loads(connection.makefile().readline())
    assert (answer["version"], answer["event"]) == (1, "failed")
    assert asking.doing(home.places) is not None, "and the next one is served"


def test_a_socket_that_a_killed_service_left_is_nobody(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    home.places.state_folder.mkdir()
    (path,) = home.places.socket_files
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert asking.doing(home.places) is None
    with Service(home):
        assert asking.doing(home.places) is not None
    assert not path.exists()


def test_a_service_that_has_no_time_to_answer_runs_all_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the lowest priority, beside something that took both processors, `status` and `report` said that none runs."""
    monkeypatch.setattr(asking, "_QUICK_S", 0.01)
    path = home.places.socket_files[0]
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen()
        found = asking.doing(home.places)
        assert found is not None
        assert found["what"] == "silent"
        assert "runs, and does not answer at once" in run(home, "status").stdout
        assert "does not run" not in run(home, "report").stdout


def test_a_deep_state_folder(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    home.places = Places(home.places.config_file, home.places.state_folder / ("x" * 100) / ("y" * 100))
    with Service(home):
        assert asking.doing(home.places) is not None
        assert os.listdir(home.places.state_folder).count("control.sock") == 1


def test_a_summary_travels_whole() -> None:
    done = Summary(
        recovered=1,
        archived=2,
        left=Counter({"cmyk": 3}),
        failed=[("a\udcff.jpg", "why")],
        beside=[Beside("b", Path("/p/b \udcff.jpg"), True)],
        held=Hold("load", "0.9"),
        waiting=Counter({"x": 1}),
        by_lane=Counter({"neural": 2}),
        full=["full"],
    )
    assert unpacked(json.loads(json.dumps(packed(done)))) == done
    assert unpacked({**packed(done), "of_a_later_version": 1}) == done


def test_status_says_what_the_service_is_at(service: Service, home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(2):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    encode, said = home.codec.encode, []

    def encode_and_look(job: object) -> object:
        said.append(run(home, "status").stdout)
        said.append(run(home, "optimize").stderr)
        said.append(run(home, "doctor").stderr)
        return encode(job)  # type: ignore[arg-type]

    monkeypatch.setattr(home.codec, "encode", encode_and_look)
    assert run(home, "optimize", "--now").exit_code == 0
    assert "at work, 0 of 2 photos: 0.jpg" in said[0]
    assert "optimize --now" in said[1]
    assert 'It is the service; "gallery-optimizer pause"' in said[2]
    assert "at work, 1 of 2 photos: 1.jpg" in said[3]
    assert "Next night:" in run(home, "status").stdout
    service.work.board.now = Doing("verifying", done=3, total=10)
    assert "reads archives again, 3 of 10" in run(home, "status").stdout
