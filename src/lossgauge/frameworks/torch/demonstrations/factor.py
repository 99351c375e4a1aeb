"""Measurements of what a constant factor on the loss does to gradients and to SGD, for plain and for focal loss."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.comparison.bench import prepare
from lossgauge.frameworks.torch.comparison.courses import build, follow
from lossgauge.frameworks.torch.comparison.criteria import find_criterion
from lossgauge.frameworks.torch.comparison.gradients import measure
from lossgauge.frameworks.torch.comparison.losses import focal
from lossgauge.frameworks.torch.demonstrations.training import (
    ASKED,
    BITS,
    MakeOptimizer,
    classification_problem,
    compare,
    distance,
    gradient,
    regression_problem,
    train,
)
from lossgauge.records.alignment import Point

FOCI = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Values of γ, dimensionless; 0 is cross-entropy itself."""
RATE = 0.1
"""A learning rate of SGD at which the small problems train well, in weight²/loss."""


def measure_unchanged(make_optimizer: MakeOptimizer | None = None) -> dict[str, Any]:
    """Train the same problem under several loss multipliers and touch nothing else.

    Args:
        make_optimizer: Weights → optimizer; plain SGD unless given.

    Returns:
        `start` and `losses` (without the multiplier, by α), `distances` of the weights from those at α = 1, and
        `rprop_identical`: whether an optimizer that uses only the sign of the gradient ignores α, by bits.
    """
    problem = regression_problem()
    make = make_optimizer or (lambda weights: torch.optim.SGD(weights, lr=RATE))
    paths = {alpha: train(problem, make, alpha, steps=150) for alpha in (1.0, 0.01, 0.1, 3.0, 1000.0)}
    signs = [train(problem, torch.optim.Rprop, alpha, steps=50) for alpha in (1.0, BITS)]
    sizes = [tensor.numel() for tensor in problem.start]

    def loss(path: Tensor) -> float:
        parts = path[-1].split(sizes)
        return float(problem.loss([part.view_as(tensor) for part, tensor in zip(parts, problem.start, strict=True)]))

    return {
        "start": float(problem.loss(problem.start)),
        "losses": {f"{alpha:g}": loss(path) for alpha, path in paths.items()},
        "distances": {f"{alpha:g}": distance(paths[1.0], path, -1) for alpha, path in paths.items() if alpha != 1},
        "rprop_identical": compare(*signs)["identical"],
    }


def half_square(activation: Tensor, target: Tensor) -> Tensor:
    """The quadratic loss, L = ½·Σ (a − y)².

    Args:
        activation: a, any shape.
        target: y, the same shape.

    Returns:
        L, a scalar tensor.
    """
    return 0.5 * ((activation - target) ** 2).sum()


def measure_derivative(loss: Callable[[Tensor, Tensor], Tensor] = half_square) -> dict[str, Any]:
    """Compare the derivative of α·L with α·(a − y), and a network's gradient of α·L with α times that of L.

    Args:
        loss: (a, y) → L, a scalar tensor.

    Returns:
        `activations`: α → agreement by bits; `network`: α → agreement by bits; `rounding`: the largest relative
        difference of a network gradient at α = 1e5; `count`: how many activations were compared.
    """
    generator = torch.Generator().manual_seed(0)
    activation, target = torch.randn(2, 4096, generator=generator)
    problem = regression_problem()
    activations: dict[str, bool] = {}
    weights: dict[str, bool] = {}
    rounding = 0.0
    for name, alpha in (("2**17", BITS), ("1e5", ASKED)):
        leaf = activation.clone().requires_grad_()
        (found,) = torch.autograd.grad(alpha * loss(leaf, target), leaf)
        activations[name] = torch.equal(found, alpha * (activation - target))
        scaled, expected = gradient(problem, alpha), alpha * gradient(problem)
        weights[name] = torch.equal(scaled, expected)
        rounding = float(((scaled - expected) / expected).abs().max())
    return {"activations": activations, "network": weights, "rounding": rounding, "count": activation.numel()}


