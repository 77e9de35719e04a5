"""Threads share strips: each strip is made once, few are there at a time, and whatever goes wrong reaches the caller."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codec import decode_pixels, strips
from codec.errors import Corrupt
from codec.model import Model
from codec.neural import Analysed, Pixels
from codec.rowwise import Floats
from codec.strips import Strip, Strips, columns_of, each
from codec.unit import Unit


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(strips, "_NARROWEST", 4)


def test_columns_cover_the_width_once() -> None:
    for width in (1, 2, 11, 12, 24, 130, 1024):
        for threads in (1, 2, 3, 8, 64):
            columns = columns_of(width, threads)
            assert [left for left, _ in columns] == [0, *(right for _, right in columns[:-1])]
            assert columns[-1][1] == width
            assert len(columns) <= min(threads, 8)
            assert len(columns) == 1 or all((right - left) * 4 >= 47 for left, right in columns)


def test_each_keeps_the_order_and_lets_errors_out(three_threads: None) -> None:
    meeting = threading.Barrier(3, timeout=30)  # only three threads at a time get past it

    def meet(item: int) -> int:
        meeting.wait()
        return item * item

    assert each(meet, range(3)) == [0, 1, 4]
    assert each(lambda item: threading.get_ident(), range(5), most=1) == [threading.get_ident()] * 5
    with pytest.raises(ZeroDivisionError):
        each(lambda item: 1 // item, [1, 0, 1])
    assert torch.get_num_threads() == 3  # the caller's own


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_strips_are_made_once_and_let_go(three_threads: None, ahead: int) -> None:
    made: list[int] = []
    alive, most, lock = set[int](), 0, threading.Lock()

    def make(number: int) -> Strip:
        nonlocal most
        with lock:
            made.append(number)
            alive.add(number)
            most = max(most, len(alive))
        return lambda left, right: iter([np.full((4, right - left, 2), number, np.float32)])

    shared = Strips(make, 9, 3, ahead)
    passed = shared._pass

    def note(number: int) -> None:
        passed(number)
        with lock:
            if number not in shared._ready:
                alive.discard(number)

    shared._pass = note  # type: ignore[method-assign]
    found = each(lambda part: [float(row[0, 0]) for band in shared.bands(4 * part, 4 * part + 4) for row in band], range(3))
    assert found == [[number for number in range(9) for _ in range(4)]] * 3
    assert sorted(made) == list(range(9))
    assert most <= ahead
    assert not shared._ready


def test_a_picture_by_three_threads_is_that_of_one(model: Model, photo: Pixels, request: pytest.FixtureRequest) -> None:
    pixels = np.tile(photo, (3, 1, 1))[:1100, :150]
    one = Analysed(pixels, model).encode(80)
    alone = decode_pixels(one.stream, model)
    request.getfixturevalue("three_threads")
    assert np.abs(decode_pixels(one.stream, model).astype(int) - alone).max() <= 1
    other = Analysed(pixels, model).encode(80)
    assert abs(len(other.stream) - len(one.stream)) <= len(one.stream) / 1000
    assert np.abs(other.decoded(model).astype(int) - alone).mean() < 0.1


@pytest.mark.parametrize("where", ["read", "bands"])
def test_damage_in_a_later_strip_reaches_the_caller(
    model: Model, photo: Pixels, three_threads: None, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whichever thread meets it, while it reads a strip or later: all end, none waits for ever."""
    from codec import neural

    stream = Analysed(np.tile(photo, (6, 1, 1))[:2100, :150], model).encode(10).stream

    class Broken(Unit):
        def __init__(self, model: Model, payload: bytes, cells: Any) -> None:
            self.last = len(cells) < 16
            if self.last and where == "read":
                raise Corrupt("a coded stream ends too early")
            super().__init__(model, payload, cells)

        def bands(self, left: int, right: int) -> Iterator[Floats]:
            for band in super().bands(left, right):
                if self.last and where == "bands" and left == 0:  # one thread alone
                    raise Corrupt("a coded stream ends too early")
                yield band

    monkeypatch.setattr(neural, "Unit", Broken)
    with pytest.raises(Corrupt, match="too early"):
        decode_pixels(stream, model)


def test_large_pictures_are_coded_without_keeping_anything(model: Model, photo: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    from codec import neural

    pixels = np.tile(photo, (3, 1, 1))[:1100, :60]
    kept = Analysed(pixels, model).encode(60)
    monkeypatch.setattr(neural, "_HELD_PIXELS", 1000)
    analysed = Analysed(pixels, model)
    assert analysed._features is None
    again = analysed.encode(60)
    assert again.latents is None
    assert again.stream == kept.stream
    assert (again.decoded(model) == kept.decoded(model)).all()


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2], ids=["50-megapixels", "200-megapixels"])
def test_large_photos_stay_within_two_gigabytes(times: int) -> None:
    """Coded and decoded by two threads, the photo and its copy in memory, in a child process that is held to what a worker may use: with a
    byte more it fails."""
    import os
    import subprocess
    import sys

    program = f"""
import resource, numpy as np
resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
from codec import decode_pixels, encode_pixels, load_model
pixels = np.empty(({6120 * times}, {8160 * times}, 3), np.uint8)
x = np.arange(pixels.shape[1], dtype=np.int64)
for y, row in enumerate(pixels):
    row[:] = np.stack([(x * y >> 11) + y // 40, x // 40 + (x & y) % 9, (x + y) // 60], 1)
model = load_model()
decoded = decode_pixels(encode_pixels(pixels, model, 0.4), model)
assert decoded.shape == pixels.shape
for rows in (slice(1000, 1050), slice(-1050, -1000)):
    assert np.abs(decoded[rows, -5000:-4000].astype(int) - pixels[rows, -5000:-4000]).mean() < 12
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.PIPE, timeout=3000)
    print(f"peak {int(ended.stdout) >> 10} MiB")
