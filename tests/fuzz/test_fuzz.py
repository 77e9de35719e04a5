"""What fuzzing found once, and a short run of every target; the long one is `make fuzz`."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import mutations, seeds
from tests.fuzz.run import SHARES, findings
from tests.fuzz.targets import TARGETS, small_pictures

TRIES = {"jpeg": 150, "png": 40, "archive": 150, "stream": 8, "coded": 100, "metadata": 40, "labels": 60, "piece": 100, "message": 2000}


def test_every_target_has_its_time() -> None:
    assert TARGETS.keys() == SHARES.keys() == TRIES.keys()


@pytest.mark.filterwarnings("ignore")  # of libraries, about files that no camera writes
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run(name: str) -> None:
    """Another one each time, but in CI."""
    seed = 1 if os.environ.get("CI") == "true" else random.SystemRandom().getrandbits(32)
    target, rng = TARGETS[name], random.Random(seed)
    with small_pictures():
        for data in target.seeds():
            target.check(data)
        for number in range(TRIES[name]):
            data = target.mutated(rng.choice(target.seeds()), rng)
            try:
                target.check(data)
            except BaseException as error:
                error.add_note(f"seed {seed}, input {number}: {data[:2000].hex()}")
                raise


FINDINGS = [path for name in TARGETS for path in findings(name)]


@pytest.fixture(scope="module")
def ended(root: Path) -> tuple[dict[Path, int], str]:
    """How the process of each finding ended, and what all of them said; they begin as copies of one, which imported what they need."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.fuzz.run import limited; from tests.fuzz.targets import TARGETS, small_pictures\n"
        "for path in map(Path, sys.argv[1:]):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        limited()\n"
        "        with small_pictures():\n"
        "            TARGETS[path.name.split('-')[0]].check(path.read_bytes())\n"
        "        os._exit(0)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
    )
    command = [sys.executable, "-c", code, *map(str, FINDINGS)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=300)
    return dict(zip(FINDINGS, map(int, done.stdout.split()), strict=True)), done.stderr


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_findings_stay_mended(path: Path, ended: tuple[dict[Path, int], str]) -> None:
    """Each in a process with a worker's memory, since some of them ended the process."""
    codes, said = ended
    assert codes[path] == 0, said[-4000:]


def test_a_hang_is_found_by_the_processor_time_that_it_takes(root: Path, tmp_path: Path) -> None:
    """In the midst of compiled code, too; a process that others keep waiting is no finding."""
    code = (
        "import os, sys, time; from pathlib import Path; from tests.fuzz import run, targets\n"
        "def check(data):\n"
        "    sum(range(10**15)) if how == 'spins' else time.sleep(0.6)\n"
        "    os._exit(7)\n"
        "run.PATIENCE_S = 0.3\n"
        "targets.TARGETS['message'] = targets.Target(check, lambda: [b'seed'])\n"
        "for how in ('spins', 'waits'):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        run.blind('message', 5, Path(sys.argv[1]) / how)\n"
        "        os._exit(0)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
    )
    for how in ("spins", "waits"):
        (tmp_path / how).mkdir()
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=120)
    assert [int(ends) for ends in done.stdout.split()] == [-signal.SIGABRT, 7], done.stderr[-2000:]
    assert all((tmp_path / how / "message-current").exists() for how in ("spins", "waits"))
    assert "in check" in done.stderr


def test_a_sealed_change_gets_past_the_checksums() -> None:
    """A fuzzer that checksums stop finds nothing."""
    from codec import bitstream, png_chunks
    from codec.errors import CodecError

    rng = random.Random(5)
    archive, picture = seeds.archives()[-1], seeds.pngs()[1]
    past = 0
    for _ in range(60):
        for read, data in (
            (bitstream.unpack, mutations.inside_archive(archive, rng, lambda part: mutations.changed(part, rng))),
            (lambda data: list(png_chunks.chunks(data)), mutations.inside_png(picture, rng, lambda part: mutations.changed(part, rng))),
        ):
            try:
                read(data)
                past += 1
            except CodecError:
                pass
    assert past > 80
