"""Small trainings with one carrier or several, and what `why` says of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lossgauge.records.attribution import Attribution
from lossgauge.verbs.why import why
from tests.trainings.laws import CLIPS, law_of

STEPS = 20
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def training(
    optimizer_of: Callable[..., Any],
    clip: Callable[..., Any] = lambda parameters: None,
    unit: float = 1.0,
    steps: int = STEPS,
    dtype: torch.dtype = torch.float32,
) -> Callable[[], nn.Module]:
    def train() -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).to(dtype)
        optimizer = optimizer_of(model.parameters())
        for _ in range(steps):
            x = torch.randn(16, 4, dtype=dtype)
            optimizer.zero_grad()
            (unit * nn.functional.mse_loss(model(x), torch.sin(x.sum(1, keepdim=True)))).backward()
            clip(model.parameters())
            optimizer.step()
        return model

    return train


def asked(train: Any, alpha: Any, **options: Any) -> Attribution:
    return why(train, alpha, **{"law_of": law_of, "companion_laws": dict(CLIPS), **options})
