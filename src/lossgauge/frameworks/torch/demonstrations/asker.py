"""The asker's own case: a small quadratic loss that NAdam trains only after it is multiplied by 1e5."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.demonstrations.training import ASKED, BITS, distance

WIDTHS = (8, *(32 for _ in range(6)), 1)
UNIT = 1e-6
"""Size of the loss at the start, in loss units."""
RATE, EPS, SQUARE_MEMORY = 2e-3, 1e-8, 0.999
STEPS = 1200


@dataclass(frozen=True)
class Attempt:
    """What the asker tried, or could have.

    Args:
        alpha: The loss multiplier α, dimensionless.
        eps: ε, in loss/weight.
        rate: The learning rate, in weights.
    """

    alpha: float = 1.0
    eps: float = EPS
    rate: float = RATE


ATTEMPTS = {
    "as it was": Attempt(),
    "loss × 1e5": Attempt(alpha=ASKED),
    "ε / 1e5": Attempt(eps=EPS / ASKED),
    "loss × 2**17": Attempt(alpha=BITS),
    "ε / 2**17": Attempt(eps=EPS / BITS),
    "lr × 10": Attempt(rate=10 * RATE),
    "lr × 100": Attempt(rate=100 * RATE),
    "lr × 1000": Attempt(rate=1000 * RATE),
}


@dataclass(frozen=True)
class Course:
    """How one attempt went.

    Args:
        losses: Mean squared error before each step in units of the targets' variance, (steps,).
        path: All weights at the start and at the end, (2, number of weights).
        layers: Median of √v̂ over the weights of each layer after `layers_step` steps, in loss/weight.
    """

    losses: Tensor
    path: Tensor
    layers: list[float]


def measure_asker(
    attempts: dict[str, Attempt] | None = None, steps: int = STEPS, tick: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Repeat the asker's case and what could be tried about it.

    Args:
        attempts: Name → attempt; all of `ATTEMPTS` unless given.
        steps: Length of each training, a count.
        tick: Called after each training.

    Returns:
        `runs`: name → `alpha`, `eps`, `rate`, `start`, `final`, `late` (the worst of the last quarter) and `curve`
        ([step, error] pairs); `layers`: per layer √v̂/ε for the untouched and the multiplied loss; `bits`: whether
        loss × 2**17 and ε / 2**17 agree in every weight and every loss, `rounding`: how far apart × 1e5 and / 1e5 end.
    """
    tried = ATTEMPTS if attempts is None else attempts
    courses: dict[str, Course] = {}
    for name, attempt in tried.items():
        courses[name] = follow(attempt, steps)
        tick()
    multiplied, divided = courses["loss × 2**17"], courses["ε / 2**17"]
    return {
        "runs": {name: _record(tried[name], course) for name, course in courses.items()},
        "layers": [
            {"layer": number, "untouched": plain / tried["as it was"].eps, "multiplied": more / tried["loss × 1e5"].eps}
            for number, (plain, more) in enumerate(
                zip(courses["as it was"].layers, courses["loss × 1e5"].layers, strict=True), start=1
            )
        ],
        "bits": torch.equal(multiplied.path, divided.path) and torch.equal(multiplied.losses, divided.losses),
        "rounding": distance(courses["loss × 1e5"].path, courses["ε / 1e5"].path, -1),
    }


def follow(attempt: Attempt, steps: int = STEPS, layers_step: int = 100) -> Course:
    """Train the asker's network once, full batch.

    Args:
        attempt: What is tried.
        steps: Length of the training, a count.
        layers_step: After how many steps √v̂ is read, a count.

    Returns:
        How it went.
    """
    points, wanted = _data()
    model = _sigmoid_network()
    weights = _join(model)
    optimizer = torch.optim.NAdam([weights], lr=attempt.rate, eps=attempt.eps)
    losses, layers, start = torch.empty(steps), [], weights.detach().clone()
    assert weights.grad is not None
    for step in range(steps):
        weights.grad.zero_()
        error = ((model(points) - wanted) ** 2).mean()
        (attempt.alpha * (UNIT * error)).backward()
        optimizer.step()
        losses[step] = error.detach()
        if step + 1 == min(layers_step, steps):
            layers = _layer_sizes(model, optimizer.state[weights]["exp_avg_sq"], step + 1)
    return Course(losses, torch.stack([start, weights.detach().clone()]), layers)


def _data() -> tuple[Tensor, Tensor]:
    """256 points and targets of variance 1, from a random network of four tanh units."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(256, 8, generator=generator)
    into, out = torch.randn(8, 4, generator=generator) / math.sqrt(8), torch.randn(4, 1, generator=generator)
    wanted = torch.tanh(2 * points @ into) @ out
    return points, (wanted - wanted.mean()) / wanted.std()


def _sigmoid_network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(WIDTHS):
            layers += [nn.Linear(inputs, outputs), nn.Sigmoid()]
    return nn.Sequential(*layers[:-1])


def _join(model: nn.Module) -> Tensor:
    """Put all weights and gradients into one long tensor each, of which the model's become views.

    NAdam works element by element, so the bits are the same as with 14 tensors, in a third of the time.

    Returns:
        All weights, with all gradients.
    """
    weights = torch.cat([tensor.detach().reshape(-1) for tensor in model.parameters()])
    weights.grad = torch.zeros_like(weights)
    begin = 0
    for tensor in model.parameters():
        end = begin + tensor.numel()
        tensor.data = weights[begin:end].view_as(tensor)
        tensor.grad = weights.grad[begin:end].view_as(tensor)
        begin = end
    return weights


def _layer_sizes(model: nn.Module, squares: Tensor, step: int) -> list[float]:
    parts = squares.split([tensor.numel() for tensor in model.parameters()])
    corrected = [(part / (1 - SQUARE_MEMORY**step)).sqrt() for part in parts]
    return [float(part.median()) for part in corrected[::2]]  # weights only; every second tensor is a bias


def _record(attempt: Attempt, course: Course) -> dict[str, Any]:
    steps = len(course.losses)
    even = {round((steps - 1) * part / 150) for part in range(151)}
    shown = sorted(even | {round(steps ** (part / 60)) - 1 for part in range(61)})  # dense where a log axis is wide
    return {
        **vars(attempt),
        "start": float(course.losses[0]),
        "final": float(course.losses[-1]),
        "late": float(course.losses[-(steps // 4 or 1) :].max()),
        "curve": [[step + 1, float(course.losses[step])] for step in shown],
    }
