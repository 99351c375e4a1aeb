"""Small problems of our own, for whoever wants to compare two losses and brings no model.

The last batch is smaller than the others, as it usually is, so that a sum and a mean differ by more than one factor.
"""

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.comparison.losses import BINARY, CLASSIFICATION

SAMPLES = 232
BATCH = 32


def make_problem(kind: str) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """A small network and batches for it; the same ones every time.

    Args:
        kind: `classification` (three classes of unequal size that overlap), `binary`, or `regression` (a smooth
            function with noise, one target in twenty far off).

    Returns:
        The network in training mode, and 7 batches of 32 samples and one of 8.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        if kind == CLASSIFICATION:
            return _network(6, 32, 3), _cut(*_draw_classes(generator, torch.tensor([0.6, 0.3, 0.1])))
        if kind == BINARY:
            points, labels = _draw_classes(generator, torch.tensor([0.7, 0.3]))
            return _network(6, 32, 1), _cut(points, labels[:, None].float())
        return _network(4, 32, 1), _cut(*_draw_function(generator))


def _network(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))


def _draw_classes(generator: torch.Generator, shares: Tensor) -> tuple[Tensor, Tensor]:
    labels = torch.multinomial(shares, SAMPLES, replacement=True, generator=generator)
    centres = torch.randn(len(shares), 6, generator=generator)
    return centres[labels] + torch.randn(SAMPLES, 6, generator=generator), labels


def _draw_function(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    points = torch.randn(SAMPLES, 4, generator=generator)
    noise = torch.randn(SAMPLES, 1, generator=generator)
    spread = torch.where(torch.rand(SAMPLES, 1, generator=generator) < 0.05, 5.0, 0.2)
    return points, torch.sin(2 * points[:, :1]) + 0.5 * points[:, 1:2] * points[:, 2:3] + spread * noise


def _cut(points: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(points.split(BATCH), targets.split(BATCH), strict=True))
