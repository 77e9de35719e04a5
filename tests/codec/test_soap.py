import copy

import pytest
import torch

from codec.training.soap import Soap, shares

SIDE, RATE = 12, 0.02


def left_after(kind: str, steps: int = 400) -> float:
    """What is left of a bowl with curvatures from 1 to 10,000 in directions that are no weight's own, seen through noise."""
    torch.manual_seed(3)
    left, right = (torch.linalg.qr(torch.randn(SIDE, SIDE))[0] for _ in range(2))
    curvature = torch.logspace(0, 2, SIDE).outer(torch.logspace(0, 2, SIDE))
    weight = torch.nn.Parameter(left @ torch.randn(SIDE, SIDE) @ right.T)
    made = Soap([weight], RATE) if kind == "soap" else torch.optim.Adam([weight], RATE, betas=(0.9, 0.99))

    def bowl(noise: float) -> torch.Tensor:
        away: torch.Tensor = left.T @ weight @ right + noise * torch.randn(SIDE, SIDE)
        return (curvature * away**2).mean()

    for step in range(steps):
        made.param_groups[0]["lr"] = RATE * (1 - step / steps)
        made.zero_grad()
        bowl(0.5).backward()  # type: ignore[no-untyped-call]
        made.step()
    return bowl(0).item()


def test_valleys_between_the_axes_are_no_harder() -> None:
    """What Adam can't do: it knows the axes of the weights alone."""
    assert left_after("adam") > 4 * left_after("soap")


def test_vectors_and_small_sides_are_left_to_adam() -> None:
    vector, thin = torch.nn.Parameter(torch.ones(64)), torch.nn.Parameter(torch.ones(20, 1, 2, 2))
    optimiser = Soap([vector, thin], 0.1)
    for _ in range(3):
        vector.grad, thin.grad = torch.ones_like(vector), torch.ones_like(thin)
        optimiser.step()
    assert "left" not in optimiser.state[vector]
    assert "right" not in optimiser.state[vector]
    assert "left" in optimiser.state[thin]
    assert "right" not in optimiser.state[thin]
    assert vector.detach().numpy() == pytest.approx(0.8, abs=1e-3)  # two steps: the first one only looks


def test_a_kept_state_goes_on_as_if_nothing_had_been() -> None:
    torch.manual_seed(1)
    one = torch.nn.Parameter(torch.randn(SIDE, SIDE))
    optimiser = Soap([one], 0.01)
    grads = [torch.randn(SIDE, SIDE) for _ in range(30)]
    for grad in grads[:15]:
        one.grad = grad
        optimiser.step()
    other = torch.nn.Parameter(one.detach().clone())
    again = Soap([other], 0.5)
    again.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for grad in grads[15:]:
        one.grad, other.grad = grad, grad.clone()
        optimiser.step()
        again.step()
    assert torch.equal(one, other)


def test_two_who_share_the_work_do_what_one_does() -> None:
    torch.manual_seed(2)
    begun = [torch.randn(*shape) for shape in ((SIDE, SIDE), (64, SIDE, 1, 1), (SIDE,), (40, 3, 3))]
    one, two, three = ([torch.nn.Parameter(tensor.clone()) for tensor in begun] for _ in range(3))
    halves = shares(one, 2)
    assert halves[0] | halves[1] == set(range(len(begun)))
    assert not halves[0] & halves[1]
    assert all(halves)
    optimisers = [Soap(one, 0.01), *(Soap(own, 0.01, mine=half) for own, half in zip((two, three), halves, strict=True))]
    for _ in range(12):
        for position, tensor in enumerate(begun):
            grad = torch.randn_like(tensor)
            for own in (one, two, three):
                own[position].grad = grad
        for optimiser in optimisers:
            optimiser.step()
    for position, tensor in enumerate(begun):
        mover, other = (two, three) if position in halves[0] else (three, two)
        assert torch.equal(one[position], mover[position])
        assert torch.equal(tensor, other[position])
