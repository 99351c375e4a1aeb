"""Data sets, networks and metrics that several scenarios share. Everything is seeded, small, and on the CPU."""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

torch.set_num_threads(1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def waves(items: int = 256, features: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Regression: a sine and a product of inputs, standardised; targets are a column."""
    source = seeded(seed)
    x = torch.rand(items, features, generator=source) * 4 - 2
    y = torch.sin(1.5 * x[:, :1]) + 0.4 * x[:, 1:2] * x[:, 2:3] - 0.5 * x[:, 3:4]
    return x, (y - y.mean()) / y.std()


def plane(items: int = 200, features: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Regression without noise that a linear model fits exactly."""
    source = seeded(seed)
    x = torch.randn(items, features, generator=source)
    y = x @ torch.randn(features, 1, generator=source) + 0.3
    return x, y / y.std()


def clusters(items: int = 512, features: int = 8, kinds: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Classification: one Gaussian cloud per class, well apart."""
    source = seeded(seed)
    centres = torch.randn(kinds, features, generator=source) * 1.6
    labels = torch.randint(kinds, (items,), generator=source)
    return centres[labels] + torch.randn(items, features, generator=source), labels


def strokes(items: int = 256, side: int = 8, noise: float = 0.4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images with one line each, shape (items, 1, side, side); the class is its direction (four of them)."""
    source = seeded(seed)
    labels = torch.randint(4, (items,), generator=source)
    shifts = torch.randint(-2, 3, (items,), generator=source)
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    middle = side // 2
    distances = torch.stack([row - middle, column - middle, row - column, row + column - side + 1])
    lines = (distances[labels] == shifts[:, None, None]).float()
    return (lines + noise * torch.randn(items, side, side, generator=source))[:, None], labels


def minibatches(x: Tensor, y: Tensor, size: int, steps: int, seed: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """`steps` batches, drawn with replacement."""
    source = seeded(seed)
    for _ in range(steps):
        chosen = torch.randint(len(x), (size,), generator=source)
        yield x[chosen], y[chosen]


def dense(*widths: int, activation: type[nn.Module] = nn.Tanh, seed: int = 0) -> nn.Sequential:
    """Fully connected layers with the activation between them."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def small_convnet(kinds: int = 4, seed: int = 0) -> nn.Sequential:
    """For `strokes`: one convolution, pooling, one linear layer."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16, kinds)
    )


@torch.no_grad()
def unexplained(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Mean squared error over the variance of the targets; infinite where it is not finite."""
    value = float(((model(x).double() - y.double()) ** 2).mean() / y.double().var())
    return value if math.isfinite(value) else math.inf


@torch.no_grad()
def mistakes(model: nn.Module, x: Tensor, labels: Tensor) -> float:
    """The share of wrong classes; 1 where the model gives no number."""
    logits = model(x)
    return float((logits.argmax(-1) != labels).double().mean()) if torch.isfinite(logits).all() else 1.0
