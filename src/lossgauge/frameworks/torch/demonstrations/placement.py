"""Three places for ε in Adam's update, and the exponent of each, found by bits."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

Update = Callable[[Tensor, Tensor, int, float], Tensor]
"""(m, v, step, ε) → the update in units of the learning rate."""
MEMORY, SQUARE_MEMORY = 0.9, 0.999
CANDIDATES = tuple(Fraction(half, 2) for half in range(7))
"""Exponents that are tried: 0, 1/2, … 3."""
STREAM = 1e-8
"""Typical size of the gradients of the measurement, in loss/weight."""


def inside_root(first: Tensor, second: Tensor, step: int, eps: float) -> Tensor:
    """m̂ / √(v̂ + ε): the form the answer of the thread writes.

    Args:
        first: m, moving average of the gradient, in loss/weight.
        second: v, moving average of its square, in loss²/weight².
        step: t, a count from 1.
        eps: ε, in loss²/weight².

    Returns:
        The update in units of the learning rate.
    """
    return _corrected(first, MEMORY, step) / (_corrected(second, SQUARE_MEMORY, step) + eps).sqrt()


def outside_root(first: Tensor, second: Tensor, step: int, eps: float) -> Tensor:
    """m̂ / (√v̂ + ε): the form of torch.

    Args:
        first: m, moving average of the gradient, in loss/weight.
        second: v, moving average of its square, in loss²/weight².
        step: t, a count from 1.
        eps: ε, in loss/weight.

    Returns:
        The update in units of the learning rate.
    """
    return _corrected(first, MEMORY, step) / (_corrected(second, SQUARE_MEMORY, step).sqrt() + eps)


def epsilon_hat(first: Tensor, second: Tensor, step: int, eps: float) -> Tensor:
    """√(1−β₂ᵗ)/(1−β₁ᵗ) · m / (√v + ε̂): ε beside the uncorrected root, the form of Keras.

    Args:
        first: m, moving average of the gradient, in loss/weight.
        second: v, moving average of its square, in loss²/weight².
        step: t, a count from 1.
        eps: ε̂, in loss/weight.

    Returns:
        The update in units of the learning rate.
    """
    return _corrected(first, MEMORY, step) * (1 - SQUARE_MEMORY**step) ** 0.5 / (second.sqrt() + eps)


UPDATES: dict[str, Update] = {"inside": inside_root, "outside": outside_root, "hat": epsilon_hat}


def measure_placement(updates: dict[str, Update] | None = None) -> dict[str, Any]:
    """Find the power of the loss in ε for each place it can have, and how strong the same number is there.

    Args:
        updates: Name → update rule; the three of this file unless given.

    Returns:
        `exponents`: name → the powers k for which α·g with ε·α^k gives the same weights by bits at α = 2**±12, and the
        same for torch's own Adam and NAdam; `first_step`: name → |Δw|/lr at the first step where |g| = 1e-6, ε = 1e-8.
    """
    rules = UPDATES if updates is None else updates
    ways: dict[str, Callable[[float, float, float], Tensor]] = {
        name: lambda alpha, eps, size, rule=rule: _follow(rule, alpha, eps, size) for name, rule in rules.items()
    }
    ways["torch Adam"] = lambda alpha, eps, size: _follow_torch(torch.optim.Adam, alpha, eps, size)
    ways["torch NAdam"] = lambda alpha, eps, size: _follow_torch(torch.optim.NAdam, alpha, eps, size)
    gradient = torch.tensor([1e-6], dtype=torch.float64)
    return {
        "exponents": {name: [str(power) for power in _exponents(way)] for name, way in ways.items()},
        "first_step": {
            name: float(rule((1 - MEMORY) * gradient, (1 - SQUARE_MEMORY) * gradient**2, 1, 1e-8))
            for name, rule in rules.items()
        },
    }


def _exponents(way: Callable[[float, float, float], Tensor]) -> list[Fraction]:
    """The powers that pass at 2**12 and 2**-12, for an ε of the size of g and one of the size of g²."""
    return [
        power
        for power in CANDIDATES
        if all(
            torch.equal(way(1.0, eps, STREAM), way(2.0**shift, eps * 2.0 ** float(shift * power), STREAM))
            for shift in (12, -12)
            for eps in (STREAM, STREAM**2)
        )
    ]


def _follow(rule: Update, alpha: float, eps: float, size: float) -> Tensor:
    weight, first, second = (torch.zeros(64) for _ in range(3))
    for step, given in enumerate(_stream(size), start=1):
        gradient = alpha * given
        first = MEMORY * first + (1 - MEMORY) * gradient
        second = SQUARE_MEMORY * second + (1 - SQUARE_MEMORY) * gradient**2
        weight = weight - 1e-3 * rule(first, second, step, eps)
    return weight


def _follow_torch(kind: type[torch.optim.Optimizer], alpha: float, eps: float, size: float) -> Tensor:
    weight = torch.zeros(64, requires_grad=True)
    optimizer = kind([weight], lr=1e-3, eps=eps)  # pyright: ignore[reportCallIssue]
    for given in _stream(size):
        weight.grad = alpha * given
        optimizer.step()
    return weight.detach()


def _stream(size: float) -> Tensor:
    return size * torch.randn(10, 64, generator=torch.Generator().manual_seed(0))


def _corrected(average: Tensor, memory: float, step: int) -> Tensor:
    return average / (1 - memory**step)
