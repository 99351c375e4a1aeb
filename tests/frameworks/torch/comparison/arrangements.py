"""Models and batches as users have them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.comparison.criteria import find_criterion
from lossgauge.frameworks.torch.comparison.gradients import Batch, Pair


def pair(one: Any, other: Any, batches: Sequence[Batch]) -> Pair:
    return Pair(find_criterion(one), find_criterion(other), batches)


def noisy_model() -> nn.Sequential:
    """With dropout and running statistics, in training mode."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))


def plain_model() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))


def make_batches(sizes: Sequence[int] = (6, 6, 4), classes: bool = False) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    return [
        (
            torch.randn(size, 3, generator=generator),
            torch.randint(0, 2, (size,), generator=generator) if classes else torch.randn(size, 2, generator=generator),
        )
        for size in sizes
    ]


def remember(model: nn.Module) -> dict[str, Any]:
    """Everything about a model that could be changed."""
    return {
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "gradients": {name: None if w.grad is None else w.grad.clone() for name, w in model.named_parameters()},
        "modes": [module.training for module in model.modules()],
    }


def unchanged(before: dict[str, Any], model: nn.Module) -> bool:
    now = remember(model)
    same = all(torch.equal(value, now["state"][name]) for name, value in before["state"].items())
    gradients = [(value, now["gradients"][name]) for name, value in before["gradients"].items()]
    kept = all(a is b if a is None or b is None else torch.equal(a, b) for a, b in gradients)
    return same and kept and before["modes"] == now["modes"]
