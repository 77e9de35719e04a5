"""SOAP: Adam in the slowly turning eigenbasis of each weight matrix's gradients.

Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam" (arXiv 2409.11321), algorithm 3. Moments are kept in the
eigenbasis and turned with it, which saves two of its four projections a step.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

LARGEST = 1024
"""A side longer than this keeps its own axes: its basis would cost more than it gives."""

_SMALLEST = 8


def shares(parameters: Sequence[Tensor], count: int) -> list[set[int]]:
    """Positions in `parameters` for each of `count` processes, so that all have about the same number of products to make."""
    costs = [_cost(parameter) for parameter in parameters]
    made: list[set[int]] = [set() for _ in range(count)]
    for position in sorted(range(len(costs)), key=lambda position: -costs[position]):
        least = min(range(count), key=lambda number: (sum(costs[other] for other in made[number]), len(made[number])))
        made[least].add(position)
    return made


def _cost(parameter: Tensor) -> int:
    if parameter.dim() < 2:
        return 0
    sides = parameter.shape[0], parameter.numel() // parameter.shape[0]
    return parameter.numel() * sum(side for side in sides if _SMALLEST <= side <= LARGEST)


class Soap(torch.optim.Optimizer):
    """Every parameter is seen as a matrix (first dimension, all others); vectors and small sides are left to plain Adam.

    With `mine` it moves the parameters at these positions alone, and has moments of these alone.

    `rate` as in Adam. `betas` are Adam's; `shampoo` is the decay of the statistics that the bases come from, which are renewed every
    `every` steps by one step of orthogonal iteration.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        shampoo: float = 0.98,
        every: int = 10,
        mine: Collection[int] | None = None,
    ) -> None:
        self._mine = mine
        super().__init__(parameters, {"lr": rate, "betas": betas, "shampoo": shampoo, "every": every, "eps": 1e-8})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update. The first one of a parameter only sets up its bases."""
        for group in self.param_groups:
            for position, parameter in enumerate(group["params"]):
                if parameter.grad is not None and (self._mine is None or position in self._mine):
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        grad = grad.reshape(parameter.shape[0] if parameter.dim() > 1 else 1, -1)
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"], state["power"] = torch.zeros_like(grad), torch.zeros_like(grad)
            for side, outer in (("left", grad @ grad.T), ("right", grad.T @ grad)) if parameter.dim() > 1 else ():
                if _SMALLEST <= outer.shape[0] <= LARGEST:
                    state[side] = outer
                    state[side + "_basis"] = torch.linalg.eigh(outer.double())[1].flip(1).float()
            return
        state["step"] += 1
        turned = _to_basis(grad, state)
        b1, b2 = group["betas"]
        mean, power = state["mean"].lerp_(turned, 1 - b1), state["power"].lerp_(turned**2, 1 - b2)
        fair = (1 - b2 ** state["step"]) ** 0.5 / (1 - b1 ** state["step"])
        move = _from_basis(mean * fair / (power.sqrt() + group["eps"]), state)
        parameter.sub_(move.view(parameter.shape), alpha=group["lr"])
        if "left" in state:
            state["left"].lerp_(grad @ grad.T, 1 - group["shampoo"])
        if "right" in state:
            state["right"].lerp_(grad.T @ grad, 1 - group["shampoo"])
        if state["step"] % group["every"] == 0:
            _turn(state)


def _to_basis(matrix: Tensor, state: dict[str, Any]) -> Tensor:
    if "left" in state:
        matrix = state["left_basis"].T @ matrix
    return matrix @ state["right_basis"] if "right" in state else matrix


def _from_basis(matrix: Tensor, state: dict[str, Any]) -> Tensor:
    if "left" in state:
        matrix = state["left_basis"] @ matrix
    return matrix @ state["right_basis"].T if "right" in state else matrix


def _turn(state: dict[str, Any]) -> None:
    """One orthogonal iteration of each basis; the first moment turns with it, the second is only put in the new order."""
    for side, dimension in (("left", 0), ("right", 1)):
        if side not in state:
            continue
        old = state[side + "_basis"]
        product = state[side] @ old
        order = (old * product).sum(0).argsort(descending=True)
        new = torch.linalg.qr(product[:, order])[0]
        change = old.T @ new
        state["mean"] = change.T @ state["mean"] if dimension == 0 else state["mean"] @ change
        state["power"] = state["power"].index_select(dimension, order)
        state[side + "_basis"] = new
