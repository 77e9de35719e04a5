import multiprocessing
import os
import select
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from codec.training import together


def _announced(team: together.Alone, folder: Path) -> None:
    (folder / f"new{team.rank}").write_text(str(os.getpid()))
    (folder / f"new{team.rank}").rename(folder / str(team.rank))
    signal.pause()


def _wait_until(ready: Callable[[], bool]) -> None:
    for _ in range(6000):
        if ready():
            return
        threading.Event().wait(0.01)
    pytest.fail("nothing came within a minute")


@pytest.mark.slow
def test_nobody_trains_on_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent = multiprocessing.get_context("spawn").Process(target=together.run, args=(2, _announced, tmp_path))
    parent.start()
    _wait_until(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists())
    ends = [os.pidfd_open(int((tmp_path / str(rank)).read_text())) for rank in range(2)]
    parent.kill()
    parent.join()
    try:
        assert all(select.select([end], [], [], 60)[0] for end in ends)
    finally:
        for end in ends:
            os.close(end)


def test_gradients_are_the_mean_of_all_and_the_leader_is_heard(tmp_path: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        one, none = torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(4))
        one.grad = torch.arange(6.0).view(2, 3)
        assert together.Together(0, 1).agree([one, none], [7.0]) == [7.0]
        assert torch.equal(one.grad, torch.arange(6.0).view(2, 3))
        assert none.grad is not None
        assert not none.grad.any()
    finally:
        dist.destroy_process_group()
