"""Real child processes: that they are others, that they are bounded, and that their death costs one photo."""

import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

import psutil
import pytest

from daemon import worker
from daemon.child import Bounds
from daemon.errors import WorkerBroke, WorkerDied, WorkerTimedOut
from daemon.messages import Encoded, EncodeJob, Examined, ExamineJob, Refused, Restored, RestoreJob
from daemon.worker import Patience, Workers

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with pytest.MonkeyPatch.context() as patch, Workers("fake_backend", Bounds(memory_bytes=600_000_000), Patience()) as made:
        patch.syspath_prepend(str(HERE))
        yield made


@pytest.fixture
def job(make_jpeg: Callable[..., bytes]) -> Callable[..., EncodeJob]:
    def make(wish: str = "") -> EncodeJob:
        import hashlib

        data = make_jpeg(64, 96, comment=f"fake:{wish}".encode()) if wish else make_jpeg(64, 96)
        return EncodeJob(data, hashlib.sha256(data).hexdigest(), b"a.jpg", 0, 0o644, "high", -1.0, -1.0, stand_in=False)

    return make


def test_other_processes_encode_examine_and_restore(workers: Workers, job: Callable[..., EncodeJob], tmp_path: Path) -> None:
    asked = job()
    made = workers.encode(asked)
    assert isinstance(made, Encoded)
    place = tmp_path / "a.nphoto"
    place.write_bytes(made.archive)
    seen = workers.examine(ExamineJob(place, asked.original))
    assert isinstance(seen, Examined)
    assert seen.original_sha256 == asked.sha256
    assert seen.pid == workers.verifier.pid != workers.encoder.pid
    assert os.getpid() not in (workers.verifier.pid, workers.encoder.pid)
    copy = workers.restore(RestoreJob(place))
    assert isinstance(copy, Restored)
    assert copy.data[:2] == b"\xff\xd8"


def test_the_processes_are_polite_and_bounded(workers: Workers, job: Callable[..., EncodeJob]) -> None:
    workers.encode(job())
    process = psutil.Process(workers.encoder.pid)
    assert process.nice() > psutil.Process().nice()
    assert process.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
    assert process.rlimit(psutil.RLIMIT_DATA) == (600_000_000, 600_000_000)
    assert process.rlimit(psutil.RLIMIT_AS) == (600_000_000 + (16 << 30),) * 2
    assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)


def test_a_refusal_comes_back_with_its_reason(workers: Workers, job: Callable[..., EncodeJob]) -> None:
    assert workers.encode(job("refuse:cmyk")) == Refused("cmyk", "as the test wanted")


def test_a_crash_costs_one_photo(workers: Workers, job: Callable[..., EncodeJob]) -> None:
    with pytest.raises(WorkerDied, match="SIGSEGV"):
        workers.encode(job("crash"))
    assert isinstance(workers.encode(job()), Encoded)


def test_too_little_memory_is_a_refusal(workers: Workers, job: Callable[..., EncodeJob]) -> None:
    answer = workers.encode(job("hungry"))
    assert isinstance(answer, Refused)
    assert answer.reason == "out-of-memory"
    assert isinstance(workers.encode(job()), Encoded)


def test_an_interrupt_while_a_process_starts(workers: Workers, job: Callable[..., EncodeJob], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    workers.encoder.close()
    with monkeypatch.context() as patch:
        patch.setattr(SpawnProcess, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            workers.encoder.start()
        workers.encoder.close()
    assert isinstance(workers.encode(job()), Encoded)


def test_what_earlier_photos_left_in_memory_does_not_decide(workers: Workers, job: Callable[..., EncodeJob]) -> None:
    assert isinstance(workers.encode(job()), Encoded)
    before = workers.encoder.pid
    assert isinstance(workers.encode(job("hungry-when-used")), Encoded)
    assert workers.encoder.pid != before


def test_an_unforeseen_error_is_told(workers: Workers, job: Callable[..., EncodeJob]) -> None:
    with pytest.raises(WorkerBroke, match="nobody thought of this"):
        workers.encode(job("raise"))
    assert isinstance(workers.encode(job()), Encoded)


def test_what_hangs_is_killed(job: Callable[..., EncodeJob], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    with Workers("fake_backend", Bounds(), Patience(start=60, base=0.2, per_megapixel=0)) as workers:
        began = time.monotonic()
        with pytest.raises(WorkerTimedOut):
            workers.encode(job("hang"))
        assert time.monotonic() - began < 30
        assert workers.encoder.pid is None


@pytest.mark.parametrize("share", [0.25, 0.01])
def test_a_worker_that_is_starved_gets_its_time_all_the_same(
    job: Callable[..., EncodeJob], monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """It works, but others have most of the processor: the patience is counted in what it had, and still comes to an end."""
    monkeypatch.syspath_prepend(str(HERE))
    asked: list[float] = []

    def that_share(pid: int | None) -> float:
        asked.append(len(asked) * share * 0.01)
        return asked[-1]

    with Workers("fake_backend", Bounds(), Patience(start=60, base=60, per_megapixel=0)) as workers:
        workers.encode(job())  # started, however long that takes here
        monkeypatch.setattr(workers.encoder, "_patience", Patience(start=60, base=0.01, per_megapixel=0))
        monkeypatch.setattr(worker, "cpu_s_of", that_share)
        with pytest.raises(WorkerTimedOut):
            workers.encode(job("hang"))
    assert asked[-1] >= 0.01


def test_a_missing_archive_is_an_error_and_not_an_answer(workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(WorkerBroke, match="FileNotFoundError"):
        workers.restore(RestoreJob(tmp_path / "no.nphoto"))


def test_closing_ends_both(job: Callable[..., EncodeJob], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    workers = Workers("fake_backend", Bounds(), Patience())
    workers.encode(job())
    pids = [workers.encoder.pid, workers.verifier.pid]
    workers.close()
    assert not any(psutil.pid_exists(pid) for pid in pids if pid is not None)