def measure_learning_rate(exponent: int = 1) -> dict[str, Any]:
    """Compare SGD on α·L with SGD on L at the learning rate lr·α^k.

    Args:
        exponent: k; the law says 1.

    Returns:
        `bits`: for plain SGD, momentum and Nesterov momentum, the comparison at α = 2**17; `growth`: at α = 1e5,
        [step, relative distance of the weights] along the training.
    """
    problem = regression_problem()
    flavours = {"plain": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
    bits: dict[str, Any] = {}
    for name, settings in flavours.items():
        # Half the rate with momentum, whose steps are ten times as long in the end.
        rate = RATE if name == "plain" else RATE / 8
        multiplied = train(problem, _sgd(rate / BITS, settings), BITS)
        bits[name] = compare(multiplied, train(problem, _sgd(rate * BITS ** (exponent - 1), settings)))
    # Twice the rate, near the edge of stability, where training amplifies the smallest difference.
    multiplied = train(problem, _sgd(2 * RATE / ASKED), ASKED, steps=1000)
    raised = train(problem, _sgd(2 * RATE / ASKED * ASKED**exponent), steps=1000)
    return {
        "bits": bits,
        "growth": [[step, distance(multiplied, raised, step)] for step in (1, 3, 10, 30, 100, 300, 1000)],
    }


def measure_focal(rate_exponent: int = 1, eps_exponent: int = 1, gamma: float = 2.0) -> dict[str, Any]:
    """Compare trainings with focal loss multiplied by α with co-scaled ones, and focal loss with cross-entropy.

    Args:
        rate_exponent: The power of α in the learning rate of SGD that stands for α; the law says 1.
        eps_exponent: The power of α in NAdam's ε that undoes α; the law says 1.
        gamma: γ of the focal loss that is followed over a training, dimensionless.

    Returns:
        `sgd` and `nadam`: the comparisons at α = 2**17; `gamma`; `course`: along a training with cross-entropy, step,
        α_eff and cos² of focal loss against it; `gammas`: the same for other γ, at the start and after training.
    """
    problem = classification_problem(functools.partial(focal, gamma=gamma))
    multiplied = train(problem, _sgd(RATE / BITS), BITS)
    raised = train(problem, _sgd(RATE * BITS ** (rate_exponent - 1)))
    # An ε of the size of the gradients, so that it matters.
    base = train(problem, lambda weights: torch.optim.NAdam(weights, eps=1e-2))
    scaled = train(problem, lambda weights: torch.optim.NAdam(weights, eps=1e-2 * BITS**eps_exponent), BITS)
    return {
        "sgd": compare(multiplied, raised),
        "nadam": compare(base, scaled),
        "gamma": gamma,
        **_follow_focal(gamma),
    }


def _follow_focal(gamma: float) -> dict[str, Any]:
    """Focal loss beside cross-entropy, over a training with NAdam and over γ."""
    bench = prepare("cross-entropy", f"focal:gamma={gamma}", None, None, 1)
    start = measure(bench.pair, bench.model)
    model, optimizer = build(bench, "nadam", {})
    points, _ = follow(bench, model, optimizer, "a", 200, lambda stage: None)

    def beside(weights: nn.Module, other: float) -> dict[str, Any]:
        pair = replace(bench.pair, second=find_criterion(f"focal:gamma={other}"))
        return _brief(measure(pair, weights))

    gammas = [{"gamma": other, "start": beside(bench.model, other), "trained": beside(model, other)} for other in FOCI]
    return {"course": [{"step": point.step, **_brief(point)} for point in (start, *points)], "gammas": gammas}


def _brief(point: Point) -> dict[str, Any]:
    return {"alpha_eff": point.total.alpha_eff, "cos2": point.total.cos2}


def _sgd(rate: float, settings: dict[str, Any] | None = None) -> MakeOptimizer:
    return lambda weights: torch.optim.SGD(weights, lr=rate, **(settings or {}))
