"""Several processes that train one network, each on batches of its own.

On a processor, two processes of one thread do nearly twice what one of two threads does: a step is many small operations, at whose ends
threads wait for each other. After each step all add up their gradients, so that all make the same move.
"""

import contextlib
import ctypes
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

_PR_SET_PDEATHSIG = 1


class Alone:
    """One process: nothing to agree upon."""

    rank, count = 0, 1

    def agree(self, parameters: Iterable[Tensor], said: Sequence[float]) -> list[float]:
        """What the first process says; gradients of `parameters` stay."""
        return list(said)

    def add_moves(self, parameters: Sequence[Tensor], before: Sequence[Tensor]) -> None:
        """Parameters stay where they are."""

    def gathered(self, state: dict[str, Any]) -> dict[str, Any]:
        """An optimiser's state dict, as it is."""
        return state


class Together(Alone):
    """One of `count` processes, known by its `rank` from 0; the first one leads, logs and saves."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count

    def agree(self, parameters: Iterable[Tensor], said: Sequence[float]) -> list[float]:
        """Make every gradient the mean of all processes' (a missing one counts as 0), and give what the first process says."""
        parameters = [p for p in parameters if p.requires_grad]
        told = torch.tensor(said if self.rank == 0 else [0.0] * len(said), dtype=torch.float32)
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([told * self.count, *(grad.flatten() for grad in grads)])
        dist.all_reduce(flat)
        flat /= self.count
        at = len(said)
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = flat[at : at + grad.numel()].view_as(grad)
            at += grad.numel()
        return flat[: len(said)].tolist()

    @torch.no_grad()
    def add_moves(self, parameters: Sequence[Tensor], before: Sequence[Tensor]) -> None:
        """Make every parameter what it was `before`, plus what all processes together moved it by."""
        flat = torch.cat([(parameter - old).flatten() for parameter, old in zip(parameters, before, strict=True)])
        dist.all_reduce(flat)
        at = 0
        for parameter, old in zip(parameters, before, strict=True):
            parameter.copy_(old + flat[at : at + old.numel()].view_as(old))
            at += old.numel()

    def gathered(self, state: dict[str, Any]) -> dict[str, Any]:
        """For the first process: with the moments that the others keep. All have to call it."""
        found: list[Any] | None = [None] * self.count if self.rank == 0 else None
        dist.gather_object(state["state"], found)
        moments = {position: kept for each in found or () for position, kept in each.items()}
        return state | {"state": moments}


def run(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call work(Alone or Together, *arguments) in `count` processes and wait; a failure of one ends all and is raised here."""
    if count == 1:
        work(Alone(), *arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        spawn(_begin, (count, Path(folder) / "meeting", work, arguments), nprocs=count)  # type: ignore[no-untyped-call]


def _begin(rank: int, count: int, meeting: Path, work: Callable[..., None], arguments: Sequence[Any]) -> None:
    with contextlib.suppress(OSError, AttributeError):  # where there is no prctl, processes whose parent was killed train on
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    try:
        work(Together(rank, count), *arguments)
    finally:
        dist.destroy_process_group()
