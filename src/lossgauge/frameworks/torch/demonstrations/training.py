"""Small torch trainings, run in pairs to see what a loss multiplier does to them.

Everything here returns plain data: whether two trainings agree by bits, and how far apart they end.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossgauge.errors import ObservationError

MakeOptimizer = Callable[[list[Tensor]], torch.optim.Optimizer]

BITS = 2.0**17
"""The multiplier for proofs: near the asker's 1e5, and a power of two, under which binary numbers only shift."""
ASKED = 1e5
"""The multiplier the question is about."""


@dataclass(frozen=True)
class SmallProblem:
    """A loss and the weights to start from.

    Args:
        start: The starting weights, any shapes.
        loss: Weights → loss, a scalar tensor.
    """

    start: tuple[Tensor, ...]
    loss: Callable[[Sequence[Tensor]], Tensor]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, which is faster for small tensors and repeats itself bit for bit; restored after.

    Yields:
        Nothing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def regression_problem(unit: float = 1.0, precision: torch.dtype = torch.float32) -> SmallProblem:
    """A tanh network 4-16-1 that fits 64 points with the quadratic loss.

    Args:
        unit: A constant that multiplies the loss, in loss units.
        precision: The number format of weights and points; the numbers themselves are float32's.

    Returns:
        The problem; the same one every time.
    """
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(64, 4, generator=generator).to(precision)
    wanted = torch.sin(2 * points[:, :1]) + 0.5 * points[:, 1:2] * points[:, 2:3]

    def loss(weights: Sequence[Tensor]) -> Tensor:
        return unit * ((network(weights, points) - wanted) ** 2).mean()

    start = starting_weights(generator, 4, 16, 1)
    return SmallProblem(tuple(tensor.to(precision) for tensor in start), loss)


def classification_problem(criterion: Callable[[Tensor, Tensor], Tensor]) -> SmallProblem:
    """A tanh network 6-16-3 that sorts 64 points into three overlapping classes.

    Args:
        criterion: Logits (64, 3) and labels (64,) → loss, a scalar tensor.

    Returns:
        The problem, in float32; the same one every time.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 3
    points = torch.randn(3, 6, generator=generator)[labels] + torch.randn(64, 6, generator=generator)

    def loss(weights: Sequence[Tensor]) -> Tensor:
        return criterion(network(weights, points), labels)

    return SmallProblem(starting_weights(generator, 6, 16, 3), loss)


def network(weights: Sequence[Tensor], points: Tensor) -> Tensor:
    """The output of a network with one hidden layer of tanh units.

    Args:
        weights: (in, hidden), (hidden,), (hidden, out), (out,).
        points: (n, in).

    Returns:
        (n, out).
    """
    into, shift, out, offset = weights
    return torch.tanh(points @ into + shift) @ out + offset


def starting_weights(generator: torch.Generator, inputs: int, hidden: int, outputs: int) -> tuple[Tensor, ...]:
    """Random weights for `network`.

    Args:
        generator: Where the random numbers come from.
        inputs: Width of the points, a count.
        hidden: Hidden units, a count.
        outputs: Width of the output, a count.

    Returns:
        Four tensors, as `network` takes them.
    """
    into = torch.randn(inputs, hidden, generator=generator) / inputs**0.5
    out = torch.randn(hidden, outputs, generator=generator) / hidden**0.5
    return into, torch.zeros(hidden), out, torch.zeros(outputs)


def train(problem: SmallProblem, make_optimizer: MakeOptimizer, alpha: float = 1.0, steps: int = 100) -> Tensor:
    """Train with the loss multiplied by α.

    Args:
        problem: What to train.
        make_optimizer: Weights → optimizer.
        alpha: The loss multiplier α, dimensionless.
        steps: Number of optimizer steps, a count.

    Returns:
        The weights before the first and after each step, (steps + 1, number of weights).
    """
    weights = [tensor.clone().requires_grad_() for tensor in problem.start]
    optimizer = make_optimizer(weights)
    path = [flatten(weights)]
    for _ in range(steps):
        optimizer.zero_grad()
        (alpha * problem.loss(weights)).backward()
        optimizer.step()
        path.append(flatten(weights))
    return torch.stack(path)


def gradient(problem: SmallProblem, alpha: float = 1.0) -> Tensor:
    """The gradient of α·L at the starting weights.

    Args:
        problem: What to differentiate.
        alpha: α, dimensionless.

    Returns:
        One vector, (number of weights,).
    """
    weights = [tensor.clone().requires_grad_() for tensor in problem.start]
    return flatten(torch.autograd.grad(alpha * problem.loss(weights), weights))


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers in one vector.

    Args:
        tensors: Any shapes.

    Returns:
        A copy, (total number,).
    """
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def compare(one: Tensor, other: Tensor) -> dict[str, Any]:
    """How two trainings differ.

    Args:
        one: Path of the first, as `train` returns it.
        other: Path of the second.

    Returns:
        `identical` (every weight at every step, by bits), `first_difference` (the step, or None) and `distance`
        (of the weights at the end, relative to the way the first training went).

    Raises:
        ObservationError: When the first training moved nothing, so that a comparison would say nothing.
    """
    if torch.equal(one[0], one[-1]):
        raise ObservationError("the training moved no weight, so there is nothing to compare; raise the learning rate")
    differs = (one != other).any(1).nonzero()
    return {
        "identical": torch.equal(one, other),
        "first_difference": int(differs[0]) if len(differs) else None,
        "distance": distance(one, other, -1),
    }


def distance(one: Tensor, other: Tensor, step: int) -> float:
    """How far apart two trainings are, relative to the way the first one went.

    Args:
        one: Path of the first, as `train` returns it.
        other: Path of the second.
        step: At which step; −1 is the last.

    Returns:
        ‖w − w′‖ / ‖w − w₀‖, dimensionless.
    """
    way = (one[step].double() - one[0].double()).norm()
    return float((one[step].double() - other[step].double()).norm() / way)
