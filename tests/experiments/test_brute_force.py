"""Shares against a calculation of its own: a loop that is given the scaled numbers, and averages over all orders."""

import math
from itertools import permutations

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam

from tests.experiments.attributed import asked

OWN = {"eps": 2e-2, "weight_decay": 2e-2, "max_norm": 20.0}
"""All of them have exponent 1. The norms are so large that torch's 1e-6 beside them is lost in float32."""
UNIT, STEPS = 40.0, 25


def train(
    alpha: float = 1.0, eps: float = OWN["eps"], weight_decay: float = OWN["weight_decay"], max_norm: float = 20.0
) -> tuple[list[float], Tensor, int]:
    """Losses in the user's own units, the last weights, and how often was clipped."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = Adam(model.parameters(), lr=3e-2, eps=eps, weight_decay=weight_decay)
    losses: list[float] = []
    clipped = 0
    for _ in range(STEPS):
        x = torch.randn(16, 4)
        optimizer.zero_grad()
        loss = UNIT * nn.functional.mse_loss(model(x), torch.sin(x.sum(1, keepdim=True)))
        losses.append(loss.item())
        (alpha * loss).backward()
        gradients = [tensor.grad for tensor in model.parameters() if tensor.grad is not None]
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        clipped += int(norm > max_norm)
        for gradient in gradients:
            gradient.mul_(torch.clamp(max_norm / (norm + 1e-6 * alpha), max=1.0))
        optimizer.step()
    return losses, torch.cat([tensor.detach().reshape(-1) for tensor in model.parameters()]), clipped


def shares_by_hand(alpha: float) -> dict[str, float]:
    def value(co_scaled: tuple[str, ...]) -> float:
        numbers = {name: own * alpha if name in co_scaled else own for name, own in OWN.items()}
        return train(alpha, **numbers)[0][-1]

    total = value(()) - train()[0][-1]
    gone = dict.fromkeys(OWN, 0.0)
    for order in permutations(OWN):
        for place, name in enumerate(order):
            gone[name] += (value(order[:place]) - value(order[: place + 1])) / math.factorial(len(OWN))
    return {name: part / total for name, part in gone.items()}


def as_users_do() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = Adam(model.parameters(), lr=3e-2, eps=OWN["eps"], weight_decay=OWN["weight_decay"])
    for _ in range(STEPS):
        x = torch.randn(16, 4)
        optimizer.zero_grad()
        loss = UNIT * nn.functional.mse_loss(model(x), torch.sin(x.sum(1, keepdim=True)))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), OWN["max_norm"])
        optimizer.step()


@pytest.mark.parametrize("alpha", [2.0**-6, 2.0**5])
def test_adam_with_coupled_decay_and_clipping(alpha: float):
    assert 3 < train()[2] < STEPS - 3, "clipped in some steps and not in others"
    wanted = shares_by_hand(alpha)
    found = asked(as_users_do, alpha)
    assert sum(wanted.values()) == pytest.approx(1, abs=1e-6)
    assert all(abs(share) > 1e-3 for share in wanted.values()), "all three are active"
    assert {name: found.share(name) for name in OWN} == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    assert found.runs["made"] == 7


def test_the_comparison_would_notice_two_quantities_exchanged():
    wanted = shares_by_hand(2.0**-6)
    names = sorted(wanted, key=lambda name: wanted[name])
    exchanged = {**wanted, names[0]: wanted[names[-1]], names[-1]: wanted[names[0]]}
    assert exchanged != pytest.approx(wanted, rel=1e-3, abs=1e-3)
