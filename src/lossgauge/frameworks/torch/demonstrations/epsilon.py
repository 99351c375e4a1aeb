"""Measurements of how ε carries a loss multiplier into Adam and NAdam."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lossgauge.frameworks.torch.demonstrations.training import (
    ASKED,
    BITS,
    MakeOptimizer,
    compare,
    gradient,
    regression_problem,
    train,
)

EPS = 1e-8
"""The default ε of Adam and NAdam in torch, in loss/weight."""
RATE = 2e-3
"""The default learning rate of NAdam in torch, in weights."""
RATIOS = tuple(10.0 ** (quarter / 4) for quarter in range(-24, 37))
"""Sizes of the gradient in units of ε: 1e-6 to 1e9, four to a decade."""


def measure_nadam(eps_exponent: int = 1) -> dict[str, Any]:
    """How much NAdam changes with the loss multiplier: with ε co-scaled, and with ε left alone.

    Args:
        eps_exponent: k of the co-scaling ε → ε·α^k; the law says 1.

    Returns:
        `bits`: α → the comparison of a training with α and ε·α^k against the plain one; `decades`: for each size of
        the gradient in units of ε the relative `change` of the way the weights go, ε left alone, by α;
        `decades_identical`: whether at 2**17 with ε·α^k the weights have the same bits at every one of these sizes.
    """
    # A unit of the loss that brings the gradients to ε's size, where ε matters most.
    problem = regression_problem(unit=1e-8)
    base = train(problem, _nadam(EPS))
    bits = {
        name: compare(base, train(problem, _nadam(EPS * alpha**eps_exponent), alpha))
        for name, alpha in (("2**17", BITS), ("2**-17", 1 / BITS))
    }
    stream = _decades()
    same = torch.equal(_follow(stream), _follow(stream * BITS, EPS * BITS**eps_exponent))
    return {"bits": bits, "decades": epsilon_decades(), "decades_identical": same}


def epsilon_decades(alphas: tuple[float, ...] = (10.0, ASKED)) -> list[dict[str, Any]]:
    """NAdam on gradients of every size, with the loss multiplied by α and nothing else changed.

    Args:
        alphas: The multipliers α, dimensionless.

    Returns:
        One record per size: `ratio` (|g|/ε) and `change` (α → relative change of the way the weights go).
    """
    stream = _decades()
    ways = {alpha: _follow(stream * alpha) for alpha in (1.0, *alphas)}
    changes = {alpha: (ways[alpha] - ways[1.0]).norm(dim=1) / ways[1.0].norm(dim=1) for alpha in alphas}
    return [
        {"ratio": ratio, "change": {f"{alpha:g}": float(change[row]) for alpha, change in changes.items()}}
        for row, ratio in enumerate(RATIOS)
    ]


def adam_training(ratio: float) -> Callable[[], Tensor]:
    """A training of a small network with Adam, in float32.

    Args:
        ratio: The typical |g|/ε at the start, dimensionless.

    Returns:
        A function that trains.
    """
    typical = float(gradient(regression_problem()).square().mean().sqrt())
    problem = regression_problem(ratio * EPS / typical)
    return lambda: train(problem, lambda weights: torch.optim.Adam(weights, lr=1e-2, eps=EPS), steps=200)


def _decades() -> Tensor:
    """Gradients for 30 steps, (30, sizes, 64), in float64: the effect of ε is seen down to 1e-15, free of rounding."""
    generator = torch.Generator().manual_seed(0)
    stream = torch.randn(30, 1, 64, generator=generator, dtype=torch.float64)
    return stream / stream.square().mean().sqrt() * EPS * torch.tensor(RATIOS, dtype=torch.float64)[:, None]


def _follow(stream: Tensor, eps: float = EPS) -> Tensor:
    """The way the weights go when the gradients are given."""
    weight = torch.zeros_like(stream[0], requires_grad=True)
    optimizer = torch.optim.NAdam([weight], lr=RATE, eps=eps)
    for given in stream:
        weight.grad = given.clone()
        optimizer.step()
    return weight.detach()


def _nadam(eps: float) -> MakeOptimizer:
    return lambda weights: torch.optim.NAdam(weights, lr=RATE, eps=eps)
