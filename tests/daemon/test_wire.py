"""Messages between the daemon and its workers: each comes back as it was, and nothing else comes out."""

import math
import pickle
from multiprocessing import Pipe

import pytest

from daemon import wire
from daemon.messages import Begun, Broke, Encoded, EncodeJob, Examined, Refused
from tests.fuzz import seeds


def test_every_kind_comes_back() -> None:
    found = [wire.load(data) for data in seeds.messages()]
    assert {type(each) for each in found} == set(wire.MESSAGES)
    for each in found:
        again = wire.load(wire.dump(each))
        assert again == each or math.isnan(again.copy_whole)
    job = next(each for each in found if isinstance(each, EncodeJob))
    assert job.min_saving_lossless == -math.inf
    assert job.worn is not None
    assert job.worn.xattrs == ((b"user.a", b"b"),)
    examined = next(each for each in found if isinstance(each, Examined))
    assert examined.measured[0].place == (1, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\0",
        pickle.dumps(Refused("a", "b")),
        wire.dump(Refused("a", "b"))[:-1],
        wire.dump(Refused("a", "b")) + b"x",
        wire.dump(Refused("a", "b")).replace(b"Refused", b"Popen__"),
        wire.dump(Refused("a", "b")).replace(b'"reason":"a"', b'"reason": 1 '),
        wire.dump(Refused("a", "b")).replace(b'"reason"', b'"season"'),
        wire.dump(Encoded(b"abc", b"", "neural", 80.0, 75.5, 1, 0.5, 64, 64, "m1")).replace(b'"archive":3', b'"archive":9'),
        wire.dump(Begun(1.0)).replace(b"1.0", b"[1]"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(wire.Garbled):
        wire.load(data)


def test_a_worker_that_sends_a_pickle_runs_nothing() -> None:
    """The daemon's end of the pipe never unpickles, whatever the other end sends."""
    from daemon.child import Bounds
    from daemon.errors import WorkerBroke
    from daemon.messages import RatingJob
    from daemon.worker import Patience, Worker

    class Live:
        pid = None
        exitcode = None
        sentinel = 0

        def is_alive(self) -> bool:
            return True

        def kill(self) -> None:
            pass

        def join(self, _: float) -> None:
            pass

    ours, theirs = Pipe()
    worker = Worker("encoding", "daemon.backend", Bounds(), Patience())
    worker._process, worker._connection = Live(), ours  # type: ignore[assignment]
    theirs.send(Broke("as multiprocessing would", ""))
    with pytest.raises(WorkerBroke, match="does not answer as it should"):
        worker.ask(RatingJob(b"", ()))


def test_a_pickle_is_nowhere(root: object) -> None:
    import ast
    from pathlib import Path

    for folder in ("codec", "daemon", "storage"):
        for path in Path(str(root)).joinpath(folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
            assert not names & {"pickle", "marshal", "shelve", "dill"}, path
            assert not calls & {"eval", "exec", "compile", "__import__"}, path
            if folder != "codec" or "training" not in path.parts:
                received = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
                assert not received & {"recv", "system", "popen"}, path
